//! LabelMe: a JSON file for each image; the XML of its older web tool is read, too.
//!
//! The fields are those of labelme's own `label_file.py` (<https://github.com/wkentaro/labelme>).
//! Polygons of one label and one group are parts of one thing, as its converters have it. What a
//! program adds to a shape (labelme keeps it) is an attribute.

mod read;
mod web;
mod write;

use super::pages::files::{self, read_each};
use super::{Format, Holding, Look, ReadOptions, Recognised, WriteOptions};
use crate::error::Result;
use crate::model::{Dataset, Feature};
use crate::staging::Staging;
use crate::xml::XmlFile;

pub use read::image as read_image;
pub use web::is_its as is_of_the_web_tool;

pub struct LabelMe;

impl Format for LabelMe {
    fn name(&self) -> &'static str {
        "labelme"
    }

    fn title(&self) -> &'static str {
        "LabelMe"
    }

    fn specification(&self) -> &'static str {
        "https://github.com/wkentaro/labelme/blob/main/labelme/label_file.py"
    }

    fn holding(&self, feature: Feature) -> Holding {
        use Feature as F;
        match feature {
            F::Boxes
            | F::Polygons
            | F::PolygonParts
            | F::Masks
            | F::OverlappingAreas
            | F::Polylines
            | F::Points
            | F::Fractions
            | F::Groups
            | F::Attributes
            | F::Scores
            | F::CategoryNames
            | F::ImageSizes
            | F::ImageLabels
            | F::EmptyImages
            | F::Splits => Holding::Kept,
            F::PolygonHoles => Holding::Changed("drawn as masks"),
            F::RotatedBoxes => Holding::Changed("polygons of four corners"),
            F::Ellipses => Holding::Changed("circles, or polygons of 32 corners"),
            F::Difficult | F::Truncated | F::Occluded | F::Crowd => Holding::Changed("flags"),
            F::Transcriptions => Holding::Changed("descriptions"),
            F::Captions => Holding::Dropped,
            _ => Holding::Dropped,
        }
    }

    fn recognise(&self, look: &Look) -> Option<Recognised> {
        let is_its = |head: &str| head.contains("\"shapes\"") && head.trim_start().starts_with('{');
        files::recognise(look, &["json"], "LabelMe", is_its)
            .or_else(|| files::recognise(look, &["xml"], "LabelMe's web tool's", web::is_its))
    }

    fn read(&self, look: &Look, _: &ReadOptions) -> Result<Dataset> {
        let is_json = |head: &str| head.contains("\"shapes\"");
        if files::recognise(look, &["json"], "LabelMe", is_json).is_none() {
            return read_each(look, &["xml"], |path, relative| {
                match web::is_its(&Look::head(path)) {
                    true => web::image(look, &XmlFile::read(path)?, relative),
                    false => Ok(None),
                }
            });
        }
        read_each(look, &["json"], |path, relative| {
            read::image(path, &fs_err::read(path)?, &|named| files::resolve(look, relative, named))
        })
    }

    fn single_file(&self) -> Option<&'static str> {
        Some("json")
    }

    fn write(&self, dataset: &Dataset, output: &Staging, _: &WriteOptions) -> Result<()> {
        files::write_each(dataset, output, "json", |image, annotations, called| {
            write::document(dataset, image, annotations, called)
        })
    }
}
