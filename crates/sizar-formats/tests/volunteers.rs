//! A subject set for Zooniverse, and what comes back from its volunteers.

#![allow(clippy::unwrap_used, reason = "what a test cannot do without ends it")]

use camino::Utf8Path;
use serde_json::json;
use sizar_formats::formats::{self, Look, ReadOptions, WriteOptions};
use sizar_formats::model::{Box2, Dataset, Image, Provenance, Shape};
use sizar_formats::staging::{Placing, Staging};

fn row(user: &str, subject: &str, annotations: &serde_json::Value) -> String {
    let quoted = |value: &serde_json::Value| value.to_string().replace('"', "\"\"");
    let metadata = json!({"subject_dimensions": [
        {"clientWidth": 500, "clientHeight": 250, "naturalWidth": 1000, "naturalHeight": 500}]});
    let data = json!({subject: {"retired": null, "#original": format!("book/{subject}.jpg"), "image": format!("book__{subject}.jpg")}});
    format!(
        "1,{user},,ip,7,Draw,4.4,2025-01-21 16:08:41 UTC,,,\"{}\",\"{}\",\"{}\",{subject}\n",
        quoted(&metadata),
        quoted(annotations),
        quoted(&data)
    )
}

const HEADER: &str = "classification_id,user_name,user_id,user_ip,workflow_id,workflow_name,workflow_version,created_at,gold_standard,expert,metadata,annotations,subject_data,subject_ids\n";

#[test]
fn volunteers_are_brought_together_with_their_agreement() {
    let boxed = |x: i32, label: &str| json!({"x": x, "y": 10, "width": 100, "height": 100, "tool": 0, "frame": 0, "details": [], "tool_label": label});
    let path = |shift: i32| json!({"pathX": [500 + shift, 700, 700, 500, 500 + shift], "pathY": [100, 100, 300, 300, 100], "toolType": "freehandLine", "toolIndex": 1, "frame": 0, "tool_label": null});
    let answers = |marks: Vec<serde_json::Value>, kind: &str, is_text: &str| {
        json!([
            {"task": "T0", "task_label": "Draw", "value": marks},
            {"task": "T1", "task_label": "What is it?", "value": kind},
            {"task": "T2", "task_label": "Is it text?", "value": is_text},
        ])
    };
    let text = [
        HEADER.to_owned(),
        row("ada", "1", &answers(vec![boxed(10, "Seal"), path(0)], "title page", "Yes")),
        row("ben", "1", &answers(vec![boxed(14, "Seal"), path(4)], "title page", "Yes")),
        row("cyd", "1", &answers(vec![boxed(12, "Seal"), boxed(800, "Seal")], "cover", "Yes")),
        row("ada", "1", &answers(vec![boxed(10, "Seal")], "cover", "No")),
        row("ben", "2", &json!([{"task": "T0", "task_label": "Draw", "value": []}])),
    ]
    .concat();
    let folder = tempfile::tempdir().unwrap();
    let folder = Utf8Path::from_path(folder.path()).unwrap();
    fs_err::write(folder.join("draw-classifications.csv"), text).unwrap();
    let look = Look::at(folder).unwrap();
    let format = formats::choose(&look, None).unwrap();
    assert_eq!(format.name(), "zooniverse");
    let dataset = format.read(&look, &ReadOptions::default()).unwrap();
    let images: Vec<(&str, u32)> =
        dataset.images.iter().map(|image| (&*image.name, image.width)).collect();
    assert_eq!(images, [("book/1.jpg", 1000), ("book/2.jpg", 1000)]);
    let found: Vec<(&str, Option<f64>)> = dataset
        .annotations
        .iter()
        .map(|at| {
            let name = &dataset.categories[at.category.unwrap() as usize].name;
            (&**name, at.more.as_ref().unwrap().score)
        })
        .collect();
    assert_eq!(
        found,
        [
            ("Seal", Some(1.0)),
            ("T0 tool 1", Some(0.667)),
            ("Is it text?: Yes", Some(1.0)),
            ("title page", Some(0.667)),
        ]
    );
    assert_eq!(dataset.annotations[0].bbox, Some(Box2::new(12.0, 10.0, 100.0, 100.0)));
    assert!(matches!(dataset.annotations[1].shape, Shape::Polygon(_)));
    let said = &dataset.annotations[0].more.as_ref().unwrap().attributes;
    assert_eq!((&said["volunteers"], &said["marked"]), (&json!(3), &json!(3)));
    assert!(said["likeness"].as_f64().unwrap() > 0.9);
    let codes: Vec<&str> = dataset.notes.iter().map(|note| note.code).collect();
    assert_eq!(codes, ["seen-twice", "no-agreement"]);
    assert!(dataset.notes[1].message.starts_with("1 marks and 0 questions"), "{:?}", dataset.notes);
    assert_eq!(dataset.info.attributes["marks_left_out"], json!(1));

    fs_err::write(
        folder.join("draw-classifications.csv"),
        format!("{HEADER}1,a,,,,,,,,,{{,[],{{}},1\n"),
    )
    .unwrap();
    let error = format.read(&look, &ReadOptions::default()).unwrap_err();
    assert!(
        error.to_string().contains("draw-classifications.csv:2:1: `metadata` is not JSON"),
        "{error}"
    );
}

#[test]
fn a_subject_set_is_flat_and_says_what_its_images_were() {
    let kept = tempfile::tempdir().unwrap();
    let folder = Utf8Path::from_path(kept.path()).unwrap();
    let image = |name: &str| {
        let file = folder.join(name.replace('/', "-"));
        fs_err::write(&file, "pixels").unwrap();
        Image {
            name: name.into(),
            file: Some(file),
            width: 10,
            height: 20,
            provenance: Some(Box::new(Provenance {
                author: Some("Ada, \"A\"".into()),
                ..Provenance::default()
            })),
            ..Image::default()
        }
    };
    let dataset =
        Dataset { images: vec![image("a/1.jpg"), image("b/1.jpg")], ..Dataset::default() };
    let out = folder.join("set");
    let staging = Staging::folder(&out, Placing::Link).unwrap();
    let format = formats::named("zooniverse").unwrap();
    format.write(&dataset, &staging, &WriteOptions::default()).unwrap();
    staging.finish().unwrap();
    let manifest = fs_err::read_to_string(out.join("manifest.csv")).unwrap();
    let lines: Vec<&str> = manifest.lines().collect();
    assert_eq!(lines[0], "image,#original,#width,#height,author");
    assert_eq!(lines[1], "a__1.jpg,a/1%2Ejpg,10,20,\"Ada, \"\"A\"\"\"");
    assert!(out.join("a__1.jpg").is_file() && out.join("b__1.jpg").is_file());
}
