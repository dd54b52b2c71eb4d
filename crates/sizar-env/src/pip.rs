//! Which commands make an environment with virtualenv and pip: the other engine, for Pythons that
//! uv does not drive and for packages that only tools of their time accept.
//!
//! virtualenv 20.21 brings the last pip, setuptools and wheel of each old Python along, so that
//! "pip of the era" is decided by the Python alone: pip 20.3.4 for 2.7 and 3.5, 21.3.1 for 3.6,
//! 23.1 after that.

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use sizar_model::{EnvLock, EnvSpec, Invocation, NetworkAccess, PythonVersion};

use crate::name;
use crate::uv::{Files, locked_requirements};

/// The newest Python whose pip, of those that virtualenv brings along, still works.
pub const NEWEST: PythonVersion = PythonVersion::minor(3, 11);
/// The oldest Python that virtualenv itself runs on without more packages than sizar fetches.
pub const OLDEST_HOST: PythonVersion = PythonVersion::minor(3, 8);
/// The oldest Python 3 that virtualenv makes environments for.
const OLDEST_3: PythonVersion = PythonVersion::minor(3, 5);
/// The only Python 2 that it makes environments for.
const PYTHON_2: PythonVersion = PythonVersion::minor(2, 7);

/// Returns whether virtualenv and pip can make an environment for a Python.
pub fn drives(python: PythonVersion) -> bool {
    let python = python.without_patch();
    python == PYTHON_2 || (OLDEST_3..=NEWEST).contains(&python)
}

/// virtualenv, as sizar keeps it.
#[derive(Clone, Debug)]
pub struct Virtualenv {
    /// The Python that runs it; not the one that the environment is for.
    pub host: Utf8PathBuf,
    /// The folder with its modules.
    pub modules: Utf8PathBuf,
    /// Where it unpacks the packages that it brings along.
    pub data: Utf8PathBuf,
}

impl Virtualenv {
    /// Makes an environment at `prefix` with pip, setuptools and wheel in it; needs no network.
    pub fn make(&self, python: &Utf8Path, prefix: &Utf8Path) -> Invocation {
        Invocation::new(self.host.as_str())
            .args(["-s", "-m", "virtualenv", "--quiet"])
            .args(["--python", python.as_str(), "--app-data", self.data.as_str()])
            .args(["--no-download", "--no-periodic-update", "--no-vcs-ignore"])
            .arg(prefix.as_str())
            .env("PYTHONPATH", self.modules.as_str())
            .env("PYTHONDONTWRITEBYTECODE", "1")
    }
}

/// How pip decides between versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolver {
    /// Everything that is asked for holds, or it fails.
    Strict,
    /// As pip did until 2020: of what contradicts, the first that was met counts.
    FirstFound,
}

/// How pip is called inside an environment.
#[derive(Clone, Debug)]
pub struct Pip {
    /// The environment's own Python.
    pub python: Utf8PathBuf,
    pub version: PythonVersion,
    pub cache: Utf8PathBuf,
    /// The address of the index, dated by sizar.
    pub index: String,
    /// Its host, which is reached without TLS because it is sizar itself.
    pub index_host: String,
    /// Limits on what builds in an environment of their own take.
    pub build_constraints: Option<Utf8PathBuf>,
    pub offline: bool,
}

impl Pip {
    fn call(&self, command: &str) -> Invocation {
        let mut call = Invocation::new(self.python.as_str())
            .args(["-m", "pip", command])
            .network(if self.offline { NetworkAccess::None } else { NetworkAccess::Index });
        for (name, value) in self.variables() {
            call = call.env(name, value);
        }
        call
    }

    /// Returns the settings that also reach a pip that a build starts by itself.
    fn variables(&self) -> BTreeMap<&'static str, String> {
        let mut variables = BTreeMap::from([
            ("PIP_INDEX_URL", self.index.clone()),
            ("PIP_TRUSTED_HOST", self.index_host.clone()),
            ("PIP_CACHE_DIR", self.cache.to_string()),
            ("PIP_DEFAULT_TIMEOUT", "60".to_owned()),
            ("PIP_DISABLE_PIP_VERSION_CHECK", "1".to_owned()),
            ("PIP_NO_COLOR", "1".to_owned()),
            ("PIP_NO_INPUT", "1".to_owned()),
            ("PIP_NO_PYTHON_VERSION_WARNING", "1".to_owned()),
            ("PIP_PROGRESS_BAR", "off".to_owned()),
            // builds of its time read files in whatever encoding the terminal had
            ("PYTHONIOENCODING", "utf-8".to_owned()),
        ]);
        if let Some(path) = &self.build_constraints {
            variables.insert("PIP_CONSTRAINT", path.to_string());
        }
        variables
    }

    /// Fetches what `files` ask for, and all that it needs, into a folder: the files' names say
    /// what was chosen.
    pub fn download(&self, files: &Files<'_>, to: &Utf8Path, resolver: Resolver) -> Invocation {
        let mut call = self.call("download");
        let mut files = *files;
        if resolver == Resolver::FirstFound {
            // with constraints for what nobody asks for, it fails an assertion of its own
            call.env.remove("PIP_CONSTRAINT");
            files.constraints = None;
        }
        with_files(call, &files)
            .args(resolver_option(self.version, resolver).iter().copied())
            .args(["--dest", to.as_str()])
    }

    /// Installs what `files` ask for, and all that it needs.
    pub fn install(&self, files: &Files<'_>) -> Invocation {
        with_files(self.call("install"), files)
            .args(resolver_option(self.version, Resolver::Strict).iter().copied())
            .arg("--no-compile")
    }

    /// Installs exactly the packages of a requirement file, with their hashes.
    pub fn install_locked(&self, files: &Files<'_>) -> Invocation {
        with_files(self.call("install"), files).args([
            "--no-deps",
            "--require-hashes",
            "--no-compile",
        ])
    }

    /// Builds and installs the source itself from a folder.
    pub fn install_project(&self, folder: &Utf8Path) -> Invocation {
        // a wheel of another state of the source may be cached under the same folder's name
        self.call("install").args([
            "--no-deps",
            "--no-compile",
            "--no-cache-dir",
            "--ignore-installed",
            folder.as_str(),
        ])
    }
}

fn with_files(call: Invocation, files: &Files<'_>) -> Invocation {
    let call = match files.constraints {
        Some(path) => call.args(["--constraint", path.as_str()]),
        None => call,
    };
    call.args(["--requirement", files.requirements.as_str()])
}

/// Returns the option that chooses the resolver; each pip has one of the two by itself.
fn resolver_option(python: PythonVersion, resolver: Resolver) -> &'static [&'static str] {
    match resolver {
        Resolver::Strict if python.major < 3 => &["--use-feature=2020-resolver"],
        Resolver::FirstFound if python.major > 2 => &["--use-deprecated=legacy-resolver"],
        Resolver::Strict | Resolver::FirstFound => &[],
    }
}

/// What builds find in the environment before anything else is installed into it: setuptools, and
/// what the source's and the packages' builds need beside it.
///
/// pip of the era builds with what the environment holds, where a package says nothing else.
pub fn build_tools(spec: &EnvSpec) -> Vec<String> {
    // what virtualenv put there may be newer than the builds can take
    let seeds = spec.requirements.iter().chain(&spec.build_constraints);
    let seeds = seeds.filter(|requirement| is_seed(&name::of_requirement(requirement)));
    let extra = spec.extra_build_requirements.values().flatten();
    let mut tools: Vec<String> = Vec::new();
    for requirement in seeds.chain(extra) {
        let name = name::of_requirement(requirement);
        // how the environment's own requirement is limited counts for its builds too
        let asked = spec.requirements.iter().find(|r| name::of_requirement(r) == name);
        let requirement = asked.unwrap_or(requirement);
        if !tools.iter().any(|known| name::of_requirement(known) == name) {
            tools.push(requirement.clone());
        }
    }
    tools
}

/// Returns all that is resolved together: what is asked for, and what builds need.
pub fn requirements(spec: &EnvSpec) -> Vec<String> {
    let mut all = spec.requirements.clone();
    for tool in build_tools(spec) {
        let name = name::of_requirement(&tool);
        if !all.iter().any(|asked| name::of_requirement(asked) == name) {
            all.push(tool);
        }
    }
    all
}

/// What is installed at once of a lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockedStep {
    /// A file of requirements, with their hashes.
    pub requirements: String,
    /// What limits the builds meanwhile: not what is in the file itself. Where a constraint limits
    /// one of a file with hashes, pip takes the constraint's words for it, and finds neither `==`
    /// nor a hash in them.
    pub build_constraints: Vec<String>,
}

/// Splits a lock's packages into steps that are installed one after the other: what builds need
/// comes before what is built.
pub fn locked_in_order(lock: &EnvLock) -> Vec<LockedStep> {
    let tools: Vec<String> = lock
        .extra_build_requirements
        .values()
        .flatten()
        .map(|requirement| name::of_requirement(requirement))
        .collect();
    let rank = |package: &str| match () {
        () if is_seed(package) => 0,
        () if tools.iter().any(|tool| tool == package) => 1,
        () => 2,
    };
    (0..3)
        .map(|step| {
            let mut part = lock.clone();
            part.packages.retain(|package| rank(&package.name) == step);
            let is_in = |name: &str| part.packages.iter().any(|package| package.name == name);
            let beside = lock.build_constraints.iter();
            LockedStep {
                build_constraints: beside
                    .filter(|constraint| !is_in(&name::of_requirement(constraint)))
                    .cloned()
                    .collect(),
                requirements: locked_requirements(&part),
            }
        })
        .filter(|step| !step.requirements.is_empty())
        .collect()
}

fn is_seed(package: &str) -> bool {
    matches!(package, "setuptools" | "wheel")
}

/// Returns `~/.pydistutils.cfg`, by which `easy_install` and old `setup_requires` find the index.
pub fn easy_install_settings(index: &str) -> String {
    // no `allow_hosts`: setuptools refuses it where it has pip fetch for it
    format!("[easy_install]\nindex_url = {index}\n")
}

/// Returns `pip.conf`, for builds that start a pip without the variables.
pub fn pip_settings(index: &str, index_host: &str) -> String {
    format!(
        "[global]\nindex-url = {index}\ntrusted-host = {index_host}\n\
         disable-pip-version-check = true\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pip(python: PythonVersion) -> Pip {
        Pip {
            python: "/e/bin/python".into(),
            version: python,
            cache: "/c".into(),
            index: "http://index.invalid/simple/".into(),
            index_host: "index.invalid".into(),
            build_constraints: None,
            offline: false,
        }
    }

    #[test]
    fn each_python_has_an_engine_or_none() {
        for (python, driven) in [("2.6", false), ("2.7", true), ("3.4", false), ("3.5", true)] {
            assert_eq!(drives(python.parse().unwrap()), driven, "{python}");
        }
        assert!(drives("3.11.7".parse().unwrap()) && !drives("3.12.0".parse().unwrap()));
    }

    #[test]
    fn both_resolvers_can_be_asked_of_every_pip() {
        let files = Files {
            requirements: Utf8Path::new("/r"),
            constraints: Some(Utf8Path::new("/k")),
            build_constraints: None,
        };
        let words = |python: &str, resolver| {
            let call = pip(python.parse().unwrap()).download(&files, Utf8Path::new("/d"), resolver);
            assert_eq!(call.network, NetworkAccess::Index);
            call.args.join(" ")
        };
        assert_eq!(
            words("2.7", Resolver::Strict),
            "-m pip download --constraint /k --requirement /r --use-feature=2020-resolver --dest /d"
        );
        let first_found = words("2.7", Resolver::FirstFound);
        assert_eq!(first_found, "-m pip download --requirement /r --dest /d");
        assert!(!words("3.6", Resolver::Strict).contains("resolver"));
        assert!(words("3.6", Resolver::FirstFound).contains("legacy-resolver"));
    }

    #[test]
    fn what_builds_need_is_installed_first() {
        let lock = crate::lock::read(&format!(
            "version = 1\npython = \"2.7.18\"\nplatform = \"linux-x86_64\"\n\
             [source]\nlocator = \"x\"\ndigest = \"{}\"\ninstall = \"on_path\"\n\
             [extra_build_requirements]\ndemo = [\"numpy>=1.7\"]\n\
             [[package]]\nname = \"numpy\"\nversion = \"1.11\"\nhashes = [\"sha256:aa\"]\n\
             [[package]]\nname = \"scipy\"\nversion = \"0.18\"\nhashes = [\"sha256:bb\"]\n\
             [[package]]\nname = \"setuptools\"\nversion = \"44.1.1\"\nhashes = [\"sha256:cc\"]\n",
            sizar_model::Digest::of(b"x")
        ))
        .unwrap();
        let mut lock = lock;
        lock.build_constraints = ["setuptools<81", "Cython<3", "NumPy<2"].map(str::to_owned).into();
        let steps = locked_in_order(&lock);
        let first: Vec<_> =
            steps.iter().map(|step| step.requirements.lines().next().unwrap()).collect();
        assert_eq!(first, ["setuptools==44.1.1 \\", "numpy==1.11 \\", "scipy==0.18 \\"]);

        let beside: Vec<_> = steps.iter().map(|step| step.build_constraints.join(" ")).collect();
        let all = "setuptools<81 Cython<3 NumPy<2";
        assert_eq!(beside, ["Cython<3 NumPy<2", "setuptools<81 Cython<3", all]);
    }
}
