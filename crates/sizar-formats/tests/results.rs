//! Lists of detections: read by themselves, and with the images that they are of.

#![allow(clippy::unwrap_used, reason = "what a test cannot do without ends it")]

mod world;

use camino::{Utf8Path, Utf8PathBuf};
use sizar_formats::check::{Kind, check};
use sizar_formats::convert::save;
use sizar_formats::formats::{self, ReadOptions, WriteOptions};
use sizar_formats::model::Dataset;
use sizar_formats::staging::Placing;
use sizar_formats::{FormatError, OpenOptions, open};
use world::scratch;

const TRUTH: &str = r#"{"images":[{"id":7,"file_name":"a.jpg","width":10,"height":10},
{"id":9,"file_name":"b.jpg","width":10,"height":10}],"annotations":[
{"id":1,"image_id":7,"category_id":3,"bbox":[1,1,4,4],"area":16,"iscrowd":0}],
"categories":[{"id":3,"name":"cat"},{"id":5,"name":"dog"}]}"#;

const RESULTS: &str = r#"[{"image_id":9,"category_id":5,"bbox":[1,2,3.5,4],"score":0.75},
{"image_id":7,"category_id":3,"score":0.5,"segmentation":{"counts":[22,3,75],"size":[10,10]}}]"#;

fn two(folder: &Utf8Path, results: &str) -> [Utf8PathBuf; 2] {
    let files = [folder.join("truth.json"), folder.join("results.json")];
    fs_err::write(&files[0], TRUTH).unwrap();
    fs_err::write(&files[1], results).unwrap();
    files
}

fn with(results: &Utf8Path, truth: Option<&Utf8Path>) -> Result<Dataset, FormatError> {
    let read = ReadOptions { images_of: truth.map(Utf8Path::to_owned), ..ReadOptions::default() };
    Ok(open(results, &OpenOptions { read, ..OpenOptions::default() })?.dataset)
}

fn convert(dataset: &mut Dataset, to: &Utf8Path) -> Result<(), FormatError> {
    let coco = formats::named("coco").unwrap();
    save(dataset, coco, to, Placing::Leave, &WriteOptions::default()).map(drop)
}

#[test]
fn results_are_read_by_themselves_and_not_converted() {
    let (_keep, folder) = scratch();
    let [_, results] = two(&folder, RESULTS);
    let mut alone = with(&results, None).unwrap();
    let names: Vec<&str> = alone.images.iter().map(|image| &*image.name).collect();
    assert_eq!(names, ["7", "9"]);
    assert_eq!(alone.categories.len(), 2);
    assert_eq!(alone.annotations[0].more.as_ref().unwrap().score, Some(0.75));
    // nothing is wrong with them: images that nobody knows are not missing
    let look = formats::Look::at(&results).unwrap();
    assert_eq!(check(&alone, Some(&look)).unwrap(), []);
    let error = convert(&mut alone, &folder.join("out.json")).unwrap_err();
    assert!(error.hint().unwrap().contains("--images-of"), "{error}");
    assert!(!folder.join("out.json").exists());
    // a folder that has nothing else is one, too
    fs_err::create_dir(folder.join("only")).unwrap();
    fs_err::copy(&results, folder.join("only/bbox.json")).unwrap();
    assert_eq!(with(&folder.join("only"), None).unwrap().annotations.len(), 2);
    // and beside a COCO file they are no data set of their own
    assert_eq!(with(&folder, None).unwrap().annotations.len(), 1);
}

#[test]
fn results_are_of_the_images_that_are_named() {
    let (_keep, folder) = scratch();
    let [truth, results] = two(&folder, RESULTS);
    let mut dataset = with(&results, Some(&truth)).unwrap();
    let seen: Vec<_> = dataset
        .annotations
        .iter()
        .map(|at| {
            let category = &dataset.categories[at.category.unwrap() as usize];
            (&*dataset.images[at.image as usize].name, &*category.name)
        })
        .collect();
    assert_eq!(seen, [("b.jpg", "dog"), ("a.jpg", "cat")]);
    convert(&mut dataset, &folder.join("out.json")).unwrap();
    let text = fs_err::read_to_string(folder.join("out.json")).unwrap();
    assert!(text.contains("\"score\": 0.75"), "{text}");
    // a mask of no pixels stays one
    let none = r#"[{"image_id":7,"category_id":3,"score":1,"segmentation":{"counts":[100],"size":[10,10]}}]"#;
    let [truth, results] = two(&folder, none);
    let mut dataset = with(&results, Some(&truth)).unwrap();
    convert(&mut dataset, &folder.join("none.json")).unwrap();
    let text = fs_err::read_to_string(folder.join("none.json")).unwrap();
    assert!(text.contains("\"counts\": [100]}"), "{text}");
    assert!(text.contains("\"area\": 0,\"bbox\": [0,0,0,0]"), "{text}");

    let [truth, results] = two(&folder, &RESULTS.replace("\"image_id\":9", "\"image_id\":8"));
    let strange = with(&results, Some(&truth)).unwrap();
    assert_eq!(strange.annotations.len(), 1);
    assert_eq!(strange.notes[0].code, "unknown-image");
    assert_eq!(strange.notes[0].at.to_string(), format!("{results}, [0]"));
    assert!(check(&strange, None).unwrap().iter().any(|finding| finding.kind == Kind::Note));
}

#[test]
fn what_is_wrong_with_results_is_said_with_its_place() {
    let (_keep, folder) = scratch();
    for (bad, says) in [
        (r#"[{"image_id":9,"score":NaN}]"#, "`[0].score`"),
        (r#"[{"image_id":9,"score":1},{"score":1}]"#, "`[1]`: an annotation without `image_id`"),
        (r#"[{"image_id":9,"score":1}"#, "1:26"),
        (r#"[{"image_id":9,"score":1}] x"#, "something follows"),
    ] {
        let [_, results] = two(&folder, bad);
        let error = with(&results, None).unwrap_err().to_string();
        assert!(error.contains(says), "{bad}: {error}");
    }
    let [truth, results] = two(&folder, RESULTS);
    let error = with(&truth, Some(&truth)).unwrap_err();
    assert!(error.hint().unwrap().contains("leave `--images-of` out"), "{error}");
    let error = with(&results, Some(&results)).unwrap_err();
    assert!(error.to_string().contains("no COCO file with `images`"), "{error}");
    assert!(matches!(with(&results, Some(&folder.join("no"))), Err(FormatError::Missing { .. })));
}
