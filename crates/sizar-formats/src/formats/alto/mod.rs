//! ALTO: the layout and the text of a page, as libraries keep it.
//!
//! The rules are the schemas of <https://www.loc.gov/standards/alto/>; version 4.3 is written if
//! nothing else is asked for. Types of blocks and lines are tags, as kraken and eScriptorium write
//! them. Blocks are called by PAGE's words here (see [`super::pages::kinds`]).

mod read;
pub mod schema;
mod write;

use super::pages::files::{self, read_each};
use super::{Format, Holding, Look, ReadOptions, Recognised, WriteOptions};
use crate::error::Result;
use crate::model::{Dataset, Feature, Note};
use crate::staging::Staging;
use crate::xml::XmlFile;

pub use read::pages;
pub use write::{Version, document};

pub struct Alto;

impl Format for Alto {
    fn name(&self) -> &'static str {
        "alto"
    }

    fn title(&self) -> &'static str {
        "ALTO"
    }

    fn specification(&self) -> &'static str {
        "https://www.loc.gov/standards/alto/"
    }

    fn holding(&self, feature: Feature) -> Holding {
        match feature {
            Feature::Boxes
            | Feature::Polygons
            | Feature::OverlappingAreas
            | Feature::Fractions
            | Feature::Baselines
            | Feature::Transcriptions
            | Feature::ReadingOrder
            | Feature::NestedReadingOrder
            | Feature::RegionTypes
            | Feature::Hierarchy
            | Feature::Words
            | Feature::ImageSizes
            | Feature::EmptyImages
            | Feature::Splits
            | Feature::CategoryNames => Holding::Kept,
            Feature::Readings => Holding::Changed("those of words"),
            Feature::Glyphs => Holding::Changed("those of one letter"),
            Feature::RotatedBoxes => Holding::Changed("upright boxes"),
            Feature::PolygonParts => Holding::Changed("the largest part"),
            Feature::PolygonHoles => Holding::Changed("filled"),
            Feature::Masks => Holding::Changed("their boxes"),
            Feature::Polylines => Holding::Changed("baselines of lines"),
            Feature::Ellipses => Holding::Changed("polygons of 32 corners"),
            Feature::Supercategories => Holding::Changed("regions of PAGE only"),
            Feature::Attributes => Holding::Changed("those that ALTO knows"),
            Feature::ImageAttributes => Holding::Changed("those that ALTO knows"),
            _ => Holding::Dropped,
        }
    }

    fn variants(&self) -> &'static [&'static str] {
        &["2", "2.1", "3", "3.1", "4", "4.3"]
    }

    fn recognise(&self, look: &Look) -> Option<Recognised> {
        let is_alto = |head: &str| head.contains("<alto") || head.contains(":alto");
        files::recognise(look, &["xml"], "ALTO", is_alto)
    }

    fn read(&self, look: &Look, _: &ReadOptions) -> Result<Dataset> {
        read_each(look, &["xml"], |path, relative| {
            let image = |named: &str| files::resolve(look, relative, named);
            pages(&XmlFile::read(path)?, &image)
        })
    }

    fn single_file(&self) -> Option<&'static str> {
        Some("xml")
    }

    fn write(&self, dataset: &Dataset, output: &Staging, options: &WriteOptions) -> Result<()> {
        let version = Version::named(options.variant.as_deref())?;
        files::write_each(dataset, output, "xml", |image, annotations, called| {
            Ok(document(dataset, image, annotations, called, version))
        })
    }

    fn schema_faults(&self, look: &Look) -> Result<Vec<Note>> {
        files::faults_of_each(look, &["xml"], |file| schema::faults(&file))
    }
}
