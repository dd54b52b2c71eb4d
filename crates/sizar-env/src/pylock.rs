//! Reads `pylock.toml` (PEP 751), uv's machine-readable answer to what was resolved.

use std::collections::BTreeMap;

use serde::Deserialize;
use sizar_model::LockedPackage;

use crate::name;

#[derive(Debug, Deserialize)]
struct Pylock {
    #[serde(default)]
    packages: Vec<Package>,
}

#[derive(Debug, Deserialize)]
struct Package {
    name: String,
    version: Option<String>,
    sdist: Option<File>,
    #[serde(default)]
    wheels: Vec<File>,
    archive: Option<File>,
    vcs: Option<Vcs>,
}

#[derive(Debug, Deserialize)]
struct File {
    url: Option<String>,
    #[serde(default)]
    hashes: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
struct Vcs {
    #[serde(rename = "type")]
    kind: String,
    url: Option<String>,
    #[serde(rename = "commit-id")]
    commit: String,
    subdirectory: Option<String>,
}

/// A `pylock.toml` that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("uv's answer is not a `pylock.toml` as PEP 751 describes it")]
pub struct PylockError(#[from] toml::de::Error);

/// Reads the packages of a `pylock.toml`, sorted by name.
///
/// # Errors
///
/// [`PylockError`] where the text is not one.
pub fn packages(text: &str) -> Result<Vec<LockedPackage>, PylockError> {
    let lock: Pylock = toml::from_str(text)?;
    let mut packages: Vec<_> = lock.packages.into_iter().map(locked).collect();
    packages.sort_by(|a, b| (&a.name, &a.version).cmp(&(&b.name, &b.version)));
    Ok(packages)
}

/// Returns the names of the packages of a `pylock.toml` that have no wheel at all.
///
/// # Errors
///
/// [`PylockError`] where the text is not one.
pub fn without_wheels(text: &str) -> Result<Vec<String>, PylockError> {
    let lock: Pylock = toml::from_str(text)?;
    let is_wheel = |file: &File| file.url.as_deref().is_some_and(is_wheel_address);
    let built = lock.packages.into_iter().filter(|package| {
        package.wheels.is_empty() && !package.archive.as_ref().is_some_and(is_wheel)
    });
    Ok(built.map(|package| name::normalise(&package.name)).collect())
}

/// Whether an address leads to a wheel.
pub fn is_wheel_address(url: &str) -> bool {
    let path = url.split(['#', '?']).next().unwrap_or_default();
    path.ends_with(".whl") && !url.starts_with("git+")
}

fn locked(package: Package) -> LockedPackage {
    let url = match (&package.vcs, &package.archive) {
        (Some(vcs), _) => Some(vcs_url(vcs)),
        (None, Some(archive)) => archive.url.clone(),
        (None, None) => None,
    };
    let files = package.sdist.iter().chain(&package.wheels).chain(&package.archive);
    let mut hashes: Vec<String> =
        files.filter_map(|file| Some(format!("sha256:{}", file.hashes.get("sha256")?))).collect();
    hashes.sort();
    hashes.dedup();
    LockedPackage {
        name: name::normalise(&package.name),
        version: package.version.unwrap_or_default(),
        hashes,
        url,
    }
}

fn vcs_url(vcs: &Vcs) -> String {
    let subdirectory = vcs
        .subdirectory
        .as_ref()
        .map(|folder| format!("#subdirectory={folder}"))
        .unwrap_or_default();
    let url = vcs.url.as_deref().unwrap_or_default();
    format!("{}+{url}@{}{subdirectory}", vcs.kind, vcs.commit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_read_with_all_their_hashes() {
        let text = r#"
            lock-version = "1.0"
            created-by = "uv"
            [[packages]]
            name = "PyYAML"
            version = "5.4.1"
            sdist = { url = "https://x.org/PyYAML-5.4.1.tar.gz", hashes = { sha256 = "bb" } }
            wheels = [{ url = "https://x.org/PyYAML-5.4.1-cp38.whl", hashes = { sha256 = "aa" } }]
            [[packages]]
            name = "clip"
            version = "1.0"
            vcs = { type = "git", url = "https://x.org/clip", commit-id = "abc" }
        "#;
        let packages = packages(text).unwrap();
        assert_eq!(packages[0].url.as_deref(), Some("git+https://x.org/clip@abc"));
        assert_eq!(packages[1].name, "pyyaml");
        assert_eq!(packages[1].hashes, ["sha256:aa", "sha256:bb"]);
        assert!(super::packages("not toml").is_err());
        assert_eq!(without_wheels(text).unwrap(), ["clip"]);
        assert!(is_wheel_address("https://x.org/a-1-py3-none-any.whl#sha256=00"));
        assert!(!is_wheel_address("https://x.org/a-1.zip?f=b.whl"));
    }
}
