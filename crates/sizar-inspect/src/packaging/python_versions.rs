//! Files that name Python versions: `runtime.txt`, `.python-version`, `tox.ini`, CI workflows.

use super::kind::Kind;
use super::read::Read;
use super::text::{Pattern, group, pattern};

/// `python-3.7.3` (Heroku, Binder)
pub(super) fn runtime_txt(path: &str, text: &str) -> Read {
    pattern!(RUNTIME, r"(?i)^\s*python-?\s*([23](?:\.\d+){1,2})");
    first_lines(Read::new(path, Kind::RuntimeTxt), text, &RUNTIME)
}

/// `3.7.3`, `3.7`, `3.7.3/envs/name` (pyenv)
pub(super) fn python_version(path: &str, text: &str) -> Read {
    pattern!(PYENV, r"^\s*(?:cpython-|python-)?([23](?:\.\d+){1,2})(?:/|\s|$)");
    first_lines(Read::new(path, Kind::PythonVersion), text, &PYENV)
}

fn first_lines(mut read: Read, text: &str, version: &Pattern) -> Read {
    for (line, written) in (1..).zip(text.lines()) {
        if let Some(found) = version.captures(written) {
            read.python_named(group(&found, 1), line);
        } else if !written.trim().is_empty() && !written.trim().starts_with('#') {
            read.cannot_read(format!("line {line} names no version of Python"));
        }
    }
    read
}

/// `envlist = py27,py36`
pub(super) fn tox_ini(path: &str, text: &str) -> Read {
    pattern!(ENVIRONMENT, r"\bpy\{?([\d,]+)\}?");
    let mut read = Read::new(path, Kind::ToxIni);
    let mut in_list = false;
    for (line, written) in (1..).zip(text.lines()) {
        if written.trim_start().starts_with("envlist")
            || written.trim_start().starts_with("env_list")
        {
            in_list = true;
        } else if !written.starts_with([' ', '\t']) {
            in_list = false;
        }
        if in_list {
            for found in ENVIRONMENT.captures_iter(written) {
                for short in group(&found, 1).split(',') {
                    if let Some(version) = long_version(short) {
                        read.python_named(&version, line);
                    }
                }
            }
        }
    }
    read
}

/// `36` is 3.6, `310` is 3.10.
fn long_version(short: &str) -> Option<String> {
    let (major, minor) = (short.get(..1)?, short.get(1..)?);
    (matches!(major, "2" | "3") && !minor.is_empty() && minor.len() <= 2)
        .then(|| format!("{major}.{minor}"))
}

/// `python-version: [3.6, 3.7]`, and Travis's `python:` list.
pub(super) fn workflow(path: &str, text: &str) -> Read {
    pattern!(
        KEY,
        r#"^\s*-?\s*["']?(?:python-version|python_version|python|PYTHON_VERSION)["']?\s*:\s*(.*)$"#,
        needs["python"]
    );
    pattern!(ITEM, r#"^\s*-\s*["']?([23]\.\d+(?:\.\d+)?)\b"#);
    pattern!(VERSION, r#"(?:^|[\s\["',])([23]\.\d+(?:\.\d+)?)\b"#);
    pattern!(IMAGE, r"^\s*image:\s*python:([23]\.\d+(?:\.\d+)?)", needs["image:"]);
    let mut read = Read::new(path, Kind::Workflow);
    let mut in_list = false;
    for (line, written) in (1..).zip(text.lines()) {
        if let Some(found) = KEY.captures(written) {
            let rest = group(&found, 1).split('#').next().unwrap_or_default();
            in_list = rest.trim().is_empty();
            for version in VERSION.captures_iter(rest) {
                read.python_named(group(&version, 1), line);
            }
        } else if let Some(found) = IMAGE.captures(written) {
            read.python_named(group(&found, 1), line);
        } else if in_list {
            match ITEM.captures(written) {
                Some(found) => read.python_named(group(&found, 1), line),
                None => {
                    in_list =
                        written.trim().is_empty() || written.trim_start().starts_with(['#', '-']);
                }
            }
        }
    }
    read
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(read: &Read) -> Vec<(&str, u32)> {
        read.python.named.iter().map(|s| (s.text.as_str(), s.line)).collect()
    }

    #[test]
    fn each_file_names_its_versions() {
        assert_eq!(named(&runtime_txt("runtime.txt", "python-3.7.3\n")), [("3.7.3", 1)]);
        assert_eq!(named(&python_version(".python-version", "# x\n3.8.5\n")), [("3.8.5", 2)]);
        let tox = "[tox]\nenvlist =\n    py27,py{36,310}\n[testenv]\ndeps = py39\n";
        assert_eq!(named(&tox_ini("tox.ini", tox)), [("2.7", 3), ("3.6", 3), ("3.10", 3)]);
        let github = "jobs:\n  x:\n    strategy:\n      matrix:\n        python-version: [3.6, '3.10']\n    steps:\n      - with:\n          python-version: ${{ matrix.python-version }}\n";
        assert_eq!(named(&workflow("ci.yml", github)), [("3.6", 5), ("3.10", 5)]);
        let travis = "language: python\npython:\n  - \"2.7\"\n  # newer\n  - 3.5\ninstall:\n  - pip install 3.9\n";
        assert_eq!(named(&workflow(".travis.yml", travis)), [("2.7", 3), ("3.5", 5)]);
    }
}
