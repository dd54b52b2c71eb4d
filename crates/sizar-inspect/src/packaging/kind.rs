//! Which files are packaging files.

/// The format of a packaging file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    Pyproject,
    SetupPy,
    SetupCfg,
    PkgInfo,
    RequirementsTxt,
    Pipfile,
    EnvironmentYml,
    PipfileLock,
    PoetryLock,
    UvLock,
    PdmLock,
    CondaList,
    Dockerfile,
    RuntimeTxt,
    PythonVersion,
    ToxIni,
    Workflow,
    Readme,
    Notebook,
}

impl Kind {
    /// Returns the word for [`sizar_model::inspection::PackagingFile::kind`].
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pyproject => "pyproject",
            Self::SetupPy => "setup_py",
            Self::SetupCfg => "setup_cfg",
            Self::PkgInfo => "pkg_info",
            Self::RequirementsTxt => "requirements_txt",
            Self::Pipfile => "pipfile",
            Self::EnvironmentYml => "environment_yml",
            Self::PipfileLock => "pipfile_lock",
            Self::PoetryLock => "poetry_lock",
            Self::UvLock => "uv_lock",
            Self::PdmLock => "pdm_lock",
            Self::CondaList => "conda_list",
            Self::Dockerfile => "dockerfile",
            Self::RuntimeTxt => "runtime_txt",
            Self::PythonVersion => "python_version",
            Self::ToxIni => "tox_ini",
            Self::Workflow => "workflow",
            Self::Readme => "readme",
            Self::Notebook => "notebook",
        }
    }

    /// Returns whether the file only counts where something was found in it.
    pub(super) const fn is_incidental(self) -> bool {
        matches!(
            self,
            Self::Readme
                | Self::Notebook
                | Self::Workflow
                | Self::ToxIni
                | Self::EnvironmentYml
                | Self::SetupCfg
                | Self::Pyproject
                | Self::PythonVersion
                | Self::PkgInfo
        )
    }
}

/// Folders whose files are not the authors'.
const FOREIGN: &[&str] = &[
    ".git",
    ".hg",
    ".tox",
    ".nox",
    ".eggs",
    ".venv",
    "venv",
    "env",
    "node_modules",
    "site-packages",
    "dist-packages",
    "__pycache__",
    ".ipynb_checkpoints",
];

/// Returns the format of the file at `path` (relative to the root, with `/`), by name and place.
///
/// An environment file can turn out to be another YAML file; its reader then finds nothing.
pub fn recognise(path: &str) -> Option<Kind> {
    let lower = path.to_ascii_lowercase();
    let mut parts: Vec<&str> = lower.split('/').collect();
    let file = parts.pop()?;
    let foreign = |part: &&str| {
        FOREIGN.contains(part) || part.ends_with(".egg-info") || part.ends_with(".dist-info")
    };
    if parts.iter().any(foreign) {
        return None;
    }
    let folder = parts.last().copied().unwrap_or_default();
    let (stem, extension) = file.rsplit_once('.').unwrap_or((file, ""));
    let kind = match file {
        "pyproject.toml" => Kind::Pyproject,
        "setup.py" => Kind::SetupPy,
        "setup.cfg" => Kind::SetupCfg,
        "pkg-info" if parts.is_empty() => Kind::PkgInfo,
        "pipfile" => Kind::Pipfile,
        "pipfile.lock" => Kind::PipfileLock,
        "poetry.lock" => Kind::PoetryLock,
        "uv.lock" => Kind::UvLock,
        "pdm.lock" => Kind::PdmLock,
        "runtime.txt" => Kind::RuntimeTxt,
        ".python-version" => Kind::PythonVersion,
        "tox.ini" => Kind::ToxIni,
        ".travis.yml" | ".gitlab-ci.yml" | ".appveyor.yml" | "appveyor.yml" => Kind::Workflow,
        _ if folder == "workflows" && parts.contains(&".github") && is_yaml(extension) => {
            Kind::Workflow
        }
        _ if stem == "dockerfile"
            || file.ends_with(".dockerfile")
            || file.starts_with("dockerfile") =>
        {
            Kind::Dockerfile
        }
        _ if extension == "ipynb" => Kind::Notebook,
        _ if is_readme(stem, extension) && parts.len() <= 2 => Kind::Readme,
        _ if is_conda_list(stem, extension) => Kind::CondaList,
        _ if is_requirements(stem, extension, folder) => Kind::RequirementsTxt,
        _ if is_environment(stem, extension, &parts) => Kind::EnvironmentYml,
        _ => return None,
    };
    Some(kind)
}

fn is_yaml(extension: &str) -> bool {
    matches!(extension, "yml" | "yaml")
}

fn is_readme(stem: &str, extension: &str) -> bool {
    let name = stem.starts_with("readme")
        || matches!(stem, "install" | "installation" | "getting_started" | "setup");
    name && matches!(extension, "md" | "rst" | "txt" | "markdown" | "org")
        || extension.is_empty() && matches!(stem, "readme" | "install")
}

fn is_requirements(stem: &str, extension: &str, folder: &str) -> bool {
    let text = matches!(extension, "txt" | "in" | "pip");
    let named = stem.contains("requirement")
        || stem.contains("constraints")
        || matches!(
            stem,
            "reqs"
                | "req"
                | "deps"
                | "dependencies"
                | "dependency"
                | "pip"
                | "pip_list"
                | "piplist"
                | "pip_freeze"
                | "freeze"
                | "packages"
                | "environment"
                | "requires"
                | "pip-requires"
        );
    text && (named || matches!(folder, "requirements" | "reqs"))
        || extension.is_empty() && matches!(stem, "requirements" | "requirement")
}

fn is_conda_list(stem: &str, extension: &str) -> bool {
    extension == "txt"
        && (stem.contains("conda")
            || matches!(stem, "spec-file" | "spec_file" | "spec-list" | "package-list"))
}

/// At the root every YAML file is looked into; deeper only those named so.
fn is_environment(stem: &str, extension: &str, folders: &[&str]) -> bool {
    const OTHERS: &[&str] =
        &["docker-compose", "mkdocs", "_config", "codecov", "action", "meta", "recipe"];
    if !is_yaml(extension) || stem.starts_with('.') || OTHERS.contains(&stem) {
        return false;
    }
    let folder = folders.last().copied().unwrap_or_default();
    folders.is_empty()
        || stem.contains("environment")
        || stem.contains("conda")
        || stem.split(['-', '_', '.']).any(|part| matches!(part, "env" | "envs"))
        || matches!(folder, "conda" | "environments" | "envs" | "environment")
            && stem != "conda_build_config"
}

/// Returns the scope that the name of a requirements file gives.
pub(super) fn scope_of(path: &str) -> Option<&'static str> {
    let lower = path.to_ascii_lowercase();
    let file = lower.rsplit('/').next().unwrap_or(&lower);
    let mut words = file.split(['-', '_', '.', ' ']);
    let any = |wanted: &[&str]| file.split(['-', '_', '.', ' ']).any(|word| wanted.contains(&word));
    if words.any(|word| word.starts_with("constraint")) {
        Some("constraint")
    } else if any(&["test", "tests", "testing"]) {
        Some("test")
    } else if any(&[
        "dev",
        "develop",
        "development",
        "doc",
        "docs",
        "lint",
        "ci",
        "style",
        "build",
        "rtd",
    ]) {
        Some("dev")
    } else if any(&["optional", "extra", "extras"]) {
        Some("extra:optional")
    } else if lower.starts_with("docs/") || lower.starts_with("doc/") {
        Some("dev")
    } else if lower.starts_with("tests/") || lower.starts_with("test/") {
        Some("test")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_recognised_by_name_and_place() {
        let paths = [
            ("requirements.txt", Some(Kind::RequirementsTxt)),
            ("requirements/train.txt", Some(Kind::RequirementsTxt)),
            ("code/gpu_requirements.txt", Some(Kind::RequirementsTxt)),
            ("requirements.in", Some(Kind::RequirementsTxt)),
            ("setup.py", Some(Kind::SetupPy)),
            ("monotonic_align/setup.py", Some(Kind::SetupPy)),
            ("environment_dev_gpu.yml", Some(Kind::EnvironmentYml)),
            ("conda/env.yaml", Some(Kind::EnvironmentYml)),
            ("conda/meta.yaml", None),
            ("docker-compose.yml", None),
            ("configs/syndoc.yml", None),
            ("docker/Dockerfile.gpu", Some(Kind::Dockerfile)),
            (".github/workflows/ci.yml", Some(Kind::Workflow)),
            ("venv/lib/python3.7/site-packages/x/setup.py", None),
            ("README.rst", Some(Kind::Readme)),
            ("exps/page/.ipynb_checkpoints/x.ipynb", None),
            ("spec-file.txt", Some(Kind::CondaList)),
            ("data/labels.txt", None),
            ("train.py", None),
        ];
        for (path, kind) in paths {
            assert_eq!(recognise(path), kind, "{path}");
        }
        assert_eq!(scope_of("requirements-dev.txt"), Some("dev"));
        assert_eq!(scope_of("test_requirements.txt"), Some("test"));
        assert_eq!(scope_of("requirements.txt"), None);
    }
}
