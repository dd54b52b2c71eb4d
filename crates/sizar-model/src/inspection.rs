//! What reading a source tree told: each thing with its file and line.
//!
//! These types are the documented JSON of `sizar inspect --json`. Fields may be added; none is
//! renamed or removed without a new major version.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::PythonVersion;

/// What reading a source tree told. Nothing of it was executed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Inspection {
    /// The source's locator, without secrets.
    pub source: String,
    /// The commit, or the release of an sdist.
    pub revision: Option<String>,
    /// The date of the last commit, or of the sdist's upload.
    pub commit_date: Option<Timestamp>,
    /// The date of the last commit that changed code.
    pub code_date: Option<Timestamp>,
    pub tree: TreeSummary,
    pub languages: Vec<Language>,
    /// Packaging files, by path.
    pub packaging: Vec<PackagingFile>,
    /// What the authors say is needed.
    pub declared: Vec<Declared>,
    /// What the code imports that is neither its own nor of the standard library.
    pub imports: Vec<Import>,
    pub drivers: Vec<Driver>,
    /// Which Pythons the code can run on.
    pub python: PythonEvidence,
    pub devices: Vec<Sighting>,
    pub hard_coded_paths: Vec<HardCodedPath>,
    /// Data sets it expects.
    pub datasets: Vec<Sighting>,
    /// Where it reads a data set in a shape that is known.
    pub data_shapes: Vec<DataShape>,
    /// Weights it downloads or expects.
    pub weights: Vec<Sighting>,
    /// Services it calls: experiment trackers, hubs.
    pub services: Vec<Sighting>,
    /// Names whose use asks for a certain release of their distribution, or for another beside it,
    /// one of each in a file: the kind is the name, `numpy.float`, `yaml.load(!Loader)` or
    /// `networkx:node`.
    pub uses: Vec<Sighting>,
    /// Packages of the operating system, from Dockerfiles and READMEs.
    pub system_packages: Vec<Sighting>,
    pub licence: Option<Licence>,
    pub citation: Option<Citation>,
    pub findings: Vec<Finding>,
}

/// The size of a tree.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TreeSummary {
    pub files: u64,
    pub bytes: u64,
    pub python_files: u64,
    pub python_bytes: u64,
    pub notebooks: u64,
    /// Whether a limit stopped the walk, so that what follows is a part.
    pub truncated: bool,
}

/// A language of the tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Language {
    /// As GitHub's Linguist writes it: `Python`, `Cuda`, `C++`, `Cython`, `MATLAB`, `Lua`.
    pub name: String,
    pub files: u64,
    pub bytes: u64,
}

/// A file that declares requirements or how to install.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackagingFile {
    pub path: String,
    /// `requirements_txt`, `setup_py`, `setup_cfg`, `pyproject`, `environment_yml`, `pipfile`,
    /// `pipfile_lock`, `poetry_lock`, `uv_lock`, `pdm_lock`, `conda_list`, `dockerfile`,
    /// `runtime_txt`, `python_version`, `readme`, `notebook`.
    pub kind: String,
    /// The distribution's name, where the file gives one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requires_python: Option<String>,
    /// `setuptools.build_meta` and the like.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build_backend: Option<String>,
    /// Whether installing it runs a compiler (`ext_modules`, `cythonize`).
    #[serde(default)]
    pub compiles: bool,
    /// Whether that is all that it does: `setup(ext_modules=…)`, which makes no package.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub only_compiles: bool,
    /// What could not be read, in one sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unreadable: Vec<String>,
}

/// A requirement that the authors wrote down.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Declared {
    /// The normalised distribution name (PEP 503), or the file for `-e .`.
    pub name: String,
    /// What is asked of it, as a PEP 508 requirement; absent where it is not one.
    pub requirement: Option<String>,
    /// The line as written.
    pub raw: String,
    pub path: String,
    pub line: u32,
    /// `install`, `build`, `extra:NAME`, `dev`, `test`, `constraint`, `conda`, `locked`,
    /// `mentioned` (a README's or notebook's install line).
    pub scope: String,
    /// What was mended to read it, such as a conda export line; absent where nothing was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repaired: Option<String>,
    /// Why it could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unreadable: Option<String>,
}

/// A module that the code imports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Import {
    /// The module as imported, up to the part that decides the distribution: `cv2`,
    /// `google.protobuf`.
    pub module: String,
    /// The distribution that provides it, by `knowledge/imports.toml` or by name.
    pub distribution: Option<String>,
    /// Whether some declared requirement provides it.
    pub declared: bool,
    /// Whether every import of it may fail (`try/except ImportError`, `if TYPE_CHECKING`).
    pub optional: bool,
    /// Whether every import of it is inside a function or under a condition.
    pub conditional: bool,
    /// The files that import it, sorted.
    pub files: Vec<String>,
}

/// Something that can be started.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Driver {
    /// The file, relative to the root; for a console script the file of its function.
    pub path: String,
    /// The name it is installed under, for console scripts and `scripts=`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `module:function` of a console script.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<String>,
    /// `argparse`, `click`, `typer`, `fire`, `absl`, `hydra`, `docopt`, `optparse`, `sacred`,
    /// `sys.argv`, `none` (a script without options).
    pub framework: String,
    /// `train`, `predict`, `evaluate`, `convert`, `other`.
    pub role: String,
    /// Why this role.
    pub role_reason: String,
    /// Subcommands, where there are some.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub subcommands: Vec<String>,
    pub options: Vec<DriverOption>,
    /// First-party files that it imports, itself included: the closure.
    #[serde(default)]
    pub closure: Vec<String>,
    /// Of the closure, the files that are reached only by imports whose absence is caught, with
    /// nothing imported in their place.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dispensable: Vec<String>,
    /// The oldest Python whose grammar reads the closure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub python_at_least: Option<PythonVersion>,
    /// The newest Python whose grammar reads the closure (2.7 for Python 2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub python_at_most: Option<PythonVersion>,
}

impl Driver {
    /// Lists the files of the closure that it does not go on without.
    pub fn needed(&self) -> impl Iterator<Item = &str> {
        let files = self.closure.iter().filter(|file| !self.dispensable.contains(file));
        files.map(String::as_str)
    }
}

/// An option of a driver.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriverOption {
    /// `["--epochs", "-e"]`, or the name of a positional argument.
    pub flags: Vec<String>,
    /// The default as Python source.
    pub default: Option<String>,
    /// `int`, `float`, `str`, `bool`, `path`, or the expression as written.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    pub help: Option<String>,
    pub required: bool,
    pub choices: Option<Vec<String>>,
    /// As argparse writes it: `+`, `*`, `?`, `2`.
    pub nargs: Option<String>,
    /// The subcommand that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subcommand: Option<String>,
    pub path: String,
    pub line: u32,
}

/// Which Pythons the code can run on, with the evidence.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PythonEvidence {
    /// The oldest Python whose grammar reads the code.
    pub at_least: Option<PythonVersion>,
    /// The newest Python whose grammar reads the code (2.7 for Python 2).
    pub at_most: Option<PythonVersion>,
    /// What the packaging says, as version specifiers (PEP 440), such as `>=3.6`.
    pub requires: Vec<Sighting>,
    /// Versions named in READMEs, Dockerfiles, environment files, classifiers.
    pub named: Vec<Sighting>,
    /// What decided `at_least` and `at_most`.
    pub syntax: Vec<Sighting>,
}

/// Something seen in a file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sighting {
    /// What it is, such as `cuda_call`, `map_location_missing`, `voc`, `wandb`, `torch_hub`.
    pub kind: String,
    /// The name, address or text that was seen.
    pub text: String,
    pub path: String,
    pub line: u32,
}

/// A place in the code that reads a data set in a known shape: files and folders of certain names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataShape {
    /// The shape's name in `knowledge/datasets.toml`.
    pub shape: String,
    /// `call` of a loader, `import` of a library, or a `path` that is part of the shape.
    pub kind: String,
    /// What is called or imported, or the path as it is written.
    pub text: String,
    /// What a loader is given as the data set's folder, as Python source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<String>,
    /// Which year's data set, where the call or the path says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub year: Option<String>,
    pub path: String,
    pub line: u32,
}

/// A path that is written into the code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HardCodedPath {
    pub value: String,
    /// `home` (`~/…`, `/home/…`), `absolute`, `relative` (a folder of data that is not there).
    pub kind: String,
    pub path: String,
    pub line: u32,
    /// Whether the path exists in the tree.
    pub exists: bool,
}

/// The licence, read from its text or from the packaging.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Licence {
    /// The SPDX identifier, where the text is known.
    pub spdx: Option<String>,
    pub path: String,
}

/// How the authors want to be cited.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Citation {
    pub title: Option<String>,
    pub authors: Vec<String>,
    pub year: Option<String>,
    pub doi: Option<String>,
    /// An arXiv identifier or the address of the paper.
    pub paper: Option<String>,
    pub bibtex: Option<String>,
    pub path: String,
    pub line: u32,
}

/// Something that a reader should know about the code's quality or fate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The check, such as `undeclared-import` or `lfs-pointer`.
    pub id: String,
    pub severity: Severity,
    pub message: String,
    pub path: String,
    /// From 1; 0 where the finding is about the whole file or tree.
    pub line: u32,
}

/// How much a finding matters to somebody who wants to run the code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Good to know.
    Info,
    /// May stop a run.
    Warning,
    /// Will stop a run as it stands.
    Error,
}
