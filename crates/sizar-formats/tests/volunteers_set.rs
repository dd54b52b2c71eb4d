//! A subject set for Zooniverse that its uploaders take as it is meant.

#![allow(clippy::unwrap_used, reason = "what a test cannot do without ends it")]

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::{Map, Value, json};
use sizar_formats::convert::{Saved, resize, save};
use sizar_formats::formats::{self, WriteOptions};
use sizar_formats::model::{Dataset, Image, Provenance};
use sizar_formats::staging::{Encoding, Placing};
use sizar_formats::{OpenOptions, open};

/// Images of this size in files with these names.
fn images(folder: &Utf8Path, names: &[&str], size: u32) -> Dataset {
    let image = |name: &&str| {
        let file = folder.join("scans").join(name);
        fs_err::create_dir_all(file.parent().unwrap()).unwrap();
        image::RgbImage::new(size, size).save(&file).unwrap();
        let image = Image { name: (*name).into(), width: size, height: size, ..Image::default() };
        Image { file: Some(file), ..image }
    };
    Dataset { images: names.iter().map(image).collect(), ..Dataset::default() }
}

fn written(dataset: &Dataset, out: &Utf8Path, placing: Placing) -> Saved {
    let format = formats::named("zooniverse").unwrap();
    save(&mut dataset.clone(), format, out, placing, &WriteOptions::default()).unwrap()
}

fn rows(set: &Utf8Path) -> Vec<Map<String, Value>> {
    let mut table = csv::Reader::from_path(set.join("manifest.csv")).unwrap();
    let header = table.headers().unwrap().clone();
    let row = |row: csv::StringRecord| {
        header.iter().zip(row.iter()).map(|(name, cell)| (name.into(), cell.into())).collect()
    };
    table.records().map(|record| row(record.unwrap())).collect()
}

/// What the volunteers' export is, if one of them marks each of these subjects.
fn export(folder: &Utf8Path, subjects: &[Map<String, Value>]) -> Utf8PathBuf {
    let quoted = |value: &Value| value.to_string().replace('"', "\"\"");
    let mut text = "classification_id,user_name,annotations,subject_data\n".to_owned();
    for (at, said) in subjects.iter().enumerate() {
        let mark = json!([{"task": "T0", "value": [{"x": 1, "y": 1, "tool_label": "Dot"}]}]);
        let subject = json!({at.to_string(): said});
        text += &format!("{at},ada,\"{}\",\"{}\"\n", quoted(&mark), quoted(&subject));
    }
    let path = folder.join("back.csv");
    fs_err::write(&path, text).unwrap();
    path
}

#[test]
fn only_the_image_is_a_file_to_the_uploaders() {
    let kept = tempfile::tempdir().unwrap();
    let folder = Utf8Path::from_path(kept.path()).unwrap();
    let mut dataset = images(folder, &["p1.png", "b/p,1.PNG", "b/p3.png"], 4);
    let address = "https://a.org/scans/p1.JPG/full.jpg";
    dataset.images[0].provenance = Some(Box::new(Provenance {
        urls: vec![address.into()],
        author: Some(folder.to_string()),
        source: Some("scans of plate.png".into()),
        ..Provenance::default()
    }));
    let out = folder.join("set");
    written(&dataset, &out, Placing::Link);
    let rows = rows(&out);
    assert_eq!(rows[1]["image"], "b__p_1.PNG");
    assert_eq!(rows[1]["#original"], "b/p,1%2EPNG");
    // an empty column is left out, a single cell is never empty
    assert!(!rows[0].contains_key("license") && !rows[0].contains_key("#split"));
    assert_eq!((&rows[1]["origin"], &rows[1]["author"]), (&json!("-"), &json!("-")));
    for row in &rows {
        for (name, cell) in row.iter().filter(|(name, _)| *name != "image") {
            let cell = cell.as_str().unwrap();
            // `panoptes` takes what exists, the project builder what has an ending
            assert!(!cell.is_empty() && !out.join(cell).exists(), "{name} is {cell:?}");
            let cell = cell.to_lowercase();
            assert!(![".png", ".jpg"].iter().any(|ending| cell.contains(ending)), "{cell:?}");
        }
    }
    let back = open(&export(folder, &rows), &OpenOptions::default()).unwrap().dataset;
    let names: Vec<&str> = back.images.iter().map(|image| &*image.name).collect();
    assert_eq!(names, ["p1.png", "b/p,1.PNG", "b/p3.png"]);
    assert_eq!(back.images[0].provenance, dataset.images[0].provenance);
    assert_eq!(back.images[1].provenance, None);
}

#[test]
fn marks_find_the_original_of_an_image_that_was_written_anew() {
    let kept = tempfile::tempdir().unwrap();
    let folder = Utf8Path::from_path(kept.path()).unwrap();
    let dataset = images(folder, &["t.tif", "sub/t.tif", "x.bmp"], 40);
    let mut small = dataset.clone();
    resize(&mut small, 20).unwrap();
    let jpeg = Placing::Encode(Encoding::Jpeg);
    let cases = [
        ("jpeg", &dataset, jpeg, ["t.jpg", "sub__t.jpg", "x.jpg"]),
        ("png", &small, Placing::Encode(Encoding::Png), ["t.png", "sub__t.png", "x.png"]),
        ("small", &small, Placing::Link, ["t.png", "sub__t.png", "x.png"]),
        ("linked", &dataset, Placing::Link, ["t.tif", "sub__t.tif", "x.bmp"]),
    ];
    for (name, dataset, placing, written_as) in cases {
        let out = folder.join(name);
        written(dataset, &out, placing);
        let rows = rows(&out);
        let named: Vec<&str> = rows.iter().map(|row| row["image"].as_str().unwrap()).collect();
        assert_eq!(named, written_as);
        assert!(named.iter().all(|name| out.join(name).is_file()));
        let options =
            OpenOptions { images_in: vec![folder.join("scans")], ..OpenOptions::default() };
        let back = open(&export(folder, &rows), &options).unwrap().dataset;
        let files: Vec<_> = back.images.iter().map(|image| image.file.clone()).collect();
        let wanted: Vec<_> = dataset.images.iter().map(|image| image.file.clone()).collect();
        assert_eq!(files, wanted, "{name}");
    }
}

#[test]
fn images_that_zooniverse_refuses_are_said() {
    let kept = tempfile::tempdir().unwrap();
    let folder = Utf8Path::from_path(kept.path()).unwrap();
    let mut dataset = images(folder, &["a.png", "b.png"], 4);
    assert_eq!(written(&dataset, &folder.join("small"), Placing::Link).notes, [""; 0]);
    for (image, bytes) in dataset.images.iter().zip([1_100_000_u64, 2_048_000]) {
        fs_err::OpenOptions::new()
            .write(true)
            .open(image.file.as_ref().unwrap())
            .unwrap()
            .set_len(bytes)
            .unwrap();
    }
    dataset.images.extend(images(folder, &["c.png"], 4).images);
    for (out, placing) in [("linked", Placing::Link), ("left", Placing::Leave)] {
        let notes = written(&dataset, &folder.join(out), placing).notes;
        assert_eq!(notes.len(), 1);
        assert!(notes[0].starts_with("2 of 3 images have 1000 KB or more"), "{notes:?}");
        assert!(
            notes[0].contains("the biggest is `b.png` with 2000 KB, and `--resize"),
            "{notes:?}"
        );
    }
    let jpeg = Placing::Encode(Encoding::Jpeg);
    assert_eq!(written(&dataset, &folder.join("jpeg"), jpeg).notes, [""; 0]);
}
