//! `sizar.lock`: what was resolved, as a file that people can read and keep beside their paper.

use serde::{Deserialize, Serialize};
use sizar_model::{
    BuildStep, CondaPackage, Digest, EnvLock, Installer, ProjectInstall, SourceEdit,
};

use crate::shims;

/// The format that this sizar writes, and the newest that it reads.
pub const VERSION: u32 = 1;

/// The name that a lockfile has beside the code and in its environment.
pub const FILE_NAME: &str = "sizar.lock";

/// A lockfile that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    #[error("the lockfile cannot be read")]
    Unreadable(#[source] toml::de::Error),
    #[error("the lockfile has format {found}, and this sizar reads up to {VERSION}")]
    Newer { found: u32 },
    #[error("the lockfile cannot be written")]
    Unwritable(#[from] toml::ser::Error),
}

#[derive(Deserialize)]
struct Header {
    version: u32,
}

/// Reads a `sizar.lock`.
///
/// # Errors
///
/// [`LockError`] where it is damaged or of a newer format.
pub fn read(text: &str) -> Result<EnvLock, LockError> {
    // the format first: a newer file may have other fields
    let header: Header = toml::from_str(text).map_err(LockError::Unreadable)?;
    if header.version > VERSION {
        return Err(LockError::Newer { found: header.version });
    }
    toml::from_str(text).map_err(LockError::Unreadable)
}

/// Writes a `sizar.lock`.
///
/// # Errors
///
/// [`LockError::Unwritable`] where a value has no form in TOML.
pub fn write(lock: &EnvLock) -> Result<String, LockError> {
    let body = toml::to_string(lock)?;
    Ok(format!(
        "# Made by sizar. `sizar setup --locked SOURCE` builds the same environment again.\n{body}"
    ))
}

/// What decides the content of an environment's folder.
#[derive(Serialize)]
struct Content<'a> {
    format: u32,
    python: String,
    platform: &'a str,
    /// The tree's digest, only where the source is installed into the folder.
    source: Option<Digest>,
    exclude_newer: Option<String>,
    exclude_newer_package: Vec<(&'a str, String)>,
    build_constraints: &'a [String],
    extra_build_requirements: Vec<(&'a str, &'a [String])>,
    /// With the digests of their Python.
    shims: Vec<String>,
    #[serde(skip_serializing_if = "Installer::is_uv")]
    installer: Installer,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    build_steps: &'a [BuildStep],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    source_edits: &'a [SourceEdit],
    packages: Vec<(&'a str, &'a str, &'a [String], Option<&'a str>)>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    conda: &'a [CondaPackage],
}

/// Returns the digest of what a program meets in an environment: its Python, its packages, the shims
/// and the variables, and not from when they are or how they were chosen.
pub fn met_by_programs(lock: &EnvLock) -> Digest {
    let packages: Vec<_> =
        lock.packages.iter().map(|it| (&it.name, &it.version, &it.url)).collect();
    let content = (
        lock.python.to_string(),
        packages,
        &lock.conda,
        &lock.shims,
        &lock.variables,
        lock.source.install,
        (&lock.build_steps, &lock.source_edits),
    );
    Digest::of(&serde_json::to_vec(&content).expect("strings, lists and maps have a form in JSON"))
}

/// Returns the digest that names the environment's folder.
///
/// What was verified, why it deviates and where the source came from do not change what is in
/// the folder, so they do not count; neither do the variables that programs are started with.
pub fn digest(lock: &EnvLock) -> Digest {
    // what is built inside the tree lies in the folder too
    let install = lock.source.install == ProjectInstall::Install || !lock.build_steps.is_empty();
    let content = Content {
        format: VERSION,
        python: lock.python.to_string(),
        platform: &lock.platform,
        source: install.then_some(lock.source.digest),
        exclude_newer: lock.exclude_newer.map(|date| date.to_string()),
        exclude_newer_package: lock
            .exclude_newer_package
            .iter()
            .map(|(name, date)| (name.as_str(), date.to_string()))
            .collect(),
        build_constraints: &lock.build_constraints,
        extra_build_requirements: lock
            .extra_build_requirements
            .iter()
            .map(|(name, list)| (name.as_str(), list.as_slice()))
            .collect(),
        shims: lock.shims.iter().map(|name| shims::revision(name)).collect(),
        installer: lock.installer,
        build_steps: &lock.build_steps,
        source_edits: &lock.source_edits,
        packages: lock
            .packages
            .iter()
            .map(|p| (p.name.as_str(), p.version.as_str(), p.hashes.as_slice(), p.url.as_deref()))
            .collect(),
        conda: &lock.conda,
    };
    let text =
        serde_json::to_vec(&content).expect("strings, lists and numbers have a form in JSON");
    Digest::of(&text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sizar_model::environment::LockedSource;
    use sizar_model::{Deviation, LockedPackage, PythonVersion, Verification, VerificationLevel};
    use std::collections::BTreeMap;

    fn sample() -> EnvLock {
        EnvLock {
            version: VERSION,
            python: "3.6.15".parse::<PythonVersion>().unwrap(),
            platform: "linux-x86_64".into(),
            source: LockedSource {
                locator: "pypi:demo".into(),
                revision: Some("1.0".into()),
                digest: Digest::of(b"tree"),
                install: ProjectInstall::Install,
            },
            requirements: vec!["six".into()],
            exclude_newer: Some("2018-11-28T00:00:00Z".parse().unwrap()),
            exclude_newer_package: BTreeMap::new(),
            build_constraints: vec!["setuptools<58".into()],
            extra_build_requirements: BTreeMap::from([(".".into(), vec!["numpy".into()])]),
            metadata: BTreeMap::new(),
            shims: Vec::new(),
            installer: Installer::Uv,
            build_steps: Vec::new(),
            source_edits: Vec::new(),
            left_out: Vec::new(),
            variables: BTreeMap::from([("MPLBACKEND".into(), "Agg".into())]),
            deviations: vec![Deviation { rule: "r".into(), reason: "because".into() }],
            packages: vec![LockedPackage {
                name: "numpy".into(),
                version: "1.15.4".into(),
                hashes: vec!["sha256:aa".into()],
                url: None,
            }],
            conda: Vec::new(),
            verification: None,
        }
    }

    #[test]
    fn a_lock_survives_its_file() {
        let mut lock = sample();
        lock.verification = Some(Verification {
            level: VerificationLevel::Answers,
            driver: Some("demo".into()),
            at: "2026-01-01T00:00:00Z".parse().unwrap(),
            sandbox: "bubblewrap".into(),
            checks: vec!["`demo --help` exits 0".into()],
        });
        assert_eq!(read(&write(&lock).unwrap()).unwrap(), lock);
    }

    #[test]
    fn packages_of_conda_are_content_and_change_no_other_lock() {
        let lock = sample();
        assert!(!write(&lock).unwrap().contains("conda"));
        let mut with = lock.clone();
        with.conda.push(CondaPackage {
            name: "python".into(),
            version: "3.6.15".into(),
            build: "h1_0".into(),
            url: "https://conda.anaconda.org/conda-forge/linux-64/python-3.6.15-h1_0.conda".into(),
            sha256: "0a".repeat(32),
        });
        assert_ne!(digest(&lock), digest(&with));
        assert_eq!(read(&write(&with).unwrap()).unwrap(), with);
    }

    #[test]
    fn only_content_counts_for_the_digest() {
        let lock = sample();
        let mut same = lock.clone();
        same.deviations.clear();
        same.variables.clear();
        same.source.locator = "elsewhere".into();
        assert_eq!(digest(&lock), digest(&same));
        let mut other = lock.clone();
        other.source.digest = Digest::of(b"another tree");
        assert_ne!(digest(&lock), digest(&other));
        other.source.install = ProjectInstall::OnPath;
        let mut path = lock.clone();
        path.source.install = ProjectInstall::OnPath;
        assert_eq!(digest(&other), digest(&path));
    }

    #[test]
    fn a_lock_that_cannot_be_used_says_why() {
        assert!(matches!(read("version = 2\n[other]\n"), Err(LockError::Newer { found: 2 })));
        assert!(matches!(read("version = 1\n"), Err(LockError::Unreadable(_))));
        assert!(matches!(read("= ="), Err(LockError::Unreadable(_))));
    }
}
