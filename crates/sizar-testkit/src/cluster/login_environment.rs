//! What a login node's `/etc/profile` says on a real site, and how this machine reaches packages.

/// Returns the environment of the account on the hosts: the site's own variables, and what this
/// machine says about package indexes, certificates and proxies.
pub(super) fn variables(inside: &str, user: &str) -> Vec<(String, String)> {
    let mut variables = vec![("SCRATCH".to_owned(), format!("{inside}/scratch/{user}"))];
    let of_machine = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    variables.extend(of_machine.filter(|(name, value)| travels(name) && !value.contains('\n')));
    variables
}

/// Returns whether a variable says how packages are reached, rather than where this user works.
fn travels(name: &str) -> bool {
    const BEGINNINGS: [&str; 6] = ["PIP_", "UV_", "CONDA_", "MAMBA_", "RATTLER_", "PIXI_"];
    const OF_HERE: [&str; 9] = [
        "CONDA_PREFIX",
        "CONDA_DEFAULT_ENV",
        "CONDA_EXE",
        "CONDA_SHLVL",
        "CONDA_PYTHON_EXE",
        "CONDA_PROMPT_MODIFIER",
        "CONDA_ENVS_PATH",
        "CONDA_PKGS_DIRS",
        "UV",
    ];
    let upper = name.to_ascii_uppercase();
    if OF_HERE.contains(&upper.as_str()) || upper.starts_with("UV_PROJECT") {
        return false;
    }
    let of_packages = BEGINNINGS.iter().any(|beginning| upper.starts_with(beginning))
        && !upper.ends_with("_DIR")
        && !upper.ends_with("_PREFIX");
    let certificates = ["SSL_CERT", "CA_BUNDLE", "CA_CERTS", "CAINFO", "PIP_CERT"];
    of_packages || certificates.iter().any(|word| upper.contains(word)) || upper.ends_with("_PROXY")
}

/// Renders the variables for `sshd_config`, which takes the first `SetEnv` only.
pub(super) fn set_env(variables: &[(String, String)]) -> String {
    let words = variables.iter().map(|(name, value)| {
        let value = value.replace('\\', r"\\").replace('"', "\\\"");
        format!(" \"{name}={value}\"")
    });
    format!("SetEnv{}\n", words.collect::<String>())
}

/// Renders the variables for `/etc/profile.d`, with the modules of the site.
pub(super) fn profile(inside: &str, variables: &[(String, String)]) -> String {
    let lines = variables
        .iter()
        .map(|(name, value)| format!("export {name}='{}'\n", value.replace('\'', r"'\''")));
    let modules = format!("export MODULEPATH=\"{inside}/modules${{MODULEPATH:+:$MODULEPATH}}\"\n");
    lines.collect::<String>() + &modules
}

#[cfg(test)]
mod tests {
    use super::{profile, set_env, travels};

    #[test]
    fn what_says_how_packages_are_reached_travels() {
        for name in
            ["PIP_INDEX_URL", "UV_DEFAULT_INDEX", "SSL_CERT_FILE", "https_proxy", "NO_PROXY"]
        {
            assert!(travels(name), "{name}");
        }
        for name in ["UV_CACHE_DIR", "CONDA_PREFIX", "UV", "PATH", "HOME", "UV_PROJECT_ENVIRONMENT"]
        {
            assert!(!travels(name), "{name}");
        }
    }

    #[test]
    fn values_are_quoted() {
        let variables = [("PIP_X".to_owned(), r#"a "b" 'c' \d"#.to_owned())];
        assert_eq!(set_env(&variables), "SetEnv \"PIP_X=a \\\"b\\\" 'c' \\\\d\"\n");
        assert!(profile("/in", &variables).starts_with(r#"export PIP_X='a "b" '\''c'\'' \d'"#));
    }
}
