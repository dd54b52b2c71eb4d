//! What CVAT exports is read as it was marked, and what is written for it is read there.

#![allow(clippy::unwrap_used, reason = "what a test cannot do without ends it")]

mod world;

use camino::Utf8Path;
use serde_json::{Value, json};
use sizar_formats::check::{Kind, check};
use sizar_formats::convert::save;
use sizar_formats::formats::{self, ReadOptions, WriteOptions, losses};
use sizar_formats::model::{
    Annotation, Box2, Category, Dataset, Feature, Flags, Image, Rle, Shape,
};
use sizar_formats::staging::Placing;
use sizar_formats::{OpenOptions, open};
use world::scratch;

const LABELS: &str =
    "# label:color_rgb:parts:actions\nbackground:0,0,0::\ncat:250,50,83::\ndog:0,128,0::\n";
const CAT: [u8; 3] = [250, 50, 83];
const DOG: [u8; 3] = [0, 128, 0];
/// How datumaro paints the first and the second object.
const FIRST: [u8; 3] = [128, 0, 0];
const SECOND: [u8; 3] = [0, 128, 0];

fn write(folder: &Utf8Path, name: &str, text: &str) {
    fs_err::create_dir_all(folder.join(name).parent().unwrap()).unwrap();
    fs_err::write(folder.join(name), text).unwrap();
}

/// Writes an image of 40 × 30 with filled boxes: left, top, right, bottom, colour.
fn paint(folder: &Utf8Path, name: &str, areas: &[([u32; 4], [u8; 3])]) {
    fs_err::create_dir_all(folder.join(name).parent().unwrap()).unwrap();
    let mut pixels = image::RgbImage::new(40, 30);
    for ([left, top, right, bottom], colour) in areas {
        for (x, y) in (*top..*bottom).flat_map(|y| (*left..*right).map(move |x| (x, y))) {
            pixels.put_pixel(x, y, image::Rgb(*colour));
        }
    }
    pixels.save(folder.join(name)).unwrap();
}

fn xml(folder: &Utf8Path, name: &str, file: &str, objects: &[(&str, [f64; 4], &str)]) {
    let objects: Vec<String> = objects
        .iter()
        .map(|(class, [left, top, right, bottom], more)| {
            format!(
                "<object><name>{class}</name><bndbox><xmin>{left}</xmin><ymin>{top}</ymin>\
                 <xmax>{right}</xmax><ymax>{bottom}</ymax></bndbox>{more}</object>"
            )
        })
        .collect();
    let objects = objects.concat();
    let text = format!(
        "<annotation><filename>{file}</filename><size><width>40</width><height>30</height></size>\
         {objects}</annotation>"
    );
    write(folder, &format!("Annotations/{name}.xml"), &text);
}

fn read(folder: &Utf8Path, format: &str) -> Dataset {
    let opened = open(folder, &OpenOptions::default()).unwrap();
    assert_eq!(opened.format.name(), format);
    opened.dataset
}

/// Image, class, box, and the box of the mask, of an annotation.
type Row<'a> = (&'a str, &'a str, Option<[f64; 4]>, Option<[f64; 4]>);

fn rows(dataset: &Dataset) -> Vec<Row<'_>> {
    let sides = |b: Box2| [b.x, b.y, b.width, b.height];
    let mut rows: Vec<_> = dataset
        .annotations
        .iter()
        .map(|one| {
            let class = one.category.map_or("", |at| &*dataset.categories[at as usize].name);
            let image = &*dataset.images[one.image as usize].name;
            (image, class, one.bbox.map(sides), one.shape.bounds().map(sides))
        })
        .collect();
    rows.sort_by(|one, other| one.partial_cmp(other).unwrap());
    rows
}

fn codes(dataset: &Dataset) -> Vec<&str> {
    dataset.notes.iter().map(|note| note.code).collect()
}

#[test]
fn a_mask_is_an_objects_only_where_class_and_box_agree() {
    let (_keep, folder) = scratch();
    write(&folder, "labelmap.txt", LABELS);
    // the first mask is none of the boxes', the second is that of the first box
    let masks = [([5, 5, 15, 15], FIRST), ([24, 19, 38, 29], SECOND)];
    paint(&folder, "SegmentationObject/a.png", &masks);
    let classes = [([5, 5, 15, 15], CAT), ([24, 19, 38, 29], DOG)];
    paint(&folder, "SegmentationClass/a.png", &classes);
    let boxes = [
        ("dog", [24., 19., 39., 29.], ""),
        ("dog", [4., 4., 16., 16.], ""),
        ("cat", [20., 1., 39., 29.], ""),
    ];
    xml(&folder, "a", "a.png", &boxes);
    let dataset = read(&folder, "voc");
    assert_eq!(
        rows(&dataset),
        [
            ("a.png", "cat", None, Some([5., 5., 10., 10.])),
            ("a.png", "cat", Some([20., 1., 19., 28.]), None),
            ("a.png", "dog", Some([4., 4., 12., 12.]), None),
            ("a.png", "dog", Some([24., 19., 15., 10.]), Some([24., 19., 14., 10.])),
        ]
    );
}

#[test]
fn masks_without_objects_are_annotations() {
    let (_keep, folder) = scratch();
    write(&folder, "labelmap.txt", LABELS);
    for (name, area, class) in [("x/a", [5, 5, 15, 15], CAT), ("y/a", [25, 20, 38, 28], DOG)] {
        paint(&folder, &format!("SegmentationObject/{name}.png"), &[(area, FIRST)]);
        paint(&folder, &format!("SegmentationClass/{name}.png"), &[(area, class)]);
        xml(&folder, name, &format!("{name}.png"), &[]);
    }
    let dataset = read(&folder, "voc");
    let masks = [
        ("x/a.png", "cat", None, Some([5., 5., 10., 10.])),
        ("y/a.png", "dog", None, Some([25., 20., 13., 8.])),
    ];
    assert_eq!(rows(&dataset), masks);
    assert_eq!(codes(&dataset), [""; 0], "nothing counts from 0 where there is no box");
    assert_eq!(dataset.categories[0].name, "cat".into());
    // without names, those of VOC's palette have a number, others are their colour
    fs_err::remove_file(folder.join("labelmap.txt")).unwrap();
    let dataset = read(&folder, "voc");
    let classes: Vec<&str> = rows(&dataset).iter().map(|row| row.1).collect();
    assert_eq!(classes, ["#fa3253", "class2"]);
    assert_eq!(codes(&dataset), ["unnamed-class"; 2]);
    let given =
        ReadOptions { classes: Some(vec!["a".into(), "b".into()]), ..ReadOptions::default() };
    let options = OpenOptions { read: given, ..OpenOptions::default() };
    let dataset = open(&folder, &options).unwrap().dataset;
    assert_eq!(rows(&dataset)[1].1, "b");
    // an object elsewhere says it
    xml(&folder, "z", "z.png", &[("horse", [26., 21., 38., 28.], "")]);
    for kind in ["Object", "Class"] {
        fs_err::copy(
            folder.join(format!("Segmentation{kind}/y/a.png")),
            folder.join(format!("Segmentation{kind}/z.png")),
        )
        .unwrap();
    }
    let dataset = read(&folder, "voc");
    let classes: Vec<&str> = rows(&dataset).iter().map(|row| row.1).collect();
    assert_eq!(classes, ["#fa3253", "horse", "horse"]);
    assert_eq!(dataset.annotations.len(), 3);
}

#[test]
fn vocs_images_lie_in_folders_and_have_spaces_in_their_names() {
    let (_keep, folder) = scratch();
    write(&folder, "labelmap.txt", LABELS);
    let turned = "<occluded>1</occluded><attributes>\
                  <attribute><name>rotation</name><value>30.5</value></attribute>\
                  <attribute><name>colour</name><value>blue green</value></attribute></attributes>";
    for (name, left) in [("img one", 5.), ("sub/b c", 6.), ("x/001", 7.), ("y/001", 8.)] {
        paint(&folder, &format!("JPEGImages/{name}.png"), &[]);
        // other programs leave the folders out
        let file = if name == "y/001" { "001.png".to_owned() } else { format!("{name}.png") };
        xml(&folder, name, &file, &[("cat", [left, 5., left + 10., 15.], turned)]);
    }
    write(&folder, "ImageSets/Main/Train.txt", "img one\nx/001\n");
    write(&folder, "ImageSets/Layout/Train.txt", "\"img one\"\n");
    write(&folder, "ImageSets/Main/Validation.txt", "sub/b c\ny/001\n");
    write(&folder, "ImageSets/Main/cat_Train.txt", "img one  1\nx/001 -1\n");
    let dataset = read(&folder, "voc");
    assert_eq!(codes(&dataset), ["zero-based-boxes"]);
    assert!(dataset.notes[0].at.file.ends_with("labelmap.txt"));
    let names = ["img one.png", "sub/b c.png", "x/001.png", "y/001.png"];
    for (at, (image, name)) in dataset.images.iter().zip(names).enumerate() {
        assert_eq!(&*image.name, name);
        assert!(image.file.as_ref().unwrap().ends_with(format!("JPEGImages/{name}")));
        let split: Vec<&str> =
            image.splits.iter().map(|split| &*dataset.splits[split as usize]).collect();
        assert_eq!(split, [["Train", "Validation"][at % 2]]);
        let one = &dataset.annotations[at];
        assert_eq!(one.bbox, Some(Box2::new(5. + at as f64, 5., 10., 10.)));
        assert!(one.flags.has(Flags::OCCLUDED));
        let more = one.more.as_ref().unwrap();
        assert_eq!((more.rotation, more.attributes.len()), (Some(30.5), 1));
        assert_eq!(more.attributes["colour"], "blue green");
    }
    assert_eq!(dataset.splits.len(), 2);
    // by hand is by hand
    let given = ReadOptions { origin: Some(1), ..ReadOptions::default() };
    let options = OpenOptions { read: given, ..OpenOptions::default() };
    let dataset = open(&folder, &options).unwrap().dataset;
    assert_eq!(dataset.annotations[0].bbox, Some(Box2::new(4., 4., 11., 11.)));
    // one file of it counts as all of them do
    let one = open(&folder.join("Annotations/x/001.xml"), &OpenOptions::default()).unwrap().dataset;
    assert_eq!(one.annotations[0].bbox, Some(Box2::new(7., 5., 10., 10.)));
    assert!(one.images[0].file.is_some());
}

/// Two things of one class, the second in the first, each with its mask; a class without things.
fn nested(folder: &Utf8Path) -> Dataset {
    paint(folder, "a.png", &[]);
    let mask = |left: u32, top: u32, right: u32, bottom: u32| {
        let inside =
            |at: u32| (left..right).contains(&(at / 30)) && (top..bottom).contains(&(at % 30));
        let columns: Vec<u8> = (0..40 * 30).map(|at| u8::from(inside(at))).collect();
        let rle = Rle::from_columns(&columns, 40, 30);
        Annotation {
            category: Some(1),
            bbox: rle.bounds(),
            shape: Shape::Rle(Box::new(rle)),
            ..Annotation::default()
        }
    };
    let image = Image {
        name: "a.png".into(),
        file: Some(folder.join("a.png")),
        width: 40,
        height: 30,
        ..Image::default()
    };
    Dataset {
        categories: ["unused", "cat", "z: 1"].into_iter().map(Category::named).collect(),
        images: vec![image],
        annotations: vec![mask(2, 3, 38, 28), mask(10, 10, 20, 20)],
        ..Dataset::default()
    }
}

fn saved(dataset: &Dataset, format: &str, to: &Utf8Path, placing: Placing) -> Dataset {
    let options = WriteOptions::default();
    let format = formats::named(format).unwrap();
    save(&mut dataset.clone(), format, to, placing, &options).unwrap();
    open(to, &OpenOptions::default()).unwrap().dataset
}

#[test]
fn vocs_classes_are_written_with_their_colours() {
    let (_keep, folder) = scratch();
    let back = saved(&nested(&folder), "voc", &folder.join("out"), Placing::Link);
    let text = fs_err::read_to_string(folder.join("out/labelmap.txt")).unwrap();
    for line in ["background:0,0,0::", "unused:128,0,0::", "cat:0,128,0::", "z: 1:128,128,0::"] {
        assert!(text.lines().any(|known| known == line), "{text}");
    }
    let classes: Vec<&str> = back.categories.iter().map(|class| &*class.name).collect();
    assert_eq!(classes, ["unused", "cat", "z: 1"]);
    // boxes of sizar's own count from 1, and numbers are those of objects
    assert_eq!(codes(&back), [""; 0]);
    let boxes: Vec<Box2> = back.annotations.iter().map(|one| one.bbox.unwrap()).collect();
    assert_eq!(boxes, [Box2::new(2., 3., 36., 25.), Box2::new(10., 10., 10., 10.)]);
    let areas: Vec<u64> = back
        .annotations
        .iter()
        .map(|one| match &one.shape {
            Shape::Rle(rle) => rle.area(),
            _ => 0,
        })
        .collect();
    assert!(areas[0] > 600 && (64..=100).contains(&areas[1]), "{areas:?}");
}

#[test]
fn darknets_lists_have_the_names_of_subsets() {
    let (_keep, folder) = scratch();
    let fields = "classes = 2\nValidation = data/Validation.txt\nTrain = data/Train.txt\n\
                  names = data/obj.names\nbackup = backup/\n\
                  difficult = data/difficult.txt\n";
    write(&folder, "difficult.txt", "data/obj_Train_data/sub/b c.png\n");
    write(&folder, "obj.data", fields);
    write(&folder, "obj.names", "cat\ndog\n");
    for (split, class) in [("Train", 0), ("Validation", 1)] {
        let images = format!("obj_{split}_data/sub/b c");
        paint(&folder, &format!("{images}.png"), &[]);
        write(&folder, &format!("{images}.txt"), &format!("{class} 0.5 0.5 0.25 0.5\n"));
        write(&folder, &format!("{split}.txt"), &format!("data/{images}.png\n"));
    }
    let dataset = read(&folder, "yolo");
    assert_eq!(dataset.splits, ["Validation".into(), "Train".into()]);
    let splits: Vec<Vec<u8>> = dataset.images.iter().map(|it| it.splits.iter().collect()).collect();
    assert_eq!(splits, [[1], [0]]);
    assert_eq!(rows(&dataset).len(), 2);
    // of the lists that are named one has to be here
    fs_err::remove_file(folder.join("Validation.txt")).unwrap();
    assert_eq!(read(&folder, "yolo").splits, ["Train".into()]);
    fs_err::remove_file(folder.join("Train.txt")).unwrap();
    let refused = open(&folder, &OpenOptions::default()).err().unwrap().to_string();
    assert!(refused.contains("`data/Validation.txt`, which is not here"), "{refused}");
}

#[test]
fn segmentation_masks_have_the_names_of_their_colours() {
    let (_keep, folder) = scratch();
    write(&folder, "labelmap.txt", LABELS);
    write(&folder, "ImageSets/Segmentation/Train.txt", "a\nsub/b c\n");
    write(&folder, "ImageSets/Segmentation/Validation.txt", "empty\n");
    paint(&folder, "SegmentationClass/a.png", &[([5, 5, 15, 15], DOG), ([0, 0, 3, 3], CAT)]);
    // no pixel is of the background
    paint(&folder, "SegmentationClass/sub/b c.png", &[([0, 0, 40, 30], DOG)]);
    let areas = |extension: &str| {
        let a = format!("a.{extension}");
        let b = format!("sub/b c.{extension}");
        [(a.clone(), "cat", 3.), (a, "dog", 10.), (b, "dog", 40.)]
    };
    let check = |extension: &str| {
        let dataset = read(&folder, "mask");
        let found: Vec<(String, &str, f64)> = rows(&dataset)
            .into_iter()
            .map(|(image, class, _, mask)| (image.to_owned(), class, mask.unwrap()[2]))
            .collect();
        assert_eq!(found, areas(extension));
        let mut images: Vec<(&str, &str)> = dataset
            .images
            .iter()
            .map(|it| (&*it.name, &*dataset.splits[it.splits.iter().next().unwrap() as usize]))
            .collect();
        images.sort_unstable();
        let [(a, ..), _, (b, ..)] = areas(extension);
        let empty = format!("empty.{extension}");
        let expected = [(&*a, "Train"), (&*empty, "Validation"), (&*b, "Train")];
        assert_eq!(images, expected);
        assert_eq!(dataset.categories[0].colour, Some(CAT));
        dataset
    };
    // CVAT's export without images
    check("jpg");
    for name in ["a", "sub/b c", "empty", "more"] {
        paint(&folder, &format!("JPEGImages/{name}.png"), &[]);
    }
    let dataset = check("png");
    assert!(dataset.images.iter().all(|image| (image.width, image.height) == (40, 30)));
    assert_eq!(codes(&dataset), ["images-without-mask"], "which no list names");
}

#[test]
fn cocos_files_have_a_box_for_each_row_ids_of_their_own_and_names_with_folders() {
    let (_keep, folder) = scratch();
    let mut dataset = nested(&folder);
    let tag = Annotation { category: Some(0), ..Annotation::default() };
    dataset.annotations.push(tag.clone());
    let more = dataset.annotations[0].more_mut();
    more.rotation = Some(30.5);
    more.attributes = json!({"colour": "red", "id": 7}).as_object().unwrap().clone();
    dataset.annotations[0].flags.set(Flags::OCCLUDED, true);
    let coco = formats::named("coco").unwrap();
    let lost = |dataset: &Dataset| {
        let all = losses(dataset, coco, &WriteOptions::default());
        all.into_iter().find(|loss| loss.feature == Feature::ImageLabels).unwrap().dropped
    };
    assert!(lost(&dataset));
    let train = dataset.split("train");
    dataset.images[0].splits.insert(train);
    dataset.images[0].name = "train/sub/b c.png".into();
    let back = saved(&dataset, "coco", &folder.join("out"), Placing::Link);
    let written = |name: &str| -> Value {
        serde_json::from_str(&fs_err::read_to_string(folder.join(name)).unwrap()).unwrap()
    };
    let mut document = written("out/annotations/instances_train.json");
    let all = document["annotations"].as_array().unwrap();
    assert_eq!(all.len(), 2);
    assert!(all.iter().all(|row| row["bbox"].is_array()));
    let said = json!({"colour": "red", "id": 7, "occluded": true, "rotation": 30.5});
    assert_eq!((&all[0]["attributes"], &all[0]["colour"]), (&said, &json!("red")));
    assert_eq!((&all[0]["id"], all[1].get("attributes")), (&json!(1), None));
    let mut first = back.annotations[0].clone();
    assert_eq!(first.id.take(), Some(1));
    assert_eq!(first.more, dataset.annotations[0].more);
    assert!(first.flags.has(Flags::OCCLUDED));
    assert_eq!(&*back.images[0].name, "sub/b c.png", "the split has its folder");
    assert!(folder.join("out/train/sub/b c.png").exists());
    // an id counts in its own file
    write(&folder, "out/annotations/instances_val.json", &document.to_string());
    let kinds = || {
        let dataset = open(&folder.join("out"), &OpenOptions::default()).unwrap().dataset;
        let found = check(&dataset, None).unwrap();
        found.iter().filter(|finding| finding.kind == Kind::DuplicateId).count()
    };
    assert_eq!(kinds(), 0);
    document["annotations"][1]["id"] = json!(1);
    write(&folder, "out/annotations/instances_val.json", &document.to_string());
    assert_eq!(kinds(), 1);
    // images that stay where they are keep their names
    saved(&dataset, "coco", &folder.join("left"), Placing::Leave);
    let names = &written("left/annotations/instances_train.json")["images"][0]["file_name"];
    assert_eq!(names, "train/sub/b c.png");
    // where there are labels alone, they are what is wanted
    dataset.annotations = vec![tag];
    assert!(!lost(&dataset));
    assert_eq!(saved(&dataset, "coco", &folder.join("tags"), Placing::Leave).annotations.len(), 1);
}
