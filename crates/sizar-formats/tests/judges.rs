//! The loaders of the field judge what is written and computed here.

#![allow(clippy::float_cmp, reason = "what is equal must be so to the last bit")]
#![allow(clippy::unwrap_used, reason = "what a test cannot do without ends it")]

mod world;

use std::process::Command;

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::{Value, json};
use sizar_formats::convert::save;
use sizar_formats::formats::{self, Look, ReadOptions, WriteOptions};
use sizar_formats::model::{Annotation, Box2, Dataset, Flags, Point, Rle, Shape, SplitSet};
use sizar_formats::raster::Rasteriser;
use sizar_formats::staging::Placing;
use sizar_formats::{OpenOptions, open};
use world::{Random, demo, scratch};

/// A Python with pycocotools, globox and datumaro, kept below `target/` from one run to the next.
fn judge() -> Utf8PathBuf {
    let folder = Utf8Path::new(env!("CARGO_TARGET_TMPDIR")).join("judges");
    let python = folder.join("bin/python");
    let works = |code: &str| {
        Command::new(&python).args(["-c", code]).output().is_ok_and(|out| out.status.success())
    };
    if !works("import pycocotools.mask, globox, datumaro") {
        let made = Command::new("python3").args(["-m", "venv", folder.as_str()]).status();
        assert!(made.unwrap().success());
        let install =
            ["-m", "pip", "install", "--quiet", "pycocotools", "globox", "datumaro==1.13.*"];
        assert!(Command::new(&python).args(install).status().unwrap().success());
    }
    python
}

fn asked(python: &Utf8Path, script: &str, arguments: &[&Utf8Path]) -> Value {
    let script = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/judges").join(script);
    let out = Command::new(python).arg(script).args(arguments).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    serde_json::from_slice(&out.stdout).unwrap()
}

#[test]
fn slow_data_pycocotools_globox_and_datumaro_agree() {
    // one test, for one environment
    let python = judge();
    masks_are_those_of_pycocotools_byte_for_byte(&python);
    globox_reads_the_same_boxes_from_coco_voc_and_yolo(&python);
    datumaro_reads_and_writes_the_same_boxes(&python);
    datumaro_and_we_read_the_same_of_the_xml_of_labelme(&python);
    results_are_those_that_pycocotools_loads(&python);
}

fn results_are_those_that_pycocotools_loads(python: &Utf8Path) {
    let (_keep, folder) = scratch();
    let truth = folder.join("truth.json");
    let images: Vec<Value> = (0..5)
        .map(
            |at| json!({"id": at * 3, "file_name": format!("{at}.jpg"), "width": 40, "height": 30}),
        )
        .collect();
    let categories = json!([{"id": 2, "name": "b"}, {"id": 1, "name": "a"}]);
    let document = json!({"images": images, "annotations": [], "categories": categories});
    fs_err::write(&truth, document.to_string()).unwrap();
    let mut random = Random(11);
    let of = |random: &mut Random, what: &str| {
        let number =
            |random: &mut Random, most: f64| (random.unit() * most * 100.0).round() / 100.0;
        let mut row = json!({"image_id": random.below(5) * 3, "category_id": 1 + random.below(2),
            "score": number(random, 1.0)});
        let sides = [number(random, 20.0), number(random, 15.0), number(random, 20.0), 9.5];
        if what == "bbox" {
            row["bbox"] = json!(sides);
        } else {
            let ring = Box2::new(sides[0], sides[1], sides[2], sides[3]).corners();
            let mask = Rasteriser::new(40, 30).unwrap().ring(&ring);
            row["segmentation"] = json!({"counts": mask.to_text(), "size": [30, 40]});
        }
        row
    };
    for what in ["bbox", "segm"] {
        let results = folder.join(format!("{what}.json"));
        let rows: Vec<Value> = (0..40).map(|_| of(&mut random, what)).collect();
        fs_err::write(&results, json!(rows).to_string()).unwrap();
        let read = ReadOptions { images_of: Some(truth.clone()), ..ReadOptions::default() };
        let options = OpenOptions { read, ..OpenOptions::default() };
        let mut dataset = open(&results, &options).unwrap().dataset;
        let written = folder.join(format!("{what}-out.json"));
        let coco = formats::named("coco").unwrap();
        save(&mut dataset, coco, &written, Placing::Leave, &WriteOptions::default()).unwrap();
        // what `loadRes` makes of the list, and what COCO() reads of what was written here
        let said = asked(python, "results.py", &[&truth, &results, &written]);
        assert_eq!(said["loaded"].as_array().unwrap().len(), 40);
        assert_eq!(said["loaded"], said["written"], "{what}");
    }
}

fn masks_are_those_of_pycocotools_byte_for_byte(python: &Utf8Path) {
    let (_keep, folder) = scratch();
    let mut random = Random(7);
    let mut cases = Vec::new();
    for at in 0..3000 {
        let (width, height) = (1 + random.below(200) as u32, 1 + random.below(200) as u32);
        let rings: Vec<Vec<f64>> = (0..=random.below(3))
            .map(|_| {
                let points = 3 + random.below(20);
                let mut one = |limit: u32| {
                    // beyond the border too, on whole pixels, halves and fifths
                    let value = (random.unit() * 1.6 - 0.3) * f64::from(limit);
                    match at % 4 {
                        0 => value,
                        1 => value.round(),
                        2 => (value * 2.0).round() / 2.0,
                        _ => (value * 10.0).round() / 10.0,
                    }
                };
                (0..points).flat_map(|_| [one(width), one(height)]).collect()
            })
            .collect();
        cases.push(json!({"width": width, "height": height, "rings": rings}));
    }
    let file = folder.join("cases.json");
    fs_err::write(&file, json!(cases).to_string()).unwrap();
    let mut dataset = demo(&folder.join("images"));
    let coco = folder.join("demo.json");
    let format = formats::named("coco").unwrap();
    save(&mut dataset, format, &coco, Placing::Leave, &WriteOptions::default()).unwrap();
    let said = asked(python, "coco.py", &[&file, &coco]);
    for (case, expected) in cases.iter().zip(said["masks"].as_array().unwrap()) {
        let size = |key: &str| case[key].as_u64().unwrap() as u32;
        let mut rasteriser = Rasteriser::new(size("width"), size("height")).unwrap();
        let rings: Vec<Rle> = case["rings"]
            .as_array()
            .unwrap()
            .iter()
            .map(|ring| {
                let numbers: Vec<f64> = serde_json::from_value(ring.clone()).unwrap();
                let points: Vec<Point> =
                    numbers.chunks(2).map(|pair| Point::new(pair[0], pair[1])).collect();
                rasteriser.ring(&points)
            })
            .collect();
        let texts: Vec<String> = rings.iter().map(Rle::to_text).collect();
        assert_eq!(json!(texts), expected["rings"], "{case}");
        let whole = Rle::union(&rings).unwrap();
        assert_eq!(json!(whole.to_text()), expected["whole"], "{case}");
        assert_eq!(json!(whole.area()), expected["area"]);
        let bbox = whole.bounds().unwrap_or_default();
        assert_eq!(json!([bbox.x, bbox.y, bbox.width, bbox.height]), expected["bbox"], "{case}");
        let columns = whole.to_columns().unwrap();
        let again = Rle::from_columns(&columns, whole.width, whole.height);
        assert_eq!(json!(again.to_text()), expected["again"]);
        let text = expected["whole"].as_str().unwrap().as_bytes();
        assert_eq!(Rle::from_text(text, whole.width, whole.height).unwrap().counts, whole.counts);
    }
    assert_eq!(said["images"], dataset.images.len());
    let masks = dataset.annotations.iter().filter(|annotation| {
        let image = &dataset.images[annotation.image as usize];
        let mut rasteriser = Rasteriser::new(image.width, image.height).unwrap();
        let is_area = annotation.shape != sizar_formats::model::Shape::None;
        let Some(mask) = rasteriser.shape(annotation).filter(|_| is_area) else { return false };
        let expected = &said["read"][annotation.id.unwrap().to_string()];
        assert_eq!(json!([mask.to_text(), mask.area()]), *expected);
        true
    });
    assert!(masks.count() > 5);
}

/// Returns the demo with its boxes alone.
fn boxes_only(folder: &Utf8Path) -> Dataset {
    let mut dataset = demo(&folder.join("images"));
    // boxes on whole pixels are the same in all three
    dataset.annotations.retain(|annotation| annotation.bbox.is_some());
    for annotation in &mut dataset.annotations {
        annotation.shape = sizar_formats::model::Shape::None;
        annotation.more = None;
    }
    dataset.splits.clear();
    dataset.images.iter_mut().for_each(|image| image.splits = SplitSet::default());
    dataset
}

/// Lists the boxes of a data set, in an order of their own.
fn rows_of(dataset: &Dataset) -> Vec<(String, String, [f64; 4])> {
    let row = |annotation: &sizar_formats::model::Annotation| {
        let name = Utf8Path::new(&*dataset.images[annotation.image as usize].name);
        let category = &dataset.categories[annotation.category.unwrap() as usize];
        let bbox = annotation.bbox.unwrap();
        let sides = [bbox.x, bbox.y, bbox.width, bbox.height];
        (name.file_stem().unwrap().to_owned(), category.name.to_string(), sides)
    };
    let mut rows: Vec<_> = dataset.annotations.iter().map(row).collect();
    rows.sort_by(|a, b| a.partial_cmp(b).unwrap());
    rows
}

fn assert_same(a: &[(String, String, [f64; 4])], b: &[(String, String, [f64; 4])], within: f64) {
    assert_eq!(a.len(), b.len());
    for (a, b) in a.iter().zip(b) {
        let near = a.2.iter().zip(b.2).all(|(one, other)| (one - other).abs() <= within);
        assert!(near && (&a.0, &a.1) == (&b.0, &b.1), "{a:?} {b:?}");
    }
}

fn datumaro_reads_and_writes_the_same_boxes(python: &Utf8Path) {
    let (_keep, folder) = scratch();
    let mut dataset = boxes_only(&folder);
    // datumaro leaves crowds out of YOLO
    dataset.annotations.iter_mut().for_each(|annotation| annotation.flags = Flags::default());
    let train = dataset.split("train");
    dataset.images.iter_mut().for_each(|image| image.splits = [train].into_iter().collect());
    for name in ["coco", "voc", "yolo"] {
        let format = formats::named(name).unwrap();
        let options = WriteOptions::default();
        save(&mut dataset.clone(), format, &folder.join(name), Placing::Copy, &options).unwrap();
    }
    // it looks for the images in a folder of that name
    fs_err::create_dir(folder.join("coco/images")).unwrap();
    fs_err::rename(folder.join("coco/train"), folder.join("coco/images/train")).unwrap();
    let written = folder.join("written");
    let arguments = [&folder.join("coco"), &folder.join("voc"), &folder.join("yolo"), &written];
    let said = asked(python, "datumaro_boxes.py", &arguments.map(Utf8PathBuf::as_path));
    let rows = |format: &str| -> Vec<(String, String, [f64; 4])> {
        let row = |row: &Value| {
            let text = |at: usize| row[at].as_str().unwrap().to_owned();
            (text(0), text(1), [2, 3, 4, 5].map(|at| row[at].as_f64().unwrap()))
        };
        let mut rows: Vec<_> = said[format].as_array().unwrap().iter().map(row).collect();
        rows.sort_by(|a, b| a.partial_cmp(b).unwrap());
        rows
    };
    let ours = rows_of(&dataset);
    assert!(ours.len() > 3);
    assert_same(&rows("coco"), &ours, 0.0);
    assert_same(&rows("yolo"), &ours, 1e-4);
    // it takes VOC's numbers as they stand: the first pixel is 1, and the last one belongs to the box
    let as_they_stand = |(name, label, [x, y, w, h]): (String, String, [f64; 4])| {
        (name, label, [x + 1.0, y + 1.0, w - 1.0, h - 1.0])
    };
    let expected: Vec<_> = ours.iter().cloned().map(as_they_stand).collect();
    assert_same(&rows("voc"), &expected, 0.0);
    // what it makes of the COCO file is read here as the same: YOLO in darknet's layout
    let yolo = open(&written.join("yolo"), &OpenOptions::default()).unwrap();
    assert_eq!(yolo.format.name(), "yolo");
    assert_same(&rows_of(&yolo.dataset), &ours, 1e-2);
    assert_eq!(yolo.dataset.splits.len(), 1);
    let voc = open(&written.join("voc_detection"), &OpenOptions::default()).unwrap();
    assert_same(&rows_of(&voc.dataset), &ours, 0.0);
}

fn globox_reads_the_same_boxes_from_coco_voc_and_yolo(python: &Utf8Path) {
    let (_keep, folder) = scratch();
    let dataset = boxes_only(&folder);
    for (format, name) in [("coco", "boxes.json"), ("voc", "voc"), ("yolo", "yolo")] {
        let format = formats::named(format).unwrap();
        let mut copy = dataset.clone();
        let options = WriteOptions::default();
        save(&mut copy, format, &folder.join(name), Placing::Link, &options).unwrap();
    }
    let said = asked(
        python,
        "globox_boxes.py",
        &[
            &folder.join("boxes.json"),
            &folder.join("voc/Annotations"),
            &folder.join("yolo/labels/train"),
            &folder.join("yolo/images/train"),
        ],
    );
    let rows = |format: &str| said[format].as_array().unwrap().clone();
    assert_eq!(rows("coco").len(), dataset.annotations.len());
    for (coco, voc) in rows("coco").iter().zip(rows("voc")) {
        // globox takes VOC's numbers as they stand: a pixel to the right and below
        assert_eq!(coco[0], voc[0]);
        assert_eq!(coco[1], voc[1]);
        let side = |row: &Value, at: usize| row[at].as_f64().unwrap();
        assert_eq!(side(coco, 2) + 1.0, side(&voc, 2));
        assert_eq!(side(coco, 4), side(&voc, 4));
    }
    for (coco, yolo) in rows("coco").iter().zip(rows("yolo")) {
        assert_eq!(coco[0], yolo[0]);
        for at in 2..6 {
            let (a, b) = (coco[at].as_f64().unwrap(), yolo[at].as_f64().unwrap());
            assert!((a - b).abs() < 1e-4, "{coco} {yolo}");
        }
    }
    // and what is read back here is what was written
    let voc = open(&folder.join("voc"), &OpenOptions::default()).unwrap().dataset;
    let boxes = |dataset: &sizar_formats::model::Dataset| {
        let mut all: Vec<String> = dataset
            .annotations
            .iter()
            .map(|a| format!("{} {:?}", dataset.images[a.image as usize].name, a.bbox))
            .collect();
        all.sort();
        all
    };
    assert_eq!(boxes(&voc), boxes(&dataset));
}

fn datumaro_and_we_read_the_same_of_the_xml_of_labelme(python: &Utf8Path) {
    let (_keep, folder) = scratch();
    let out = folder.join("out");
    let theirs = asked(python, "labelme_web.py", &[&out]);
    let look = Look::at(&out).unwrap();
    let format = formats::choose(&look, None).unwrap();
    assert_eq!(format.name(), "labelme");
    let dataset = format.read(&look, &ReadOptions::default()).unwrap();
    let row = |at: &Annotation| {
        let more = at.more.as_ref().unwrap();
        let (kind, area) = match &at.shape {
            Shape::Polygon(_) => ("polygon", None),
            Shape::Rle(rle) => ("mask", Some(rle.area())),
            _ => ("bbox", None),
        };
        let mut attributes = more.attributes.clone();
        attributes.insert("occluded".into(), at.flags.has(Flags::OCCLUDED).into());
        let bounds = at.bounds().unwrap();
        json!({
            "name": dataset.categories[at.category.unwrap() as usize].name,
            "kind": kind,
            "bbox": [bounds.x, bounds.y, bounds.width, bounds.height],
            "area": area,
            "grouped": more.group.is_some(),
            "attributes": attributes,
        })
    };
    let ours: Vec<Value> = dataset.annotations.iter().map(row).collect();
    assert_eq!(ours.len(), 3);
    assert_eq!(json!(ours), theirs);
    assert!(dataset.images[0].file.as_ref().unwrap().is_file());
    assert_eq!(&*dataset.splits[0], "train");
}
