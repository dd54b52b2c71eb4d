//! The packaging of whole trees, in the manner of research code.

use std::path::PathBuf;

use sizar_inspect::packaging::{Packaging, read_tree};

fn packaging(name: &str) -> Packaging {
    let root: PathBuf =
        [env!("CARGO_MANIFEST_DIR"), "../../fixtures/packaging", name].iter().collect();
    let mut files: Vec<String> = ignore::WalkBuilder::new(&root)
        .standard_filters(false)
        .build()
        .map(|entry| entry.expect("the fixture can be read"))
        .filter(|entry| entry.file_type().is_some_and(|kind| kind.is_file()))
        .map(|entry| {
            entry
                .path()
                .strip_prefix(&root)
                .expect("it is under the root")
                .to_string_lossy()
                .replace('\\', "/")
        })
        .collect();
    files.sort();
    read_tree(&files, &|path| fs_err::read(root.join(path)).ok())
}

fn told(packaging: &Packaging) -> String {
    let mut told: Vec<String> = Vec::new();
    for file in &packaging.files {
        let name = file.name.as_deref().unwrap_or("-");
        told.push(format!("{} {} {name} {:?}", file.path, file.kind, file.unreadable));
    }
    for d in &packaging.declared {
        let asked = d.requirement.clone().unwrap_or_else(|| format!("({})", d.name));
        told.push(format!("{}:{} {} {asked}", d.path, d.line, d.scope));
    }
    let seen = [
        ("python", &packaging.python.named),
        ("platform", &packaging.platform),
        ("system", &packaging.system_packages),
        ("index", &packaging.indexes),
    ];
    for (what, sightings) in seen {
        for s in sightings {
            told.push(format!("{what} {} {} {}:{}", s.kind, s.text, s.path, s.line));
        }
    }
    told.join("\n")
}

#[test]
fn a_repository_made_on_windows_with_conda_and_docker() {
    insta::assert_snapshot!(told(&packaging("segmentation")), @r#"
requirements.txt requirements_txt - []
environment.yml environment_yml charters []
README.md readme - []
docker/extra.lst requirements_txt - ["line 2: `../../secret.txt` is outside the tree: not read"]
docker/Dockerfile dockerfile - []
requirements.txt:1 install torch==1.7.1
requirements.txt:2 install numpy
requirements.txt:3 install opencv-python==4.4.0.46
requirements.txt:4 install pywin32==228
requirements.txt:5 install scikit-image==0.17.2
environment.yml:7 conda torch==1.7.1
environment.yml:8 conda (cudatoolkit)
environment.yml:9 conda (mkl)
environment.yml:10 conda numpy==1.19.2
environment.yml:11 conda (vs2015-runtime)
environment.yml:13 conda opencv-python==4.4.0.46
README.md:5 mentioned torch==1.7.1
README.md:11 mentioned torch==1.7.1
README.md:11 mentioned torchvision
README.md:11 mentioned (cudatoolkit)
README.md:21 mentioned shapely==1.7.1
docker/extra.lst:3 extra:optional tensorboardx
docker/Dockerfile:1 mentioned torch==1.7.1
python environment_yml 3.7.9 environment.yml:6
python readme >=3.6 README.md:3
python readme 3.7 README.md:9
platform cuda 11.0.221 environment.yml:8
platform cuda 11.0 README.md:5
platform cuda 11.0 README.md:11
platform base_image pytorch/pytorch:1.7.1-cuda11.0-cudnn8-runtime docker/Dockerfile:1
platform cuda 11.0 docker/Dockerfile:1
system apt libgl1-mesa-glx README.md:18
system apt libglib2.0-0 docker/Dockerfile:2
index conda_channel pytorch environment.yml:3
index conda_channel defaults environment.yml:4
index conda_channel pytorch README.md:11
"#);
}

#[test]
fn a_package_that_builds_with_what_it_does_not_declare() {
    let told = packaging("beats");
    let undeclared: Vec<_> = told
        .declared
        .iter()
        .filter(|d| d.scope == "build" && d.repaired.is_some())
        .map(|d| (d.name.as_str(), d.line))
        .collect();
    assert_eq!(undeclared, [("cython", 8), ("numpy", 11)]);
    assert!(told.files[0].compiles);
}
