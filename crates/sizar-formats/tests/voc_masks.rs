//! Masks of Pascal VOC and their objects, where other files lie beside, or names are given.

#![allow(clippy::unwrap_used, reason = "what a test cannot do without ends it")]

mod world;

use camino::Utf8Path;
use sizar_formats::convert::save;
use sizar_formats::formats::{self, ReadOptions, WriteOptions};
use sizar_formats::model::{Annotation, Box2, Category, Dataset, Image, Point, Polygon, Shape};
use sizar_formats::staging::Placing;
use sizar_formats::{OpenOptions, open};
use world::scratch;

/// Three things side by side in one image, of a class each.
fn three(folder: &Utf8Path, names: [&str; 3]) -> Dataset {
    let file = folder.join("a.jpg");
    image::GrayImage::new(40, 20).save(&file).unwrap();
    let image =
        Image { name: "a.jpg".into(), file: Some(file), width: 40, height: 20, ..Image::default() };
    let thing = |at: u32| {
        let bounds = Box2::new(f64::from(at * 12 + 2), 3.0, 9.0, 10.0);
        let corners: Vec<Point> = bounds.corners().into();
        Annotation {
            category: Some(at),
            bbox: Some(bounds),
            shape: Shape::Polygon(Polygon::simple(corners)),
            ..Annotation::default()
        }
    };
    Dataset {
        categories: names.map(Category::named).to_vec(),
        images: vec![image],
        annotations: (0..3).map(thing).collect(),
        ..Dataset::default()
    }
}

fn written(dataset: &Dataset, to: &Utf8Path) {
    let voc = formats::named("voc").unwrap();
    save(&mut dataset.clone(), voc, to, Placing::Link, &WriteOptions::default()).unwrap();
}

/// The classes of what is read, its boxes' left sides, and whether each has its mask.
fn rows(folder: &Utf8Path, classes: Option<&[&str]>) -> Vec<(String, f64, bool)> {
    let classes = classes.map(|names| names.iter().map(|name| (*name).to_owned()).collect());
    let read = ReadOptions { classes, ..ReadOptions::default() };
    let opened = open(folder, &OpenOptions { read, ..OpenOptions::default() }).unwrap();
    assert_eq!(opened.format.name(), "voc");
    let dataset = &opened.dataset;
    let row = |at: &Annotation| {
        let name = dataset.categories[at.category.unwrap() as usize].name.to_string();
        (name, at.bounds().unwrap().x, matches!(at.shape, Shape::Rle(_)))
    };
    dataset.annotations.iter().map(row).collect()
}

#[test]
fn names_that_are_given_only_order_the_classes_of_objects() {
    let (_keep, folder) = scratch();
    let to = folder.join("voc");
    written(&three(&folder, ["bolt", "nut", "cog"]), &to);
    let expected = [("bolt", 2.0), ("nut", 14.0), ("cog", 26.0)]
        .map(|(name, left)| (name.to_owned(), left, true));
    assert_eq!(rows(&to, None), expected);
    fs_err::remove_file(to.join("labelmap.txt")).unwrap();
    assert_eq!(rows(&to, None), expected);
    assert_eq!(rows(&to, Some(&["nut", "cog", "bolt"])), expected);
    // a file of that name elsewhere is of something else, and so is XML of LabelMe's
    fs_err::create_dir_all(to.join("extra/seg")).unwrap();
    fs_err::write(to.join("extra/seg/labelmap.txt"), "cat:1,2,3::\n").unwrap();
    let other = "<annotation><filename>b.jpg</filename><object><name>x</name><polygon>\
                 <pt><x>1</x><y>2</y></pt></polygon></object></annotation>";
    fs_err::write(to.join("extra/b.xml"), other).unwrap();
    assert_eq!(rows(&to, None), expected);
}

#[test]
fn a_class_may_be_called_like_a_remark() {
    let (_keep, folder) = scratch();
    let to = folder.join("voc");
    written(&three(&folder, ["#1 bolt", "nut", "cog"]), &to);
    let names: Vec<String> = rows(&to, None).into_iter().map(|(name, ..)| name).collect();
    assert_eq!(names, ["#1 bolt", "nut", "cog"]);
}
