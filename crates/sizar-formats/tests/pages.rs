//! PAGE, ALTO and hOCR: read, written, read again; hostile files; schemas.

#![allow(clippy::unwrap_used, clippy::panic, reason = "what a test cannot do without ends it")]

use camino::{Utf8Path, Utf8PathBuf};
use sizar_formats::formats::{self, Look, ReadOptions, WriteOptions};
use sizar_formats::model::{Box2, Dataset, Level, Point, ReadingOrder, Shape};
use sizar_formats::staging::{Placing, Staging};
use sizar_formats::{FormatError, Place};

const PAGE: &str = include_str!("fixtures/page-2019.xml");

struct Folder {
    path: Utf8PathBuf,
    #[allow(dead_code, reason = "the folder goes away with it")]
    kept: tempfile::TempDir,
}

impl Folder {
    fn new() -> Self {
        let kept = tempfile::tempdir().unwrap();
        Self { path: Utf8Path::from_path(kept.path()).unwrap().to_owned(), kept }
    }

    fn with(name: &str, content: impl AsRef<[u8]>) -> Self {
        let folder = Self::new();
        fs_err::write(folder.path.join(name), content).unwrap();
        folder
    }

    fn read(&self) -> Result<Dataset, FormatError> {
        let look = Look::at(&self.path)?;
        formats::choose(&look, None)?.read(&look, &ReadOptions::default())
    }

    fn faults(&self) -> Vec<String> {
        let look = Look::at(&self.path).unwrap();
        let format = formats::choose(&look, None).unwrap();
        let faults = format.schema_faults(&look).unwrap();
        faults.into_iter().map(|note| format!("{}: {}", note.at, note.message)).collect()
    }
}

fn write(dataset: &Dataset, format: &str, variant: Option<&str>) -> Folder {
    let folder = Folder::new();
    let out = folder.path.join("out");
    let staging = Staging::folder(&out, Placing::Link).unwrap();
    let options = WriteOptions { variant: variant.map(str::to_owned) };
    formats::named(format).unwrap().write(dataset, &staging, &options).unwrap();
    staging.finish().unwrap();
    Folder { path: out, kept: folder.kept }
}

/// What has to be the same after writing and reading: all but where it was read.
fn bare(mut dataset: Dataset) -> Dataset {
    dataset.roots.clear();
    for image in &mut dataset.images {
        image.file = None;
    }
    dataset
}

#[test]
fn page_is_what_it_was_after_writing_and_reading() {
    let first = Folder::with("0001.xml", PAGE).read().unwrap();
    let names: Vec<&str> = first.categories.iter().map(|category| &*category.name).collect();
    assert_eq!(
        names,
        [
            "Border",
            "paragraph",
            "line:Rubric",
            "Word",
            "Glyph",
            "TextLine",
            "Gloss",
            "stamp",
            "TableRegion",
            "TextRegion"
        ]
    );
    assert_eq!(first.categories[7].supercategory.as_deref(), Some("GraphicRegion"));
    let line = &first.annotations[2];
    let more = line.more.as_ref().unwrap();
    assert_eq!(more.baseline[1], Point::new(300.0, 52.0));
    assert_eq!((more.parent, more.level), (Some(1), Some(Level::Line)));
    assert_eq!(line.text(), Some("Quẽ <&-"));
    let word = first.annotations[3].more.as_ref().unwrap();
    assert_eq!((&*word.text[0].text, word.text[0].confidence), ("Quẽ", Some(0.75)));
    assert_eq!(&*word.text[1].text, "Que");
    // Border is 0, and the table's cell is in the table
    let order = first.images[0].reading_order.as_ref().unwrap();
    assert_eq!(order.flat(), [7, 8, 1]);
    assert!(order.is_nested());

    let written = write(&first, "page", None);
    assert_eq!(written.faults(), Vec::<String>::new());
    assert_eq!(bare(written.read().unwrap()), bare(first.clone()));
    let twice = write(&first, "page", None);
    let text = |folder: &Folder| fs_err::read_to_string(folder.path.join("0001.xml")).unwrap();
    assert_eq!(text(&written), text(&twice));

    // 2013 has one reading of each, and no types of its own beyond
    let older = write(&first, "page", Some("2013"));
    let again = older.read().unwrap();
    assert_eq!(again.annotations.len(), first.annotations.len());
    assert!(text(&older).contains("pagecontent/2013-07-15"));
}

#[test]
fn page_goes_to_alto_and_back() {
    let first = Folder::with("0001.xml", PAGE).read().unwrap();
    let written = write(&first, "alto", None);
    assert_eq!(written.faults(), Vec::<String>::new());
    let alto = written.read().unwrap();
    assert_eq!(formats::choose(&Look::at(&written.path).unwrap(), None).unwrap().name(), "alto");
    let back = write(&alto, "page", None).read().unwrap();
    type Said = (String, Option<Level>, Option<String>, Shape, usize);
    let said = |dataset: &Dataset| -> Vec<Said> {
        let each = dataset.annotations.iter().filter(|at| {
            at.category.is_none_or(|at| &*dataset.categories[at as usize].name != "Border")
        });
        let mut said: Vec<_> = each
            .map(|at| {
                let more = at.more.as_ref().unwrap();
                let name = &dataset.categories[at.category.unwrap() as usize].name;
                // the text of a region is that of its lines
                let text = at.text().filter(|_| more.level != Some(Level::Region));
                let shape = at.shape.clone();
                (name.to_string(), more.level, text.map(str::to_owned), shape, more.baseline.len())
            })
            .collect();
        said.sort_by_key(|(name, level, text, ..)| (*level, name.clone(), text.clone()));
        said
    };
    assert_eq!(said(&back), said(&first));
    let names = |dataset: &Dataset| -> Vec<String> {
        let order = dataset.images[0].reading_order.as_ref().unwrap().flat();
        let key = |at: u32| dataset.annotations[at as usize].more.as_ref().unwrap().key.clone();
        order.into_iter().map(|at| key(at).unwrap().to_string()).collect()
    };
    assert_eq!(names(&back), ["r2", "r3", "r1"]);
    for (version, space) in [("2", "ns-v2#"), ("3", "ns-v3#")] {
        let older = write(&first, "alto", Some(version));
        let text = fs_err::read_to_string(older.path.join("0001.xml")).unwrap();
        assert!(text.contains(space) && text.contains("BASELINE=\"51\""), "{text}");
        assert!(older.read().unwrap().annotations.len() >= 8);
    }
}

#[test]
fn alto_of_eescriptorium_and_of_libraries_is_read() {
    let alto = r#"<alto xmlns="http://www.loc.gov/standards/alto/ns-v3#">
  <Description><MeasurementUnit>mm10</MeasurementUnit><sourceImageInformation><fileName>C:\scans\0001.tif</fileName></sourceImageInformation></Description>
  <Layout><Page ID="P1" PHYSICAL_IMG_NR="7" WIDTH="100" HEIGHT="200" POSITION="Left">
   <TopMargin HPOS="0" VPOS="0" WIDTH="100" HEIGHT="5"/>
   <PrintSpace HPOS="5" VPOS="5" WIDTH="90" HEIGHT="190">
    <TextBlock ID="b2" HPOS="10" VPOS="50" WIDTH="30" HEIGHT="10">
     <TextLine ID="l1" HPOS="10" VPOS="50" WIDTH="30" HEIGHT="10" BASELINE="58.5">
      <String ID="s1" HPOS="10" VPOS="50" WIDTH="12" HEIGHT="10" CONTENT="Biblio" WC="0.9" SUBS_TYPE="HypPart1" SUBS_CONTENT="Bibliothek"/>
      <HYP CONTENT="-"/></TextLine>
     <TextLine ID="l2" HPOS="10" VPOS="62" WIDTH="30" HEIGHT="10">
      <String HPOS="10" VPOS="62" WIDTH="12" HEIGHT="10" CONTENT="thek"/><SP/><String HPOS="25" VPOS="62" WIDTH="12" HEIGHT="10" CONTENT="x"/></TextLine>
    </TextBlock>
    <TextBlock ID="b1" IDNEXT="b2" HPOS="10" VPOS="10" WIDTH="30" HEIGHT="10"/>
    <Illustration ID="i1" HPOS="50" VPOS="10" WIDTH="30" HEIGHT="40" TYPE="photo"><Shape><Circle HPOS="65" VPOS="30" RADIUS="10"/></Shape></Illustration>
   </PrintSpace></Page></Layout></alto>"#;
    let folder = Folder::with("0001.xml", alto);
    let left = folder.read().unwrap();
    assert_eq!(left.notes[0].code, "unit");
    assert_eq!(&*left.images[0].name, "0001.xml".replace("xml", "tif").as_str());
    // with its image, tenths of millimetres are pixels
    let pixels = image::GrayImage::new(400, 800);
    pixels.save(folder.path.join("0001.tif")).unwrap();
    let dataset = folder.read().unwrap();
    assert!(dataset.notes.is_empty());
    assert_eq!((dataset.images[0].width, dataset.images[0].height), (400, 800));
    let by_key = |key: &str| {
        let has = |more: &sizar_formats::model::More| more.key.as_deref() == Some(key);
        dataset.annotations.iter().find(|at| at.more.as_deref().is_some_and(has)).unwrap()
    };
    let line = by_key("l1");
    assert_eq!(line.text(), Some("Biblio-"));
    assert_eq!(line.bbox, Some(Box2::new(40.0, 200.0, 120.0, 40.0)));
    assert_eq!(
        line.more.as_ref().unwrap().baseline,
        [Point::new(40.0, 234.0), Point::new(160.0, 234.0)]
    );
    assert_eq!(by_key("l2").text(), Some("thek x"));
    assert!(matches!(by_key("i1").shape, Shape::Ellipse(_)));
    let order = dataset.images[0].reading_order.as_deref().unwrap();
    let ReadingOrder::Ordered(order) = order else { panic!("{order:?}") };
    assert_eq!(order.len(), 2);
}

#[test]
fn hostile_and_broken_files_are_refused_with_their_place() {
    let laughs = format!(
        "<?xml version=\"1.0\"?>\n<!DOCTYPE PcGts [<!ENTITY a \"ha\"><!ENTITY b \"{}\">]>\n<PcGts>&b;</PcGts>",
        "&a;".repeat(1000)
    );
    let external = "<!DOCTYPE PcGts [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><PcGts><Page>&x;</Page></PcGts>";
    for (name, bytes, begins) in [
        ("laughs.xml", laughs.as_bytes(), ":2:18: refused: the document defines entities"),
        ("external.xml", external.as_bytes(), ":1:18: refused: the document defines entities"),
        ("latin.xml", b"<PcGts>\n<!-- \xe9t\xe9 --></PcGts>", ":2:6: byte 0xe9 is not UTF-8"),
        ("cut.xml", &PAGE.as_bytes()[..700], ":12:32: not XML: the file ends too early"),
        ("empty.xml", b"<PcGts/>", ":1:1: there is no <Page>"),
        (
            "points.xml",
            b"<PcGts><Page>\n<TextRegion id='a'><Coords points='1,2 3,x'/></TextRegion></Page></PcGts>",
            ":2:20: `x` is not a coordinate in the points of <Coords>",
        ),
    ] {
        let folder = Folder::with(name, bytes);
        let error = folder.read().unwrap_err();
        let expected = format!("{}{begins}", folder.path.join(name));
        assert!(error.to_string().starts_with(&expected), "{error}\n{expected}");
        assert_ne!(error.position().unwrap().place, Place::Whole);
        // a check goes on to the other files
        if name != "empty.xml" && name != "points.xml" {
            assert_eq!(folder.faults().len(), 1);
        }
    }
    let declared = b"<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><PcGts><Page imageFilename=\"\xe9.jpg\"/></PcGts>";
    assert_eq!(&*Folder::with("a.xml", declared).read().unwrap().images[0].name, "é.jpg");
    for deep in [
        format!("<PcGts><Page>{}", "<TextRegion id='a'>".repeat(100_000)),
        format!(
            "<PcGts><Page>{}{}</Page></PcGts>",
            "<TextRegion>".repeat(500),
            "</TextRegion>".repeat(500)
        ),
        format!(
            "<alto><Layout><Page><PrintSpace>{}{}</PrintSpace></Page></Layout></alto>",
            "<ComposedBlock>".repeat(500),
            "</ComposedBlock>".repeat(500)
        ),
    ] {
        assert!(Folder::with("deep.xml", deep).read().is_err());
    }
}

#[test]
fn what_breaks_the_schema_is_said_with_its_place() {
    let bad = PAGE
        .replace("id=\"r1l2\"", "id=\"r1l1\"")
        .replace("regionRef=\"r3\"", "regionRef=\"r9\"")
        .replace(
            "<Coords points=\"600,500 900,500 900,700\"/>",
            "<Coords points=\"600,500 -1,500\"/>",
        )
        .replace("type=\"paragraph\"", "type=\"Absatz\"")
        .replace(" imageWidth=\"1000\"", "")
        .replace("conf=\"0.5\"", "conf=\"50\"")
        .replace("2020-01-02T03:04:05</Created>", "2.1.2020</Created>")
        .replace("<TableRegion id=\"r4\">", "<TableRegion id=\"r4\"><TextLine/>");
    let folder = Folder::with("a.xml", bad);
    let faults: Vec<String> = folder
        .faults()
        .into_iter()
        .map(|fault| fault.rsplit_once("a.xml:").unwrap().1.to_owned())
        .collect();
    let expected = [
        "23:7: the id `r1l1` is there twice",
        "4:3: <Page> lacks `imageWidth`",
        "9:76: `regionRef` of <RegionRef> names `r9`, which is not there",
        "12:5: `Absatz` is none of paragraph, heading",
        "18:68: `50` is not a number from 0 to 1, in `conf` of <TextEquiv>",
        "28:41: `600,500 -1,500` is not two or more points",
        "29:26: <TextLine> has no place in <TableRegion>",
        "29:26: <TextLine> lacks `id`",
        "29:26: <TextLine> lacks <Coords>",
        "3:35: `2.1.2020` is not a date with a time, in <Created>",
    ];
    assert_eq!(faults.len(), expected.len(), "{faults:#?}");
    for (fault, expected) in faults.iter().zip(expected) {
        assert!(fault.starts_with(expected), "{faults:#?}");
    }
}

#[test]
fn pages_of_two_books_stay_apart_and_find_their_images() {
    let folder = Folder::new();
    let file = |path: &str, content: &str| {
        let path = folder.path.join(path);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(path, content).unwrap();
    };
    file("train/a/page/0001.xml", PAGE);
    file("train/a/0001.jpg", "");
    file("val/b/0001.xml", PAGE);
    file("val/b/0001.jpg", "");
    let dataset = folder.read().unwrap();
    let images: Vec<(&str, bool)> =
        dataset.images.iter().map(|image| (&*image.name, image.file.is_some())).collect();
    assert_eq!(images, [("train/a/0001.jpg", true), ("val/b/0001.jpg", true)]);
    assert_eq!(dataset.splits, ["train".into(), "val".into()]);
    let again = write(&dataset, "page", None);
    assert_eq!(bare(again.read().unwrap()), bare(dataset));
    assert!(again.path.join("train/a/0001.jpg").is_file());
}

#[test]
fn what_escriptorium_gets_is_one_archive_that_is_always_the_same() {
    let folder = Folder::with("0001.xml", PAGE);
    image::GrayImage::new(1000, 1500).save(folder.path.join("0001.jpg")).unwrap();
    let dataset = folder.read().unwrap();
    let packed = |name: &str, variant: &str| {
        let to = folder.path.join(name);
        let staging = Staging::archive(&to, Placing::Link).unwrap();
        let options = WriteOptions { variant: Some(variant.into()) };
        let format = formats::named("escriptorium").unwrap();
        format.write(&dataset, &staging, &options).unwrap();
        staging.finish().unwrap();
        fs_err::read(to).unwrap()
    };
    let bytes = packed("a.zip", "page");
    assert_eq!(bytes, packed("b.zip", "page"));
    assert_ne!(bytes, packed("c.zip", "alto"));
    let mut zip = zip::ZipArchive::new(std::io::Cursor::new(bytes)).unwrap();
    let names: Vec<String> = zip.file_names().map(|name| name.unwrap().into_owned()).collect();
    assert_eq!(names, ["0001.jpg", "0001.xml", "METS.xml"]);
    // no clock is in it
    let time = zip.by_name("0001.xml").unwrap().last_modified().unwrap();
    assert_eq!(time, zip::DateTime::default());
    let mut mets = String::new();
    std::io::Read::read_to_string(&mut zip.by_name("METS.xml").unwrap(), &mut mets).unwrap();
    assert!(mets.contains("<FLocat LOCTYPE=\"URL\" xlink:href=\"0001.jpg\"/>"), "{mets}");
    // nothing is left beside
    let left: Vec<_> = fs_err::read_dir(&folder.path).unwrap().collect();
    assert_eq!(left.len(), 5);
}
