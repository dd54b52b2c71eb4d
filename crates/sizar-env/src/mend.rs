//! What would make a source right: changes to its packaging, as a patch that its authors can take.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde::Serialize;
use similar::TextDiff;
use sizar_model::inspection::Inspection;
use sizar_model::{EnvLock, LockedPackage, ProjectInstall};

use crate::name;
use crate::requirements::conda_file;

/// A file of the source before and after.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FileChange {
    pub path: String,
    /// Absent where the file is new.
    pub before: Option<String>,
    pub after: String,
    /// Why, in one sentence.
    pub reason: String,
}

/// Returns the changes that let others have the environment of `lock` without sizar.
///
/// `read` returns the text of a file of the source, where it is there and is text.
pub fn changes(
    lock: &EnvLock,
    inspection: &Inspection,
    read: &dyn Fn(&str) -> Option<String>,
) -> Vec<FileChange> {
    let (packages, python) = if lock.conda.is_empty() {
        (requirements(lock, inspection, read), Some(python(lock, read)))
    } else {
        // it names the Python as well
        (Some(environment(lock, inspection, read)), None)
    };
    let found = [packages, python, build(lock, read)];
    found
        .into_iter()
        .flatten()
        .filter(|change| change.before.as_ref() != Some(&change.after))
        .collect()
}

/// Renders changes as one unified diff, which `git apply` takes.
pub fn patch(changes: &[FileChange]) -> String {
    let mut text = String::new();
    for change in changes {
        let path = &change.path;
        let _ = writeln!(text, "diff --git a/{path} b/{path}");
        let old = if change.before.is_some() {
            format!("a/{path}")
        } else {
            text.push_str("new file mode 100644\n");
            "/dev/null".to_owned()
        };
        let before = change.before.as_deref().unwrap_or_default();
        let diff = TextDiff::from_lines(before, &change.after);
        let new = format!("b/{path}");
        let _ = write!(text, "{}", diff.unified_diff().header(&old, &new));
    }
    text
}

/// Pins the direct requirements in the source's own requirements file, or in a new one.
fn requirements(
    lock: &EnvLock,
    inspection: &Inspection,
    read: &dyn Fn(&str) -> Option<String>,
) -> Option<FileChange> {
    let locked: BTreeMap<&str, &LockedPackage> =
        lock.packages.iter().map(|package| (package.name.as_str(), package)).collect();
    let mut wanted: BTreeSet<String> =
        lock.requirements.iter().map(|line| name::of_requirement(line)).collect();
    wanted.retain(|name| locked.contains_key(name.as_str()));
    if wanted.is_empty() {
        return None;
    }
    let pin = |name: &str| locked.get(name).map(|package| pinned(package));
    let file = inspection
        .packaging
        .iter()
        .filter(|file| file.kind == "requirements_txt")
        .map(|file| file.path.as_str())
        .min_by_key(|path| (path.matches('/').count(), *path != "requirements.txt", *path))
        .filter(|path| !path.contains('/'))
        .unwrap_or("requirements.txt");
    let before = read(file);
    let mut after = String::new();
    let own =
        |line: u32| inspection.declared.iter().find(move |d| d.path == file && d.line == line);
    let mut number = 0;
    for line in before.as_deref().unwrap_or_default().lines() {
        number += 1;
        let Some(declared) = own(number) else {
            let _ = writeln!(after, "{line}");
            continue;
        };
        // what is neither installed nor can be read is left out; a marker for another platform stays
        let normal = name::normalise(&declared.name);
        let exact = declared.requirement.as_deref().and_then(name::exact_pin);
        let same = locked.get(normal.as_str()).is_some_and(|p| exact == Some(p.version.as_str()));
        let elsewhere = line.contains(';') && !wanted.contains(&normal);
        if same || elsewhere {
            wanted.remove(&normal);
            let _ = writeln!(after, "{line}");
        } else if let Some(pinned) = pin(&normal).filter(|_| wanted.remove(&normal)) {
            let _ = writeln!(after, "{pinned}");
        }
    }
    for name in &wanted {
        after.extend(pin(name).map(|pinned| pinned + "\n"));
    }
    let reason = "the versions that were seen to work together".to_owned();
    Some(FileChange { path: file.to_owned(), before, after, reason })
}

/// Lists all that conda and pip gave, as `conda env export --no-builds` would.
fn environment(
    lock: &EnvLock,
    inspection: &Inspection,
    read: &dyn Fn(&str) -> Option<String>,
) -> FileChange {
    let own = conda_file(inspection, None).filter(|path| path.ends_with(".yml"));
    let path = own.unwrap_or("environment.yml").to_owned();
    let before = read(&path);
    let mut lines = before.as_deref().unwrap_or_default().lines();
    let name = lines.find(|line| line.starts_with("name:")).unwrap_or("name: code").trim_end();
    let mut channels: Vec<String> = Vec::new();
    for channel in lock.conda.iter().filter_map(|package| channel_of(&package.url)) {
        if !channels.contains(&channel) {
            channels.push(channel);
        }
    }
    // what it has is meant to be taken where the others have nothing
    channels.sort_by_key(|channel| channel == "defaults");
    let mut after = format!("{name}\nchannels:\n");
    for channel in channels {
        let _ = writeln!(after, "  - {channel}");
    }
    after.push_str("dependencies:\n");
    let mut conda: Vec<_> =
        lock.conda.iter().map(|p| format!("{}={}", p.name, p.version)).collect();
    conda.sort();
    let pip = (!lock.packages.is_empty() && !lock.conda.iter().any(|p| p.name == "pip"))
        .then(|| "pip".to_owned());
    for package in conda.into_iter().chain(pip) {
        let _ = writeln!(after, "  - {package}");
    }
    if !lock.packages.is_empty() {
        after.push_str("  - pip:\n");
    }
    for package in &lock.packages {
        let _ = writeln!(after, "      - {}", pinned(package));
    }
    let reason = "the versions that were seen to work together".to_owned();
    FileChange { path, before, after, reason }
}

/// Returns the channel of a package's address, as people write it.
fn channel_of(url: &str) -> Option<String> {
    // the platform and the archive lie below it
    let channel = url.rsplitn(3, '/').nth(2)?;
    if channel.starts_with("https://repo.anaconda.com/pkgs/") {
        return Some("defaults".to_owned());
    }
    let named = channel.strip_prefix("https://conda.anaconda.org/");
    Some(named.unwrap_or(channel).to_owned())
}

fn pinned(package: &LockedPackage) -> String {
    package.url.as_ref().map_or_else(
        || format!("{}=={}", package.name, package.version),
        |url| format!("{} @ {url}", package.name),
    )
}

/// Names the Python, in the file that pyenv, uv and others read.
fn python(lock: &EnvLock, read: &dyn Fn(&str) -> Option<String>) -> FileChange {
    let path = ".python-version".to_owned();
    FileChange {
        before: read(&path),
        path,
        after: format!("{}\n", lock.python.without_patch()),
        reason: "the Python that it was seen to work with".to_owned(),
    }
}

/// Declares what the source's own build needs.
fn build(lock: &EnvLock, read: &dyn Fn(&str) -> Option<String>) -> Option<FileChange> {
    let needed = lock.extra_build_requirements.get(".")?;
    if needed.is_empty() || lock.source.install != ProjectInstall::Install {
        return None;
    }
    let path = "pyproject.toml".to_owned();
    let before = read(&path);
    let mut document: toml_edit::DocumentMut =
        before.as_deref().unwrap_or_default().parse().ok()?;
    let is_new = !document.contains_key("build-system");
    let system = document.entry("build-system").or_insert(toml_edit::table()).as_table_mut()?;
    let requires = system
        .entry("requires")
        .or_insert(toml_edit::value(toml_edit::Array::new()))
        .as_array_mut()?;
    let limited = |name: &str| {
        let limit = lock.build_constraints.iter().find(|line| name::of_requirement(line) == name);
        limit.cloned().unwrap_or_else(|| name.to_owned())
    };
    let mut wanted = Vec::new();
    if is_new {
        wanted.extend([limited("setuptools"), "wheel".to_owned()]);
    }
    wanted.extend(needed.iter().cloned());
    for requirement in wanted {
        let name = name::of_requirement(&requirement);
        let known = |value: &toml_edit::Value| {
            value.as_str().is_some_and(|known| name::of_requirement(known) == name)
        };
        if !requires.iter().any(known) {
            requires.push(requirement);
        }
    }
    if is_new {
        // a `setup.py` that stands alone imports from its own folder
        system.insert("build-backend", toml_edit::value("setuptools.build_meta:__legacy__"));
    }
    let after = document.to_string();
    let reason = format!("building it needs {}", needed.join(", "));
    Some(FileChange { path, before, after, reason })
}

#[cfg(test)]
mod tests {
    use super::*;
    use camino::Utf8Path;
    use sizar_model::environment::LockedSource;
    use sizar_model::inspection::{Declared, PackagingFile};
    use sizar_model::{CondaPackage, Digest, PythonVersion};

    fn lock() -> EnvLock {
        let package = |name: &str, version: &str| LockedPackage {
            name: name.into(),
            version: version.into(),
            hashes: Vec::new(),
            url: None,
        };
        EnvLock {
            version: 1,
            python: PythonVersion::minor(3, 7),
            platform: "linux-x86_64".into(),
            source: LockedSource {
                locator: "demo".into(),
                revision: None,
                digest: Digest::of(b"demo"),
                install: ProjectInstall::Install,
            },
            requirements: ["numpy", "scikit-learn", "six", "tqdm==4.1"].map(String::from).into(),
            exclude_newer: None,
            exclude_newer_package: BTreeMap::new(),
            build_constraints: vec!["setuptools<58".into()],
            extra_build_requirements: BTreeMap::from([(".".into(), vec!["Cython<3".into()])]),
            metadata: BTreeMap::new(),
            shims: Vec::new(),
            installer: sizar_model::Installer::Uv,
            build_steps: Vec::new(),
            source_edits: Vec::new(),
            left_out: Vec::new(),
            variables: BTreeMap::new(),
            deviations: Vec::new(),
            packages: vec![
                package("numpy", "1.17.4"),
                package("scikit-learn", "0.21.3"),
                package("scipy", "1.3.2"),
                package("six", "1.13.0"),
                package("tqdm", "4.1"),
            ],
            conda: Vec::new(),
            verification: None,
        }
    }

    fn inspection(path: &str, text: &str) -> Inspection {
        let declared = |(at, line): (usize, &str)| {
            let name = name::of_requirement(line);
            (!name.is_empty()).then(|| Declared {
                name,
                requirement: Some(line.into()),
                raw: line.into(),
                path: path.into(),
                line: at as u32 + 1,
                scope: "install".into(),
                repaired: None,
                unreadable: None,
            })
        };
        Inspection {
            packaging: vec![PackagingFile {
                path: path.into(),
                kind: "requirements_txt".into(),
                name: None,
                version: None,
                requires_python: None,
                build_backend: None,
                compiles: false,
                only_compiles: false,
                unreadable: Vec::new(),
            }],
            declared: text.lines().enumerate().filter_map(declared).collect(),
            ..Inspection::default()
        }
    }

    fn git(root: &Utf8Path, args: &[&str]) {
        let status = std::process::Command::new("git").args(args).current_dir(root).status();
        assert!(status.unwrap().success(), "git {args:?}");
    }

    #[test]
    fn the_patch_applies_and_says_what_is_needed() {
        let before = "# what it needs\nnumpy\nsklearn\ntqdm==4.1\n\ngone==0.1";
        let files =
            [("requirements.txt", before), ("pyproject.toml", "[tool.black]\nline-length = 80\n")];
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(folder.path()).unwrap();
        for (path, text) in files {
            fs_err::write(root.join(path), text).unwrap();
        }
        let read = |path: &str| fs_err::read_to_string(root.join(path)).ok();
        let made = changes(&lock(), &inspection("requirements.txt", before), &read);
        let patch = patch(&made);
        fs_err::write(root.join("fix.patch"), &patch).unwrap();
        git(root, &["init", "-q"]);
        git(root, &["apply", "--check", "fix.patch"]);
        git(root, &["apply", "fix.patch"]);
        assert_eq!(
            fs_err::read_to_string(root.join("requirements.txt")).unwrap(),
            "# what it needs\nnumpy==1.17.4\ntqdm==4.1\n\nscikit-learn==0.21.3\nsix==1.13.0\n"
        );
        assert_eq!(fs_err::read_to_string(root.join(".python-version")).unwrap(), "3.7\n");
        let project: toml::Table =
            toml::from_str(&fs_err::read_to_string(root.join("pyproject.toml")).unwrap()).unwrap();
        assert_eq!(project["tool"]["black"]["line-length"].as_integer(), Some(80));
        let requires: Vec<&str> = project["build-system"]["requires"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(toml::Value::as_str)
            .collect();
        assert_eq!(requires, ["setuptools<58", "wheel", "Cython<3"]);
        // what is right already stays as it is
        let text = read("requirements.txt").unwrap();
        assert!(changes(&lock(), &inspection("requirements.txt", &text), &read).is_empty());
    }

    #[test]
    fn without_a_requirements_file_one_is_made() {
        let made = changes(&lock(), &Inspection::default(), &|_| None);
        assert!(made.iter().all(|change| change.before.is_none()));
        let patch = patch(&made);
        assert!(patch.contains("new file mode 100644\n--- /dev/null\n+++ b/requirements.txt\n"));
    }

    #[test]
    fn what_conda_gave_is_an_environment_file() {
        let package = |name: &str, version: &str, channel: &str| CondaPackage {
            name: name.into(),
            version: version.into(),
            build: "0".into(),
            url: format!("https://{channel}/linux-64/{name}-{version}-0.conda"),
            sha256: "0a".repeat(32),
        };
        let mut lock = lock();
        lock.packages.retain(|package| package.name == "six");
        lock.extra_build_requirements.clear();
        lock.conda = vec![
            package("python", "3.7.3", "repo.anaconda.com/pkgs/main"),
            package("pytorch", "1.0.0", "conda.anaconda.org/pytorch"),
            package("own", "2", "server.example/conda"),
        ];
        let mut inspection = inspection("environment.yml", "");
        inspection.packaging[0].kind = "environment_yml".into();
        let before = "name: theirs\nchannels:\n  - defaults\ndependencies:\n  - pytorch\n";
        let made = changes(&lock, &inspection, &|_| Some(before.to_owned()));
        let [change] = made.as_slice() else { panic!("{made:?}") };
        assert_eq!(change.path, "environment.yml");
        assert_eq!(
            change.after,
            "name: theirs\nchannels:\n  - pytorch\n  - https://server.example/conda\n  - defaults\n\
             dependencies:\n  - own=2\n  - python=3.7.3\n  - pytorch=1.0.0\n  - pip\n  - pip:\n      \
             - six==1.13.0\n"
        );
        assert!(changes(&lock, &inspection, &|_| Some(change.after.clone())).is_empty());
    }
}
