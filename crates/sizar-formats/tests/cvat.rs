//! CVAT's own ways: subsets as folders, frames without endings, labels that its import takes.

#![allow(clippy::unwrap_used, reason = "what a test cannot do without ends it")]

mod world;

use camino::Utf8Path;
use serde_json::json;
use sizar_formats::convert::save;
use sizar_formats::formats::{self, Look, ReadOptions, WriteOptions};
use sizar_formats::model::{
    Annotation, Box2, Category, Dataset, Ellipse, Flags, Image, Keypoint, Point, Shape, Visibility,
};
use sizar_formats::staging::Placing;
use world::scratch;

fn read(path: &Utf8Path) -> Dataset {
    let look = Look::at(path).unwrap();
    let format = formats::choose(&look, None).unwrap();
    assert_eq!(format.name(), "cvat");
    format.read(&look, &ReadOptions::default()).unwrap()
}

/// Two images of one name in two subsets.
fn two(folder: &Utf8Path) -> Dataset {
    let mut dataset = Dataset { categories: vec![Category::named("person")], ..Dataset::default() };
    for (id, split) in [(70, "train"), (80, "val")] {
        let file = folder.join(split).join("a.png");
        fs_err::create_dir_all(file.parent().unwrap()).unwrap();
        image::GrayImage::new(20, 10).save(&file).unwrap();
        let splits = [dataset.split(split)].into_iter().collect();
        let (name, file) = (format!("{split}/a.png").into(), Some(file));
        let image =
            Image { id: Some(id), name, file, width: 20, height: 10, splits, ..Image::default() };
        dataset.images.push(image);
    }
    dataset
}

fn written(dataset: &Dataset, to: &Utf8Path) -> String {
    let format = formats::named("cvat").unwrap();
    save(&mut dataset.clone(), format, to, Placing::Link, &WriteOptions::default()).unwrap();
    fs_err::read_to_string(to.join("annotations.xml")).unwrap()
}

#[test]
fn a_subset_is_a_folder_of_images_and_no_part_of_their_names() {
    let (_keep, folder) = scratch();
    let dataset = two(&folder);
    let text = written(&dataset, &folder.join("out"));
    // CVAT takes `id` for the number of a frame where it does not know the name
    for image in
        ["id=\"0\" name=\"a.png\" subset=\"train\"", "id=\"1\" name=\"a.png\" subset=\"val\""]
    {
        assert!(text.contains(image), "{text}");
    }
    assert!(text.contains("<subsets>train\nval</subsets>"), "{text}");
    let again = read(&folder.join("out"));
    // one is called like another with one more ending
    image::GrayImage::new(3, 3).save(folder.join("out/images/train/a.png.png")).unwrap();
    let again_beside = read(&folder.join("out"));
    assert_eq!(again_beside.images[0].file, again.images[0].file);
    for (image, split) in again.images.iter().zip(["train", "val"]) {
        assert_eq!(*image.name, format!("{split}/a.png"));
        assert_eq!(image.file, Some(folder.join("out/images").join(split).join("a.png")));
    }
}

#[test]
fn frames_of_a_video_have_their_files_and_a_cuboid_is_left_out() {
    let (_keep, folder) = scratch();
    fs_err::create_dir_all(folder.join("images")).unwrap();
    image::GrayImage::new(20, 10).save(folder.join("images/frame_000000.PNG")).unwrap();
    let head = "<annotations><version>1.1</version>";
    let task = |mode: &str, image: &str| {
        format!("{head}<meta><task><mode>{mode}</mode></task></meta>{image}</annotations>")
    };
    let cuboid = "<image id='0' name='frame_000000' width='20' height='10'>\
                  <box label='a' xtl='1' ytl='2' xbr='3' ybr='4'/><cuboid label='a'/></image>";
    let file = folder.join("annotations.xml");
    fs_err::write(&file, task("interpolation", cuboid)).unwrap();
    let dataset = read(&folder);
    assert_eq!(*dataset.images[0].name, *"frame_000000.PNG");
    assert!(dataset.images[0].file.is_some());
    assert_eq!((dataset.annotations.len(), dataset.notes[0].code), (1, "unread-shape"));
    // a video in which nothing is marked is one nonetheless
    fs_err::write(&file, task("interpolation", "")).unwrap();
    let look = Look::at(&folder).unwrap();
    let said = formats::named("cvat").unwrap().read(&look, &ReadOptions::default()).unwrap_err();
    assert!(said.to_string().contains("tracks of a video"), "{said}");
    fs_err::write(&file, task("annotation", "")).unwrap();
    assert_eq!(read(&folder).images.len(), 0);
}

#[test]
fn what_its_import_would_refuse_is_written_otherwise() {
    let (_keep, folder) = scratch();
    let mut dataset = two(&folder);
    let bounds = Box2::new(1.0, 2.0, 5.0, 6.0);
    let mut said = |attributes: serde_json::Value| {
        let mut annotation =
            Annotation { category: Some(0), bbox: Some(bounds), ..Annotation::default() };
        annotation.more_mut().attributes = serde_json::from_value(attributes).unwrap();
        dataset.annotations.push(annotation);
    };
    said(json!({"truncated": 1, "z_order": 4}));
    said(json!({"z_order": "front"}));
    let flagged = Flags::default().with(Flags::CROWD, true);
    dataset.annotations.push(Annotation {
        category: Some(0),
        bbox: Some(bounds),
        flags: flagged,
        ..Annotation::default()
    });
    let text = written(&dataset, &folder.join("out"));
    // a box to tick takes no `1`
    let declared = |name: &str| {
        let after = text.split(&format!("<name>{name}</name>")).nth(1).unwrap();
        after.split("<input_type>").nth(1).unwrap().split('<').next().unwrap().to_owned()
    };
    assert_eq!((&*declared("truncated"), &*declared("crowd")), ("text", "checkbox"), "{text}");
    assert!(text.contains("z_order=\"4\"") && !text.contains("z_order=\"front\""), "{text}");
    assert!(text.contains("<attribute name=\"z_order\">front</attribute>"), "{text}");
}

#[test]
fn keypoints_have_names_and_a_thing_without_any_keeps_its_box() {
    let (_keep, folder) = scratch();
    let mut dataset = two(&folder);
    let bbox = Some(Box2::new(1.0, 2.0, 5.0, 6.0));
    let keypoints = |visibility| vec![Keypoint { at: Point::new(3.0, 4.0), visibility }; 2];
    for visibility in [Visibility::Absent, Visibility::Visible] {
        let mut person = Annotation { category: Some(0), bbox, ..Annotation::default() };
        person.more_mut().keypoints = keypoints(visibility);
        dataset.annotations.push(person);
    }
    let ellipse =
        Ellipse { centre: Point::new(9.0, 5.0), radius_x: 4.0, radius_y: 2.0, rotation: 30.0 };
    let shape = Shape::Ellipse(Box::new(ellipse));
    dataset.annotations.push(Annotation {
        category: Some(0),
        shape: shape.clone(),
        ..Annotation::default()
    });
    let format = formats::named("cvat").unwrap();
    let lost = formats::losses(&dataset, format, &WriteOptions::default());
    assert!(lost.iter().any(|loss| loss.becomes.contains("without boxes")), "{lost:?}");
    written(&dataset, &folder.join("out"));
    let again = read(&folder.join("out"));
    let [boxed, skeleton, turned] = &again.annotations[..] else { panic!("{again:?}") };
    assert_eq!((boxed.bbox, boxed.keypoints().len()), (bbox, 0));
    assert_eq!(skeleton.keypoints(), keypoints(Visibility::Visible));
    assert_eq!(turned.shape, shape);
    let names = &again.categories[0].skeleton.as_ref().unwrap().points;
    assert_eq!(names.iter().map(|name| &**name).collect::<Vec<_>>(), ["1", "2"]);
}
