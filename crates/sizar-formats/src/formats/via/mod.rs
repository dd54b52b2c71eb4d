//! VGG Image Annotator, version 2: one JSON file.
//!
//! The fields are those of <https://www.robots.ox.ac.uk/~vgg/software/via/>: a saved project, or
//! the annotations exported from one. A region's class is one of its attributes. Which one, the
//! file doesn't say: it is the only one that is chosen from a list, or the one that is called
//! `class`, `category`, `label`, `type`, `name` or `object`.

mod read;
mod write;

use super::{Format, Holding, Look, ReadOptions, Recognised, WriteOptions};
use crate::error::Result;
use crate::model::{Dataset, Feature};
use crate::staging::Staging;

pub use read::document as read_document;

pub struct Via;

impl Format for Via {
    fn name(&self) -> &'static str {
        "via"
    }

    fn title(&self) -> &'static str {
        "VIA"
    }

    fn specification(&self) -> &'static str {
        "https://www.robots.ox.ac.uk/~vgg/software/via/"
    }

    fn holding(&self, feature: Feature) -> Holding {
        use Feature as F;
        match feature {
            F::Boxes
            | F::Polygons
            | F::OverlappingAreas
            | F::Polylines
            | F::Points
            | F::Ellipses
            | F::Fractions
            | F::Transcriptions
            | F::Captions
            | F::CategoryNames
            | F::ImageAttributes
            | F::EmptyImages => Holding::Kept,
            F::Attributes => Holding::Changed("text"),
            F::PolygonParts => Holding::Changed("a region each"),
            F::PolygonHoles => Holding::Changed("filled"),
            F::Masks | F::RotatedBoxes => Holding::Changed("upright boxes"),
            F::Baselines => Holding::Changed("open lines, where there is no outline"),
            F::ImageLabels => Holding::Changed("attributes of the image"),
            F::ImageSizes => Holding::Changed("those of the files"),
            _ => Holding::Dropped,
        }
    }

    fn recognise(&self, look: &Look) -> Option<Recognised> {
        let is_its = |head: &str| {
            head.contains("\"_via_")
                || (head.contains("\"shape_attributes\"") && head.contains("\"filename\""))
                || (head.contains("\"file_attributes\"") && head.contains("\"regions\""))
        };
        super::pages::files::recognise(look, &["json"], "VIA", is_its)
    }

    fn read(&self, look: &Look, _: &ReadOptions) -> Result<Dataset> {
        let mut dataset = super::pages::read_each(look, &["json"], |path, relative| {
            read::document(path, relative, &fs_err::read(path)?)
        })?;
        dataset.roots.push(look.folder().join("images"));
        Ok(dataset)
    }

    fn single_file(&self) -> Option<&'static str> {
        Some("json")
    }

    fn write(&self, dataset: &Dataset, output: &Staging, _: &WriteOptions) -> Result<()> {
        write::write(dataset, output)
    }
}
