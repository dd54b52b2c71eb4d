//! Pascal VOC: an XML file per image, lists of images, masks with a border to be ignored.
//!
//! The layout, the fields and the palette are those of the development kit
//! (<http://host.robots.ox.ac.uk/pascal/VOC/voc2012/htmldoc/devkit_doc.html>). Its pixels count
//! from 1 and its boxes include their last pixel: `xmin = 1, xmax = 1` is one pixel wide.

pub(super) mod lists;
mod masks;
mod read;
mod write;

use super::{Format, Holding, Look, ReadOptions, Recognised, WriteOptions};
use crate::error::Result;
use crate::model::{Dataset, Feature};
use crate::staging::Staging;

pub struct Voc;

impl Format for Voc {
    fn name(&self) -> &'static str {
        "voc"
    }

    fn title(&self) -> &'static str {
        "Pascal VOC"
    }

    fn specification(&self) -> &'static str {
        "http://host.robots.ox.ac.uk/pascal/VOC/voc2012/htmldoc/devkit_doc.html"
    }

    /// As torchvision's `datasets/voc.py` and the devkit's own `VOCinit.m` have it.
    fn image_ending(&self) -> Option<&'static str> {
        Some("jpg")
    }

    fn holding(&self, feature: Feature) -> Holding {
        use Feature as F;
        match feature {
            F::Boxes
            | F::Difficult
            | F::Truncated
            | F::Occluded
            | F::Poses
            | F::Splits
            | F::CategoryNames
            | F::UnusedCategories
            | F::ImageSizes
            | F::EmptyImages => Holding::Kept,
            F::Masks | F::Polygons | F::PolygonParts | F::PolygonHoles | F::Ellipses => {
                Holding::Changed("the box, and pixels in SegmentationClass and SegmentationObject")
            }
            F::OverlappingAreas => Holding::Changed("the later one is on top"),
            F::Fractions => Holding::Changed("boxes rounded to whole pixels"),
            F::Crowd => Holding::Changed("difficult"),
            F::RotatedBoxes | F::Keypoints | F::Polylines | F::Points => {
                Holding::Changed("the upright box")
            }
            F::Areas => Holding::Changed("those of the boxes"),
            _ => Holding::Dropped,
        }
    }

    fn variants(&self) -> &'static [&'static str] {
        &["boxes"]
    }

    fn holding_in(&self, feature: Feature, variant: Option<&str>) -> Holding {
        use Feature as F;
        match (variant, feature) {
            (
                Some("boxes"),
                F::Masks | F::Polygons | F::PolygonParts | F::PolygonHoles | F::Ellipses,
            ) => Holding::Changed("the box"),
            // boxes may overlap
            (Some("boxes"), F::OverlappingAreas) => Holding::Kept,
            _ => self.holding(feature),
        }
    }

    fn recognise(&self, look: &Look) -> Option<Recognised> {
        let file = look.with_extension(&["xml"]).into_iter().take(20).find(|file| {
            let head = Look::head(file);
            let is_annotation = head.contains("<annotation") && head.contains("<filename>");
            is_annotation && !super::labelme::is_of_the_web_tool(&head)
        })?;
        let name = file.strip_prefix(look.path()).ok().filter(|name| !name.as_str().is_empty());
        let name = name.unwrap_or(&file);
        Recognised::sure(format!("`{name}` has <annotation> and <filename>"))
    }

    fn read(&self, look: &Look, options: &ReadOptions) -> Result<Dataset> {
        read::read(look, options)
    }

    fn write(&self, dataset: &Dataset, output: &Staging, options: &WriteOptions) -> Result<()> {
        write::write(dataset, output, options.variant.as_deref() == Some("boxes"))
    }
}
