//! What is expected of which code.

use sizar_inspect::shapes;
use sizar_model::inspection::{DataShape, Driver, DriverOption, HardCodedPath};

use super::*;

/// An inspection, from lines such as `option --data-root ./data` and `call voc-segmentation NAME
/// ROOT`.
fn inspection(lines: &str) -> Inspection {
    let mut inspection = Inspection::default();
    let mut driver = Driver { path: "train.py".into(), ..Driver::default() };
    driver.closure = vec!["train.py".into(), "data.py".into()];
    for (at, line) in lines.lines().map(str::trim).enumerate() {
        let at = at as u32 + 1;
        let (line, path) = match line.strip_prefix("far ") {
            Some(line) => (line, "other.py"),
            None => (line, "train.py"),
        };
        let words: Vec<&str> = line.splitn(4, ' ').collect();
        match words.as_slice() {
            ["option", flag, rest @ ..] => driver.options.push(DriverOption {
                flags: vec![(*flag).into()],
                default: rest.first().map(|text| format!("'{text}'")),
                path: path.into(),
                line: at,
                ..DriverOption::default()
            }),
            ["hard", value] => inspection.hard_coded_paths.push(HardCodedPath {
                value: (*value).into(),
                kind: "relative".into(),
                path: path.into(),
                line: at,
                exists: false,
            }),
            [kind @ ("call" | "import" | "path"), shape, text, root @ ..] => {
                let known = shapes().iter().find(|it| it.name == *shape).expect("a shape");
                inspection.data_shapes.push(DataShape {
                    shape: (*shape).into(),
                    kind: (*kind).into(),
                    text: (*text).into(),
                    root: root.first().map(|root| (*root).into()),
                    year: known.find(text).and_then(|(_, year)| year).map(str::to_owned),
                    path: path.into(),
                    line: at,
                });
                // the inspection sees a path of a shape also as a path, where it is whole
                if *kind == "path" && text.starts_with('.') {
                    inspection.hard_coded_paths.push(HardCodedPath {
                        value: (*text).into(),
                        kind: "relative".into(),
                        path: path.into(),
                        line: at,
                        exists: false,
                    });
                }
            }
            other => panic!("{other:?}"),
        }
    }
    inspection.drivers.push(driver);
    inspection
}

/// The expectation as `SHAPE at PLACE [binds]: the lines that say so`, or the error.
fn decided(format: &str, lines: &str, args: &str) -> String {
    decided_at(format, None, lines, args)
}

fn decided_at(format: &str, there: Option<&str>, lines: &str, args: &str) -> String {
    let inspection = inspection(lines);
    let args: Vec<String> = args.split_whitespace().map(str::to_owned).collect();
    let asked = Asked {
        format: Some(format).filter(|format| *format != "auto"),
        there: there.map(Utf8Path::new),
        data: "./pages",
        driver: "train.py",
        args: &args,
        holds: &|path| path == "data/coco128.yaml",
    };
    match expect(&inspection, &asked) {
        Ok(it) => {
            let lines: Vec<String> = it
                .reasons
                .iter()
                .filter(|reason| reason.line > 0)
                .map(|reason| reason.line.to_string())
                .collect();
            let shape = it.shape.map_or("none", |shape| shape.name.as_str());
            let file = it.file.map(|file| format!(" {file}")).unwrap_or_default();
            let fills: Vec<String> =
                it.fills.iter().map(|(option, value)| format!(" {option} {value}")).collect();
            let fills = fills.concat();
            format!("{shape} at {} {:?}{file}: {}{fills}", it.place, it.binds, lines.join(" "))
        }
        Err(error) => format!("{error} => {}", error.hint()),
    }
}

#[test]
fn a_loader_says_where_by_an_option_a_path_or_both() {
    const VOC: &str = "option --data-root ./data\ncall voc-segmentation VOCSegmentation ";
    for (root, args, expected) in [
        ("args.data_root", "", "voc-segmentation at data/VOCdevkit/VOC2012 []: 2 1"),
        ("args.data_root", "--data-root x", "voc-segmentation at x/VOCdevkit/VOC2012 []: 2 1"),
        ("'/mnt/d'", "", "voc-segmentation at /mnt/d/VOCdevkit/VOC2012 []: 2"),
        (
            "os.path.join(args.data_root, 'voc')",
            "",
            "voc-segmentation at data/voc/VOCdevkit/VOC2012 []: 2 1",
        ),
        // what is not understood leaves the option's name
        ("cfg.where", "", "voc-segmentation at data/VOCdevkit/VOC2012 []: 2 1"),
    ] {
        assert_eq!(decided("voc", &format!("{VOC}{root}"), args), expected, "{root} {args}");
    }
}

#[test]
fn each_shape_is_laid_out_as_its_readers_expect() {
    for (format, lines, args, expected) in [
        (
            "voc",
            "call voc-detection VOCDetection '~/d'",
            "",
            "voc-detection at ~/d/VOCdevkit/VOC2012 []: 1",
        ),
        (
            "voc",
            "path voc-devkit VOC/VOCdevkit/VOC2007\nhard ~/data/datasets",
            "",
            "voc-devkit at ~/data/datasets/VOC/VOCdevkit/VOC2007 []: 1 2",
        ),
        (
            "voc",
            "path voc-folder JPEGImages\noption --voc-root data/mine",
            "",
            "voc-folder at data/mine []: 1 2",
        ),
        (
            "coco",
            "import coco pycocotools\npath coco train2014\noption --coco_path",
            "--coco_path d",
            r#"coco at d ["annotations", "train2014", "val2014"]: 1 3"#,
        ),
        (
            "coco",
            "path coco-images ./data/coco/annotations/instances_train2014.json\npath \
             coco-images ./data/coco/annotations/instances_train2017.json\nhard ./data/coco/images",
            "",
            r#"coco-images at data/coco ["annotations", "images"]: 2 3"#,
        ),
        (
            "mask",
            "path imgs-masks ./data/imgs/\nhard data/masks",
            "",
            r#"imgs-masks at data ["imgs", "masks"]: 1 2"#,
        ),
        (
            "imagefolder",
            "option data imagenet\ncall imagefolder ImageFolder os.path.join(args.data, 'train')",
            "",
            r#"imagefolder at imagenet ["train", "val"]: 2 1"#,
        ),
        (
            "imagefolder",
            "option --dataroot faces\ncall imagefolder ImageFolder opt.dataroot",
            "",
            "imagefolder at faces []: 2 1",
        ),
        (
            "yolo",
            "option --data data/coco128.yaml\nimport ultralytics ultralytics",
            "--data mine/pages.yaml",
            r#"ultralytics at mine ["pages.yaml", "images", "labels"] pages.yaml: 2 1"#,
        ),
        (
            "auto",
            "import coco pycocotools\npath imgs-masks ./data/imgs\nhard ./data/masks",
            "",
            r#"imgs-masks at data ["imgs", "masks"]: 2 3"#,
        ),
        // what the driver imports comes before what lies beside it
        (
            "voc",
            "far call voc-detection VOCDetection 'far'\ncall voc-detection VOCDetection 'near'",
            "",
            "voc-detection at near/VOCdevkit/VOC2012 []: 2",
        ),
    ] {
        assert_eq!(decided(format, lines, args), expected, "{lines}");
    }
}

#[test]
fn what_is_not_known_is_said_with_what_is_there() {
    for (format, lines, words) in [
        (
            "voc",
            "option --epochs 3",
            vec!["`voc`", "no loader", "voc:./pages:data/VOCdevkit/VOC2012"],
        ),
        (
            "voc",
            "path imgs-masks ./data/imgs\nhard ./data/masks",
            vec!["./data/imgs`, which is folders", "(train.py:1)", "--data mask:./pages"],
        ),
        // it may be for something else
        (
            "coco",
            "import coco pycocotools\noption --root",
            vec!["`--root` (train.py:2)", "-- train.py --root data"],
        ),
        ("voc", "call voc-detection VOCDetection '../d'", vec!["../d/VOCdevkit", "(train.py:1)"]),
        // the source's own file would be hidden
        (
            "yolo",
            "option --data data/coco128.yaml\nimport ultralytics ultralytics",
            vec!["`data`", "--data yolo:./pages:data"],
        ),
    ] {
        let said = decided(format, lines, "");
        for word in words {
            assert!(said.contains(word), "{word}: {said}");
        }
    }
}

#[test]
fn a_place_that_is_said_wins_and_the_shape_is_still_found() {
    let there = |lines: &str| decided_at("voc", Some("data/x"), lines, "");
    assert_eq!(there("option --epochs 3"), "none at data/x []: ");
    assert_eq!(
        there("call voc-detection VOCDetection args.unknown"),
        "voc-detection at data/x []: 1",
    );
    assert_eq!(there("call voc-detection VOCDetection 'd'"), "voc-detection at data/x []: 1");
}

#[test]
fn options_that_nobody_passes_are_filled_where_it_is_clear() {
    const BINDS: &str = r#"["annotations", "train2017", "val2017"]"#;
    const PARTS: &str = "import coco pycocotools\noption --train-images x\noption --train-ann-file\n\
        option --val_img_dir\noption --lr 1";
    let parts = format!(
        "coco at data/coco {BINDS}: 1 2 3 4 --train-images data/coco/train2017 --train-ann-file \
         data/coco/annotations/instances_train2017.json --val_img_dir data/coco/val2017"
    );
    assert_eq!(decided("coco", PARTS, "--lr 2"), parts);
    // with a year that the code names
    let of_2014 = decided("coco", &format!("{PARTS}\npath coco train2014"), "");
    assert!(of_2014.contains("--train-images data/coco/train2014"), "{of_2014}");
    // one set for all
    assert_eq!(
        decided("coco", "call coco CocoDetection\noption --img-folder\noption --ann-file", ""),
        format!(
            "coco at data/coco {BINDS}: 1 2 3 --img-folder data/coco/train2017 --ann-file \
             data/coco/annotations/instances_train2017.json"
        )
    );
    // the user says the folder
    let by_hand = decided_at("coco", Some("d"), PARTS, "");
    assert!(by_hand.ends_with("--val_img_dir d/val2017"), "{by_hand}");
    // what the user passes is not for us to fill, nor half of it
    let passed = decided("coco", PARTS, "--train-images mine");
    assert!(passed.contains("`--train-images mine` names a part"), "{passed}");
    assert!(passed.contains("leave `--train-images` out"), "{passed}");
    // images alone show nothing
    let alone = decided("coco", "import coco pycocotools\noption --train-images x", "");
    assert!(alone.contains("nothing in the source shows"), "{alone}");

    // one option for the folder, without a default
    for (format, lines, expected) in [
        (
            "coco",
            "import coco pycocotools\noption --coco_path",
            format!("coco at data/coco {BINDS}: 1 2 --coco_path data/coco"),
        ),
        (
            "voc",
            "option --where\ncall voc-detection VOCDetection args.where",
            "voc-detection at data/voc/VOCdevkit/VOC2012 []: 2 1 --where data/voc".to_owned(),
        ),
    ] {
        assert_eq!(decided(format, lines, ""), expected, "{lines}");
    }
    // a positional argument can't be added behind others
    let said = decided("voc", "option where\ncall voc-detection VOCDetection args.where", "");
    assert!(said.contains("`where` (train.py:1), which was not passed"), "{said}");
}

#[test]
fn a_path_behind_a_folder_begins_at_that_folder() {
    // `root + '/VOCdevkit/VOC2012/JPEGImages'`
    for (lines, expected) in [
        (
            "option --data-root ./data\npath voc-devkit /VOCdevkit/VOC2012\nhard /VOCdevkit/VOC2012",
            "voc-devkit at data/VOCdevkit/VOC2012 []: 2 1",
        ),
        (
            "option --voc-root d\npath voc-folder /JPEGImages/\nhard /JPEGImages/",
            "voc-folder at d []: 2 1",
        ),
    ] {
        assert_eq!(decided("voc", lines, ""), expected);
    }
}
