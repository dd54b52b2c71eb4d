//! What the package index knows of single releases, where uv does not say.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use sizar_env::diagnosis::{Diagnosis, diagnose};
use sizar_env::metadata::mended_requirements;
use sizar_env::pins::{Pin, PinFacts, Release};
use sizar_env::{knowledge, name};
use sizar_model::{EnvSpec, PythonVersion, SafeUrl};
use uv_pep440::Version;

use crate::index::{Index, IndexError, Project, SdistName};

/// The most bytes of a wheel's metadata.
const METADATA_LIMIT: u64 = 4 << 20;
/// How many questions are under way at once.
const QUESTIONS: usize = 12;

/// Asks the index about pinned releases. What it does not tell is left out.
pub fn facts(pins: &[Pin]) -> Vec<PinFacts> {
    let index = Index::from_environment();
    let next = AtomicUsize::new(0);
    let found = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..QUESTIONS.min(pins.len()) {
            // questions wait for answers, not for processors
            scope.spawn(|| {
                while let Some(pin) = pins.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let fact = facts_of(&index, pin);
                    if let (Some(fact), Ok(mut found)) = (fact, found.lock()) {
                        found.push(fact);
                    }
                }
            });
        }
    });
    found.into_inner().unwrap_or_default()
}

fn facts_of(index: &Index, pin: &Pin) -> Option<PinFacts> {
    let releases = match index.project(&pin.name) {
        Ok(project) => releases_of(&project),
        Err(IndexError::UnknownPackage { .. }) => Vec::new(),
        Err(_) => return None,
    };
    let mut fact = PinFacts { pin: pin.clone(), releases, relatives: Vec::new() };
    if fact.published().is_none() {
        let family = knowledge::renames().family(&pin.name);
        let relatives = family.into_iter().filter(|name| *name != pin.name).filter(|name| {
            let Ok(project) = index.project(name) else { return false };
            let pin = Pin { name: (*name).to_owned(), ..pin.clone() };
            let fact = PinFacts { pin, releases: releases_of(&project), relatives: Vec::new() };
            fact.published().is_some()
        });
        fact.relatives = relatives.map(str::to_owned).collect();
    }
    Some(fact)
}

/// Returns the releases of a distribution; none where the index does not tell.
pub fn releases(name: &str) -> Vec<Release> {
    let project = Index::from_environment().project(name);
    project.map(|project| releases_of(&project)).unwrap_or_default()
}

/// Sorts a project's files by their release.
fn releases_of(project: &Project) -> Vec<Release> {
    let mut releases: BTreeMap<String, Release> = BTreeMap::new();
    for file in &project.files {
        let stem = file.filename.strip_suffix(".whl");
        let version = match stem {
            Some(stem) => stem.split('-').nth(1).and_then(|version| version.parse().ok()),
            None => SdistName::parse(&project.name, &file.filename).map(|name| name.version),
        };
        let Some(version) = version.map(|version: Version| version.to_string()) else { continue };
        let release = releases.entry(version.clone()).or_insert_with(|| Release {
            version,
            published: None,
            yanked: true,
            source: false,
            wheels: false,
            pythons: Vec::new(),
        });
        release.yanked &= file.yanked;
        release.source |= stem.is_none();
        let earlier =
            release.published.is_none_or(|known| file.upload_time.is_some_and(|t| t < known));
        if earlier {
            release.published = file.upload_time.or(release.published);
        }
        let pythons = stem.map(pythons_of).unwrap_or_default();
        release.wheels |= !pythons.is_empty();
        release.pythons.extend(pythons);
    }
    for release in releases.values_mut() {
        release.pythons.sort_unstable();
        release.pythons.dedup();
        // what any Python 3 runs decides nothing
        if release.pythons.contains(&ANY) {
            release.pythons.clear();
        }
    }
    releases.into_values().collect()
}

/// Stands for any Python 3 in a wheel's name.
const ANY: PythonVersion = PythonVersion::minor(3, 0);
/// The newest Python that a wheel for the stable interface is counted for.
const NEWEST: u8 = 16;

/// Reads the Pythons from the name of a wheel for this kind of system.
fn pythons_of(stem: &str) -> Vec<PythonVersion> {
    let parts: Vec<&str> = stem.split('-').collect();
    let [_, _, .., tags, abi, platform] = parts.as_slice() else { return Vec::new() };
    let fits = *platform == "any"
        || (platform.contains("linux") && platform.contains(std::env::consts::ARCH));
    if !fits {
        return Vec::new();
    }
    let mut pythons = Vec::new();
    for tag in tags.split('.') {
        if tag == "py3" {
            pythons.push(ANY);
        } else if let Some(python) = cpython(tag) {
            let last = if abi.contains("abi3") { NEWEST } else { python.minor };
            pythons.extend((python.minor..=last).map(|minor| PythonVersion { minor, ..python }));
        }
    }
    pythons
}

/// Reads a tag such as `cp27` or `cp310`.
fn cpython(tag: &str) -> Option<PythonVersion> {
    let (major, minor) = tag.strip_prefix("cp")?.split_at_checked(1)?;
    Some(PythonVersion::minor(major.parse().ok()?, minor.parse().ok()?))
}

/// Mends the metadata of the releases that uv could not read.
///
/// Returns whether there was something to mend that was not mended before.
pub fn mend_metadata(spec: &mut EnvSpec, output: &str) -> bool {
    let mut found = BTreeMap::new();
    for diagnosis in diagnose(output) {
        if let Diagnosis::InvalidMetadata { package, version } = diagnosis {
            let release = format!("{package}=={version}");
            if !spec.metadata.contains_key(&release)
                && let Some(requirements) = requirements_of(&package, &version)
            {
                found.insert(release, requirements);
            }
        }
    }
    let mended = !found.is_empty();
    spec.metadata.append(&mut found);
    mended
}

/// Fetches a release's metadata, which the index keeps beside its wheels (PEP 658).
fn requirements_of(package: &str, version: &str) -> Option<Vec<String>> {
    let index = Index::from_environment();
    let project = index.project(package).ok()?;
    let wheel = project.files.iter().find(|file| {
        let mut parts = file.filename.split('-');
        file.filename.ends_with(".whl")
            && parts.next().is_some_and(|found| name::normalise(found) == package)
            && parts.next() == Some(version)
    })?;
    let url = SafeUrl::new(format!("{}.metadata", wheel.url.expose()));
    let document = index.client().get(&url, "*/*", METADATA_LIMIT).ok()?;
    let text = String::from_utf8_lossy(&document.body);
    // an index that answers everything with a page of its own
    text.starts_with("Metadata-Version:").then(|| mended_requirements(&text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::IndexFile;

    fn file(filename: &str) -> IndexFile {
        IndexFile {
            filename: filename.to_owned(),
            url: SafeUrl::new("https://x.org/"),
            sha256: None,
            size: None,
            upload_time: None,
            yanked: false,
            requires_python: None,
        }
    }

    #[test]
    fn wheels_name_their_pythons() {
        let arch = std::env::consts::ARCH;
        let files = [
            file(&format!("torch-1.4.0-cp37-cp37m-manylinux1_{arch}.whl")),
            file(&format!("torch-1.4.0-cp38-cp38-manylinux1_{arch}.whl")),
            file(&format!("torch-1.4.0-cp27-cp27mu-manylinux1_{arch}.whl")),
            file("torch-1.4.0-cp36-cp36m-win_amd64.whl"),
            file(&format!("torch-1.5.0-cp39-cp39-manylinux1_{arch}.whl")),
        ];
        let project = Project { name: "torch".into(), files: files.into() };
        let minor = |minor| PythonVersion::minor(3, minor);
        let releases = releases_of(&project);
        assert_eq!(releases[0].pythons, [PythonVersion::minor(2, 7), minor(7), minor(8)]);
        assert_eq!(releases[1].pythons, [minor(9)]);
        assert_eq!(pythons_of("six-1.0-py2.py3-none-any"), [ANY]);
        let stable = pythons_of(&format!("x-1.0-cp38-abi3-manylinux2014_{arch}"));
        assert!(stable.contains(&minor(8)) && stable.contains(&minor(12)));
    }
}
