//! What volunteers said in all kinds of tasks, in several workflows, with both classifiers.

#![allow(clippy::unwrap_used, reason = "what a test cannot do without ends it")]

use camino::Utf8Path;
use serde_json::{Value, json};
use sizar_formats::formats::zooniverse::Agreement;
use sizar_formats::formats::zooniverse::classifications;
use sizar_formats::model::{Box2, Dataset, Shape};

const HEADER: &str =
    "classification_id,user_name,workflow_id,workflow_name,metadata,annotations,subject_data";

/// A classification of subject 7, an image of 1000 by 800.
fn row(user: &str, workflow: u32, annotations: &Value) -> String {
    let quoted = |value: &Value| value.to_string().replace('"', "\"\"");
    let metadata = json!({"subject_dimensions": [{"naturalWidth": 1000, "naturalHeight": 800}]});
    format!(
        "1,{user},{workflow},Flow {workflow},\"{}\",\"{}\",\"{}\"",
        quoted(&metadata),
        quoted(annotations),
        quoted(&json!({"7": {"Filename": "img7.png"}}))
    )
}

fn read(rows: &[String], ends: &str) -> sizar_formats::error::Result<Dataset> {
    let text = [&[HEADER.to_owned()], rows].concat().join(ends);
    let path = Utf8Path::new("x-classifications.csv");
    Ok(classifications(path, text.as_bytes(), &Agreement::default())?.unwrap())
}

/// What each volunteer of one workflow said of the image.
fn all(each: &[Value]) -> Dataset {
    let rows: Vec<String> =
        each.iter().enumerate().map(|(at, said)| row(&format!("v{at}"), 1, said)).collect();
    read(&rows, "\n").unwrap()
}

fn found(dataset: &Dataset) -> Vec<(&str, f64)> {
    let annotations = dataset.annotations.iter();
    annotations
        .map(|at| {
            let name = &*dataset.categories[at.category.unwrap() as usize].name;
            (name, at.more.as_ref().unwrap().score.unwrap())
        })
        .collect()
}

fn said(dataset: &Dataset) -> Vec<String> {
    dataset.notes.iter().map(|note| format!("{} {}", note.code, note.message)).collect()
}

fn drawn(marks: &Value) -> Value {
    json!([{"task": "T0", "task_label": "Draw", "value": marks}])
}

#[test]
fn each_workflow_has_its_own_volunteers() {
    let cat = |x: i32| {
        drawn(&json!([{"tool": 0, "tool_label": "Cat", "x": x, "y": 1, "width": 90, "height": 90}]))
    };
    let dog = |x: i32| {
        drawn(&json!([{"tool": 0, "tool_label": "Dog", "x": x, "y": 1, "width": 90, "height": 90}]))
    };
    for others in [["ada", "ben", "cyd"], ["dan", "eve", "fay"]] {
        let rows = [
            row("ada", 6, &cat(1)),
            row("ben", 6, &cat(2)),
            row("cyd", 6, &cat(3)),
            row(others[0], 7, &dog(501)),
            row(others[1], 7, &dog(502)),
            row(others[2], 7, &json!([{"task": "T0", "value": []}])),
        ];
        let dataset = read(&rows, "\n").unwrap();
        assert_eq!(dataset.images.len(), 1);
        assert_eq!(found(&dataset), [("Cat", 1.0), ("Dog", 0.667)]);
        assert_eq!(said(&dataset), [""; 0]);
        let attributes = &dataset.annotations[1].more.as_ref().unwrap().attributes;
        assert_eq!(
            (&attributes["workflow"], &attributes["volunteers"]),
            (&json!("Flow 7"), &json!(3))
        );
    }
    let again = read(&[row("ada", 6, &cat(1)), row("ada", 6, &cat(1))], "\n").unwrap();
    assert_eq!(again.notes[0].code, "seen-twice");
    assert!(!again.annotations[0].more.as_ref().unwrap().attributes.contains_key("workflow"));
}

#[test]
fn who_saw_one_frame_saw_the_others() {
    let second = drawn(&json!([{"frame": 1, "tool_label": "Dot", "x": 9, "y": 9}]));
    let nothing = drawn(&json!([]));
    let dataset = all(&[second.clone(), second, nothing]);
    assert_eq!(found(&dataset), [("Dot", 0.667)]);
    assert_eq!(&*dataset.images[1].name, "img7.png[2]");
}

#[test]
fn the_newer_classifiers_tools_are_read_by_their_centre() {
    let marks = |by: f64| {
        let mark = |index: u32, kind: &str, mut more: Value| {
            more["toolIndex"] = json!(index);
            more["toolType"] = json!(kind);
            more["x_center"] = json!(f64::from(index) * 200.0 + 100.0 + by);
            more["y_center"] = json!(300.0);
            more
        };
        let turned = json!({"width": 100, "height": 60, "angle": 30, "displayTime": 0.5});
        drawn(&json!([
            mark(0, "rectangle", json!({"width": 100, "height": 60})),
            mark(1, "rotateRectangle", turned.clone()),
            mark(2, "circle", json!({"r": 40})),
            mark(3, "ellipse", json!({"rx": 80, "ry": 30, "angle": 25})),
            mark(4, "temporalRotateRectangle", turned),
            mark(0, "circle", json!({"radius": 40})),
        ]))
    };
    let dataset = all(&[marks(-2.0), marks(0.0), marks(2.0)]);
    assert_eq!(said(&dataset), [""; 0]);
    assert_eq!(dataset.annotations.len(), 6);
    assert_eq!(dataset.annotations[0].bbox, Some(Box2::new(50.0, 270.0, 100.0, 60.0)));
    let Shape::Ellipse(ellipse) = &dataset.annotations[4].shape else { panic!() };
    assert_eq!((ellipse.centre.x, ellipse.rotation), (700.0, 25.0));
}

#[test]
fn drawings_by_hand_are_all_outlines_or_all_lines() {
    let round = |gap: f64| {
        json!({"toolType": "freehandLine", "toolIndex": 0,
        "pathX": [100, 300, 300, 100, 100], "pathY": [100, 100, 300, 300, 100.0 + gap]})
    };
    let line = |by: f64| {
        json!({"toolType": "freehandLine", "toolIndex": 1,
        "pathX": [500, 600, 700, 800], "pathY": [100.0 + by, 150.0, 120.0, 100.0]})
    };
    let marks = |gap: f64| drawn(&json!([round(gap), line(gap / 100.0)]));
    // gaps of all sizes, one of them by a volunteer who drew three sides
    let dataset = all(&[marks(0.0), marks(15.0), marks(5.0), marks(199.0)]);
    assert_eq!(found(&dataset), [("T0 tool 0", 1.0), ("T0 tool 1", 1.0)]);
    assert!(matches!(dataset.annotations[0].shape, Shape::Polygon(_)));
    assert!(matches!(dataset.annotations[1].shape, Shape::Polyline(_)));
    // the older classifier doesn't say that it was drawn by hand
    let older = |x: f64| {
        drawn(&json!([{"tool": 0, "tool_label": "Path", "points": [
        {"x": x, "y": 10}, {"x": 300, "y": 20}, {"x": 600, "y": 10}, {"x": 900, "y": 20}]}]))
    };
    let dataset = all(&[older(10.0), older(11.0)]);
    assert!(matches!(dataset.annotations[0].shape, Shape::Polyline(_)));
}

#[test]
fn the_older_classifiers_tools_have_their_shapes() {
    let marks = |by: f64| {
        let tool = |name: &str, mut mark: Value| {
            mark["tool_label"] = json!(name);
            mark["details"] = json!([]);
            mark
        };
        let curve = json!([{"x": 100.0 + by, "y": 600}, {"x": 150.0 + by, "y": 560},
            {"x": 200.0 + by, "y": 600}, {"x": 150.0 + by, "y": 600}]);
        drawn(&json!([
            tool("a", json!({"x": 300.0 + by, "y": 300, "r": 60, "angle": 10})),
            tool(
                "b",
                json!({"x": 500.0 + by, "y": 300, "radius": 60, "rotation": 10, "spread": 40})
            ),
            tool("c", json!({"y": 700.0 + by})),
            tool("d", json!({"x": 900.0 + by})),
            // its last control point is where it was put
            tool("e", json!({"points": curve, "closed": true})),
        ]))
    };
    let dataset = all(&[marks(-2.0), marks(0.0), marks(2.0)]);
    assert_eq!(said(&dataset), [""; 0]);
    let corners = |at: usize| match &dataset.annotations[at].shape {
        Shape::Polygon(polygon) => polygon.parts[0].outer.len(),
        Shape::Polyline(line) => line.len(),
        other => panic!("{other:?}"),
    };
    assert_eq!([corners(0), corners(1), corners(2), corners(3)], [3, 20, 2, 2]);
    let bounds = dataset.annotations[4].bounds().unwrap();
    assert!(corners(4) > 10 && bounds.y > 579.0, "{bounds:?}");
}

#[test]
fn what_is_said_of_a_mark_is_an_attribute_of_it() {
    let newer = |x: i32, text: &str| {
        json!([
            {"task": "T0", "value": [
                {"toolType": "point", "toolIndex": 0, "x": 800, "y": 9, "details": []},
                {"toolType": "point", "toolIndex": 1, "x": x, "y": 100,
                 "details": [{"task": "T0.1.0"}, {"task": "T0.1.1"}]}]},
            {"task": "T0.1.0", "taskType": "single", "markIndex": 1, "value": 0},
            {"task": "T0.1.1", "taskType": "text", "markIndex": 1, "value": text},
        ])
    };
    let dataset = all(&[newer(100, "abc"), newer(101, " abc"), newer(102, "abd")]);
    assert_eq!(found(&dataset), [("T0 tool 0", 1.0), ("T0 tool 1", 1.0)]);
    let attributes = |dataset: &Dataset, at: usize| {
        dataset.annotations[at].more.as_ref().unwrap().attributes.clone()
    };
    assert_eq!(attributes(&dataset, 0).len(), 3);
    let of_mark = attributes(&dataset, 1);
    assert_eq!((&of_mark["T0.1.0"], &of_mark["T0.1.1"]), (&json!(0), &json!("abc")));
    let older = |kind: i32| {
        drawn(&json!([{"tool": 2, "tool_label": "Seal", "x": 5, "y": 5,
        "details": [{"value": kind}, {"value": ["a", "b"]}, {"value": null}]}]))
    };
    let dataset = all(&[older(1), older(2), older(3)]);
    let of_mark = attributes(&dataset, 0);
    assert_eq!(of_mark.get("T0.2.0"), None);
    assert_eq!(of_mark["T0.2.1"], json!(["a", "b"]));
    assert_eq!(said(&dataset), [""; 0]);
}

#[test]
fn answers_of_all_kinds_are_read_and_the_rest_is_said_once() {
    let one = || {
        json!([
            {"task": "T1", "task_label": "Where?", "value": [
                {"select_label": "Country", "option": true, "value": "1f3", "label": "France"}]},
            {"task": "T2", "taskType": "dropdown-simple", "value": {"selection": 1, "option": true}},
            {"task": "T3", "taskType": "slider", "value": 3},
            {"task": "T4", "value": [{"choice": "LION", "answers": {"HOWMANY": "1"}, "filters": {}}]},
            {"task": "T8", "task_label": null, "value": [
                {"task": "T5", "task_label": "In combo?", "value": "Sure"},
                {"task": "T6", "value": [
                    {"x": 100, "y": 100, "width": 50, "height": 50, "tool": 0, "tool_label": "Box"}]}]},
            {"task": "T9", "taskType": "highlighter", "value": [{"start": 1, "end": 2, "text": "a"}]},
            {"task": "T9", "value": [{"tool": 0, "toolType": "grid", "x": 1, "y": 2}]},
            {"task": "T9", "value": null},
        ])
    };
    let dataset = all(&[one(), one(), one()]);
    let names: Vec<&str> = found(&dataset).iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["Box", "France", "Sure", "T2: 1", "T3: 3", "LION"]);
    let parents: Vec<Option<&str>> =
        dataset.categories.iter().map(|it| it.supercategory.as_deref()).collect();
    assert_eq!(parents[1], Some("Country"));
    assert_eq!(
        said(&dataset),
        [
            "unread-answer left out in the task `T4`, 3 times: answers about a choice of a survey",
            "unread-answer left out in the task `T9`, 3 times: values of the kind `highlighter`",
            "unread-mark left out in the task `T9`, 3 times: a drawing of the kind `grid`, which \
             sizar doesn't read",
        ]
    );
    assert_eq!(dataset.notes[0].at.to_string(), "x-classifications.csv:2:1");
}

#[test]
fn lines_are_counted_whatever_they_end_with() {
    let rows = || vec![row("ada", 1, &json!([])), row("ada", 1, &json!([])), "1,b,1,,,{".into()];
    for ends in ["\n", "\r\n"] {
        let error = read(&rows(), ends).unwrap_err().to_string();
        assert!(error.contains("x-classifications.csv:4:1"), "{error}");
        let dataset = read(&rows()[..2], ends).unwrap();
        assert_eq!(dataset.notes[0].at.to_string(), "x-classifications.csv:3:1");
    }
}

#[test]
fn a_curve_of_two_points_is_a_line() {
    let curve = |x: f64| {
        json!([{"task": "T0", "value": [{"tool": 0, "frame": 0, "toolType": "bezier", "closed": false,
            "details": [], "points": [{"x": x, "y": 1}, {"x": x + 9.0, "y": 5}]}]}])
    };
    let dataset = all(&[curve(1.0), curve(1.0), curve(1.0)]);
    assert!(matches!(&dataset.annotations[0].shape, Shape::Polyline(line) if line.len() == 2));
}
