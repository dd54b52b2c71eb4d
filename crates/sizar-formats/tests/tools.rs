//! LabelMe, CVAT and VIA: read, written, read again; broken files.

#![allow(clippy::unwrap_used, reason = "what a test cannot do without ends it")]

use camino::{Utf8Path, Utf8PathBuf};
use sizar_formats::FormatError;
use sizar_formats::formats::{self, Look, ReadOptions, WriteOptions};
use sizar_formats::model::{
    Annotation, Box2, Category, Dataset, Ellipse, Feature, Flags, Image, Keypoint, Part, Point,
    Polygon, Rle, Shape, Skeleton, Transcription, Visibility,
};
use sizar_formats::staging::{Placing, Staging};

fn folder() -> (tempfile::TempDir, Utf8PathBuf) {
    let kept = tempfile::tempdir().unwrap();
    let path = Utf8Path::from_path(kept.path()).unwrap().to_owned();
    (kept, path)
}

fn read(path: &Utf8Path) -> Result<Dataset, FormatError> {
    let look = Look::at(path)?;
    formats::choose(&look, None)?.read(&look, &ReadOptions::default())
}

fn read_text(name: &str, text: &str) -> Result<Dataset, FormatError> {
    let (_kept, path) = folder();
    fs_err::write(path.join(name), text).unwrap();
    read(&path.join(name))
}

/// Writes and reads again.
fn through(dataset: &Dataset, format: &str) -> Dataset {
    let (_kept, path) = folder();
    let out = path.join("out");
    let staging = Staging::folder(&out, Placing::Link).unwrap();
    let format = formats::named(format).unwrap();
    format.write(dataset, &staging, &WriteOptions::default()).unwrap();
    staging.finish().unwrap();
    assert_eq!(formats::choose(&Look::at(&out).unwrap(), None).unwrap().name(), format.name());
    let mut again = read(&out).unwrap();
    again.roots.clear();
    again
}

fn square(left: f64, size: f64) -> Box<[Point]> {
    Box2::new(left, 10.5, size, size).corners().into()
}

/// All shapes, a flag, a group, attributes, keypoints, a split.
fn dataset() -> Dataset {
    let mut categories = vec![
        Category { colour: Some([255, 0, 16]), ..Category::named("stamp") },
        Category::named("person"),
    ];
    categories[1].skeleton = Some(Box::new(Skeleton {
        points: ["nose", "hand", "foot"].map(Into::into).to_vec(),
        ..Skeleton::default()
    }));
    let of = |shape| Annotation { category: Some(0), shape, ..Annotation::default() };
    let ellipse = |radius_y| {
        let centre = Point::new(20.0, 30.0);
        Shape::Ellipse(Box::new(Ellipse { centre, radius_x: 5.0, radius_y, rotation: 0.0 }))
    };
    let mut boxed = Annotation {
        category: Some(0),
        bbox: Some(Box2::new(1.5, 2.0, 30.0, 40.0)),
        flags: Flags::OCCLUDED.with(Flags::DIFFICULT, true),
        ..Annotation::default()
    };
    boxed.more_mut().text = vec![Transcription::of("Été <&\"> \n2")];
    boxed.more_mut().attributes.insert("hand".into(), "second".into());
    let mut parts = of(Shape::Polygon(Polygon {
        parts: [0.0, 50.0]
            .map(|left| Part { outer: square(left, 20.0), holes: Box::default() })
            .into(),
    }));
    parts.more_mut().group = Some(7);
    let hole = of(Shape::Polygon(Polygon {
        parts: [Part { outer: square(0.0, 20.0), holes: [square(5.0, 5.0)].into() }].into(),
    }));
    let mask =
        Rle { width: 100, height: 80, counts: [805, 4, 76, 4, 7111].into(), compressed: true };
    let mut turned = boxed.clone();
    turned.more_mut().rotation = Some(30.0);
    let mut person = Annotation { category: Some(1), ..Annotation::default() };
    person.more_mut().keypoints =
        [(1.0, Visibility::Visible), (2.0, Visibility::Hidden), (0.0, Visibility::Absent)]
            .map(|(x, visibility)| Keypoint { at: Point::new(x, x), visibility })
            .to_vec();
    let mut label = of(Shape::None);
    label.category = Some(1);
    let image =
        |name: &str| Image { name: name.into(), width: 100, height: 80, ..Image::default() };
    let mut dataset = Dataset { categories, ..Dataset::default() };
    dataset.images = vec![image("a.jpg"), image("train/b.jpg")];
    dataset.annotations = vec![
        boxed,
        parts,
        hole,
        of(Shape::Rle(Box::new(mask))),
        of(Shape::Polyline([Point::new(1.0, 2.0), Point::new(3.0, 4.25)].into())),
        of(Shape::Polyline(square(1.0, 4.0))),
        of(Shape::Points([Point::new(9.0, 8.0)].into())),
        of(ellipse(5.0)),
        of(ellipse(9.0)),
        turned,
        person,
        label,
    ];
    let split = dataset.split("train");
    dataset.images[1].splits.insert(split);
    dataset
}

/// Leaves out the annotations that `format` doesn't keep as they are.
fn kept(mut dataset: Dataset, format: &str, changed_all_the_same: &[Feature]) -> Dataset {
    let format = formats::named(format).unwrap();
    let all = std::mem::take(&mut dataset.annotations);
    for annotation in all {
        let mut alone = Dataset { annotations: vec![annotation], ..dataset.clone() };
        alone.images.iter_mut().for_each(|image| image.id = None);
        let lost = formats::losses(&alone, format, &WriteOptions::default());
        let of_annotations = lost.iter().filter(|loss| {
            use Feature as F;
            !matches!(
                loss.feature,
                F::Colours
                    | F::Skeletons
                    | F::UnusedCategories
                    | F::EmptyImages
                    | F::Splits
                    | F::ImageSizes
                    | F::Transcriptions
                    | F::Difficult
                    | F::Attributes
                    | F::Occluded
            ) && !changed_all_the_same.contains(&loss.feature)
        });
        if of_annotations.count() == 0 {
            dataset.annotations.append(&mut alone.annotations);
        }
    }
    dataset
}

#[test]
fn cvat_keeps_what_it_says() {
    // none of its keypoints has a box beside them
    let mut first = kept(dataset(), "cvat", &[Feature::Keypoints]);
    assert_eq!(first.annotations.len(), 10);
    let mut again = through(&first, "cvat");
    for (at, image) in again.images.iter_mut().enumerate() {
        assert_eq!(image.id.take(), Some(at as i64));
    }
    again.info = first.info.clone();
    // a subset is a folder, and no part of a name
    first.images[1].name = "b.jpg".into();
    // an ellipse with both radii is kept, parts come as polygons of a group
    assert_eq!(again, first);
    let all = through(&dataset(), "cvat");
    let parts: Vec<_> = all
        .annotations
        .iter()
        .filter(|at| at.more.as_ref().is_some_and(|more| more.group == Some(7)))
        .collect();
    assert_eq!(parts.len(), 2);
    // a hole becomes a mask of the same pixels
    let masks = all.annotations.iter().filter(|at| matches!(at.shape, Shape::Rle(_)));
    assert_eq!(masks.count(), 2);
}

#[test]
fn labelme_keeps_what_it_says() {
    let first = kept(dataset(), "labelme", &[]);
    let again = through(&first, "labelme");
    let shapes = |dataset: &Dataset| -> Vec<Shape> {
        dataset.annotations.iter().map(|at| at.shape.clone()).collect()
    };
    assert_eq!(shapes(&again)[..6], shapes(&first)[..6]);
    assert_eq!(again.annotations[0], first.annotations[0]);
    // parts are one thing again
    let group = again.annotations[1].more.as_ref().unwrap().group;
    assert_eq!(group, Some(7));
    let all = through(&dataset(), "labelme");
    let masks = all.annotations.iter().filter(|at| matches!(at.shape, Shape::Rle(_)));
    assert_eq!(masks.count(), 2);
    // the label of the whole image is a flag
    let last = all.annotations.last().unwrap();
    assert_eq!((&last.shape, last.bbox), (&Shape::None, None));
    assert_eq!(&*all.images[1].name, "train/b.jpg");
    assert_eq!(all.splits, ["train".into()]);
}

#[test]
fn via_keeps_what_it_says() {
    let first = dataset();
    let again = through(&first, "via");
    assert_eq!(again.categories[0].name, first.categories[0].name);
    assert_eq!(again.images.len(), 2);
    let boxed = &again.annotations[0];
    assert_eq!(boxed.bbox, first.annotations[0].bbox);
    assert_eq!(boxed.text(), first.annotations[0].text());
    assert_eq!(boxed.more.as_ref().unwrap().attributes["hand"], "second");
    for at in [4, 5, 6, 7, 8] {
        assert!(again.annotations.iter().any(|it| it.shape == first.annotations[at].shape), "{at}");
    }
}

#[test]
fn via_of_version_1_and_exported_annotations_are_read() {
    let text = r#"{"a.jpg123": {"fileref": "", "size": 123, "filename": "a.jpg", "base64_img_data": "",
      "file_attributes": {"caption": "a page"},
      "regions": {"0": {"shape_attributes": {"name": "polygon", "all_points_x": [1, 2, 3], "all_points_y": [1.5, 2, 3]},
                        "region_attributes": {"Type": "seal"}}}}}"#;
    let dataset = read_text("v.json", text).unwrap();
    assert_eq!(&*dataset.categories[0].name, "seal");
    assert_eq!(dataset.annotations[0].more.as_ref().unwrap().caption.as_deref(), Some("a page"));
    assert!(
        matches!(&dataset.annotations[1].shape, Shape::Polygon(at) if at.parts[0].outer.len() == 3)
    );
}

#[test]
fn what_is_broken_is_said_with_its_place() {
    let labelme = |shape: &str| {
        format!(
            "{{\"imagePath\":\"a.png\",\"imageWidth\":10,\"imageHeight\":10,\n\"shapes\":[{shape}]}}"
        )
    };
    let cvat = |inner: &str| {
        format!(
            "<annotations><version>1.1</version>\n<image name='a' width='10' height='10'>{inner}</image></annotations>"
        )
    };
    let via = |drawn: &str| {
        format!(
            "{{\"a\":{{\"filename\":\"a\",\"size\":1,\"file_attributes\":{{}},\"regions\":[{{\"shape_attributes\":{drawn}}}]}}}}"
        )
    };
    for (name, text, ends) in [
        (
            "a.json",
            labelme("{\"label\":\"x\",\"points\":[[1,NaN]]}"),
            ":2:37: not a file of LabelMe: expected value",
        ),
        (
            "a.json",
            labelme("{\"label\":\"x\",\"points\":[[1,2]],\"shape_type\":\"circle\"}"),
            ", shapes[0].points: a circle has 2 points, and here are 1",
        ),
        (
            "a.json",
            labelme("{\"label\":\"x\",\"points\":[[1,2]],\"shape_type\":\"heart\"}"),
            ", shapes[0].shape_type: `heart` is no shape of LabelMe's",
        ),
        (
            "a.json",
            labelme(
                "{\"label\":\"x\",\"points\":[[1,2],[3,4]],\"shape_type\":\"mask\",\"mask\":\"AAAA\"}",
            ),
            ", shapes[0].mask: not a PNG",
        ),
        ("a.json", labelme("{\"label\":\"x\",\"points\":[[1,2]]").replace("]}", ""), ":2:"),
        (
            "a.xml",
            cvat("<box label='x' xtl='1' ytl='2' xbr='x' ybr='4'/>"),
            ":2:40: `x` in `xbr` is not a number",
        ),
        ("a.xml", cvat("<box label='x' xtl='1'/>"), ":2:40: <box> lacks `ytl`"),
        (
            "a.xml",
            cvat(
                "<mask label='x' left='0' top='0' width='4000000000' height='4000000000' rle='1'/>",
            ),
            ":2:40: a mask of 2147483647×2147483647",
        ),
        (
            "a.xml",
            cvat("<mask label='x' left='0' top='0' width='2' height='2' rle='1, 9'/>"),
            ":2:40: the run `9` doesn't fit",
        ),
        (
            "a.xml",
            cvat("<polygon label='x' points='1,2;3'/>"),
            ":2:40: a point lacks its second coordinate",
        ),
        (
            "a.json",
            via("{\"name\":\"rect\",\"x\":1}"),
            ", [\"a\"].regions[0]: `y` of the shape is not a number",
        ),
        (
            "a.json",
            via("{\"name\":\"polygon\",\"all_points_x\":[1],\"all_points_y\":[]}"),
            ", [\"a\"].regions[0]: 1 coordinates across and 0 down",
        ),
    ] {
        let error = read_text(name, &text).unwrap_err().to_string();
        let said = error.rsplit_once(name).unwrap().1;
        assert!(said.starts_with(ends), "{error}\n{ends}");
    }
}
