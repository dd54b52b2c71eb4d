//! Chooses a file from a project's page.

use std::str::FromStr;

use jiff::Timestamp;
use sizar_model::SafeUrl;
use uv_pep440::Version;

use super::{IndexError, IndexFile, Project, SdistName, WheelName};

/// The source distribution of one release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// The normalized name of the project.
    pub name: String,
    pub version: String,
    pub filename: String,
    pub url: SafeUrl,
    pub sha256: Option<String>,
    pub size: Option<u64>,
    pub upload_time: Option<Timestamp>,
}

/// A wheel of one release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WheelRelease {
    pub version: Version,
    pub file: IndexFile,
}

impl Project {
    /// Chooses a source distribution: of `version`, or of the newest release that has one.
    ///
    /// Without a version, withdrawn files do not count, and pre-releases only where there is
    /// nothing else, as for pip.
    ///
    /// # Errors
    ///
    /// The reason, with what there is instead.
    pub fn sdist(&self, version: Option<&str>) -> Result<Release, IndexError> {
        let wanted = version
            .map(|version| {
                Version::from_str(version)
                    .map_err(|_| IndexError::InvalidVersion { version: version.to_owned() })
            })
            .transpose()?;
        let mut sdists: Vec<(Version, &IndexFile)> = self
            .files
            .iter()
            .filter_map(|file| Some((SdistName::parse(&self.name, &file.filename)?.version, file)))
            .collect();
        sdists.sort_by(|(a, one), (b, other)| {
            a.cmp(b).then_with(|| format_rank(other).cmp(&format_rank(one)))
        });
        let chosen = if let Some(wanted) = &wanted {
            sdists.iter().rfind(|(version, _)| version == wanted)
        } else {
            let usable = || sdists.iter().filter(|(_, file)| !file.yanked);
            usable().rfind(|(version, _)| !version.any_prerelease()).or(usable().next_back())
        };
        let Some((version, file)) = chosen else {
            return Err(self.no_sdist(wanted.as_ref(), &sdists));
        };
        Ok(Release {
            name: self.name.clone(),
            version: version.to_string(),
            filename: file.filename.clone(),
            url: file.url.clone(),
            sha256: file.sha256.clone(),
            size: file.size,
            upload_time: file.upload_time,
        })
    }

    fn no_sdist(&self, wanted: Option<&Version>, sdists: &[(Version, &IndexFile)]) -> IndexError {
        let name = self.name.clone();
        let Some((newest, _)) = sdists.last() else { return IndexError::WheelsOnly { name } };
        let Some(wanted) = wanted else { return IndexError::Withdrawn { name } };
        let version = wanted.to_string();
        let has_wheel = self.wheels().any(|(wheel, _)| wheel.version == *wanted);
        if has_wheel {
            return IndexError::WheelOnlyRelease { name, version, newest: newest.to_string() };
        }
        let mut versions: Vec<_> = sdists.iter().map(|(version, _)| version).collect();
        versions.dedup();
        let after = versions.partition_point(|version| *version < wanted);
        let nearest = versions
            .get(after.saturating_sub(3)..(after + 2).min(versions.len()))
            .unwrap_or_default()
            .iter()
            .map(ToString::to_string)
            .collect();
        IndexError::UnknownVersion { name, version, nearest }
    }

    /// Chooses the newest wheel, neither withdrawn nor a pre-release, with a platform that
    /// `fits`.
    pub fn wheel(&self, fits: impl Fn(&str) -> bool) -> Option<WheelRelease> {
        self.wheels()
            .filter(|(name, file)| {
                !file.yanked
                    && !name.version.any_prerelease()
                    && name.platforms.iter().any(|platform| fits(platform))
            })
            .max_by(|(a, _), (b, _)| a.version.cmp(&b.version))
            .map(|(name, file)| WheelRelease { version: name.version, file: file.clone() })
    }

    fn wheels(&self) -> impl Iterator<Item = (WheelName, &IndexFile)> {
        self.files.iter().filter_map(|file| Some((WheelName::parse(&file.filename)?, file)))
    }
}

/// Orders several archives of one release: PEP 625 wants `.tar.gz`.
fn format_rank(file: &IndexFile) -> u8 {
    let name = file.filename.to_ascii_lowercase();
    [".tar.gz", ".zip"].iter().position(|end| name.ends_with(end)).map_or(2, |rank| rank as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project(files: &[&str]) -> Project {
        let file = |name: &&str| IndexFile {
            filename: name.trim_end_matches('!').to_owned(),
            url: SafeUrl::new(format!("https://f.org/{name}")),
            sha256: None,
            size: None,
            upload_time: None,
            yanked: name.ends_with('!'),
            requires_python: None,
        };
        Project { name: "a".into(), files: files.iter().map(file).collect() }
    }

    #[test]
    fn the_newest_release_with_an_sdist_is_chosen() {
        let project = project(&[
            "a-1.9.tar.gz",
            "a-1.10.zip",
            "a-1.10.tar.gz",
            "a-1.10.tar.bz2",
            "a-2.0rc1.tar.gz",
            "a-1.11.tar.gz!",
            "a-1.12-py3-none-any.whl",
        ]);
        assert_eq!(project.sdist(None).unwrap().filename, "a-1.10.tar.gz");
        assert_eq!(project.sdist(Some("1.11")).unwrap().filename, "a-1.11.tar.gz");
        assert_eq!(project.sdist(Some("2.0.rc1")).unwrap().filename, "a-2.0rc1.tar.gz");
        assert_eq!(project.sdist(Some("1.9.0")).unwrap().filename, "a-1.9.tar.gz");
        assert!(matches!(
            project.sdist(Some("1.12")),
            Err(IndexError::WheelOnlyRelease { newest, .. }) if newest == "2.0rc1"
        ));
        assert!(matches!(
            project.sdist(Some("1.9.5")),
            Err(IndexError::UnknownVersion { nearest, .. }) if nearest == ["1.9", "1.10", "1.11"]
        ));
        assert!(matches!(project.sdist(Some("x")), Err(IndexError::InvalidVersion { .. })));
    }

    #[test]
    fn what_cannot_be_chosen_is_explained() {
        assert!(matches!(
            project(&["a-1-py3-none-any.whl"]).sdist(None),
            Err(IndexError::WheelsOnly { .. })
        ));
        assert!(matches!(project(&["a-1.zip!"]).sdist(None), Err(IndexError::Withdrawn { .. })));
        assert_eq!(project(&["a-1a1.zip"]).sdist(None).unwrap().version, "1a1");
    }

    #[test]
    fn a_wheel_is_chosen_by_platform() {
        let project = project(&[
            "a-1-py3-none-win_amd64.whl",
            "a-3-py3-none-linux_x86_64.whl!",
            "a-2-py3-none-linux_x86_64.whl",
            "a-10-py3-none-linux_aarch64.whl",
        ]);
        let wheel = project.wheel(|platform| platform.ends_with("x86_64")).unwrap();
        assert_eq!(wheel.version.to_string(), "2");
    }
}
