//! Which uv commands make an environment. uv's command line is its stable interface.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use camino::{Utf8Path, Utf8PathBuf};
use jiff::Timestamp;
use serde::Serialize;
use sizar_model::{EnvLock, EnvSpec, Invocation, LockedPackage, NetworkAccess, PythonVersion};

use crate::name;

/// How uv is called.
#[derive(Clone, Debug)]
pub struct Uv {
    pub program: Utf8PathBuf,
    pub cache: Utf8PathBuf,
    /// The settings file of this attempt; the user's own settings are never read.
    pub settings: Utf8PathBuf,
    /// Whether only what is cached may be used.
    pub offline: bool,
    /// Variables that every call gets: the index's address and where its certificates are.
    pub variables: BTreeMap<String, String>,
}

/// The part of uv's settings that has no command-line option.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Settings {
    #[serde(skip_serializing_if = "Option::is_none")]
    exclude_newer: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    exclude_newer_package: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    extra_build_dependencies: BTreeMap<String, Vec<String>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    dependency_metadata: Vec<DependencyMetadata>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct DependencyMetadata {
    name: String,
    version: String,
    requires_dist: Vec<String>,
}

/// The settings file could not be written as TOML.
#[derive(Debug, thiserror::Error)]
#[error("the settings for uv cannot be written")]
pub struct SettingsError(#[from] toml::ser::Error);

/// What decides how packages are found and built.
#[derive(Clone, Debug, Default)]
pub struct BuildRules<'a> {
    pub exclude_newer: Option<Timestamp>,
    pub exclude_newer_package: Option<&'a BTreeMap<String, Timestamp>>,
    pub extra_build_requirements: Option<&'a BTreeMap<String, Vec<String>>>,
    pub metadata: Option<&'a BTreeMap<String, Vec<String>>>,
    /// The distribution that `.` stands for.
    pub package: Option<&'a str>,
    /// Versions that a build must compile against, because they are what it will run with.
    pub runtime: Vec<(&'a str, &'a str)>,
}

impl<'a> BuildRules<'a> {
    /// Takes the rules of a specification, before anything is resolved.
    pub fn of_spec(spec: &'a EnvSpec, package: Option<&'a str>) -> Self {
        Self {
            exclude_newer: spec.exclude_newer,
            exclude_newer_package: Some(&spec.exclude_newer_package),
            extra_build_requirements: Some(&spec.extra_build_requirements),
            metadata: Some(&spec.metadata),
            package,
            runtime: Vec::new(),
        }
    }

    /// Takes the rules of a lock: builds compile against the versions that are locked.
    pub fn of_lock(lock: &'a EnvLock, package: Option<&'a str>) -> Self {
        Self {
            exclude_newer: lock.exclude_newer,
            exclude_newer_package: Some(&lock.exclude_newer_package),
            extra_build_requirements: Some(&lock.extra_build_requirements),
            metadata: Some(&lock.metadata),
            package,
            runtime: lock
                .packages
                .iter()
                .filter(|package| package.url.is_none())
                .map(|package| (package.name.as_str(), package.version.as_str()))
                .collect(),
        }
    }

    /// Renders uv's settings file.
    ///
    /// # Errors
    ///
    /// [`SettingsError`] where a value has no form in TOML.
    pub fn settings(&self) -> Result<String, SettingsError> {
        let dates = self.exclude_newer_package.into_iter().flatten();
        let extra = self.extra_build_requirements.into_iter().flatten();
        let settings = Settings {
            exclude_newer: self.exclude_newer.map(|date| date.to_string()),
            exclude_newer_package: dates
                .map(|(name, date)| (name.clone(), date.to_string()))
                .collect(),
            extra_build_dependencies: extra
                .filter_map(|(name, requirements)| {
                    let name = if name == "." { self.package? } else { name.as_str() };
                    let requirements = requirements.iter().map(|r| self.as_at_run_time(r));
                    Some((name.to_owned(), requirements.collect()))
                })
                .collect(),
            dependency_metadata: self
                .metadata
                .into_iter()
                .flatten()
                .filter_map(|(release, requires_dist)| {
                    let (name, version) = release.split_once("==")?;
                    Some(DependencyMetadata {
                        name: name.to_owned(),
                        version: version.to_owned(),
                        requires_dist: requires_dist.clone(),
                    })
                })
                .collect(),
        };
        Ok(toml::to_string(&settings)?)
    }

    /// Pins a bare build requirement such as `numpy` to what the environment holds: an extension
    /// that was compiled against a newer numpy does not load.
    fn as_at_run_time(&self, requirement: &str) -> String {
        let name = name::of_requirement(requirement);
        let bare = name::normalise(requirement) == name;
        self.runtime
            .iter()
            .find(|(locked, _)| bare && *locked == name)
            .map_or_else(|| requirement.to_owned(), |(name, version)| format!("{name}=={version}"))
    }
}

impl Uv {
    fn call(&self, words: &[&str]) -> Invocation {
        let mut call = Invocation::new(self.program.as_str())
            .args(words.iter().copied())
            .args(["--color", "never", "--no-progress", "--no-python-downloads"])
            .args(["--cache-dir", self.cache.as_str()])
            .network(if self.offline { NetworkAccess::None } else { NetworkAccess::Index });
        if self.offline {
            call = call.arg("--offline");
        }
        for (name, value) in &self.variables {
            call = call.env(name, value);
        }
        call
    }

    /// Fetches a Python into `folder`.
    pub fn fetch_python(
        program: &Utf8Path,
        python: PythonVersion,
        folder: &Utf8Path,
        cache: &Utf8Path,
    ) -> Invocation {
        Invocation::new(program.as_str())
            .args(["python", "install", "--no-config", "--no-bin", "--color", "never"])
            .args(["--no-progress", "--cache-dir", cache.as_str()])
            .args(["--install-dir", folder.as_str()])
            .arg(python.to_string())
            .network(NetworkAccess::Full)
    }

    /// Makes an empty virtual environment at `prefix`.
    pub fn venv(&self, python: &Utf8Path, prefix: &Utf8Path) -> Invocation {
        self.call(&["venv", "--no-project", "--no-config", "--allow-existing"])
            .args(["--python", python.as_str(), prefix.as_str()])
            .network(NetworkAccess::None)
    }

    /// Resolves `requirements` into a `pylock.toml`, taking releases with wheels only of the
    /// packages `as_wheels`.
    pub fn compile(
        &self,
        python: &Utf8Path,
        files: &Files<'_>,
        output: &Utf8Path,
        as_wheels: &[&str],
    ) -> Invocation {
        let as_wheels = as_wheels.iter().flat_map(|package| ["--only-binary", package]);
        self.with_settings(self.call(&["pip", "compile"]))
            .args(["--quiet", "--format", "pylock.toml", "--no-header", "--no-annotate"])
            .args(["--python", python.as_str()])
            .args(files.options())
            .args(as_wheels)
            .args(["--output-file", output.as_str()])
            .arg(files.requirements.as_str())
    }

    /// Installs exactly the packages of a requirement file, with their hashes; what has no wheel
    /// is built.
    pub fn install(&self, python: &Utf8Path, files: &Files<'_>) -> Invocation {
        // copies, because the next build may write to this cache
        self.install_by("copy", python, files)
    }

    /// Installs exactly the packages of a requirement file, with their hashes, from wheels alone:
    /// nothing foreign runs. With `links`, their files are those of the cache.
    pub fn install_wheels(&self, python: &Utf8Path, files: &Files<'_>, links: bool) -> Invocation {
        self.install_by(if links { "hardlink" } else { "copy" }, python, files).arg("--no-build")
    }

    fn install_by(&self, link_mode: &str, python: &Utf8Path, files: &Files<'_>) -> Invocation {
        self.with_settings(self.call(&["pip", "install"]))
            .args(["--no-deps", "--link-mode", link_mode])
            .args(["--python", python.as_str()])
            .args(files.options())
            .args(["--requirements", files.requirements.as_str()])
    }

    fn with_settings(&self, call: Invocation) -> Invocation {
        call.args(["--config-file", self.settings.as_str()])
    }
}

/// The files that a call of uv reads.
#[derive(Clone, Copy, Debug)]
pub struct Files<'a> {
    pub requirements: &'a Utf8Path,
    pub constraints: Option<&'a Utf8Path>,
    pub build_constraints: Option<&'a Utf8Path>,
}

impl Files<'_> {
    fn options(&self) -> Vec<String> {
        let mut options = Vec::new();
        for (option, path) in
            [("--constraints", self.constraints), ("--build-constraints", self.build_constraints)]
        {
            if let Some(path) = path {
                options.extend([option.to_owned(), path.to_string()]);
            }
        }
        options
    }
}

/// Renders the locked packages as a requirement file with hashes.
pub fn locked_requirements(lock: &EnvLock) -> String {
    requirements_of(&lock.packages)
}

/// Renders some locked packages as a requirement file with hashes.
pub fn requirements_of<'p>(packages: impl IntoIterator<Item = &'p LockedPackage>) -> String {
    let mut text = String::new();
    for package in packages {
        let line = match &package.url {
            Some(url) => format!("{} @ {url}", package.name),
            None => format!("{}=={}", package.name, package.version),
        };
        text.push_str(&line);
        for hash in &package.hashes {
            let _ = write!(text, " \\\n    --hash={hash}");
        }
        text.push('\n');
    }
    text
}

/// Renders the requirement that builds and installs the source itself from a folder.
pub fn project_requirement(package: &str, folder: &Utf8Path) -> String {
    // a nameless path would not get its extra build requirements
    let mut path = String::new();
    for byte in folder.as_str().bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'_' | b'.' | b'~') {
            path.push(char::from(byte));
        } else {
            let _ = write!(path, "%{byte:02X}");
        }
    }
    format!("{package} @ file://{path}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_hold_what_has_no_option() {
        let dates =
            BTreeMap::from([("setuptools".to_owned(), "2019-04-15T00:00:00Z".parse().unwrap())]);
        let extra =
            BTreeMap::from([(".".to_owned(), vec!["Cython".to_owned(), "numpy".to_owned()])]);
        let metadata =
            BTreeMap::from([("pandas==0.23.4".to_owned(), vec!["pytz>=2011".to_owned()])]);
        let rules = BuildRules {
            metadata: Some(&metadata),
            exclude_newer: Some("2018-11-28T00:00:00Z".parse().unwrap()),
            exclude_newer_package: Some(&dates),
            extra_build_requirements: Some(&extra),
            package: Some("madmom"),
            runtime: vec![("numpy", "1.15.4")],
        };
        insta::assert_snapshot!(rules.settings().unwrap(), @r#"
        exclude-newer = "2018-11-28T00:00:00Z"

        [exclude-newer-package]
        setuptools = "2019-04-15T00:00:00Z"

        [extra-build-dependencies]
        madmom = ["Cython", "numpy==1.15.4"]

        [[dependency-metadata]]
        name = "pandas"
        version = "0.23.4"
        requires-dist = ["pytz>=2011"]
        "#);
    }

    #[test]
    fn a_folder_with_odd_letters_is_a_valid_address() {
        assert_eq!(
            project_requirement("demo", Utf8Path::new("/a b/#c")),
            "demo @ file:///a%20b/%23c\n"
        );
    }
}
