//! Which hosts count as the package index.

use std::collections::{BTreeMap, BTreeSet};

use camino::Utf8Path;
use fs_err as fs;
use url::Url;

/// Where Python packages come from unless the user says otherwise.
const DEFAULT: [&str; 2] = ["pypi.org", "files.pythonhosted.org"];
/// Variables with one or, separated by spaces, several addresses of indexes.
const VARIABLES: [&str; 8] = [
    "UV_DEFAULT_INDEX",
    "UV_INDEX",
    "UV_INDEX_URL",
    "UV_EXTRA_INDEX_URL",
    "UV_FIND_LINKS",
    "PIP_INDEX_URL",
    "PIP_EXTRA_INDEX_URL",
    "PIP_FIND_LINKS",
];
/// Settings of `pip.conf` and `uv.toml` with addresses.
const SETTINGS: [&str; 5] = ["index-url", "extra-index-url", "find-links", "url", "default-index"];

/// The hosts that may be reached, with the port where it is not the usual one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexHosts(BTreeSet<(String, Option<u16>)>);

impl IndexHosts {
    /// Returns PyPI's hosts, the user's own index's, and `more` (`host` or `host:port`).
    pub fn new(user: &BTreeMap<String, String>, more: &[String]) -> Self {
        let mut hosts: BTreeSet<(String, Option<u16>)> =
            DEFAULT.iter().map(|host| ((*host).to_owned(), None)).collect();
        for name in VARIABLES {
            if let Some(value) = user.get(name) {
                hosts.extend(value.split_whitespace().filter_map(of_address));
            }
        }
        for text in configurations(user) {
            hosts.extend(of_configuration(&text));
        }
        for host in more {
            match host.rsplit_once(':').map(|(host, port)| (host, port.parse::<u16>())) {
                Some((host, Ok(port))) => hosts.insert((host.to_ascii_lowercase(), Some(port))),
                _ => hosts.insert((host.to_ascii_lowercase(), None)),
            };
        }
        Self(hosts)
    }

    /// Returns whether a connection to `host` is one to the index.
    pub fn permit(&self, host: &str, port: u16) -> bool {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        self.0
            .iter()
            .any(|(known, own)| *known == host && (matches!(port, 443 | 80) || *own == Some(port)))
    }
}

/// Reads an address, which uv lets have a name: `internal=https://…`.
fn of_address(text: &str) -> Option<(String, Option<u16>)> {
    let address = match text.split_once('=') {
        Some((name, address)) if !name.contains([':', '/']) => address,
        _ => text,
    };
    let url = Url::parse(address).ok()?;
    Some((url.host_str()?.to_ascii_lowercase(), url.port()))
}

/// Reads the lines `setting = address`, which INI and TOML have in common, and the further
/// addresses in indented lines after them.
fn of_configuration(text: &str) -> Vec<(String, Option<u16>)> {
    let mut found = Vec::new();
    let mut within = false;
    for line in text.lines() {
        let value = match line.split_once('=') {
            Some((name, value)) if !line.starts_with([' ', '\t']) => {
                within = SETTINGS.contains(&name.trim());
                value
            }
            _ if line.starts_with([' ', '\t']) => line,
            _ => {
                within = false;
                continue;
            }
        };
        if within {
            let words = value
                .split(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | ',' | '[' | ']'));
            found.extend(words.filter_map(of_address));
        }
    }
    found
}

/// Returns the texts of the user's configuration files of pip and uv.
fn configurations(user: &BTreeMap<String, String>) -> Vec<String> {
    let mut paths: Vec<String> =
        ["/etc/pip.conf", "/etc/xdg/pip/pip.conf", "/etc/uv/uv.toml"].map(str::to_owned).into();
    let home = user.get("HOME").map(String::as_str).unwrap_or_default();
    if !home.is_empty() {
        let config = user
            .get("XDG_CONFIG_HOME")
            .cloned()
            .unwrap_or_else(|| Utf8Path::new(home).join(".config").into_string());
        paths.push(format!("{home}/.pip/pip.conf"));
        paths.push(format!("{config}/pip/pip.conf"));
        paths.push(format!("{config}/uv/uv.toml"));
    }
    paths.extend(
        ["PIP_CONFIG_FILE", "UV_CONFIG_FILE"].iter().filter_map(|name| user.get(*name).cloned()),
    );
    paths.iter().filter_map(|path| fs::read_to_string(path).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_users_own_index_counts() {
        let user = [
            ("UV_INDEX", "lab=https://user:secret@Pkgs.Example.org:8443/simple https://b.example/"),
            ("PIP_INDEX_URL", "http://mirror.example/simple"),
        ];
        let user = user.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let hosts = IndexHosts::new(&user, &["more.example:81".to_owned()]);
        assert!(hosts.permit("pkgs.example.org", 8443));
        assert!(hosts.permit("B.example.", 443));
        assert!(hosts.permit("mirror.example", 80));
        assert!(hosts.permit("more.example", 81));
        assert!(hosts.permit("pypi.org", 443));
        assert!(!hosts.permit("pypi.org", 22));
        assert!(!hosts.permit("pypi.org.evil.example", 443));
        assert!(!hosts.permit("evil.example", 443));
        assert!(!hosts.permit("127.0.0.1", 443));
    }

    #[test]
    fn configuration_files_are_read() {
        let pip = "[global]\nindex-url = https://a.example/simple\nextra-index-url =\n    https://b.example\n    https://c.example:444/x\ntimeout = https://no.example\n";
        let hosts: Vec<String> = of_configuration(pip).into_iter().map(|(host, _)| host).collect();
        assert_eq!(hosts, ["a.example", "b.example", "c.example"]);
        let uv = "[[index]]\nname = \"x\"\nurl = \"https://d.example/simple\"\n";
        assert_eq!(of_configuration(uv), [("d.example".to_owned(), None)]);
    }
}
