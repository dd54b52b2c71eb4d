//! Conda's way of asking for a package, to PEP 508.

use super::conda_names::{Counterpart, backport_marker, counterpart, has_longer_versions};
use super::read::Read;
use super::requirement::{Distribution, is_specifiers, normalise, with_marker};
use super::text::{group, pattern, shorten};

/// What is said of a package that only conda has.
pub(super) const NO_COUNTERPART: &str = "a conda package without a counterpart on PyPI";

/// Records a match specification: `numpy=1.16.2=py37_0`, `conda-forge::lxml>=4`, `python=3.7`.
pub(super) fn require(read: &mut Read, written: &str, line: u32, scope: &str) {
    pattern!(SPEC, r"^([A-Za-z0-9_][\w.-]*)\s*(?:\[(.*)\]|(.*))$");
    pattern!(VERSION_KEY, r#"version\s*=\s*['"]?([^'"\]]+)"#, needs["version"]);
    let bare = written.split(" #").next().unwrap_or(written).trim().trim_matches(['"', '\'']);
    let (channel, spec) = match bare.rsplit_once("::") {
        Some((channel, spec)) => (Some(channel), spec.trim()),
        None => (None, bare),
    };
    let Some(found) = SPEC.captures(spec) else {
        read.cannot_read(format!("line {line}: `{}` is no conda package", shorten(written)));
        return;
    };
    if let Some(channel) = channel {
        read.index("conda_channel", channel, line);
    }
    let name = group(&found, 1).to_ascii_lowercase();
    let versions = match VERSION_KEY.captures(group(&found, 2)) {
        Some(key) => group(&key, 1).trim().to_owned(),
        None => group(&found, 3).trim().to_owned(),
    };
    row(read, &Row { name: &name, versions: &versions, written, line, scope });
}

/// A package with what is asked of its version, in conda's words.
pub(super) struct Row<'a> {
    pub name: &'a str,
    pub versions: &'a str,
    pub written: &'a str,
    pub line: u32,
    pub scope: &'a str,
}

/// Records a package of conda.
pub(super) fn row(read: &mut Read, asked: &Row<'_>) {
    let (versions, mut notes) = without_build(asked.versions);
    if asked.name == "python" {
        python(read, &versions, asked.line);
        return;
    }
    if matches!(asked.name, "cudatoolkit" | "pytorch-cuda" | "cuda" | "cuda-toolkit") {
        let version: String =
            versions.chars().filter(|c| c.is_ascii_digit() || *c == '.').collect();
        if !version.is_empty() {
            read.on_platform("cuda", version.trim_matches('.'), asked.line);
        }
    }
    let pypi = match counterpart(asked.name) {
        Counterpart::PyPi(name) => name,
        Counterpart::None { program } => {
            if let Some(program) = program {
                read.system_package("conda", program, asked.line);
            }
            let found = Distribution::unreadable(asked.name, NO_COUNTERPART);
            read.declare(found, asked.written, asked.line, asked.scope);
            return;
        }
    };
    let mut found = Distribution { name: normalise(pypi), ..Distribution::default() };
    if pypi != asked.name {
        notes.insert(0, format!("`{}` of conda is `{pypi}` on PyPI", asked.name));
    }
    match specifiers(&versions, has_longer_versions(pypi)) {
        Some(specifiers) => found.requirement = Some(format!("{}{specifiers}", found.name)),
        None => found.unreadable = Some(format!("`{versions}` has no counterpart in PEP 440")),
    }
    if let (Some(requirement), Some(marker)) = (&mut found.requirement, backport_marker(pypi)) {
        *requirement = with_marker(requirement, marker);
        notes.push("a backport, needed by old Pythons only".to_owned());
    }
    for note in notes {
        found.note(&note);
    }
    read.declare(found, asked.written, asked.line, asked.scope);
}

/// Cuts the build off: `=1.16.2=py37_0`, `1.8.1 py27_0`, `=1.2.0='cuda92*'`.
fn without_build(versions: &str) -> (String, Vec<String>) {
    pattern!(BUILD, r#"^(={0,2}\s*[\d][^\s=<>!]*)\s*(?:=\s*|\s+)['"]?([\w.*]+)['"]?$"#);
    match BUILD.captures(versions) {
        Some(found) => {
            let version = group(&found, 1).trim_start_matches(['=', ' ']);
            // a version with a build is one exact package
            let exact =
                if version.contains('*') { version.to_owned() } else { format!("=={version}") };
            (exact, vec![format!("the conda build `{}` is dropped", group(&found, 2))])
        }
        None => (versions.to_owned(), Vec::new()),
    }
}

fn python(read: &mut Read, versions: &str, line: u32) {
    pattern!(EXACT, r"^={0,2}\s*([23](?:\.\d+)*)(?:\.\*|\*)?$");
    if versions.is_empty() {
        return;
    }
    match EXACT.captures(versions) {
        Some(found) => read.python_named(group(&found, 1), line),
        None => match specifiers(versions, false) {
            Some(specifiers) => read.python_named(&specifiers, line),
            None => read.cannot_read(format!("line {line}: the Python version `{versions}`")),
        },
    }
}

/// Translates conda's version constraint; nothing where PEP 440 cannot say it.
fn specifiers(versions: &str, longer: bool) -> Option<String> {
    pattern!(PLAIN, r"^\d+(?:\.\d+)*$");
    let mut parts = Vec::new();
    for part in versions.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let start = part.find(|c: char| !"=<>!~ ".contains(c)).unwrap_or(part.len());
        let (operator, version) = part.split_at(start);
        let operator: String = operator.split_whitespace().collect();
        let stem = version.trim_end_matches('*').trim_end_matches('.');
        let starred = version.ends_with('*');
        if stem.is_empty() && starred {
            continue;
        }
        let specifier = match operator.as_str() {
            // fuzzy: `=1.16` is every 1.16; three numbers name a release
            "" | "=" if starred || PLAIN.is_match(stem) && stem.matches('.').count() < 2 => {
                format!("=={stem}.*")
            }
            "" | "=" | "==" if longer && PLAIN.is_match(stem) => format!("=={stem}.*"),
            "" | "=" => format!("=={stem}"),
            "==" | "!=" if starred => format!("{operator}{stem}.*"),
            "==" | "!=" | ">=" | "<=" | "<" | ">" | "~=" => format!("{operator}{stem}"),
            _ => return None,
        };
        parts.push(specifier);
    }
    let joined = parts.join(",");
    is_specifiers(&joined).then_some(joined)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packaging::Kind;

    #[test]
    fn match_specifications_become_requirements() {
        let specs = [
            "numpy",
            "numpy=1.16",
            "numpy=1.16.2",
            "numpy=1.16.2=py37h7e9f1db_0",
            "numpy==1.16.2",
            "numpy>=1.11,<2",
            "numpy 1.8*",
            "numpy 1.8.1 py27_0",
            "numpy=1.16.*",
            "numpy=1.11|1.12",
            "conda-forge::pytorch-cpu>=1.5.0,<1.11",
            "pytorch=1.2.0='cuda92*'",
            "py-opencv=3.4.2",
            "opencv=3",
            "pytables",
            "cudatoolkit<=9.2",
            "jpeg=9c",
            "openssl=1.1.1f",
            "ffmpeg=4.0.2",
            "x264=1!152.20180806",
            "python=3.6.8",
            "python>=3.6,<3.8",
            "pytorch[version='>=1.0']",
            "scikit-learn ",
            "ruamel_yaml=0.15.46=py37h14c3975_0",
            "tensorflow-gpu==1.15",
            "dataclasses=0.8=pyhc8e2a94_3",
            "pip",
        ];
        let mut read = Read::new("environment.yml", Kind::EnvironmentYml);
        for (line, spec) in (1..).zip(specs) {
            require(&mut read, spec, line, "conda");
        }
        let mut told: Vec<(u32, String)> = read
            .declared
            .iter()
            .map(|declared| {
                let asked =
                    declared.requirement.clone().unwrap_or_else(|| format!("({})", declared.name));
                let notes = [&declared.repaired, &declared.unreadable];
                let notes: Vec<&str> = notes.into_iter().flatten().map(String::as_str).collect();
                (declared.line, format!("{} -> {asked}  {}", declared.raw, notes.join(" ! ")))
            })
            .chain(read.python.named.iter().map(|s| (s.line, format!("python {}", s.text))))
            .chain(read.platform.iter().map(|s| (s.line, format!("{} {}", s.kind, s.text))))
            .chain(read.system_packages.iter().map(|s| (s.line, format!("system {}", s.text))))
            .collect();
        told.sort_by_key(|(line, _)| *line);
        let told: Vec<String> =
            told.into_iter().map(|(_, told)| told.trim_end().to_owned()).collect();
        insta::assert_snapshot!(told.join("\n"), @r#"
numpy -> numpy
numpy=1.16 -> numpy==1.16.*
numpy=1.16.2 -> numpy==1.16.2
numpy=1.16.2=py37h7e9f1db_0 -> numpy==1.16.2  the conda build `py37h7e9f1db_0` is dropped
numpy==1.16.2 -> numpy==1.16.2
numpy>=1.11,<2 -> numpy>=1.11,<2
numpy 1.8* -> numpy==1.8.*
numpy 1.8.1 py27_0 -> numpy==1.8.1  the conda build `py27_0` is dropped
numpy=1.16.* -> numpy==1.16.*
numpy=1.11|1.12 -> (numpy)  `=1.11|1.12` has no counterpart in PEP 440
conda-forge::pytorch-cpu>=1.5.0,<1.11 -> torch>=1.5.0,<1.11  `pytorch-cpu` of conda is `torch` on PyPI
pytorch=1.2.0='cuda92*' -> torch==1.2.0  `pytorch` of conda is `torch` on PyPI; the conda build `cuda92*` is dropped
py-opencv=3.4.2 -> opencv-python-headless==3.4.2.*  `py-opencv` of conda is `opencv-python-headless` on PyPI
opencv=3 -> opencv-python-headless==3.*  `opencv` of conda is `opencv-python-headless` on PyPI
pytables -> tables  `pytables` of conda is `tables` on PyPI
cudatoolkit<=9.2 -> (cudatoolkit)  a conda package without a counterpart on PyPI
cuda 9.2
jpeg=9c -> (jpeg)  a conda package without a counterpart on PyPI
openssl=1.1.1f -> (openssl)  a conda package without a counterpart on PyPI
ffmpeg=4.0.2 -> (ffmpeg)  a conda package without a counterpart on PyPI
system ffmpeg
x264=1!152.20180806 -> (x264)  a conda package without a counterpart on PyPI
python 3.6.8
python >=3.6,<3.8
pytorch[version='>=1.0'] -> torch>=1.0  `pytorch` of conda is `torch` on PyPI
scikit-learn -> scikit-learn
ruamel_yaml=0.15.46=py37h14c3975_0 -> ruamel-yaml==0.15.46  `ruamel_yaml` of conda is `ruamel.yaml` on PyPI; the conda build `py37h14c3975_0` is dropped
tensorflow-gpu==1.15 -> tensorflow-gpu==1.15
dataclasses=0.8=pyhc8e2a94_3 -> dataclasses==0.8 ; python_version < "3.7"  the conda build `pyhc8e2a94_3` is dropped; a backport, needed by old Pythons only
pip -> pip
"#);
        assert!(read.file.unreadable.is_empty());
    }
}
