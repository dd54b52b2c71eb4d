//! What the package index knows of single releases, where uv does not say.

use std::collections::BTreeMap;

use rayon::prelude::*;
use sizar_env::diagnosis::{Diagnosis, diagnose};
use sizar_env::metadata::mended_requirements;
use sizar_env::name;
use sizar_model::{Deviation, EnvSpec, PythonVersion, SafeUrl};

use crate::index::{Index, IndexFile};

/// The most bytes of a wheel's metadata.
const METADATA_LIMIT: u64 = 4 << 20;
/// The most pins that are looked up: those of large packages come with few others.
const MOST_PINS: usize = 60;

/// Packages whose builds take a compiler and patience: for them a wheel decides the Python.
const BINARY: &[&str] = &[
    "numpy",
    "scipy",
    "pandas",
    "torch",
    "torchvision",
    "torchaudio",
    "tensorflow",
    "jaxlib",
    "opencv-python",
    "opencv-python-headless",
    "opencv-contrib-python",
    "opencv-contrib-python-headless",
    "scikit-learn",
    "scikit-image",
    "matplotlib",
    "h5py",
    "pillow",
    "numba",
    "llvmlite",
    "lxml",
    "spacy",
    "thinc",
    "gensim",
    "tokenizers",
    "cython",
    "pyyaml",
    "grpcio",
    "pyarrow",
    "onnxruntime",
    "onnx",
    "mxnet",
    "dlib",
    "shapely",
    "rasterio",
    "fiona",
    "pyproj",
    "statsmodels",
    "xgboost",
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
    "pyqt5",
    "regex",
    "cffi",
    "cryptography",
];

/// Returns the Pythons that the pinned releases of large binary packages have wheels for, as
/// `name==version` with its Pythons. What the index does not tell is left out.
pub fn wheels(pins: &[(String, String)]) -> Vec<(String, Vec<PythonVersion>)> {
    let asked: Vec<_> =
        pins.iter().filter(|(name, _)| BINARY.contains(&name.as_str())).take(MOST_PINS).collect();
    if asked.is_empty() {
        return Vec::new();
    }
    let index = Index::from_environment();
    asked
        .par_iter()
        .filter_map(|(name, version)| {
            let project = index.project(name).ok()?;
            let pythons = pythons_of(&project.files, version);
            (!pythons.is_empty()).then(|| (format!("{name}=={version}"), pythons))
        })
        .collect()
}

/// Reads the Pythons from the names of a release's wheels for this kind of system.
fn pythons_of(files: &[IndexFile], version: &str) -> Vec<PythonVersion> {
    let mut pythons = Vec::new();
    for file in files {
        let Some(stem) = file.filename.strip_suffix(".whl") else { continue };
        let parts: Vec<&str> = stem.split('-').collect();
        let [_, found, .., tags, _, platform] = parts.as_slice() else { continue };
        let fits = *platform == "any"
            || (platform.contains("linux") && platform.contains(std::env::consts::ARCH));
        if *found != version || !fits {
            continue;
        }
        for tag in tags.split('.') {
            match tag {
                // any Python 3: nothing is decided by it
                "py3" => return Vec::new(),
                _ => pythons.extend(cpython(tag)),
            }
        }
    }
    pythons.sort_unstable();
    pythons.dedup();
    pythons
}

/// Reads a tag such as `cp27` or `cp310`.
fn cpython(tag: &str) -> Option<PythonVersion> {
    let (major, minor) = tag.strip_prefix("cp")?.split_at_checked(1)?;
    Some(PythonVersion::minor(major.parse().ok()?, minor.parse().ok()?))
}

/// Mends the metadata of the releases that uv could not read, and says so in the specification.
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
    for release in found.keys() {
        spec.deviations.push(Deviation {
            rule: "mended-metadata".into(),
            reason: format!("{release} states its requirements in a form that is no longer read"),
        });
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
        let minor = |minor| PythonVersion::minor(3, minor);
        let two = PythonVersion::minor(2, 7);
        assert_eq!(pythons_of(&files, "1.4.0"), [two, minor(7), minor(8)]);
        assert!(pythons_of(&[file("six-1.0-py2.py3-none-any.whl")], "1.0").is_empty());
    }
}
