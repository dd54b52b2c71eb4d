//! Packages whose builds take a compiler and patience: they had better come as wheels.

use std::collections::BTreeMap;
use std::str::FromStr as _;

use jiff::Timestamp;
use sizar_model::{Deviation, PythonVersion};
use uv_pep440::Version;

use crate::name;
use crate::pins::{PinFacts, Release, nearest, pin_of};

/// Those whose builds take many minutes, and mostly fail with the compilers of today.
const SLOW: &[&str] = &[
    "numpy",
    "scipy",
    "pandas",
    "opencv-python",
    "opencv-python-headless",
    "opencv-contrib-python",
    "opencv-contrib-python-headless",
    "scikit-learn",
    "scikit-image",
    "numba",
    "llvmlite",
    "grpcio",
    "pyarrow",
    "onnx",
    "dlib",
    "xgboost",
    "pyqt5",
    "pybullet",
];

/// Those that build in less, or come as wheels only.
const OTHERS: &[&str] = &[
    "torch",
    "torchvision",
    "torchaudio",
    "tensorflow",
    "jaxlib",
    "matplotlib",
    "h5py",
    "pillow",
    "lxml",
    "spacy",
    "thinc",
    "gensim",
    "tokenizers",
    "cython",
    "pyyaml",
    "onnxruntime",
    "mxnet",
    "shapely",
    "rasterio",
    "fiona",
    "pyproj",
    "statsmodels",
    "lightgbm",
    "faiss-cpu",
    "sentencepiece",
    "pywavelets",
    "pycocotools",
    "psycopg2-binary",
    "netcdf4",
    "tables",
    "astropy",
    "biopython",
    "pysam",
    "rdkit",
    "vtk",
    "simpleitk",
    "regex",
    "cffi",
    "cryptography",
    "box2d-py",
];

fn all() -> impl Iterator<Item = &'static str> {
    SLOW.iter().chain(OTHERS).copied()
}

/// Whether a package is one whose builds take a compiler and patience.
pub fn is_heavy(package: &str) -> bool {
    all().any(|heavy| heavy == package)
}

/// Returns the heavy packages whose release is left to the resolver: what nobody pinned had better
/// come as a wheel than be the newest, and a resolver that goes back in time in search of metadata
/// that it can read must not end at a source of ten years before.
pub fn better_as_wheels<'a>(asked: impl Iterator<Item = &'a String>) -> Vec<&'static str> {
    let decided = asked.filter(|asked| pin_of(asked).is_some() || asked.contains('@'));
    let decided: Vec<String> = decided.map(|asked| name::of_requirement(asked)).collect();
    all().filter(|heavy| !decided.iter().any(|name| name == heavy)).collect()
}

/// Takes the nearest release with a wheel where a pinned one has wheels for other Pythons than
/// `python` only, and its build is a matter of many minutes.
///
/// The authors had another Python when they pinned it: an `environment.yml` with Python 3.7 in a
/// project whose metadata asks for 3.9 by now.
pub(crate) fn as_wheels(
    requirements: &mut [String],
    facts: &[PinFacts],
    python: PythonVersion,
) -> Vec<Deviation> {
    let mut deviations = Vec::new();
    for requirement in requirements {
        let Some(pin) = pin_of(requirement).filter(|pin| SLOW.contains(&pin.name.as_str())) else {
            continue;
        };
        let Some(fact) = facts.iter().find(|fact| fact.pin == pin) else { continue };
        let mut named = fact.named().peekable();
        let has_wheels = named.peek().is_some_and(|release| release.wheels);
        if !has_wheels || named.any(|release| release.runs_on(python)) {
            continue;
        }
        let usable = |release: &&Release| !release.yanked && release.runs_on(python);
        let Some(release) = Version::from_str(&pin.version)
            .ok()
            .and_then(|wanted| nearest(&wanted, fact.releases.iter().filter(usable)))
        else {
            continue;
        };
        let written =
            format!("{}=={}{}", pin.name, pin.version, if pin.prefix { ".*" } else { "" });
        let next = format!("{}=={}", pin.name, release.version);
        deviations.push(Deviation {
            rule: "nearest-wheel".into(),
            reason: format!(
                "there is no wheel of {written} for Python {}; {next} is the nearest that has one",
                python.without_patch()
            ),
        });
        let marker = requirement.split_once(';').map(|(_, marker)| format!(" ; {}", marker.trim()));
        *requirement = next + &marker.unwrap_or_default();
    }
    deviations
}

/// Says which of `requirements` are taken as of a later date than the rest, because `wheels` says
/// that their first wheels came then; one that is pinned is the release that it names.
pub(crate) fn first_wheels(
    requirements: &[String],
    wheels: &BTreeMap<String, Timestamp>,
) -> Option<Deviation> {
    let taken = requirements.iter().filter(|asked| pin_of(asked).is_none());
    let taken: BTreeMap<_, _> =
        taken.filter_map(|asked| wheels.get_key_value(&name::of_requirement(asked))).collect();
    let last = taken.values().max()?;
    let names: Vec<_> = taken.keys().map(|name| name.as_str()).collect();
    Some(Deviation {
        rule: "first-wheels".into(),
        reason: format!(
            "{}: as of when their first wheels for Linux and Python 2.7 came, up to {}; what there \
             was before has to be compiled, with libraries of its time",
            names.join(", "),
            last.strftime("%Y-%m")
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn release(version: &str, pythons: &[(u8, u8)]) -> Release {
        Release {
            version: version.into(),
            published: None,
            yanked: false,
            source: true,
            wheels: !pythons.is_empty(),
            pythons: pythons.iter().map(|(a, b)| PythonVersion::minor(*a, *b)).collect(),
        }
    }

    fn mended(requirement: &str, releases: &[Release]) -> (String, usize) {
        let fact = PinFacts {
            pin: pin_of(requirement).unwrap(),
            releases: releases.to_vec(),
            relatives: Vec::new(),
        };
        let mut requirements = [requirement.to_owned()];
        let said = as_wheels(&mut requirements, &[fact], PythonVersion::minor(3, 9)).len();
        let [requirement] = requirements;
        (requirement, said)
    }

    #[test]
    fn a_pin_of_another_python_becomes_the_nearest_wheel() {
        let releases = [
            release("0.22", &[(3, 6), (3, 7)]),
            release("0.24.0", &[(3, 7), (3, 9)]),
            release("1.0", &[(3, 9)]),
        ];
        assert_eq!(mended("scikit-learn==0.22.*", &releases), ("scikit-learn==0.24.0".into(), 1));
        // what has a wheel here stays, and so does what was never a wheel, or builds at once
        assert_eq!(mended("scikit-learn==1.0", &releases), ("scikit-learn==1.0".into(), 0));
        assert_eq!(
            mended("scipy==0.9", &[release("0.9", &[]), release("1.7", &[(3, 9)])]),
            ("scipy==0.9".into(), 0)
        );
        assert_eq!(mended("tqdm==0.22.*", &releases), ("tqdm==0.22.*".into(), 0));
    }

    #[test]
    fn what_somebody_pinned_may_be_built() {
        let asked = ["numpy==1.12.1", "pandas>=0.20", "torch @ https://x.org/t.whl"];
        let heavy = better_as_wheels(asked.map(str::to_owned).iter());
        assert!(heavy.contains(&"pandas") && heavy.contains(&"scipy"));
        assert!(!heavy.contains(&"numpy") && !heavy.contains(&"torch"));
    }
}
