//! Which of several requirement files and environments of a tree speaks.
//!
//! Authors write one for each machine of theirs (`requirements_gpu.txt`, `environment_macos.yml`):
//! by their names one is chosen, since together they contradict each other.

use std::collections::BTreeSet;

use sizar_model::inspection::{Declared, Driver, Inspection};

use crate::{knowledge, name};

/// The machine that a file is for, by the words of its name; the better for us, the less.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Variant {
    /// For the CPU, or for nothing in particular.
    Here,
    /// For a GPU: its CPU form does the same, slower.
    Gpu,
    /// For another operating system.
    Elsewhere,
}

/// Folders in which authors keep such files for the tree above.
const KEPT_IN: &[&str] = &[
    "requirements",
    "reqs",
    "requirement",
    "envs",
    "env",
    "environments",
    "environment",
    "conda",
    "conda_envs",
    "docker",
    "install",
    "installation",
    "setup",
    "deps",
    "dependencies",
];

fn words(path: &str) -> impl Iterator<Item = String> {
    let lower = path.rsplit('/').next().unwrap_or(path).to_ascii_lowercase();
    let stem = lower.rsplit_once('.').map_or(lower.as_str(), |(stem, _)| stem).to_owned();
    stem.split(['-', '_', '.', ' ']).map(str::to_owned).collect::<Vec<_>>().into_iter()
}

fn variant_of(word: &str) -> Option<Variant> {
    let cuda = word.strip_prefix("cuda").or_else(|| word.strip_prefix("cu"));
    match word {
        "cpu" | "linux" | "ubuntu" => Some(Variant::Here),
        "gpu" | "gpus" | "nvidia" | "rocm" | "tpu" => Some(Variant::Gpu),
        _ if cuda.is_some_and(|rest| rest.chars().all(|c| c.is_ascii_digit())) => {
            Some(Variant::Gpu)
        }
        "mac" | "macos" | "osx" | "darwin" | "m1" | "windows" | "win" | "win64" | "win32"
        | "jetson" | "arm64" | "colab" => Some(Variant::Elsewhere),
        _ => None,
    }
}

fn variant(path: &str) -> Variant {
    words(path).filter_map(|word| variant_of(&word)).max().unwrap_or(Variant::Here)
}

/// What is left of a path without the words for a machine, so that variants are told as such.
fn family(path: &str) -> (String, BTreeSet<String>) {
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned();
    (folder, words(path).filter(|word| variant_of(word).is_none()).collect())
}

/// Whether another file of the same folder and name is for a machine that is more like ours.
pub(crate) fn is_another_variant(inspection: &Inspection, path: &str) -> bool {
    let own = variant(path);
    own > Variant::Here
        && inspection.packaging.iter().any(|other| {
            other.path != path && variant(&other.path) < own && family(&other.path) == family(path)
        })
}

/// Returns the folder of a file that is kept in one for the tree above: what holds for that folder's
/// neighbours holds for the file.
pub(crate) fn kept_for(path: &str) -> Option<&str> {
    let (folder, _) = path.rsplit_once('/')?;
    let name = folder.rsplit('/').next().unwrap_or(folder).to_ascii_lowercase();
    KEPT_IN.contains(&name.as_str()).then_some(folder)
}

/// Keeps what the best file of these declares: for this machine, near the driver, plainly named.
pub(crate) fn of_the_best<'a>(
    declared: Vec<&'a Declared>,
    driver: Option<&Driver>,
) -> Vec<&'a Declared> {
    let paths: BTreeSet<&str> = declared.iter().map(|declared| declared.path.as_str()).collect();
    let Some(best) = paths.into_iter().min_by_key(|path| rank(path, driver)) else {
        return declared;
    };
    let best = best.to_owned();
    declared.into_iter().filter(|declared| declared.path == best).collect()
}

/// The rank of a file among its like; the least is the best.
fn rank(path: &str, driver: Option<&Driver>) -> (bool, Variant, usize, usize, usize) {
    const ASIDE: &[&str] =
        &["dev", "test", "tests", "doc", "docs", "ci", "lint", "full", "old", "extra", "optional"];
    const PLAIN: &[&str] = &[
        "requirements",
        "environment",
        "env",
        "environments",
        "conda",
        "base",
        "main",
        "core",
        "common",
        "install",
        "run",
        "prod",
        "default",
    ];
    let aside = words(path).any(|word| ASIDE.contains(&word.as_str()));
    let stem = driver
        .and_then(|driver| driver.path.rsplit('/').next())
        .and_then(|file| file.strip_suffix(".py"))
        .unwrap_or("")
        .to_ascii_lowercase();
    // `envs/train.yml` is for `train.py`
    let strange = words(path)
        .filter(|word| {
            !PLAIN.contains(&word.as_str()) && variant_of(word).is_none() && *word != stem
        })
        .count();
    let shared = driver.map_or(0, |driver| {
        let parts = path.split('/').zip(driver.path.split('/'));
        parts.take_while(|(a, b)| a == b).count()
    });
    (aside, variant(path), usize::MAX - shared, strange, path.len())
}

/// Returns the release that stands for a requirement on a repository, where the index has the
/// project under that very name: that of the tag, or whichever fits the date.
pub(crate) fn release_instead(requirement: &str) -> Option<String> {
    let (head, rest) = requirement.split_once(" @ ")?;
    let (address, marker) = rest.split_once(" ; ").unwrap_or((rest, ""));
    let name = name::of_requirement(head);
    // a part of a repository may be another project
    if !address.starts_with("git+")
        || address.contains("subdirectory=")
        || !knowledge::is_popular(&name)
    {
        return None;
    }
    let tag = address.rsplit('/').next()?.split('#').next()?.split_once('@').map(|(_, tag)| tag);
    let version = tag
        .map(|tag| tag.trim_start_matches('v'))
        .filter(|tag| tag.contains('.') && tag.split('.').all(|part| part.parse::<u32>().is_ok()));
    let mut release = head.trim().to_owned();
    if let Some(version) = version {
        release.push_str("==");
        release.push_str(version);
    }
    if !marker.is_empty() {
        release.push_str(" ; ");
        release.push_str(marker);
    }
    Some(release)
}

#[cfg(test)]
mod tests {
    use sizar_model::inspection::PackagingFile;

    use super::*;

    fn of(path: &str) -> Declared {
        Declared {
            name: "numpy".into(),
            requirement: Some("numpy".into()),
            raw: "numpy".into(),
            path: path.into(),
            line: 1,
            scope: "conda".into(),
            repaired: None,
            unreadable: None,
        }
    }

    fn best(paths: &[&str]) -> String {
        let all: Vec<Declared> = paths.iter().map(|path| of(path)).collect();
        of_the_best(all.iter().collect(), None)[0].path.clone()
    }

    #[test]
    fn the_file_for_this_machine_is_chosen() {
        assert_eq!(
            best(&["environment_master_gpu.yml", "environment_master.yml", "environment.yml"]),
            "environment.yml"
        );
        assert_eq!(best(&["environment_gpu.yml", "environment_cpu.yml"]), "environment_cpu.yml");
        assert_eq!(best(&["env_macos.yml", "env_cuda102.yml"]), "env_cuda102.yml");
        assert_eq!(best(&["environment-dev.yml", "env.yml"]), "env.yml");
        assert_eq!(
            best(&["requirements/dev.txt", "requirements/base.txt"]),
            "requirements/base.txt"
        );
    }

    #[test]
    fn a_gpu_file_beside_a_cpu_file_is_left_out() {
        let file = |path: &str| PackagingFile {
            path: path.into(),
            kind: "requirements_txt".into(),
            name: None,
            version: None,
            requires_python: None,
            build_backend: None,
            compiles: false,
            only_compiles: false,
            unreadable: Vec::new(),
        };
        let names = ["requirements_gpu.txt", "requirements-cpu.txt", "a/requirements_gpu.txt"];
        let inspection =
            Inspection { packaging: names.map(file).to_vec(), ..Inspection::default() };
        let another = |path| is_another_variant(&inspection, path);
        assert!(another("requirements_gpu.txt"));
        assert!(!another("requirements-cpu.txt"));
        // alone in its folder
        assert!(!another("a/requirements_gpu.txt"));
    }

    #[test]
    fn folders_of_requirement_files_belong_to_the_tree_above() {
        assert_eq!(kept_for("requirements/base.txt"), Some("requirements"));
        assert_eq!(kept_for("docker/requirements.txt"), Some("docker"));
        assert_eq!(kept_for("models/requirements.txt"), None);
        assert_eq!(kept_for("requirements.txt"), None);
    }

    #[test]
    fn a_repository_gives_way_to_the_release_of_the_same_project() {
        for (asked, release) in [
            (
                "transformers @ git+https://github.com/huggingface/transformers@v4.5.1",
                Some("transformers==4.5.1"),
            ),
            (
                "fairseq @ git+https://github.com/pytorch/fairseq.git@a1b2c3 ; python_version > '3'",
                Some("fairseq ; python_version > '3'"),
            ),
            ("pycocotools @ git+https://github.com/a/b.git#subdirectory=PythonAPI", None),
            // the index has another project of that name
            ("clip @ git+https://github.com/openai/CLIP.git", None),
            ("numpy>=1.0", None),
        ] {
            assert_eq!(release_instead(asked).as_deref(), release, "{asked}");
        }
    }
}
