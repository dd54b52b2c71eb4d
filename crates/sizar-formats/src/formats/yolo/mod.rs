//! YOLO as Ultralytics reads it: a text file per image, and `data.yaml`.
//!
//! Boxes, polygons and keypoints in fractions of the image's size
//! (<https://docs.ultralytics.com/datasets/detect/>, `/segment/`, `/pose/`). A label file lies where
//! its image does with the last `images` in the path replaced by `labels`. Darknet's older layout is
//! read, too.

mod darknet;
mod read;
mod write;

use super::{Format, Holding, Look, ReadOptions, Recognised, WriteOptions};
use crate::error::Result;
use crate::model::{Dataset, Feature};
use crate::staging::Staging;

pub struct Yolo;

impl Format for Yolo {
    fn name(&self) -> &'static str {
        "yolo"
    }

    fn title(&self) -> &'static str {
        "YOLO"
    }

    fn specification(&self) -> &'static str {
        "https://docs.ultralytics.com/datasets/detect/"
    }

    fn holding(&self, feature: Feature) -> Holding {
        use Feature as F;
        match feature {
            F::Boxes
            | F::Polygons
            | F::Keypoints
            | F::HiddenKeypoints
            | F::OverlappingAreas
            | F::CategoryNames
            | F::UnusedCategories
            | F::Splits
            | F::EmptyImages => Holding::Kept,
            F::Fractions => Holding::Changed("to a billionth of the image's size"),
            F::PolygonParts | F::PolygonHoles => {
                Holding::Changed("joined into one ring by lines of no width")
            }
            F::Masks => Holding::Changed("polygons along the pixels' borders"),
            F::Ellipses => Holding::Changed("polygons of 64 points"),
            F::RotatedBoxes | F::Polylines | F::Points => Holding::Changed("the upright box"),
            F::Areas | F::ImageSizes => Holding::Changed("those of the files"),
            F::CategoryIds => Holding::Changed("numbered from 0 in their order"),
            F::Skeletons => Holding::Changed("the number of points"),
            _ => Holding::Dropped,
        }
    }

    fn variants(&self) -> &'static [&'static str] {
        &["detect", "segment", "pose"]
    }

    fn variant_for(&self, dataset: &Dataset) -> Option<&'static str> {
        Some(write::variant_for(dataset))
    }

    fn holding_in(&self, feature: Feature, variant: Option<&str>) -> Holding {
        use Feature as F;
        match (variant, feature) {
            (
                Some("detect" | "pose"),
                F::Polygons | F::PolygonParts | F::PolygonHoles | F::Masks | F::Ellipses,
            ) => Holding::Changed("the box"),
            (Some("detect" | "segment"), F::Keypoints | F::HiddenKeypoints | F::Skeletons) => {
                Holding::Dropped
            }
            _ => self.holding(feature),
        }
    }

    fn recognise(&self, look: &Look) -> Option<Recognised> {
        if let Some(yaml) = read::yaml(look) {
            let name = yaml.file_name().unwrap_or_default();
            return Recognised::sure(format!("`{name}` has `names` and `train` or `val`"));
        }
        if let Some(data) = darknet::find(look).filter(|file| !darknet::is_stray(file, look)) {
            let name = data.file_name().unwrap_or_default();
            return Recognised::sure(format!("`{name}` has `names` and lists of images"));
        }
        let labels = look.files().iter().filter(|file| {
            file.extension() == Some("txt")
                && file.components().any(|part| part.as_str() == "labels")
        });
        let first = look.path().join(labels.into_iter().next()?);
        let head = Look::head(&first);
        let row = head.lines().next()?;
        let is_row = row.split_whitespace().count() >= 5
            && row.split_whitespace().all(|value| value.parse::<f64>().is_ok());
        is_row.then(|| Recognised::likely("`labels` holds rows of a class and fractions")).flatten()
    }

    fn read(&self, look: &Look, options: &ReadOptions) -> Result<Dataset> {
        read::read(look, options)
    }

    fn write(&self, dataset: &Dataset, output: &Staging, options: &WriteOptions) -> Result<()> {
        write::write(dataset, output, options.variant.as_deref())
    }
}
