//! CVAT for images 1.1: one XML file.
//!
//! The fields are those of <https://docs.cvat.ai/docs/manual/advanced/xml_format/>. A folder is
//! laid out like CVAT's own export: `annotations.xml`, and images in `images/`, those of a subset in
//! a folder of its name. What is written was imported by CVAT, and what CVAT exports read, in 2026.

mod files;
mod read;
mod write;

use super::{Format, Holding, Look, ReadOptions, Recognised, WriteOptions};
use crate::error::Result;
use crate::model::{Dataset, Feature};
use crate::staging::Staging;
use crate::xml::XmlFile;

pub use read::document as read_document;

pub struct Cvat;

impl Format for Cvat {
    fn name(&self) -> &'static str {
        "cvat"
    }

    fn title(&self) -> &'static str {
        "CVAT"
    }

    fn specification(&self) -> &'static str {
        "https://docs.cvat.ai/docs/manual/advanced/xml_format/"
    }

    fn holding(&self, feature: Feature) -> Holding {
        use Feature as F;
        match feature {
            F::Boxes
            | F::RotatedBoxes
            | F::Polygons
            | F::Masks
            | F::OverlappingAreas
            | F::Polylines
            | F::Points
            | F::Fractions
            | F::HiddenKeypoints
            | F::ImageLabels
            | F::Occluded
            | F::Groups
            | F::CategoryNames
            | F::UnusedCategories
            | F::Colours
            | F::ImageSizes
            | F::EmptyImages
            | F::Ellipses
            | F::Splits => Holding::Kept,
            F::Keypoints => {
                Holding::Changed("skeletons, without boxes and outlines of the same things")
            }
            F::ImageIds => Holding::Changed("numbers of frames, from 0"),
            F::Skeletons => Holding::Changed("their points, without what joins them"),
            F::Attributes => Holding::Changed("text"),
            F::Difficult | F::Truncated | F::Crowd => Holding::Changed("attributes"),
            F::Transcriptions => Holding::Changed("attributes called `text`"),
            F::Baselines => Holding::Changed("open lines, where there is no outline"),
            F::PolygonParts => Holding::Changed("polygons of one group"),
            F::PolygonHoles => Holding::Changed("masks"),
            F::Description => Holding::Changed("the name of the task"),
            _ => Holding::Dropped,
        }
    }

    fn recognise(&self, look: &Look) -> Option<Recognised> {
        let is_its = |head: &str| head.contains("<annotations>") && head.contains("<version>1.1");
        super::pages::files::recognise(look, &["xml"], "CVAT", is_its)
    }

    fn read(&self, look: &Look, _: &ReadOptions) -> Result<Dataset> {
        let mut dataset = super::pages::read_each(look, &["xml"], |path, _| {
            read::document(&XmlFile::read(path)?)
        })?;
        let images = look.folder().join("images");
        files::find(&mut dataset, &images);
        dataset.roots.insert(0, images);
        Ok(dataset)
    }

    fn single_file(&self) -> Option<&'static str> {
        Some("xml")
    }

    fn write(&self, dataset: &Dataset, output: &Staging, _: &WriteOptions) -> Result<()> {
        write::write(dataset, output)
    }
}
