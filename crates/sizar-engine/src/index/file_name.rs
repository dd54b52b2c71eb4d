//! What the names of an index's files say.

use std::str::FromStr;

use sizar_model::source::is_archive_name;
use uv_pep440::Version;

/// Returns the name of a project as the index writes it: lower case, runs of `-_.` as one `-`.
pub fn normalize(name: &str) -> String {
    let mut normal = String::with_capacity(name.len());
    for character in name.chars() {
        match character {
            '-' | '_' | '.' if normal.ends_with('-') => {}
            '-' | '_' | '.' => normal.push('-'),
            other => normal.push(other.to_ascii_lowercase()),
        }
    }
    normal
}

/// The name of a source distribution: `NAME-VERSION.tar.gz`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SdistName {
    pub version: Version,
}

impl SdistName {
    /// Reads the name of a file of the project `project` (normalized).
    ///
    /// Both parts may hold dashes, so the name of the project decides where the version begins.
    /// Archives of built files (`name-1.0.linux-x86_64.tar.gz`) have no valid version.
    pub fn parse(project: &str, filename: &str) -> Option<Self> {
        let stem = archive_stem(filename)?;
        stem.match_indices('-')
            .map(|(at, _)| stem.split_at(at))
            .filter(|(name, _)| normalize(name) == project)
            .find_map(|(_, version)| Version::from_str(version.strip_prefix('-')?).ok())
            .map(|version| Self { version })
    }
}

fn archive_stem(filename: &str) -> Option<&str> {
    if !is_archive_name(filename) {
        return None;
    }
    let (stem, _) = filename.rsplit_once('.')?;
    Some(match stem.len().checked_sub(4).and_then(|at| stem.split_at_checked(at)) {
        Some((shorter, suffix)) if suffix.eq_ignore_ascii_case(".tar") => shorter,
        _ => stem,
    })
}

/// The name of a wheel: `NAME-VERSION(-BUILD)?-PYTHON-ABI-PLATFORM.whl`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WheelName {
    pub version: Version,
    /// The platform tags, such as `manylinux_2_17_x86_64`.
    pub platforms: Vec<String>,
}

impl WheelName {
    /// Reads the name of a wheel.
    pub fn parse(filename: &str) -> Option<Self> {
        let parts: Vec<_> = filename.strip_suffix(".whl")?.split('-').collect();
        let ([_, version, _, _, platforms] | [_, version, _, _, _, platforms]) = parts.as_slice()
        else {
            return None;
        };
        let version = Version::from_str(version).ok()?;
        Some(Self { version, platforms: platforms.split('.').map(str::to_owned).collect() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_sdist_names() {
        let version =
            |project, name| SdistName::parse(project, name).map(|name| name.version.to_string());
        assert_eq!(version("madmom", "madmom-0.16.1.tar.gz").as_deref(), Some("0.16.1"));
        assert_eq!(
            version("scikit-image", "scikit_image-0.20.0.tar.gz").as_deref(),
            Some("0.20.0")
        );
        assert_eq!(version("scikit-image", "scikit-image-0.9.3.zip").as_deref(), Some("0.9.3"));
        assert_eq!(version("a", "a-1.0-1.tar.bz2").as_deref(), Some("1.0.post1"));
        assert_eq!(version("a", "a-1.0.linux-x86_64.tar.gz"), None);
        assert_eq!(version("a", "a-1.0.win32.exe"), None);
        assert_eq!(version("a", "a-1.0-py3-none-any.whl"), None);
        assert_eq!(version("a", "b-1.0.tar.gz"), None);
    }

    #[test]
    fn wheels_name_their_platforms() {
        let name = "uv-0.9.1-py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64.whl";
        let wheel = WheelName::parse(name).unwrap();
        assert_eq!(wheel.version.to_string(), "0.9.1");
        assert_eq!(wheel.platforms, ["manylinux_2_17_x86_64", "manylinux2014_x86_64"]);
        assert_eq!(WheelName::parse("uv-0.9.1.tar.gz"), None);
    }
}
