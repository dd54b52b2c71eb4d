//! What eScriptorium gets, and what it gives: its import and export have rules of their own.

#![allow(clippy::unwrap_used, reason = "what a test cannot do without ends it")]

mod world;

use camino::{Utf8Path, Utf8PathBuf};
use sizar_formats::check;
use sizar_formats::convert::save;
use sizar_formats::formats::{self, Look, ReadOptions, WriteOptions};
use sizar_formats::model::{Annotation, Dataset, Level, Shape};
use sizar_formats::staging::Placing;
use world::scratch;

/// Regions in each other, words, two readings, an order of its own, a line that nobody outlined.
const PAGE: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<PcGts xmlns="http://schema.primaresearch.org/PAGE/gts/pagecontent/2019-07-15">
<Metadata><Creator>x</Creator><Created>2020-01-01T00:00:00</Created><LastChange>2020-01-01T00:00:00</LastChange></Metadata>
<Page imageFilename="h.tif" imageWidth="100" imageHeight="80">
<ReadingOrder><OrderedGroup id="ro"><RegionRefIndexed index="0" regionRef="r3"/><RegionRefIndexed index="1" regionRef="r1"/></OrderedGroup></ReadingOrder>
<TextRegion id="r1" custom="structure {type:MarginTextZone:commentary#1;} readingOrder {index:7;}"><Coords points="0,0 50,0 50,40 0,40"/>
  <TextRegion id="r2" type="heading"><Coords points="1,1 40,1 40,9 1,9"/>
    <TextLine id="l2" custom="structure {type:HeadingLine:title;}"><Coords points="1,1 40,1 40,9 1,9"/><Baseline points="1,8 40,8"/>
      <Word id="w1"><Coords points="1,1 9,1 9,9 1,9"/><TextEquiv><Unicode>word</Unicode></TextEquiv></Word>
      <Word id="w2"><Coords points="9,1 11,1 11,9 9,9"/><TextEquiv><Unicode>,</Unicode></TextEquiv></Word>
      <TextEquiv><Unicode>word,</Unicode></TextEquiv></TextLine></TextRegion>
  <TextLine id="l1"><Coords points="2,20 48,20"/><Baseline points="2,20 48,20"/>
    <TextEquiv index="0"><Unicode>first reading</Unicode></TextEquiv><TextEquiv index="1"><Unicode>second</Unicode></TextEquiv></TextLine></TextRegion>
<ImageRegion id="i1"><Coords points="60,0 90,0 90,40 60,40"/></ImageRegion>
<TextRegion id="r3"><Coords points="0,50 50,50 50,70 0,70"/><TextEquiv><Unicode>above
below</Unicode></TextEquiv></TextRegion>
<TextRegion id="eSc_dummyblock_"><TextLine id="l9"><Baseline points="2,75 48,76"/><TextEquiv><Unicode>alone</Unicode></TextEquiv></TextLine></TextRegion>
</Page></PcGts>"#;

fn page() -> (tempfile::TempDir, Utf8PathBuf, Dataset) {
    let (keep, folder) = scratch();
    image::GrayImage::new(100, 80).save(folder.join("h.tif")).unwrap();
    fs_err::write(folder.join("h.xml"), PAGE).unwrap();
    let dataset = read(&folder);
    (keep, folder, dataset)
}

fn read(folder: &Utf8Path) -> Dataset {
    let look = Look::at(folder).unwrap();
    let format = formats::choose(&look, None).unwrap();
    format.read(&look, &ReadOptions::default()).unwrap()
}

fn written(dataset: &Dataset, to: &Utf8Path, variant: &str, placing: Placing) -> Dataset {
    let format = formats::named("escriptorium").unwrap();
    let options = WriteOptions { variant: Some(variant.into()) };
    let saved = save(&mut dataset.clone(), format, to, placing, &options).unwrap();
    assert!(saved.notes[0].starts_with("1 of 1 images are written as PNG"), "{:?}", saved.notes);
    read(to)
}

fn key(annotation: &Annotation) -> &str {
    annotation.more.as_ref().and_then(|more| more.key.as_deref()).unwrap_or_default()
}

/// Regions or lines: what holds it, its name, its type, its text.
fn rows(dataset: &Dataset, level: Level) -> Vec<(&str, &str, &str, &str)> {
    let row = |annotation| row(dataset, annotation, level);
    dataset.annotations.iter().filter_map(row).collect()
}

fn row<'a>(
    dataset: &'a Dataset,
    annotation: &'a Annotation,
    level: Level,
) -> Option<(&'a str, &'a str, &'a str, &'a str)> {
    let more = annotation.more.as_ref().filter(|more| more.level == Some(level))?;
    let above = more.parent.map_or("", |at| key(&dataset.annotations[at as usize]));
    let kind = more.region_type.as_deref().unwrap_or_default();
    Some((above, key(annotation), kind, annotation.text().unwrap_or_default()))
}

#[test]
fn regions_and_lines_are_where_its_import_looks_for_them() {
    let (_keep, folder, dataset) = page();
    for variant in ["page", "alto"] {
        let again = written(&dataset, &folder.join(variant), variant, Placing::Link);
        let regions = rows(&again, Level::Region);
        let expected = [
            ("", "r3", "", ""),
            ("", "r1", "MarginTextZone:commentary#1", ""),
            ("", "r2", "heading", ""),
            ("", "i1", "ImageRegion", ""),
        ];
        assert_eq!(regions, expected, "{variant}");
        let lines = rows(&again, Level::Line);
        // without their names: some are made
        let lines: Vec<_> = lines.iter().map(|row| (row.0, row.2, row.3)).collect();
        let expected = [
            ("r3", "", "above"),
            ("r3", "", "below"),
            ("r1", "", "first reading"),
            ("r2", "HeadingLine:title", "word,"),
            ("", "", "alone"),
        ];
        assert_eq!(lines, expected, "{variant}");
        assert!(again.annotations.iter().all(|at| at.more.as_ref().unwrap().text.len() < 2));
        assert_eq!(rows(&again, Level::Word), [], "{variant}");
        // an image that its import does not take is one that it takes
        assert!(folder.join(variant).join("h.png").is_file());
        assert_eq!(image::open(folder.join(variant).join("h.png")).unwrap().width(), 100);
    }
    let text = fs_err::read_to_string(folder.join("page/h.xml")).unwrap();
    assert!(text.contains("custom=\"structure {type:MarginTextZone:commentary#1;}\""), "{text}");
    let line = text.split("<TextLine id=\"l9\"").nth(1).unwrap();
    let line = line.split("</TextLine>").next().unwrap();
    assert!(!line.contains("Coords") && line.contains("Baseline"), "{line}");
    assert!(text.contains("<TextRegion id=\"eSc_dummyblock_\">"), "{text}");
    let alto = fs_err::read_to_string(folder.join("alto/h.xml")).unwrap();
    assert!(alto.contains("<TextBlock ID=\"eSc_dummyblock_\""), "{alto}");
    assert!(alto.contains("LABEL=\"ImageRegion\""), "{alto}");
}

#[test]
fn the_text_of_a_region_is_that_of_its_lines_where_they_have_none() {
    let (_keep, folder) = scratch();
    let line = |number: u32| {
        format!(
            "<TextLine id=\"l{number}\"><Baseline points=\"2,{number} 48,{number}\"/></TextLine>"
        )
    };
    let page = |lines: &str| {
        let (head, _) = PAGE.split_once("<ReadingOrder>").unwrap();
        format!(
            "{head}<TextRegion id=\"r\"><Coords points=\"0,0 50,0 50,40 0,40\"/>{lines}\
             <TextEquiv><Unicode>above\nbelow</Unicode></TextEquiv></TextRegion></Page></PcGts>"
        )
    };
    image::GrayImage::new(100, 80).save(folder.join("h.tif")).unwrap();
    for (lines, expected) in [(2, 2), (1, 3)] {
        let all: String = (0..lines).map(|at| line(10 + at * 10)).collect();
        fs_err::write(folder.join("h.xml"), page(&all)).unwrap();
        let to = folder.join(lines.to_string());
        let again = written(&read(&folder), &to, "page", Placing::Link);
        let rows = rows(&again, Level::Line);
        let texts: Vec<&str> =
            rows.iter().map(|row| row.3).filter(|text| !text.is_empty()).collect();
        assert_eq!((rows.len(), &texts[..]), (expected, &["above", "below"][..]));
        fs_err::remove_dir_all(to).unwrap();
    }
}

#[test]
fn what_is_made_for_lines_without_a_region_is_none_when_it_is_read_again() {
    let (_keep, folder, dataset) = page();
    for name in ["page", "alto"] {
        let format = formats::named(name).unwrap();
        let to = folder.join(name);
        let options = WriteOptions::default();
        save(&mut dataset.clone(), format, &to, Placing::Link, &options).unwrap();
        let again = read(&to);
        assert_eq!(rows(&again, Level::Region).len(), rows(&dataset, Level::Region).len());
        assert_eq!(rows(&again, Level::Line).last(), rows(&dataset, Level::Line).last());
    }
}

#[test]
fn without_images_it_is_for_a_document_that_has_them() {
    let (_keep, folder, dataset) = page();
    let to = folder.join("out.zip");
    let format = formats::named("escriptorium").unwrap();
    let options = WriteOptions::default();
    save(&mut dataset.clone(), format, &to, Placing::Leave, &options).unwrap();
    let zip = zip::ZipArchive::new(fs_err::File::open(&to).unwrap()).unwrap();
    let names: Vec<String> = zip.file_names().map(|name| name.unwrap().into_owned()).collect();
    assert_eq!(names, ["h.xml"]);
}

#[test]
fn what_holds_lines_without_a_region_is_none_and_a_line_without_an_outline_stays() {
    let alto = r#"<alto xmlns="http://www.loc.gov/standards/alto/ns-v4#"><Description><MeasurementUnit>pixel</MeasurementUnit>
<sourceImageInformation><fileName>h.png</fileName></sourceImageInformation></Description>
<Layout><Page WIDTH="100" HEIGHT="80" PHYSICAL_IMG_NR="1" ID="p"><PrintSpace HPOS="0" VPOS="0" WIDTH="100" HEIGHT="80">
<TextBlock ID="eSc_dummyblock_"><TextLine ID="l1" BASELINE="2 20 48 20" HPOS="2" VPOS="20" WIDTH="46" HEIGHT="0">
<String CONTENT="alone" HPOS="2" VPOS="20" WIDTH="46" HEIGHT="0"/></TextLine></TextBlock></PrintSpace></Page></Layout></alto>"#;
    let (_keep, folder) = scratch();
    fs_err::write(folder.join("h.xml"), alto).unwrap();
    let mut dataset = read(&folder);
    assert_eq!(rows(&dataset, Level::Line), [("", "l1", "", "alone")]);
    assert_eq!(rows(&dataset, Level::Region), []);
    assert_eq!(dataset.annotations.len(), 1);
    assert_eq!(
        (&dataset.annotations[0].bbox, &dataset.annotations[0].shape),
        (&None, &Shape::None)
    );
    // what has a text is mended, and not left out
    dataset.annotations[0].bbox = Some(sizar_formats::model::Box2::new(2.0, 20.0, 46.0, 0.0));
    check::mend(&mut dataset);
    assert_eq!(rows(&dataset, Level::Line), [("", "l1", "", "alone")]);
}
