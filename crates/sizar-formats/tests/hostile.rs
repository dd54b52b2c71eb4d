//! Bad input gets an error that names the file and the place, and nothing is left half-written.

#![allow(clippy::unwrap_used, reason = "what a test cannot do without ends it")]

mod world;

use camino::{Utf8Path, Utf8PathBuf};
use sizar_formats::check::{Kind, check};
use sizar_formats::convert::save;
use sizar_formats::formats::{self, WriteOptions};
use sizar_formats::staging::{Placing, Staging};
use sizar_formats::{FormatError, OpenOptions, Place, open};
use world::{demo, scratch};

fn file(folder: &Utf8Path, name: &str, content: impl AsRef<[u8]>) -> Utf8PathBuf {
    let path = folder.join(name);
    fs_err::create_dir_all(path.parent().unwrap()).unwrap();
    fs_err::write(&path, content).unwrap();
    path
}

fn opened(path: &Utf8Path, format: &str) -> Result<sizar_formats::Opened, FormatError> {
    open(path, &OpenOptions { format: Some(format.into()), ..OpenOptions::default() })
}

fn error(path: &Utf8Path, format: &str) -> FormatError {
    match opened(path, format) {
        Ok(_) => panic!("{path} was read"),
        Err(error) => error,
    }
}

const IMAGE: &str = r#"{"id": 1, "file_name": "a.jpg", "width": 10, "height": 10}"#;

fn coco(annotation: &str) -> String {
    format!(
        "{{\"images\": [{IMAGE}],\n\"annotations\": [\n{annotation}\n],\n\
         \"categories\": [{{\"id\": 3, \"name\": \"cat\"}}]}}"
    )
}

#[test]
fn broken_json_is_told_with_line_and_column() {
    let (_keep, folder) = scratch();
    let good = r#"{"id": 1, "image_id": 1, "category_id": 3, "bbox": [1, 2, 3, 4]}"#;
    let whole = coco(good);
    assert_eq!(
        opened(&file(&folder, "good.json", &whole), "coco").unwrap().dataset.annotations.len(),
        1
    );
    // cut off anywhere, it is an error, never a panic and never half a data set
    for length in 0..whole.len() {
        let cut = file(&folder, "cut.json", &whole[..length]);
        let message = error(&cut, "coco").to_string();
        assert!(message.contains("cut.json"), "{length}: {message}");
    }
    let at = |annotation: &str| {
        let error = error(&file(&folder, "bad.json", coco(annotation)), "coco");
        let place = error.position().unwrap().place.clone();
        (error.to_string(), place)
    };
    let (message, place) = at(r#"{"id": 1, "image_id": 1, "bbox": [1, NaN, 3, 4]}"#);
    assert_eq!(place, Place::Line { line: 3, column: 38 }, "{message}");
    assert!(message.contains("`annotations[0].bbox[1]`"), "{message}");
    assert!(message.contains("JSON has no such number"), "{message}");
    let (message, _) = at(r#"{"id": "a7", "image_id": 1}"#);
    assert!(
        message.contains("`annotations[0].id`") && message.contains("is a string"),
        "{message}"
    );
    for (bad, says) in [
        (r#"{"id": 1}"#, "without `image_id`"),
        (r#"{"image_id": 1, "bbox": [1, 2, 3]}"#, "4 numbers"),
        (r#"{"image_id": 1, "segmentation": [[1, 2, 3]]}"#, "odd number"),
        (r#"{"image_id": 1, "segmentation": {"counts": "0"}}"#, "without its `size`"),
        (r#"{"image_id": 1, "segmentation": {"counts": "\u0001", "size": [4, 4]}}"#, "byte 0"),
        (r#"{"image_id": 1, "segmentation": {"counts": "P", "size": [4, 4]}}"#, "end within"),
        (r#"{"image_id": 1, "keypoints": [1, 2]}"#, "threes"),
        (r#"{"image_id": 1, "area": 1e999}"#, "a number"),
        ("[1, 2]", "a list of objects"),
    ] {
        let (message, _) = at(bad);
        assert!(message.contains(says), "{bad}: {message}");
    }
    let deep = format!(r#"{{"image_id": 1, "x": {}}}"#, "[".repeat(100_000));
    let path = file(&folder, "deep.json", format!("{{\"images\": [], \"annotations\": [{deep}"));
    error(&path, "coco");
    let closed = format!(r#"{{"image_id": 1, "x": {}{}}}"#, "[".repeat(5000), "]".repeat(5000));
    assert!(at(&closed).0.contains("too deeply"));
    error(&file(&folder, "list.json", "[{}]"), "coco");
    error(&file(&folder, "none.json", "{}"), "coco");
}

#[test]
fn what_coco_says_wrongly_but_readably_is_found_by_check() {
    let (_keep, folder) = scratch();
    let path = file(
        &folder,
        "odd.json",
        coco(
            r#"{"id": 1, "image_id": 1, "category_id": 3, "segmentation": [[1, 1, 2, 2]]},
            {"id": 2, "image_id": 9, "category_id": 3, "bbox": [1, 1, 2, 2]},
            {"id": 3, "image_id": 1, "category_id": 8, "bbox": [1, 1, 2, 2]},
            {"id": 4, "image_id": 1, "category_id": 3, "segmentation": {"counts": [5], "size": [10, 10]}}"#,
        ),
    );
    let dataset = opened(&path, "coco").unwrap().dataset;
    let kinds: Vec<Kind> = check(&dataset, None).unwrap().iter().map(|f| f.kind).collect();
    for kind in [Kind::DegeneratePolygon, Kind::BadMask, Kind::NoCategory, Kind::Note] {
        assert!(kinds.contains(&kind), "{kind:?} in {kinds:?}");
    }
}

#[test]
fn a_million_categories_are_read() {
    let (_keep, folder) = scratch();
    let rows: Vec<String> =
        (0..1_000_000).map(|at| format!("{{\"id\": {at}, \"name\": \"c{at}\"}}")).collect();
    let text = format!(
        "{{\"images\": [{IMAGE}], \"annotations\": [], \"categories\": [{}]}}",
        rows.join(",")
    );
    let mut dataset = opened(&file(&folder, "many.json", text), "coco").unwrap().dataset;
    assert_eq!(dataset.categories.len(), 1_000_000);
    let options = WriteOptions::default();
    let mask = formats::named("mask").unwrap();
    let failed = save(&mut dataset, mask, &folder.join("out"), Placing::Leave, &options);
    assert!(failed.unwrap_err().to_string().contains("254 at most"));
    assert!(!folder.join("out").exists(), "nothing half-written");
    let left = folder.read_dir_utf8().unwrap().count();
    assert_eq!(left, 1, "the temporary folder is gone");
}

#[test]
fn xml_that_reads_files_or_grows_is_refused() {
    let (_keep, folder) = scratch();
    let external = "<?xml version=\"1.0\"?>\n<!DOCTYPE a [\n<!ENTITY x SYSTEM \"file:///etc/passwd\">]>\n\
                    <annotation><filename>&x;</filename></annotation>";
    let failed = error(&file(&folder, "a.xml", external), "voc");
    assert!(matches!(failed, FormatError::Refused { .. }), "{failed}");
    assert_eq!(failed.position().unwrap().place, Place::Line { line: 3, column: 1 });
    let laughs =
        "<!DOCTYPE l [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;&a;\">]><annotation>&b;</annotation>";
    assert!(matches!(error(&file(&folder, "a.xml", laughs), "voc"), FormatError::Refused { .. }));
    let latin = b"<annotation>\n<filename>caf\xe9.jpg</filename></annotation>";
    let failed = error(&file(&folder, "a.xml", latin), "voc");
    assert_eq!(failed.position().unwrap().place, Place::Line { line: 2, column: 14 });
    assert!(failed.hint().unwrap().contains("ISO-8859-1"));
    let declared = b"<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><annotation><filename>caf\xe9.jpg</filename></annotation>";
    let dataset = opened(&file(&folder, "a.xml", declared), "voc").unwrap().dataset;
    assert_eq!(&*dataset.images[0].name, "café.jpg");
    let failed = error(&file(&folder, "a.xml", "<annotation><object>"), "voc");
    assert!(failed.to_string().contains("not XML"), "{failed}");
    for (object, says) in [
        ("<object><name>c</name></object>", "without <bndbox>"),
        ("<object><bndbox/></object>", "without <name>"),
        ("<object><name>c</name><bndbox><xmin>NaN</xmin></bndbox></object>", "not a number"),
    ] {
        let text = format!("<annotation><filename>a.jpg</filename>{object}</annotation>");
        let message = error(&file(&folder, "a.xml", text), "voc").to_string();
        assert!(message.contains(says), "{message}");
    }
}

#[test]
fn voc_boxes_count_from_one_unless_one_begins_at_zero() {
    let (_keep, folder) = scratch();
    let page = |xmin: u32| {
        format!(
            "<annotation><filename>a.jpg</filename><object><name>c</name><bndbox><xmin>{xmin}</xmin>\
             <ymin>1</ymin><xmax>5</xmax><ymax>6</ymax></bndbox></object></annotation>"
        )
    };
    let read = |xmin| opened(&file(&folder, "a.xml", page(xmin)), "voc").unwrap().dataset;
    let bbox = |xmin| read(xmin).annotations[0].bbox.unwrap();
    assert_eq!((bbox(1).x, bbox(1).width), (0.0, 5.0));
    assert_eq!((bbox(0).x, bbox(0).width), (0.0, 5.0));
    assert_eq!(read(0).notes[0].code, "zero-based-boxes");
}

#[test]
fn an_image_that_claims_too_much_is_refused() {
    let (_keep, folder) = scratch();
    // the head of a PNG of 100,000 by 100,000 pixels, with its checksum
    let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
    png.extend([0, 1, 0x86, 0xa0, 0, 1, 0x86, 0xa0, 8, 0, 0, 0, 0]);
    let mut crc = !0_u32;
    for byte in &png[12..] {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg());
        }
    }
    png.extend((!crc).to_be_bytes());
    png.extend(b"\0\0\0\0IDAT\x35\xaf\x06\x1e\0\0\0\0IEND\xae\x42\x60\x82");
    file(&folder, "masks/a.png", &png);
    file(&folder, "images/a.jpg", "");
    let failed = error(&folder, "mask");
    assert!(matches!(failed, FormatError::Refused { .. }), "{failed}");
    assert!(failed.to_string().contains("100000×100000"), "{failed}");
    let failed = sizar_formats::pixels::encode::decode(&folder.join("masks/a.png")).unwrap_err();
    assert!(matches!(failed, FormatError::Refused { .. }), "{failed}");
}

#[test]
fn yolo_and_csv_name_the_line() {
    let (_keep, folder) = scratch();
    fs_err::create_dir_all(folder.join("images")).unwrap();
    image::RgbImage::new(4, 4).save(folder.join("images/a.png")).unwrap();
    for (row, says) in [
        ("0 0.5 0.5 x 1", "`x`"),
        ("0.5 1 1 1 1", "class number"),
        ("1e20 1 1 1 1", "class number"),
        ("0 1 1 1", "neither"),
    ] {
        file(&folder, "labels/a.txt", format!("0 0.5 0.5 1 1\n{row}\n"));
        let failed = error(&folder, "yolo");
        assert!(failed.to_string().contains(says), "{failed}");
        assert!(matches!(failed.position().unwrap().place, Place::Line { line: 2, .. }));
    }
    let csv = file(&folder, "b.csv", "filename,class,xmin,ymin,xmax,ymax\na.png,c,1,2,oops,4\n");
    let failed = error(&csv, "csv");
    assert!(failed.to_string().contains("`oops` in column 5"), "{failed}");
}

#[test]
fn output_never_leads_out_and_never_replaces() {
    let (_keep, folder) = scratch();
    let staging = Staging::folder(&folder.join("out"), Placing::Link).unwrap();
    assert!(staging.write("../evil", b"x").is_err());
    assert!(staging.write("/tmp/evil", b"x").is_err());
    staging.write("fine", b"x").unwrap();
    drop(staging);
    assert_eq!(folder.read_dir_utf8().unwrap().count(), 0);
    let dataset = demo(&folder.join("in"));
    file(&folder, "there.json", "mine");
    let format = formats::named("coco").unwrap();
    let options = WriteOptions::default();
    let failed =
        save(&mut dataset.clone(), format, &folder.join("there.json"), Placing::Leave, &options);
    assert!(matches!(failed, Err(FormatError::Exists { .. })));
    // a name that climbs is brought back to its last part
    let mut evil = dataset;
    evil.images[0].name = "../../evil.png".into();
    save(&mut evil, format, &folder.join("out"), Placing::Link, &options).unwrap();
    assert!(folder.join("out/train/evil.png").exists());
    assert!(!folder.join("evil.png").exists());
}
