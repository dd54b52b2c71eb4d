//! PAGE XML: regions, lines, baselines, text and reading order of a page.
//!
//! The rules are the schemas of <https://github.com/PRImA-Research-Lab/PAGE-XML>; 2013-07-15 and
//! 2019-07-15 are written, older and newer ones are read as well. Types of regions and lines that
//! the schema doesn't know are written as Transkribus, eScriptorium and kraken write them:
//! `custom="structure {type:…;}"`.

mod read;
pub mod schema;
mod write;

use super::pages::files::read_each;
use super::{Format, Holding, Look, ReadOptions, Recognised, WriteOptions};
use crate::error::Result;
use crate::model::{Dataset, Feature, Note};
use crate::staging::Staging;
use crate::xml::XmlFile;

pub use read::page;
pub use write::{Version, document};

pub struct Page;

impl Format for Page {
    fn name(&self) -> &'static str {
        "page"
    }

    fn title(&self) -> &'static str {
        "PAGE XML"
    }

    fn specification(&self) -> &'static str {
        "https://github.com/PRImA-Research-Lab/PAGE-XML"
    }

    fn holding(&self, feature: Feature) -> Holding {
        match feature {
            Feature::Polygons
            | Feature::OverlappingAreas
            | Feature::Baselines
            | Feature::Transcriptions
            | Feature::Readings
            | Feature::ReadingOrder
            | Feature::NestedReadingOrder
            | Feature::RegionTypes
            | Feature::Hierarchy
            | Feature::Words
            | Feature::Glyphs
            | Feature::ImageSizes
            | Feature::EmptyImages
            | Feature::Splits
            | Feature::CategoryNames => Holding::Kept,
            Feature::Boxes => Holding::Changed("polygons of four corners"),
            Feature::RotatedBoxes => Holding::Changed("upright boxes"),
            Feature::PolygonParts => Holding::Changed("the largest part"),
            Feature::PolygonHoles => Holding::Changed("filled"),
            Feature::Masks => Holding::Changed("their boxes"),
            Feature::Polylines => Holding::Changed("baselines of lines"),
            Feature::Ellipses => Holding::Changed("polygons of 32 corners"),
            Feature::Fractions => Holding::Changed("rounded to whole pixels"),
            Feature::Supercategories => Holding::Changed("regions of PAGE only"),
            Feature::Attributes => Holding::Changed("those that PAGE knows"),
            Feature::Provenance => Holding::Changed("creator and date"),
            _ => Holding::Dropped,
        }
    }

    fn variants(&self) -> &'static [&'static str] {
        &["2013", "2013-07-15", "2019", "2019-07-15"]
    }

    fn recognise(&self, look: &Look) -> Option<Recognised> {
        super::pages::files::recognise(look, &["xml"], "PAGE", |head| head.contains("PcGts"))
    }

    fn read(&self, look: &Look, _: &ReadOptions) -> Result<Dataset> {
        read_each(look, &["xml"], |path, relative| {
            page(&XmlFile::read(path)?, &|named| super::pages::resolve(look, relative, named))
        })
    }

    fn single_file(&self) -> Option<&'static str> {
        Some("xml")
    }

    fn write(&self, dataset: &Dataset, output: &Staging, options: &WriteOptions) -> Result<()> {
        let version = Version::named(options.variant.as_deref())?;
        super::pages::files::write_each(dataset, output, "xml", |image, annotations, called| {
            Ok(document(dataset, image, annotations, called, version))
        })
    }

    fn schema_faults(&self, look: &Look) -> Result<Vec<Note>> {
        super::pages::files::faults_of_each(look, &["xml"], |file| schema::faults(&file))
    }
}
