//! torchvision's and ultralytics' loaders read what is written here.

#![allow(clippy::unwrap_used, reason = "what a test cannot do without ends it")]

mod world;

use std::collections::BTreeMap;
use std::process::Command;

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::{Value, json};
use sizar_formats::convert::save;
use sizar_formats::formats::{self, WriteOptions};
use sizar_formats::model::{Annotation, Dataset, Image, Shape};
use sizar_formats::staging::{Encoding, Placing};
use world::{demo, scratch};

/// A Python with the two and without torch, kept below `target/` from one run to the next.
fn judge() -> Utf8PathBuf {
    let folder = Utf8Path::new(env!("CARGO_TARGET_TMPDIR")).join("judges-loaders");
    let python = folder.join("bin/python");
    let pip = |arguments: &[&str]| {
        let install = ["-m", "pip", "install", "--quiet"];
        let done = Command::new(&python).args(install).args(arguments).status();
        assert!(done.unwrap().success());
    };
    let needed = "import numpy, PIL, yaml, requests, typing_extensions, importlib.metadata as m; \
                  m.version('torchvision'); m.version('ultralytics')";
    let works = Command::new(&python).args(["-c", needed]).output();
    if !works.is_ok_and(|out| out.status.success()) {
        let made = Command::new("python3").args(["-m", "venv", folder.as_str()]).status();
        assert!(made.unwrap().success());
        pip(&["numpy", "pillow", "pyyaml", "requests", "typing_extensions"]);
        pip(&["--no-deps", "torchvision", "ultralytics"]);
    }
    python
}

#[test]
fn slow_data_torchvision_and_ultralytics_read_what_is_written() {
    let python = judge();
    let (_keep, folder) = scratch();
    let mut dataset = demo(&folder.join("images"));
    let written = |dataset: &Dataset, format: &str, variant: Option<&str>| {
        let to = folder.join(variant.unwrap_or(format));
        // where torchvision looks below the folder that it is given
        let to = if format == "voc" { to.join("VOCdevkit/VOC2012") } else { to };
        fs_err::create_dir_all(to.parent().unwrap()).unwrap();
        let options = WriteOptions { variant: variant.map(str::to_owned) };
        let format = formats::named(format).unwrap();
        // torchvision looks for `.jpg` alone
        let jpeg = Placing::Encode(Encoding::Jpeg);
        let placing = if format.name() == "voc" { jpeg } else { Placing::Copy };
        save(&mut dataset.clone(), format, &to, placing, &options).unwrap();
        to
    };
    let labelled = labelled(&dataset);
    let classes = written(&labelled, "imagefolder", None);
    // crowds are no objects for YOLO, and boxes without a shape no segments
    dataset.annotations.retain(|one| !matches!(one.shape, Shape::Rle(_)));
    written(&dataset, "voc", None);
    let detect = written(&dataset, "yolo", Some("detect"));
    let with_points = only(&dataset, |one| !one.keypoints().is_empty());
    let pose = written(&with_points, "yolo", Some("pose"));
    let whole = only(&dataset, |one| match &one.shape {
        Shape::Polygon(polygon) => !polygon.has_holes(),
        _ => false,
    });
    let segment = written(&whole, "yolo", Some("segment"));
    let script = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/judges/loaders.py");
    let asked = Command::new(&python)
        .arg(script)
        .args([&classes, &folder.join("voc"), &detect, &segment, &pose])
        .output()
        .unwrap();
    assert!(asked.status.success(), "{}", String::from_utf8_lossy(&asked.stderr));
    let said: Value = serde_json::from_slice(&asked.stdout).unwrap();
    classes_are_those_that_were_given(&labelled, &said["imagefolder"]);
    boxes_and_masks_are_in_their_splits(&dataset, &said["voc"]);
    for (dataset, name) in [(&dataset, "detect"), (&whole, "segment"), (&with_points, "pose")] {
        labels_are_valid_and_where_they_were(dataset, name, &said[name]);
    }
}

/// One class for each image, and no shape.
fn labelled(dataset: &Dataset) -> Dataset {
    let annotations = (0..dataset.images.len() as u32)
        .map(|image| Annotation { image, category: Some(image % 2), ..Annotation::default() })
        .collect();
    Dataset { annotations, ..dataset.clone() }
}

fn only(dataset: &Dataset, keep: impl Fn(&Annotation) -> bool) -> Dataset {
    let mut dataset = dataset.clone();
    dataset.annotations.retain(keep);
    dataset
}

fn file_name(image: &Image) -> &str {
    Utf8Path::new(&*image.name).file_name().unwrap()
}

fn split_of<'a>(dataset: &'a Dataset, image: &Image) -> &'a str {
    let split = image.splits.iter().next().unwrap();
    &dataset.splits[split as usize]
}

fn category<'a>(dataset: &'a Dataset, annotation: &Annotation) -> &'a str {
    &dataset.categories[annotation.category.unwrap() as usize].name
}

fn classes_are_those_that_were_given(dataset: &Dataset, said: &Value) {
    let mut expected: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    for annotation in &dataset.annotations {
        let image = &dataset.images[annotation.image as usize];
        let sample = json!([file_name(image), category(dataset, annotation)]);
        expected.entry(split_of(dataset, image)).or_default().push(sample);
    }
    assert_eq!(expected.len(), 2);
    for (split, mut samples) in expected {
        samples.sort_by_key(ToString::to_string);
        assert_eq!(said[split]["classes"], json!(["cat", "dog"]));
        assert_eq!(said[split]["samples"], json!(samples), "{split}");
    }
}

fn boxes_and_masks_are_in_their_splits(dataset: &Dataset, said: &Value) {
    for (at, image) in dataset.images.iter().enumerate() {
        let of = &said[split_of(dataset, image)];
        let file = Utf8Path::new(file_name(image)).with_extension("jpg");
        let boxes = &of["boxes"][file.as_str()];
        assert_eq!(boxes["size"], json!([image.width, image.height]), "{}", image.name);
        let mut objects: Vec<Value> = dataset
            .annotations
            .iter()
            .filter(|one| one.image as usize == at)
            .map(|one| {
                let bounds = one.bbox.unwrap();
                // the first pixel is 1, and the last one is in the box
                json!([
                    category(dataset, one),
                    bounds.x + 1.0,
                    bounds.y + 1.0,
                    bounds.right(),
                    bounds.bottom()
                ])
            })
            .collect();
        objects.sort_by(|one, other| {
            let key = |value: &Value| {
                let sides: Vec<f64> = (1..5).map(|at| value[at].as_f64().unwrap()).collect();
                (value[0].as_str().unwrap().to_owned(), sides)
            };
            key(one).partial_cmp(&key(other)).unwrap()
        });
        assert_eq!(boxes["objects"], json!(objects), "{}", image.name);
        let mask = &of["masks"][file.as_str()];
        assert_eq!(mask[0], "P", "{of}");
        assert_eq!(mask[1], json!([image.width, image.height]));
        let classes: Vec<u64> = serde_json::from_value(mask[2].clone()).unwrap();
        assert!(classes.iter().all(|class| [0, 1, 2, 255].contains(class)), "{classes:?}");
        assert!(classes.iter().any(|class| [1, 2].contains(class)), "{classes:?}");
    }
}

fn labels_are_valid_and_where_they_were(dataset: &Dataset, name: &str, said: &Value) {
    for (at, image) in dataset.images.iter().enumerate() {
        let read = &said[file_name(image)];
        assert_eq!(read["split"], split_of(dataset, image), "{name} {read}");
        assert_eq!(read["size"], json!([image.height, image.width]), "{name}");
        let (width, height) = (f64::from(image.width), f64::from(image.height));
        let mut expected: Vec<(&str, [f64; 4])> = dataset
            .annotations
            .iter()
            .filter(|one| one.image as usize == at)
            .map(|one| {
                let bounds = one.bbox.unwrap();
                let centre = bounds.centre();
                let sides = [
                    centre.x / width,
                    centre.y / height,
                    bounds.width / width,
                    bounds.height / height,
                ];
                (category(dataset, one), sides)
            })
            .collect();
        let rows = read["boxes"].as_array().unwrap();
        assert_eq!(rows.len(), expected.len(), "{name} {}: {read}", image.name);
        for row in rows {
            let near = |(class, sides): &(&str, [f64; 4])| {
                row[0] == *class
                    && sides
                        .iter()
                        .enumerate()
                        .all(|(at, side)| (row[at + 1].as_f64().unwrap() - side).abs() < 1e-4)
            };
            let found = expected.iter().position(near);
            expected.remove(found.unwrap_or_else(|| panic!("{name}: {row} of {expected:?}")));
        }
        let segments = read["segments"].as_array().unwrap().len();
        assert_eq!(segments, if name == "segment" { rows.len() } else { 0 });
        let points = read["keypoints"].as_array().unwrap();
        assert_eq!(points.len(), if name == "pose" { rows.len() } else { 0 });
        // the first point is in the middle and seen, the other is not there
        for (row, points) in rows.iter().zip(points) {
            let number = |value: &Value| value.as_f64().unwrap();
            assert!((number(&points[0][0]) - number(&row[1])).abs() < 1e-4, "{points}");
            assert_eq!((number(&points[0][2]), number(&points[1][2])), (2.0, 0.0), "{points}");
        }
    }
}
