//! Names of distributions, and requirement lines as far as their names go.

/// Normalises a distribution's name by PEP 503.
pub fn normalise(name: &str) -> String {
    let mut normal = String::with_capacity(name.len());
    for letter in name.trim().chars() {
        if matches!(letter, '-' | '_' | '.') {
            if !normal.ends_with('-') {
                normal.push('-');
            }
        } else {
            normal.extend(letter.to_lowercase());
        }
    }
    normal
}

/// Returns the length of the name at the start of a requirement.
fn name_length(requirement: &str) -> usize {
    requirement
        .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')))
        .unwrap_or(requirement.len())
}

/// Returns the normalised name of a PEP 508 requirement such as `numpy>=1.13`.
pub fn of_requirement(requirement: &str) -> String {
    let requirement = requirement.trim();
    normalise(&requirement[..name_length(requirement)])
}

/// Returns the requirement with another name, its extras, versions and markers kept.
pub fn renamed(requirement: &str, name: &str) -> String {
    let requirement = requirement.trim();
    format!("{name}{}", &requirement[name_length(requirement)..])
}

/// Returns the version of an exact pin such as `numpy==1.15.4`.
pub fn exact_pin(requirement: &str) -> Option<&str> {
    let requirement = requirement.split(';').next()?.trim();
    let (_, version) = requirement.split_once("==")?;
    let version = version.trim().trim_start_matches('=').trim_end_matches(')').trim();
    let plain = !version.is_empty() && !version.contains([',', '*', ' ', '<', '>', '!']);
    plain.then_some(version)
}

/// Returns the host of a direct reference over HTTPS, such as `demo @ git+https://x.org/y.git`.
pub fn host_of_reference(requirement: &str) -> Option<String> {
    let (_, address) = requirement.split_once(" @ ")?;
    let address = address.trim();
    let address = address.strip_prefix("git+").unwrap_or(address).strip_prefix("https://")?;
    let authority = address.split(['/', '?', '#']).next()?;
    let host = authority.rsplit('@').next()?.split(':').next()?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
    (host.contains('.') && host.chars().all(plain)).then(|| host.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_and_changed() {
        assert_eq!(normalise("Scikit_Learn.Extra"), "scikit-learn-extra");
        assert_eq!(of_requirement("PyYAML [x] >= 5 ; python_version < '3'"), "pyyaml");
        assert_eq!(renamed("sklearn>=0.2,<1", "scikit-learn"), "scikit-learn>=0.2,<1");
        assert_eq!(of_requirement("demo @ file:///x"), "demo");
    }

    #[test]
    fn hosts_of_references_are_read() {
        let host = |text| host_of_reference(text);
        assert_eq!(host("x @ git+https://GitHub.com/a/b.git@v1"), Some("github.com".into()));
        assert_eq!(
            host("x @ https://u:p@files.example.org:443/x.whl"),
            Some("files.example.org".into())
        );
        assert_eq!(host("x @ file:///a"), None);
        assert_eq!(host("x @ git+ssh://git@github.com/a/b"), None);
        assert_eq!(host("x==1"), None);
    }

    #[test]
    fn only_exact_pins_are_pins() {
        assert_eq!(exact_pin("numpy==1.15.4 ; python_version < '3.8'"), Some("1.15.4"));
        assert_eq!(exact_pin("torch===1.7.1"), Some("1.7.1"));
        for loose in ["numpy", "numpy>=1.0", "numpy==1.*", "numpy==1.0,<2"] {
            assert_eq!(exact_pin(loose), None, "{loose}");
        }
    }
}
