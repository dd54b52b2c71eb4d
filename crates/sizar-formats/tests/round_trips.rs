//! What each format holds comes back, and the same bytes are written twice.

#![allow(clippy::unwrap_used, reason = "what a test cannot do without ends it")]

mod world;

use camino::Utf8Path;
use sizar_formats::check::{Kind, check, mend};
use sizar_formats::convert::{
    Group, SplitRequest, choose_classes, merge_classes, resize, save, split, tile,
};
use sizar_formats::formats::{self, Look, WriteOptions, losses};
use sizar_formats::model::{Dataset, Feature, Shape, SplitSet};
use sizar_formats::raster::{Rasteriser, trace};
use sizar_formats::staging::{Encoding, Placing};
use sizar_formats::{OpenOptions, open};
use world::{demo, scratch};

fn written(dataset: &Dataset, format: &str, to: &Utf8Path, variant: Option<&str>) -> Dataset {
    let options = WriteOptions { variant: variant.map(str::to_owned) };
    let target = formats::named(format).unwrap();
    save(&mut dataset.clone(), target, to, Placing::Link, &options).unwrap();
    let opened = open(to, &OpenOptions::default()).unwrap();
    assert_eq!(opened.format.name(), format);
    opened.dataset
}

/// Per image the masks, by class, of all annotations that have an area.
fn masks(dataset: &Dataset) -> Vec<String> {
    let mut all: Vec<String> = dataset
        .annotations
        .iter()
        .filter(|annotation| annotation.shape != Shape::None)
        .map(|annotation| {
            let image = &dataset.images[annotation.image as usize];
            let mask =
                Rasteriser::new(image.width, image.height).unwrap().shape(annotation).unwrap();
            let class = &dataset.categories[annotation.category.unwrap() as usize].name;
            let stem = Utf8Path::new(&*image.name).file_stem().unwrap();
            format!("{stem} {class} {}", mask.to_text())
        })
        .collect();
    all.sort();
    all
}

fn boxes(dataset: &Dataset) -> Vec<String> {
    let mut all: Vec<String> = dataset
        .annotations
        .iter()
        .map(|annotation| {
            let b = annotation.bounds().unwrap();
            let class = &dataset.categories[annotation.category.unwrap() as usize].name;
            let stem = Utf8Path::new(&*dataset.images[annotation.image as usize].name).file_stem();
            {
                // fractions of YOLO are a billionth off
                let near = |side: f64| (side * 1e4).round() as i64;
                let sides = [b.x, b.y, b.width, b.height].map(near);
                format!("{} {class} {sides:?}", stem.unwrap())
            }
        })
        .collect();
    all.sort();
    all
}

#[test]
fn coco_holds_masks_keypoints_ids_and_splits() {
    let (_keep, folder) = scratch();
    let dataset = demo(&folder.join("in"));
    let back = written(&dataset, "coco", &folder.join("out"), None);
    assert_eq!(masks(&back), masks(&dataset));
    assert_eq!(boxes(&back), boxes(&dataset));
    assert_eq!(back.splits, dataset.splits);
    assert_eq!(back.categories[0].skeleton.as_ref().unwrap().points.len(), 2);
    let mut ids: Vec<_> = back.annotations.iter().map(|annotation| annotation.id).collect();
    ids.sort_unstable();
    assert_eq!(ids, dataset.annotations.iter().map(|a| a.id).collect::<Vec<_>>());
    assert!(back.images.iter().all(|image| image.file.is_some()));
    let keypoints = |dataset: &Dataset| {
        dataset.annotations.iter().filter(|a| !a.keypoints().is_empty()).count()
    };
    assert_eq!(keypoints(&back), 8);
}

#[test]
fn panoptic_masks_come_back_where_nothing_overlaps() {
    let (_keep, folder) = scratch();
    let mut dataset = demo(&folder.join("in"));
    dataset.annotations.retain(|annotation| annotation.id.unwrap() % 3 == 2);
    let back = written(&dataset, "coco", &folder.join("out"), Some("panoptic"));
    assert_eq!(masks(&back), masks(&dataset));
    assert_eq!(back.annotations.len(), 8);
}

#[test]
fn voc_holds_boxes_on_whole_pixels_and_lists() {
    let (_keep, folder) = scratch();
    let dataset = demo(&folder.join("in"));
    let back = written(&dataset, "voc", &folder.join("out"), None);
    assert_eq!(boxes(&back), boxes(&dataset));
    assert_eq!(back.splits, dataset.splits);
    let train = |dataset: &Dataset| dataset.images.iter().filter(|i| i.splits.contains(0)).count();
    assert_eq!(train(&back), 6);
    let xml = fs_err::read_to_string(folder.join("out/Annotations/book0_000.xml")).unwrap();
    assert!(xml.contains("<difficult>1</difficult>"), "a crowd is difficult");
    assert!(folder.join("out/SegmentationObject/book0_000.png").exists());
}

#[test]
fn yolo_holds_polygons_boxes_and_keypoints() {
    let (_keep, folder) = scratch();
    let mut dataset = demo(&folder.join("in"));
    let back = written(&dataset, "yolo", &folder.join("pose"), Some("pose"));
    assert_eq!(boxes(&back), boxes(&dataset));
    assert_eq!(back.splits, dataset.splits);
    let pose = back.annotations.iter().filter(|a| a.keypoints().len() == 2).count();
    assert_eq!(pose, 24);
    // a ring with a bridge to its hole has the same pixels
    dataset.annotations.retain(|annotation| annotation.shape != Shape::None);
    let back = written(&dataset, "yolo", &folder.join("segment"), Some("segment"));
    let same = masks(&back).iter().zip(masks(&dataset)).filter(|(a, b)| *a == b).count();
    assert_eq!(same, 16, "{:#?}\n{:#?}", masks(&back), masks(&dataset));
}

#[test]
fn masks_hold_pixels_and_csv_holds_boxes() {
    let (_keep, folder) = scratch();
    let mut dataset = demo(&folder.join("in"));
    let back = written(&dataset, "csv", &folder.join("csv"), None);
    assert_eq!(boxes(&back), boxes(&dataset));
    dataset.annotations.retain(|annotation| annotation.id.unwrap() % 3 == 2);
    dataset.images.iter_mut().for_each(|image| image.splits = SplitSet::default());
    let back = written(&dataset, "mask", &folder.join("mask"), None);
    assert_eq!(masks(&back), masks(&dataset));
    assert_eq!(back.categories.len(), 2);
}

#[test]
fn the_loss_table_names_what_is_lost_and_nothing_else() {
    let (_keep, folder) = scratch();
    let dataset = demo(&folder);
    let losses_of = |format: &str, variant: Option<&str>| {
        let options = WriteOptions { variant: variant.map(str::to_owned) };
        losses(&dataset, formats::named(format).unwrap(), &options)
    };
    let lost = |format: &str| -> Vec<Feature> {
        losses_of(format, None).iter().map(|loss| loss.feature).collect()
    };
    assert_eq!(lost("coco"), [Feature::PolygonHoles]);
    assert!(lost("voc").contains(&Feature::Keypoints));
    assert!(!lost("voc").contains(&Feature::Boxes));
    assert!(lost("csv").contains(&Feature::Masks));
    // what is true of the variant, also where the data decide upon it
    let becomes = |format: &str, variant: Option<&str>, feature: Feature| {
        let losses = losses_of(format, variant);
        losses.iter().find(|loss| loss.feature == feature).map(|loss| loss.becomes)
    };
    assert_eq!(becomes("yolo", None, Feature::Polygons), Some("the box"), "there are keypoints");
    assert_eq!(becomes("yolo", Some("segment"), Feature::Polygons), None);
    assert_eq!(becomes("yolo", Some("segment"), Feature::Keypoints), Some("left out"));
    assert_eq!(becomes("voc", Some("boxes"), Feature::Polygons), Some("the box"));
    assert_eq!(becomes("voc", Some("boxes"), Feature::OverlappingAreas), None);
}

#[test]
fn voc_without_masks_has_the_same_boxes_and_unknown_variants_are_refused() {
    let (_keep, folder) = scratch();
    let dataset = demo(&folder.join("in"));
    let whole = written(&dataset, "voc", &folder.join("whole"), None);
    let only = written(&dataset, "voc", &folder.join("boxes"), Some("boxes"));
    assert_eq!(boxes(&only), boxes(&whole));
    assert!(folder.join("whole/SegmentationClass").exists());
    assert!(!folder.join("boxes/SegmentationClass").exists());
    for (format, variant) in [("voc", "masks"), ("coco", "panoptik"), ("csv", "x")] {
        let options = WriteOptions { variant: Some(variant.into()) };
        let format = formats::named(format).unwrap();
        let out = folder.join("no");
        let error = save(&mut dataset.clone(), format, &out, Placing::Leave, &options).unwrap_err();
        assert!(error.to_string().contains(variant), "{error}");
        assert!(!out.exists());
    }
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    let (_keep, folder) = scratch();
    let dataset = demo(&folder.join("in"));
    for format in ["coco", "voc", "yolo", "csv", "mask"] {
        let mut digests = Vec::new();
        for round in 0..2 {
            let to = folder.join(format!("{format}{round}"));
            written(&dataset, format, &to, None);
            let look = Look::at(&to).unwrap();
            let all: Vec<_> = look
                .files()
                .iter()
                .map(|file| (file.clone(), blake3::hash(&fs_err::read(to.join(file)).unwrap())))
                .collect();
            digests.push(all);
        }
        assert_eq!(digests[0], digests[1], "{format}");
    }
}

#[test]
fn groups_stay_together_and_the_seed_decides() {
    let (_keep, folder) = scratch();
    let mut dataset = demo(&folder);
    let request = |text: &str, seed, group| SplitRequest::parse(text, seed, group).unwrap();
    split(&mut dataset, &request("50/50", 3, Group::Before("_".into())));
    assert_eq!(dataset.splits, ["train".into(), "val".into()]);
    for book in dataset.images.chunks(4) {
        assert!(book.iter().all(|image| image.splits == book[0].splits), "a book is in one split");
    }
    assert_ne!(dataset.images[0].splits, dataset.images[7].splits);
    split(&mut dataset, &request("train=75/val=25", 3, Group::None));
    let once: Vec<_> = dataset.images.iter().map(|image| image.splits).collect();
    assert_eq!(once.iter().filter(|splits| splits.contains(0)).count(), 6);
    split(&mut dataset, &request("train=75/val=25", 3, Group::None));
    assert_eq!(once, dataset.images.iter().map(|image| image.splits).collect::<Vec<_>>());
    assert!(SplitRequest::parse("80/x", 0, Group::None).is_err());
}

#[test]
fn classes_are_chosen_and_merged() {
    let (_keep, folder) = scratch();
    let mut dataset = demo(&folder);
    merge_classes(&mut dataset, "dog", "cat").unwrap();
    assert_eq!(dataset.categories.len(), 1);
    assert!(dataset.annotations.iter().all(|annotation| annotation.category == Some(0)));
    let mut dataset = demo(&folder);
    choose_classes(&mut dataset, &["dog".into()]).unwrap();
    assert_eq!(dataset.annotations.len(), 12);
    assert_eq!(&*dataset.categories[0].name, "dog");
    assert!(choose_classes(&mut dataset, &["cow".into()]).is_err());
}

#[test]
fn tiles_and_smaller_images_carry_their_annotations() {
    let (_keep, folder) = scratch();
    let mut dataset = demo(&folder.join("in"));
    resize(&mut dataset, 20).unwrap();
    assert!(dataset.images.iter().all(|image| image.width == 20));
    let back = written(&dataset, "coco", &folder.join("small"), None);
    assert!(
        check(&back, Some(&Look::at(&folder.join("small")).unwrap()))
            .unwrap()
            .iter()
            .all(|f| f.kind != Kind::WrongSize)
    );

    let mut dataset = demo(&folder.join("in"));
    let before: u64 = masks_area(&dataset);
    tile(&mut dataset, 16).unwrap();
    assert!(dataset.images.iter().all(|image| (image.width, image.height) == (16, 16)));
    // tiles of the last row and column overlap with the ones before
    assert!(masks_area(&dataset) >= before);
    let options = WriteOptions::default();
    let format = formats::named("yolo").unwrap();
    save(&mut dataset, format, &folder.join("tiles"), Placing::Encode(Encoding::Jpeg), &options)
        .unwrap();
    let back = open(&folder.join("tiles"), &OpenOptions::default()).unwrap().dataset;
    assert_eq!(back.images.len(), dataset.images.len());
    assert!(back.images.iter().all(|image| image.width == 16));
}

fn masks_area(dataset: &Dataset) -> u64 {
    let area = |shape: &Shape| match shape {
        Shape::Rle(rle) => rle.area(),
        _ => 0,
    };
    dataset.annotations.iter().map(|annotation| area(&annotation.shape)).sum()
}

#[test]
fn yolo_is_read_as_darknet_and_cvat_lay_it_out() {
    let (_keep, folder) = scratch();
    demo(&folder.join("in"));
    // a folder above that bears the name is not the one that is replaced
    let root = folder.join("images/export");
    let write = |name: &str, text: &str| {
        fs_err::create_dir_all(root.join(name).parent().unwrap()).unwrap();
        fs_err::write(root.join(name), text).unwrap();
    };
    // as CVAT writes it; `data/` is where darknet would be told that it lies
    let fields = "classes = 2\ntrain = data/train.txt\nvalid = data/valid.txt\n# nobody has it\n\
                  names = data/obj.names\nbackup = backup/\n";
    write("obj.data", fields);
    write("obj.names", "cat\n\ndog\n\n");
    write("train.txt", "data/obj_train_data/a.png\n../../secret.png\n");
    write("obj_train_data/a.txt", "2 0.5 0.5 0.25 0.5\n");
    write("obj_train_data/b.txt", "0 0.5 0.5 0.25 0.5\n");
    let refused = open(&root, &OpenOptions::default()).err().unwrap();
    assert!(refused.to_string().contains("none of the images"), "{refused}");
    for name in ["a.png", "b.png", "../../secret.png"] {
        let image = root.join("obj_train_data").join(name);
        fs_err::copy(folder.join("in/book0_000.png"), image).unwrap();
    }
    let opened = open(&root, &OpenOptions::default()).unwrap();
    assert_eq!(opened.format.name(), "yolo");
    let dataset = opened.dataset;
    let names: Vec<&str> = dataset.categories.iter().map(|category| &*category.name).collect();
    // the number of a line is that of its class
    assert_eq!(names, ["cat", "", "dog"]);
    let images: Vec<&str> = dataset.images.iter().map(|image| &*image.name).collect();
    assert_eq!(images, ["obj_train_data/a.png"], "what no list names is not of it");
    assert_eq!(dataset.annotations[0].category, Some(2));
    assert_eq!(dataset.splits, ["train".into()]);
    assert_eq!(dataset.annotations.len(), 1);
    // a line of a million parts is no path
    let long = "a/".repeat(500_000);
    write("train.txt", &format!("{long}a.png\ndata/obj_train_data/b.png\n"));
    let dataset = open(&root, &OpenOptions::default()).unwrap().dataset;
    assert_eq!(dataset.images.len(), 1);
    // a list that it lives by is not here
    fs_err::remove_file(root.join("train.txt")).unwrap();
    let refused = open(&root, &OpenOptions::default()).err().unwrap();
    assert!(refused.to_string().contains("`data/train.txt`, which is not here"), "{refused}");
    // beside labels in their own folder it is left from elsewhere
    write("labels/b.txt", "0 0.5 0.5 0.25 0.5\n");
    fs_err::create_dir(root.join("images")).unwrap();
    fs_err::copy(folder.join("in/book0_000.png"), root.join("images/b.png")).unwrap();
    let dataset = open(&root, &OpenOptions::default()).unwrap().dataset;
    assert!(dataset.images.iter().any(|image| &*image.name == "images/b.png"));
}

#[test]
fn a_traced_mask_is_the_same_mask() {
    let (_keep, folder) = scratch();
    for annotation in demo(&folder).annotations {
        if let Shape::Rle(rle) = annotation.shape {
            let polygon = trace(&rle).unwrap();
            let again = Rasteriser::new(rle.width, rle.height).unwrap().polygon(&polygon);
            assert_eq!(again.to_text(), rle.to_text());
        }
    }
}

#[test]
fn what_is_wrong_is_found_and_mended_in_a_copy() {
    let (_keep, folder) = scratch();
    let mut dataset = demo(&folder.join("in"));
    fs_err::copy(folder.join("in/book0_000.png"), folder.join("in/twin.png")).unwrap();
    let twin = sizar_formats::model::Image {
        name: "twin.png".into(),
        file: Some(folder.join("in/twin.png")),
        splits: [1].into_iter().collect(),
        id: Some(999),
        ..dataset.images[0].clone()
    };
    dataset.images.push(twin);
    dataset.images.push(sizar_formats::model::Image {
        name: "gone.png".into(),
        id: Some(5),
        ..Default::default()
    });
    dataset.annotations[2].bbox.as_mut().unwrap().width = 500.0;
    dataset.annotations[5].bbox.as_mut().unwrap().height = 0.0;
    dataset.annotations[3].id = Some(1);
    let ring = [(0., 0.), (9., 9.), (9., 0.), (0., 9.)]
        .map(|(x, y)| sizar_formats::model::Point::new(x, y));
    dataset.annotations[6].shape = Shape::Polygon(sizar_formats::model::Polygon::simple(ring));
    dataset.categories.push(sizar_formats::model::Category::named("cow"));
    image::RgbImage::new(3, 3).save(folder.join("in/stray.png")).unwrap();
    let look = Look::at(&folder.join("in")).unwrap();
    let kinds: Vec<Kind> = check(&dataset, Some(&look)).unwrap().iter().map(|f| f.kind).collect();
    for kind in [
        Kind::MissingImage,
        Kind::UnreferencedImage,
        Kind::DuplicateId,
        Kind::Leakage,
        Kind::BoxOutside,
        Kind::EmptyBox,
        Kind::UnusedCategory,
    ] {
        assert!(kinds.contains(&kind), "{kind:?} in {kinds:?}");
    }
    // a bow tie has no area, and is told as that
    assert!(kinds.contains(&Kind::DegeneratePolygon) || kinds.contains(&Kind::CrossedPolygon));
    mend(&mut dataset);
    let left: Vec<Kind> = check(&dataset, Some(&look)).unwrap().iter().map(|f| f.kind).collect();
    assert!(left.iter().all(|kind| !kind.is_mendable()), "{left:?}");
    assert_eq!(dataset.images.len(), 9);
}
