//! `sizar data`, and the data sets that `sizar run` lays out.

use fs_err as fs;

use crate::world::{World, script, world, world_with_shared_cache};

/// A grey image of 12 × 8 pixels.
const PNG: &[u8] = b"\x89PNG\x0d\x0a\x1a\x0a\x00\x00\x00\x0dIHDR\x00\x00\x00\x0c\x00\x00\x00\x08\x08\x00\x00\x00\x00\xe8\x8fA-\x00\x00\x00\x0fIDATx\xdac8\x81\x04\x18h\xc7\x01\x00=IK\x01P\x9cx\x84\x00\x00\x00\x00IEND\xaeB`\x82";

/// Writes `pages`: five images with a polygon each, as one COCO file.
fn pages(world: &World) {
    let mut images = Vec::new();
    let mut annotations = Vec::new();
    for at in 0..5 {
        let name = format!("p{at}.png");
        let file = world.write(&format!("pages/images/{name}"), "");
        fs::write(file, PNG).expect("the folder is there");
        images.push(format!(r#"{{"id":{at},"file_name":"{name}","width":12,"height":8}}"#));
        annotations.push(format!(
            r#"{{"id":{at},"image_id":{at},"category_id":{},"iscrowd":0,"area":17.5,
               "bbox":[1,1,5,4],"segmentation":[[1,1,6,1,6,4.5,1,5]]}}"#,
            at % 2
        ));
    }
    world.write(
        "pages/instances.json",
        &format!(
            r#"{{"images":[{}],"annotations":[{}],
               "categories":[{{"id":0,"name":"text"}},{{"id":1,"name":"figure"}}]}}"#,
            images.join(","),
            annotations.join(",")
        ),
    );
}

#[test]
fn data_is_looked_at_checked_and_converted() {
    let world = world();
    pages(&world);
    let seen = world.sizar(&["data", "inspect", "pages", "--json"]).exits(0).json();
    assert_eq!((&seen["format"], &seen["summary"]["images"]), (&"coco".into(), &5.into()));
    assert_eq!(seen["summary"]["found"], 5);
    let text = world.sizar(&["data", "inspect", "pages"]).exits(0).stdout;
    assert!(text.contains("MS COCO") && text.contains("figure"), "{text}");

    world.sizar(&["data", "check", "pages"]).exits(1);
    let document = world.sizar(&["data", "check", "pages", "--json"]).exits(1).json();
    // all five are the same picture
    assert_eq!(document["counts"].as_object().unwrap().len(), 1, "{document}");

    let refused =
        world.sizar(&["data", "convert", "pages", "voc", "--to", "voc", "--lossless"]).exits(30);
    assert!(
        refused.stderr.contains("polygons") && refused.stderr.contains("--lossless"),
        "{refused}"
    );
    assert!(!world.here().join("voc").exists());
    let said = world.sizar(&["data", "convert", "pages", "voc", "--to", "voc"]).exits(0);
    assert!(said.stderr.contains("can't hold") && said.stderr.contains("5 images"), "{said}");
    assert!(said.stderr.contains("look for `.jpg` alone"), "{said}");
    assert!(world.here().join("voc/SegmentationClass/p3.png").exists());
    let said = world.sizar(&["data", "convert", "pages", "voc", "--to", "voc"]).exits(30);
    assert!(said.stderr.contains("`voc` exists"), "{said}");
    world.sizar(&["data", "convert", "pages", "x", "--to", "hocr"]).exits(30);
    world.sizar(&["data", "convert", "pages", "x", "--to", "nosuch"]).exits(2);

    let both = world.sizar(&["data", "stats", "pages", "voc", "--json"]).exits(0).json();
    for class in both["classes"].as_array().unwrap() {
        assert_eq!(class["a"], class["b"], "{class}");
    }
}

#[test]
fn detections_are_held_against_what_was_marked() {
    let world = world();
    pages(&world);
    let rows: Vec<String> = (0..3)
        .map(|at| format!(r#"{{"image_id":{at},"category_id":1,"bbox":[1,1,5,4],"score":0.{at}}}"#))
        .collect();
    world.write("results.json", &format!("[{}]", rows.join(",")));
    let seen = world.sizar(&["data", "inspect", "results.json", "--json"]).exits(0).json();
    assert_eq!((&seen["format"], &seen["summary"]["annotations"]), (&"coco".into(), &3.into()));
    world.sizar(&["data", "check", "results.json"]).exits(0);
    let truth = "pages/instances.json";
    let both = world.sizar(&["data", "stats", truth, "results.json", "--json"]).exits(0).json();
    let figure = both["classes"].as_array().unwrap().iter().find(|it| it["name"] == "figure");
    assert_eq!((&figure.unwrap()["a"], &figure.unwrap()["b"]), (&2.into(), &3.into()), "{both}");

    let convert = ["data", "convert", "results.json", "found", "--to", "voc"];
    let said = world.sizar(&convert).exits(30);
    assert!(said.stderr.contains("by their ids only"), "{said}");
    assert!(said.stderr.contains("`--images-of FILE`"), "{said}");
    world.sizar(&[&convert[..], &["--images-of", truth]].concat()).exits(0);
    assert!(world.here().join("found/Annotations/p2.xml").exists());
}

#[test]
fn data_that_are_not_there_are_said_to_be_missing() {
    let world = world();
    fs::create_dir_all(world.here().join("empty")).unwrap();
    for verb in ["inspect", "check"] {
        let said = world.sizar(&["data", verb, "empty/nosuch"]).exits(10);
        assert!(said.stderr.contains("`empty/nosuch` does not exist"), "{said}");
        assert!(said.stderr.contains("hint: `empty` does"), "{said}");
    }
    let said = world.sizar(&["data", "inspect", "nosuch"]).exits(10);
    assert!(
        said.stderr.contains("`nosuch` does not exist") && said.stderr.contains("hint"),
        "{said}"
    );
    let said = world.sizar(&["data", "inspect", "empty"]).exits(10);
    assert!(said.stderr.contains("no format"), "{said}");
}

/// A driver that reads its data as torchvision's VOCSegmentation does.
const READER: &str = "\
import argparse, os

def VOCSegmentation(root, image_set):
    base = os.path.join(root, 'VOCdevkit', 'VOC2012')
    lists = os.path.join(base, 'ImageSets', 'Segmentation', image_set + '.txt')
    for name in open(lists).read().split():
        assert open(os.path.join(base, 'JPEGImages', name + '.jpg'), 'rb').read(2) == b'\\xff\\xd8'
        assert open(os.path.join(base, 'SegmentationClass', name + '.png'), 'rb').read(4)[1:] == b'PNG'
        print(image_set, name)

if __name__ == '__main__':
    parser = argparse.ArgumentParser()
    parser.add_argument('--data-root', default='./data')
    args = parser.parse_args()
    VOCSegmentation(args.data_root, 'train')
    VOCSegmentation(root=args.data_root, image_set='val')
";

/// A driver with an option for each part of COCO.
const PARTS: &str = "\
import argparse, json, os

def CocoDetection(root, annFile):
    for image in json.load(open(annFile))['images']:
        assert os.path.exists(os.path.join(root, image['file_name']))
        print(os.path.basename(annFile), image['file_name'])

if __name__ == '__main__':
    parser = argparse.ArgumentParser()
    parser.add_argument('--train-images', required=True)
    parser.add_argument('--train-annotations', required=True)
    parser.add_argument('--lr', type=float, default=1)
    args = parser.parse_args()
    CocoDetection(args.train_images, args.train_annotations)
";

#[test]
fn where_data_would_go_is_known_or_how_to_say_it() {
    let world = world();
    pages(&world);
    let source = script(&world, "train.py", "x = open('data/imgs/a.png')\n");
    // before any environment is made
    let run = |data: &str, exit: i32| {
        let args = ["run", &source, "--dry-run", "--data", data, "--", "train.py"];
        world.sizar(&args).exits(exit).stderr
    };
    let said = run("voc:./pages", 125);
    for word in ["`voc`", "(train.py:1)", "--data voc:./pages:data/VOCdevkit/VOC2012"] {
        assert!(said.contains(word), "{word}: {said}");
    }
    assert!(run("voc:./nosuch", 125).contains("nosuch`"));
    world.write("code/labels.py", "from torchvision.datasets import VOCDetection as V\nV('d')\n");
    assert!(run("coco:./pages", 125).contains("`--data voc:./pages`"));
    assert!(!world.sizar_home().join("cache/laid-out").exists(), "nothing was converted");
}

#[test]
fn slow_a_data_set_is_laid_out_where_the_driver_looks() {
    let world = world_with_shared_cache();
    pages(&world);
    let source = script(&world, "train.py", READER);
    let run = |data: &str, more: &[&str], driver: &[&str]| {
        let mut args = vec!["run", source.as_str(), "--data", data];
        args.extend(more);
        args.extend(["--", "train.py"]);
        args.extend(driver);
        world.sizar(&args).exits(0)
    };
    let said = run("voc:./pages", &["--dry-run"], &[]);
    let place = "`data/VOCdevkit/VOC2012`";
    for word in [place, "would be converted", "(train.py:15)", "`--data-root`", "polygons"] {
        assert!(said.stderr.contains(word), "{word}: {said}");
    }
    let laid_out = world.sizar_home().join("cache/laid-out");
    let count = || laid_out.read_dir_utf8().unwrap().count();
    assert_eq!(count(), 0, "a dry run converts nothing");

    let said = run("voc:./pages", &[], &[]);
    assert_eq!(said.stdout.lines().count(), 5, "{said}");
    assert_eq!(said.stdout.matches("train ").count(), 4, "{said}");
    let shown = world.sizar(&["show", "--json"]).exits(0).json();
    let origin = &shown["job"]["origins"][0];
    assert_eq!((&origin["format"], &origin["shown_as"]), (&"coco".into(), &"voc".into()));
    assert!(origin["data"].as_str().unwrap().ends_with("/pages"), "{origin}");
    assert_eq!(origin["digest"].as_str().unwrap().len(), 64);
    assert_eq!(origin["places"][0], "data/VOCdevkit/VOC2012");
    let shown = world.sizar(&["show"]).exits(0).stdout;
    for word in ["/pages (MS COCO, 5 images", "converted to Pascal VOC", "(train.py:15)"] {
        assert!(shown.contains(word), "{word}: {shown}");
    }
    // the same again, where the user says that it is, and where the option says it
    let again = run("auto:./pages", &[], &["--data-root", "there"]);
    assert!(again.stderr.contains("as before"), "{again}");
    assert_eq!(again.stdout, said.stdout);
    let again = run("voc:./pages:d/VOCdevkit/VOC2012:copy", &[], &["--data-root", "d"]);
    assert!(again.stderr.contains("`--data` says"), "{again}");
    assert_eq!(count(), 1);

    // what changed is converted anew; what is of the shape already is shown as it is
    fs::write(world.here().join("pages/images/p0.png"), [PNG, b"\n"].concat()).unwrap();
    run("voc:./pages", &[], &[]);
    assert_eq!(count(), 2);
    let made = laid_out.read_dir_utf8().unwrap().next().unwrap().unwrap().into_path();
    assert!(made.join("record.json").exists(), "{made}");
    let said = run(&format!("voc:{}", made.join("data")), &[], &[]);
    assert!(said.stderr.contains("shown as it is"), "{said}");
    assert_eq!(count(), 2);
    assert_eq!(fs::read(world.here().join("pages/images/p1.png")).unwrap(), PNG);

    // what nobody wanted for long goes when something is laid out
    for entry in laid_out.read_dir_utf8().unwrap() {
        let record = entry.unwrap().path().join("record.json");
        let file = fs::OpenOptions::new().append(true).open(record).unwrap();
        let old = std::time::SystemTime::now() - std::time::Duration::from_hours(24 * 40);
        file.file().set_modified(old).unwrap();
    }
    // options for parts of the data set are passed where nobody passes them
    fs::write(world.here().join("code/parts.py"), PARTS).unwrap();
    let data = ["run", source.as_str(), "--data", "coco:./pages", "--", "parts.py", "--lr", "2"];
    let said = world.sizar(&data).exits(0);
    assert_eq!(said.stdout.matches("instances_train2017.json").count(), 4, "{said}");
    assert!(said.stderr.contains("`--train-images data/coco/train2017` is passed"), "{said}");
    assert_eq!(count(), 1);
}
