//! Data sets that are laid out, in a home of their own.

use fs_err as fs;
use sizar_inspect::shapes;
use sizar_model::{DataMode, Silent};

use super::super::expect::Expectation;
use super::*;

/// A grey image of 12 × 8 pixels.
const PNG: &[u8] = b"\x89PNG\x0d\x0a\x1a\x0a\x00\x00\x00\x0dIHDR\x00\x00\x00\x0c\x00\x00\x00\x08\x08\x00\x00\x00\x00\xe8\x8fA-\x00\x00\x00\x0fIDATx\xdac8\x81\x04\x18h\xc7\x01\x00=IK\x01P\x9cx\x84\x00\x00\x00\x00IEND\xaeB`\x82";

struct Scene {
    #[expect(dead_code, reason = "it is removed when dropped")]
    keep: tempfile::TempDir,
    root: Utf8PathBuf,
    home: Home,
}

impl Scene {
    /// Three images, and beside them one COCO file.
    fn new() -> Self {
        let keep = tempfile::tempdir().unwrap();
        let root = Utf8PathBuf::from_path_buf(keep.path().canonicalize().unwrap()).unwrap();
        fs::create_dir_all(root.join("mine/annotations")).unwrap();
        fs::create_dir_all(root.join("mine/images")).unwrap();
        let mut images = Vec::new();
        let mut annotations = Vec::new();
        for at in 1..4 {
            fs::write(root.join(format!("mine/images/{at}.png")), PNG).unwrap();
            images.push(format!(r#"{{"id":{at},"file_name":"{at}.png","width":12,"height":8}}"#));
            annotations.push(format!(
                r#"{{"id":{at},"image_id":{at},"category_id":1,"iscrowd":0,"area":9,
                    "bbox":[1,1,3,3]}}"#
            ));
        }
        let text = format!(
            r#"{{"images":[{}],"annotations":[{}],"categories":[{{"id":1,"name":"a"}}]}}"#,
            images.join(","),
            annotations.join(",")
        );
        fs::write(root.join("mine/annotations/all.json"), text).unwrap();
        let home = Home::at(root.join("home"));
        Self { keep, root, home }
    }

    fn lay_out(&self, data: &str, shape: &str, dry: bool) -> Result<LaidOut, FittingError> {
        let shape = shapes().iter().find(|known| known.name == shape).unwrap();
        let year = shape.year.as_deref();
        let fill = |list: &[String]| list.iter().map(|text| fill(text, year)).collect();
        let expected = Expectation {
            fills: Vec::new(),
            shape: Some(shape),
            format: formats::named(&shape.format).unwrap().name(),
            place: "there".into(),
            year: shape.year.clone(),
            binds: fill(&shape.binds),
            splits: fill(&shape.splits),
            one_split: shape.one_split,
            file: None,
            reasons: Vec::new(),
            others: Vec::new(),
        };
        let wish = FormatWish {
            format: None,
            typed: data.to_owned(),
            path: self.root.join(data),
            there: None,
            mode: DataMode::ReadOnly,
        };
        super::lay_out(&self.home, &wish, &expected, dry, &Silent)
    }

    /// What is kept in the home, without locks.
    fn made(&self) -> usize {
        let entries = self.root.join("home/cache/laid-out").read_dir_utf8().unwrap();
        entries.filter(|entry| entry.as_ref().unwrap().path().is_dir()).count()
    }
}

/// The files below a folder.
fn files(folder: &Utf8Path) -> Vec<String> {
    Look::at(folder).unwrap().files().iter().map(ToString::to_string).collect()
}

#[test]
fn what_is_laid_out_is_made_once_and_anew_where_the_data_changed() {
    let scene = Scene::new();
    let dry = scene.lay_out("mine", "coco", true).unwrap();
    assert!(!dry.known && dry.bindings[0].here == scene.root.join("mine"));
    assert_eq!(scene.made(), 0);

    let first = scene.lay_out("mine", "coco", false).unwrap();
    let shown: Vec<String> = first.bindings.iter().map(|it| it.there.to_string()).collect();
    assert_eq!(shown, ["there/annotations", "there/train2017", "there/val2017"]);
    let names = files(&first.bindings[0].here);
    assert_eq!(names, ["instances_train2017.json", "instances_val2017.json"]);
    assert_eq!(files(&first.bindings[1].here).len() + files(&first.bindings[2].here).len(), 3);
    let again = scene.lay_out("mine", "coco", false).unwrap();
    assert!(again.known && again.bindings == first.bindings && again.record == first.record);
    // nothing is left of the making
    assert_eq!(fs::read_dir(scene.root.join("home/tmp")).unwrap().count(), 0);

    // an edit in the place is one of the hard link, too: it gets a layout of its own
    fs::write(scene.root.join("mine/images/1.png"), [PNG, b"!"].concat()).unwrap();
    let edited = scene.lay_out("mine", "coco", false).unwrap();
    assert!(!edited.known && edited.bindings != first.bindings);
    // what is of the shape is shown as it is
    let data = edited.bindings[0].here.parent().unwrap().strip_prefix(&scene.root).unwrap();
    let same = scene.lay_out(data.as_str(), "coco", false).unwrap();
    assert!(same.record.is_none() && same.bindings == edited.bindings);
}

#[test]
fn images_that_lie_elsewhere_count_as_the_data_do() {
    let scene = Scene::new();
    let file = "mine/annotations/all.json";
    let first = scene.lay_out(file, "coco", false).unwrap();
    assert!(scene.lay_out(file, "coco", false).unwrap().known);
    fs::write(scene.root.join("mine/images/2.png"), [PNG, b"!"].concat()).unwrap();
    let second = scene.lay_out(file, "coco", false).unwrap();
    assert!(!second.known && second.bindings != first.bindings);
    assert!(scene.lay_out(file, "coco", false).unwrap().known);
    assert_eq!(scene.made(), 2);
}

#[test]
fn folders_and_files_are_called_as_the_shape_calls_them() {
    let scene = Scene::new();
    let masks = scene.lay_out("mine", "imgs-masks", false).unwrap();
    for (binding, there) in masks.bindings.iter().zip(["there/imgs", "there/masks"]) {
        assert_eq!(
            (binding.there.as_str(), files(&binding.here)),
            (there, vec!["1.png".into(), "2.png".into(), "3.png".into()])
        );
    }
    assert!(!masks.record.unwrap().losses.is_empty());
    // all images in one folder
    let flat = scene.lay_out("mine", "coco-images", false).unwrap();
    assert_eq!(files(&flat.bindings[1].here), ["1.png", "2.png", "3.png"]);
    // the file says where it is
    let yolo = scene.lay_out("mine", "ultralytics", false).unwrap();
    let text = fs::read_to_string(&yolo.bindings[0].here).unwrap();
    assert!(text.starts_with("path: there\ntrain: images/train\nval: images/val\n"), "{text}");
}

#[test]
fn what_a_driver_cannot_use_is_refused() {
    let scene = Scene::new();
    let said = scene.lay_out("mine", "voc-segmentation", false).unwrap_err();
    assert!(said.to_string().contains("no areas"), "{said}");
    for at in 1..4 {
        fs::remove_file(scene.root.join(format!("mine/images/{at}.png"))).unwrap();
    }
    let said = scene.lay_out("mine", "coco", false).unwrap_err();
    assert!(said.to_string().contains("3 images") && said.hint().is_some(), "{said}");
    assert!(matches!(scene.lay_out("home", "coco", true), Err(FittingError::Format(_))));
    assert_eq!(scene.made(), 0);
}
