//! Environments: wanted, resolved, on disk.

use std::collections::BTreeMap;

use camino::Utf8PathBuf;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Digest, PythonVersion};

/// An environment that is wanted: what an attempt tries to build.
///
/// A repair makes a new one, with a recorded reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvSpec {
    pub python: PythonVersion,
    /// PEP 508 requirements, one a line.
    pub requirements: Vec<String>,
    /// PEP 508 constraints.
    #[serde(default)]
    pub constraints: Vec<String>,
    /// Whether and how the source itself is installed.
    pub project: ProjectInstall,
    /// Nothing newer than this is resolved.
    pub exclude_newer: Option<Timestamp>,
    /// Dates of single packages that go their own way.
    #[serde(default)]
    pub exclude_newer_package: BTreeMap<String, Timestamp>,
    /// Limits on build requirements, such as `setuptools<58`.
    #[serde(default)]
    pub build_constraints: Vec<String>,
    /// Build requirements that a package does not declare; `.` is the source itself.
    #[serde(default)]
    pub extra_build_requirements: BTreeMap<String, Vec<String>>,
    /// Requirements of single releases (`name==version`) whose own metadata no tool of today reads.
    #[serde(default)]
    pub metadata: BTreeMap<String, Vec<String>>,
    /// Start-up shims, by name.
    #[serde(default)]
    pub shims: Vec<String>,
    /// What installs the packages.
    #[serde(default)]
    pub installer: Installer,
    /// What is built inside the tree before anything of it runs.
    #[serde(default)]
    pub build_steps: Vec<BuildStep>,
    /// What is changed in the copy of the source that is installed.
    #[serde(default)]
    pub source_edits: Vec<SourceEdit>,
    /// What was asked for and dropped: the source's own metadata may ask for it again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
    /// What conda gives, the interpreter included, before the requirements are installed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conda: Option<CondaSpec>,
    /// Variables that the programs of this environment are started with.
    #[serde(default)]
    pub variables: BTreeMap<String, String>,
    /// Where this differs from what the authors declared, and why.
    #[serde(default)]
    pub deviations: Vec<Deviation>,
}

/// What conda is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CondaSpec {
    /// The file that asks for it; absent where sizar does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Names and addresses, the first before the others.
    pub channels: Vec<String>,
    /// Match specifications, one each, as they are written.
    pub packages: Vec<String>,
}

/// A package of conda: one build, at one address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CondaPackage {
    pub name: String,
    pub version: String,
    pub build: String,
    /// Its address in the channel itself, whatever mirror it came from.
    pub url: String,
    /// The SHA-256 of the archive.
    pub sha256: String,
}

/// What installs the packages of an environment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Installer {
    /// uv, for Python 3.6 and newer.
    #[default]
    Uv,
    /// virtualenv and pip of the code's time, for Pythons that uv does not drive.
    Pip,
}

impl Installer {
    /// Whether it is uv, which files of an older format do not say.
    pub fn is_uv(&self) -> bool {
        *self == Self::Uv
    }
}

/// What an environment is to compute on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Device {
    /// The GPU where this machine has one that the code's frameworks know, else the CPU.
    #[default]
    Auto,
    Cpu,
    /// An NVIDIA GPU, whether this machine has one or not.
    Cuda,
}

/// A call that a start-up shim took over.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Redirection {
    /// The shim's name.
    pub shim: String,
    /// Such as `Tensor.cuda`.
    pub kind: String,
    /// The file that called, relative to the tree where it is in it.
    pub path: String,
    pub line: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// A build that the authors ask for inside their tree, such as Cython in place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildStep {
    /// The folder that it runs in, relative to the root; empty for the root itself.
    pub folder: String,
    /// The arguments of the environment's Python, such as `setup.py build_ext --inplace`.
    pub args: Vec<String>,
}

/// A change to the copy of the source that is installed; the source itself stays as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceEdit {
    /// Take the table `[project]` out of `pyproject.toml`: the setuptools of its time did not read
    /// it, and that of today refuses it.
    DropProjectTable,
    /// Give it a git repository of one commit, with the tag of its own: its build reads the version
    /// and the list of files from git.
    StandInHistory,
}

/// Whether and how the source itself is installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProjectInstall {
    /// It is a package and is built and installed.
    Install,
    /// It is a folder of scripts: its root is put on the path at run time.
    OnPath,
}

/// A difference from what the authors declared, with its reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deviation {
    /// The rule in `knowledge/` (or of the planner) that asked for it.
    pub rule: String,
    /// One sentence for people.
    pub reason: String,
}

/// One try to build an environment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    /// From 1.
    pub number: u32,
    pub python: PythonVersion,
    /// How far it came: `resolve`, `build`, `install`, `import`, `answer`, `smoke`, `done`.
    pub stage: String,
    /// Why it failed, in one sentence; absent where it did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// The rule that explained the failure and made the next attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    pub seconds: f64,
}

/// An environment that is resolved: enough to build the same again.
///
/// Its digest, over what decides the folder's content, names the environment's folder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EnvLock {
    /// The format of the file.
    pub version: u32,
    /// The full version of the interpreter, such as 3.7.16.
    pub python: PythonVersion,
    /// Such as `linux-x86_64`.
    pub platform: String,
    pub source: LockedSource,
    /// The requirements that were resolved, one a line: what the packages are there for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requirements: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exclude_newer: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub exclude_newer_package: BTreeMap<String, Timestamp>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub build_constraints: Vec<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub extra_build_requirements: BTreeMap<String, Vec<String>>,
    /// Requirements of single releases (`name==version`) whose own metadata no tool of today reads.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, Vec<String>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shims: Vec<String>,
    #[serde(default, skip_serializing_if = "Installer::is_uv")]
    pub installer: Installer,
    /// What is built inside the tree before anything of it runs; its products lie in the
    /// environment's folder.
    #[serde(default, skip_serializing_if = "Vec::is_empty", rename = "build_step")]
    pub build_steps: Vec<BuildStep>,
    /// What is changed in the copy of the source that is installed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub source_edits: Vec<SourceEdit>,
    /// Distributions that the source asks for and that were left out on purpose.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
    /// Variables that the programs of this environment are started with.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub variables: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deviations: Vec<Deviation>,
    #[serde(default, skip_serializing_if = "Vec::is_empty", rename = "package")]
    pub packages: Vec<LockedPackage>,
    /// What conda gives, the interpreter included; the other packages are installed over it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conda: Vec<CondaPackage>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verification: Option<Verification>,
}

impl EnvLock {
    /// Returns how many packages there are, those of conda included.
    #[must_use]
    pub fn package_count(&self) -> usize {
        self.packages.len() + self.conda.len()
    }
}

/// The source that an environment was made for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockedSource {
    pub locator: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// The tree's digest: part of the environment only where the source is installed into it.
    pub digest: Digest,
    pub install: ProjectInstall,
}

/// A package at one version, with the files that may stand for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockedPackage {
    pub name: String,
    pub version: String,
    /// `sha256:…` of every file of the release that may be installed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hashes: Vec<String>,
    /// The address of a requirement that names one (git, archive).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// What was seen to work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verification {
    pub level: VerificationLevel,
    /// The driver that was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub driver: Option<String>,
    pub at: Timestamp,
    /// What kept foreign code in while it was built and asked.
    pub sandbox: String,
    /// One line a check, such as "`train.py --help` exits 0".
    pub checks: Vec<String>,
}

/// How far an environment was seen to work; each level includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VerificationLevel {
    /// The installer ended well. Not enough to call an environment verified.
    Installed,
    /// Everything that the driver imports is there.
    Imports,
    /// The driver answers when it is asked for help.
    Answers,
    /// A few seconds of the source's own computation gave a result.
    Smoke,
}

/// An environment on disk.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Environment {
    /// The prefix, with `bin/python` in it.
    pub path: Utf8PathBuf,
    pub lock: EnvLock,
}
