//! Real pages, published schemas and other programs' loaders judge what is read and written here.
//!
//! The files and the schemas come with kraken's source from the package index; nothing of them is
//! kept in this repository.

#![allow(clippy::unwrap_used, reason = "what a test cannot do without ends it")]

mod world;

use std::collections::BTreeMap;
use std::process::Command;

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::{Value, json};
use sizar_formats::convert::save;
use sizar_formats::formats::{self, Look, ReadOptions, WriteOptions};
use sizar_formats::model::{Dataset, Level, Shape};
use sizar_formats::staging::Placing;
use world::{demo, scratch};

fn target() -> &'static Utf8Path {
    Utf8Path::new(env!("CARGO_TARGET_TMPDIR"))
}

/// A Python with lxml, globox and labelme's loader, kept below `target/` from run to run.
fn judge() -> Utf8PathBuf {
    // the tests of this file may run side by side
    fs_err::create_dir_all(target()).unwrap();
    let lock = fs_err::File::create(target().join("judges-pages.lock")).unwrap();
    lock.file().lock().unwrap();
    let folder = target().join("judges-pages");
    let python = folder.join("bin/python");
    let pip = |arguments: &[&str]| {
        let done = Command::new(&python)
            .args(["-m", "pip", "install", "--quiet"])
            .args(arguments)
            .status();
        assert!(done.unwrap().success());
    };
    let works =
        Command::new(&python).args(["-c", "import lxml, globox, imgviz, termcolor"]).output();
    if !works.is_ok_and(|out| out.status.success()) {
        let made = Command::new("python3").args(["-m", "venv", folder.as_str()]).status();
        assert!(made.unwrap().success());
        pip(&["lxml", "globox", "imgviz", "termcolor", "setuptools", "wheel"]);
        // without the windows that it would bring
        pip(&["--no-deps", "labelme==5.4.1"]);
    }
    python
}

/// The test resources of kraken: pages of two platforms, their images, two schemas.
fn kraken(python: &Utf8Path) -> Utf8PathBuf {
    let folder = target().join("kraken-4.3.13");
    let resources = folder.join("tests/resources");
    if !resources.join("alto-4-3.xsd").is_file() {
        let (_keep, got) = scratch();
        let arguments = ["-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:"];
        let mut download = Command::new(python);
        download.args(arguments).args(["-d", got.as_str(), "kraken==4.3.13"]);
        assert!(download.status().unwrap().success());
        let mut unpack = Command::new("tar");
        unpack.args(["-xzf", got.join("kraken-4.3.13.tar.gz").as_str(), "-C", target().as_str()]);
        assert!(unpack.status().unwrap().success());
    }
    resources
}

fn asked(python: &Utf8Path, script: &str, arguments: &[&Utf8Path]) -> Value {
    let script = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/judges").join(script);
    let out = Command::new(python).arg(script).args(arguments).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    serde_json::from_slice(&out.stdout).unwrap()
}

fn read(path: &Utf8Path) -> Dataset {
    let look = Look::at(path).unwrap();
    let format = formats::choose(&look, None).unwrap();
    let mut dataset = format.read(&look, &ReadOptions::default()).unwrap();
    dataset.roots.clear();
    dataset
}

/// Level, class, text, outline, baseline of each annotation, in the order of the page.
fn said(dataset: &Dataset) -> Vec<Value> {
    let each = dataset.annotations.iter().map(|annotation| {
        let more = annotation.more.as_ref().unwrap();
        let points = match &annotation.shape {
            Shape::Polygon(polygon) => polygon.parts[0].outer.iter().map(|p| [p.x, p.y]).collect(),
            _ => Vec::new(),
        };
        json!({
            "level": format!("{:?}", more.level),
            "class": annotation.category.map(|at| dataset.categories[at as usize].name.clone()),
            "text": annotation.text().filter(|_| more.level != Some(Level::Region)),
            "outline": points,
            "baseline": more.baseline.iter().map(|p| [p.x, p.y]).collect::<Vec<_>>(),
        })
    });
    each.collect()
}

#[test]
fn slow_data_real_pages_come_through_and_what_is_written_fits_the_published_schemas() {
    let python = judge();
    let resources = kraken(&python);
    let (_keep, folder) = scratch();
    let pages = folder.join("pages");
    fs_err::create_dir(&pages).unwrap();
    for (from, to) in [
        ("170025120000003,0074.xml", "transkribus.xml"),
        ("merge_tests/0014.xml", "escriptorium.xml"),
    ] {
        fs_err::copy(resources.join(from), pages.join(to)).unwrap();
    }
    let written = folder.join("written");
    for name in ["transkribus", "escriptorium"] {
        let first = read(&pages.join(name).with_extension("xml"));
        assert!(first.annotations.len() > 1, "{name}: {}", first.annotations.len());
        for (format, variant) in [("page", None), ("alto", None), ("page", Some("2013"))] {
            let to = written.join(format!("{name}-{format}{}", variant.unwrap_or_default()));
            let options = WriteOptions { variant: variant.map(str::to_owned) };
            let target = formats::named(format).unwrap();
            save(&mut first.clone(), target, &to, Placing::Link, &options).unwrap();
            let again = read(&to);
            let (before, after) = (said(&first), said(&again));
            assert_eq!(before.len(), after.len(), "{name} as {format}");
            for (before, after) in before.iter().zip(&after) {
                // a region that has no outline of its own is written with one
                let mut before = before.clone();
                if before["outline"].as_array().unwrap().is_empty() {
                    before["outline"] = after["outline"].clone();
                }
                assert_eq!(&before, after, "{name} as {format}");
            }
            if variant.is_some() {
                fs_err::remove_dir_all(&to).unwrap();
            }
        }
    }
    // the pages of the fast tests, with words, glyphs, groups and frames, too
    let made = folder.join("made");
    fs_err::create_dir(&made).unwrap();
    fs_err::write(made.join("0001.xml"), include_str!("fixtures/page-2019.xml")).unwrap();
    let dataset = read(&made);
    for format in ["page", "alto"] {
        let target = formats::named(format).unwrap();
        let to = written.join(format!("made-{format}"));
        save(&mut dataset.clone(), target, &to, Placing::Link, &WriteOptions::default()).unwrap();
    }
    // and what has no pages at all
    let mut boxes = demo(&folder.join("images"));
    for format in ["page", "alto"] {
        let target = formats::named(format).unwrap();
        let to = written.join(format!("demo-{format}"));
        save(&mut boxes, target, &to, Placing::Link, &WriteOptions::default()).unwrap();
    }
    let verdicts = asked(&python, "pages.py", &[&written, &resources]);
    let verdicts: BTreeMap<String, Vec<String>> = serde_json::from_value(verdicts).unwrap();
    assert_eq!(verdicts.len(), 4 + 2 + 16);
    let bad: Vec<_> = verdicts.iter().filter(|(_, faults)| !faults.is_empty()).collect();
    assert!(bad.is_empty(), "{bad:#?}");
    let ours = |folder: &Utf8Path| -> Vec<(String, String)> {
        let look = Look::at(folder).unwrap();
        let both = ["page", "alto"].map(|name| formats::named(name).unwrap());
        let all = both.iter().flat_map(|format| format.schema_faults(&look).unwrap());
        all.map(|note| (note.at.file.file_name().unwrap().to_owned(), note.message)).collect()
    };
    assert_eq!(ours(&written), []);

    // files that break a rule: we find what lxml finds
    let broken = folder.join("broken");
    fs_err::create_dir(&broken).unwrap();
    let page = include_str!("fixtures/page-2019.xml");
    let alto = fs_err::read_to_string(written.join("made-alto/0001.xml")).unwrap();
    for (name, whole, from, to) in [
        ("twice", page, "id=\"r1l2\"", "id=\"r1l1\""),
        ("reference", page, "regionRef=\"r3\"", "regionRef=\"r9\""),
        ("negative", page, "points=\"600,500 900,500", "points=\"-600,500 900,500"),
        ("spaces", page, "points=\"600,500 900,500", "points=\"600,500  900,500"),
        ("one-point", page, "points=\"12,50 300,52 498,51\"", "points=\"12,50\""),
        ("type", page, "type=\"paragraph\"", "type=\"Absatz\""),
        ("width", page, " imageWidth=\"1000\"", ""),
        ("share", page, "conf=\"0.5\"", "conf=\"50\""),
        ("date", page, "2020-01-02T03:04:05</Created>", "2.1.2020</Created>"),
        ("place", page, "<TableRegion id=\"r4\">", "<TableRegion id=\"r4\"><TextLine id=\"x\"/>"),
        ("attribute", page, "<TableRegion id=\"r4\"", "<TableRegion id=\"r4\" colour=\"red\""),
        (
            "order",
            page,
            "<Border>",
            "<NoiseRegion id=\"n\"><Coords points=\"0,0 1,1\"/></NoiseRegion><Border>",
        ),
        ("coords", page, "<Coords points=\"600,10 900,10 900,400 600,400\"/>", ""),
        ("id", page, "<TextRegion id=\"r2\"", "<TextRegion"),
        ("name", page, "id=\"r4c1\"", "id=\"4c1\""),
        ("alto-content", &alto, " CONTENT=\"Quẽ\"", ""),
        ("alto-share", &alto, "WC=\"0.75\"", "WC=\"75\""),
        ("alto-tag", &alto, "TAGREFS=\"TYPE_1\"", "TAGREFS=\"TYPE_99\""),
        ("alto-glyph", &alto, "CONTENT=\"Q\"", "HPOS2=\"1\" CONTENT=\"Q\""),
        ("alto-number", &alto, "VPOS=\"10\"", "VPOS=\"ten\""),
        ("alto-space", &alto, "<SP/>", "<SP/><SP/>"),
        ("alto-layout", &alto, "<Layout>", "<Layout/><Layout>"),
    ] {
        assert!(whole.contains(from), "{name}: {from}");
        let text = whole.replacen(from, to, 1);
        fs_err::write(broken.join(format!("{name}.xml")), text).unwrap();
    }
    let verdicts = asked(&python, "pages.py", &[&broken, &resources]);
    let verdicts: BTreeMap<String, Vec<String>> = serde_json::from_value(verdicts).unwrap();
    let found = ours(&broken);
    for (file, faults) in &verdicts {
        // libxml2 looks for the form of a reference, not for what it names
        let open = ["alto-tag.xml", "reference.xml"];
        assert!(!faults.is_empty() || open.contains(&file.as_str()), "lxml takes {file}");
        assert!(found.iter().any(|(name, _)| name == file), "{file}: {faults:?}");
    }
}

#[test]
fn slow_data_labelme_and_globox_read_what_is_written() {
    let python = judge();
    let (_keep, folder) = scratch();
    let mut dataset = demo(&folder.join("images"));
    for annotation in dataset.annotations.iter_mut().filter(|at| at.bbox.is_some()).step_by(3) {
        annotation.shape = Shape::None;
        annotation.more = None;
    }
    for format in ["labelme", "cvat", "via"] {
        let target = formats::named(format).unwrap();
        let options = WriteOptions::default();
        save(&mut dataset.clone(), target, &folder.join(format), Placing::Link, &options).unwrap();
    }
    let cvat = folder.join("cvat/annotations.xml");
    let via = folder.join("via/via.json");
    let arguments = [&*folder.join("labelme"), &cvat, &via, &folder.join("via")];
    let document = asked(&python, "tools.py", &arguments);
    let shapes = document["shapes"].as_object().unwrap();
    assert_eq!(shapes.len(), dataset.images.len());
    let masks: Vec<&Value> = shapes
        .values()
        .flat_map(|shapes| shapes.as_array().unwrap())
        .filter(|shape| shape[1] == "mask")
        .collect();
    assert!(!masks.is_empty());
    // each mask has the pixels that it had
    let mut expected: Vec<u64> = dataset
        .annotations
        .iter()
        .filter_map(|annotation| match &annotation.shape {
            Shape::Rle(rle) => Some(rle.area()),
            Shape::Polygon(polygon) if polygon.has_holes() => {
                let image = &dataset.images[annotation.image as usize];
                let mut rasteriser =
                    sizar_formats::raster::Rasteriser::new(image.width, image.height).unwrap();
                Some(rasteriser.polygon(polygon).area())
            }
            _ => None,
        })
        .filter(|area| *area > 0)
        .collect();
    let mut got: Vec<u64> = masks.iter().map(|mask| mask[3][2].as_u64().unwrap()).collect();
    expected.sort_unstable();
    got.sort_unstable();
    assert_eq!(got, expected);
    let plain = dataset
        .annotations
        .iter()
        .filter(|at| at.bbox.is_some() && at.shape == Shape::None && at.keypoints().is_empty());
    let boxes = |name: &str| document[name].as_array().unwrap().clone();
    let of = |annotation: &sizar_formats::model::Annotation| {
        let image = Utf8Path::new(&*dataset.images[annotation.image as usize].name);
        let bounds = annotation.bbox.unwrap();
        let name = &dataset.categories[annotation.category.unwrap() as usize].name;
        json!([
            image.file_name().unwrap(),
            name,
            bounds.x,
            bounds.y,
            bounds.right(),
            bounds.bottom()
        ])
    };
    let mut count = 0;
    for annotation in plain {
        count += 1;
        for name in ["cvat", "via"] {
            assert!(boxes(name).contains(&of(annotation)), "{name}: {}", of(annotation));
        }
    }
    assert!(count > 3);
}
