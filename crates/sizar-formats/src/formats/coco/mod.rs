//! MS COCO: detection, masks, keypoints, captions, panoptic.
//!
//! The fields are those of <https://cocodataset.org/#format-data>; what readers make of them is
//! settled by pycocotools (<https://github.com/cocodataset/cocoapi>).

mod annotation;
mod layout;
mod panoptic;
mod read;
mod results;
mod write;

use camino::Utf8Path;

use super::{Format, Holding, Look, ReadOptions, Recognised, WriteOptions};
use crate::error::{FormatError, Result};
use crate::model::{Dataset, Feature};
use crate::staging::{Placing, Staging};

pub use read::read;

pub struct Coco;

/// The form of data sets in which annotations have places; it is not asked for by name.
const INSTANCES: &str = "instances";

impl Format for Coco {
    fn name(&self) -> &'static str {
        "coco"
    }

    fn title(&self) -> &'static str {
        "MS COCO"
    }

    fn specification(&self) -> &'static str {
        "https://cocodataset.org/#format-data"
    }

    fn holding(&self, feature: Feature) -> Holding {
        use Feature as F;
        match feature {
            F::ImageLabels => Holding::Changed("an annotation without a place"),
            F::RotatedBoxes => {
                Holding::Changed("the box before it is turned, and the turn in `attributes`")
            }
            F::PolygonHoles => Holding::Changed("a mask of runs, exact to the pixel"),
            F::Polylines | F::Points => Holding::Changed("the box around them"),
            F::Ellipses => Holding::Changed("polygons of 64 points"),
            F::Baselines
            | F::Transcriptions
            | F::Readings
            | F::ReadingOrder
            | F::NestedReadingOrder
            | F::RegionTypes
            | F::Hierarchy
            | F::Words
            | F::Glyphs
            | F::Difficult
            | F::Truncated
            | F::Poses
            | F::Groups => Holding::Dropped,
            _ => Holding::Kept,
        }
    }

    fn variants(&self) -> &'static [&'static str] {
        &["panoptic"]
    }

    /// Where something has a place in its image, the files are of instances.
    fn variant_for(&self, dataset: &Dataset) -> Option<&'static str> {
        write::has_places(dataset).then_some(INSTANCES)
    }

    fn holding_in(&self, feature: Feature, variant: Option<&str>) -> Holding {
        match (variant, feature) {
            // what evaluates instances looks for the box of each
            (Some(INSTANCES | "panoptic"), Feature::ImageLabels) => Holding::Dropped,
            _ => self.holding(feature),
        }
    }

    fn recognise(&self, look: &Look) -> Option<Recognised> {
        if look.is_folder() {
            let documents = layout::documents(look);
            let Some(first) = documents.first() else {
                let first = results::documents(look).into_iter().next()?;
                let name = first.strip_prefix(look.path()).unwrap_or(&first);
                return Recognised::likely(format!("`{name}` is a list of results"));
            };
            let name = first.file.strip_prefix(look.path()).unwrap_or(&first.file);
            return Recognised::sure(match documents.len() {
                1 => format!("`{name}` has `images` and `annotations`"),
                n => format!("`{name}` and {} more have `images` and `annotations`", n - 1),
            });
        }
        if layout::is_coco(look.path()) {
            return Recognised::sure("the file has `images` and `annotations`");
        }
        if results::is_results(look.path()) {
            return Recognised::sure("the file is a list of results with `image_id` and `score`");
        }
        None
    }

    fn read(&self, look: &Look, options: &ReadOptions) -> Result<Dataset> {
        if let Some(truth) = &options.images_of {
            let results = results::documents(look);
            return results::read(results.first().map_or(look.path(), |file| file), truth);
        }
        let documents = layout::documents(look);
        if documents.is_empty() {
            if let (true, Some(file)) = (look.is_folder(), results::documents(look).first()) {
                return read(file);
            }
            if !look.is_folder() {
                // says what is wrong with it
                return read(look.path());
            }
            return Err(FormatError::Unrecognised {
                path: look.path().to_owned(),
                looked_for: "a JSON file with `images` and `annotations`".into(),
            });
        }
        let mut whole: Option<Dataset> = None;
        for document in documents {
            let mut dataset = read(&document.file)?;
            panoptic::decode(&mut dataset, &document.file)?;
            dataset.roots = layout::roots(look, &document.file);
            if let Some(split) = &document.split {
                let split = dataset.split(split);
                dataset.images.iter_mut().for_each(|image| image.splits.insert(split));
            }
            match &mut whole {
                None => whole = Some(dataset),
                Some(whole) => layout::merge(whole, dataset),
            }
        }
        Ok(whole.unwrap_or_default())
    }

    fn single_file(&self) -> Option<&'static str> {
        Some("json")
    }

    fn write(&self, dataset: &Dataset, output: &Staging, options: &WriteOptions) -> Result<()> {
        if options.variant.as_deref() == Some("panoptic") {
            return panoptic::write(dataset, output);
        }
        let all = vec![true; dataset.images.len()];
        // images that stay where they are keep the names by which they are found there
        let as_they_are =
            || dataset.images.iter().map(|image| image.name.to_string()).collect::<Vec<_>>();
        if output.is_file() {
            return write::write(dataset, &all, &as_they_are(), output.create_single()?);
        }
        let mut outside: Vec<bool> = dataset.images.iter().map(|i| i.splits.is_empty()).collect();
        if dataset.splits.is_empty() {
            outside.fill(true);
        }
        let keeps = output.placing() == Placing::Leave;
        let names = if keeps { as_they_are() } else { layout::names(dataset) };
        let mut parts: Vec<(&str, Vec<bool>)> = Vec::new();
        for (at, split) in dataset.splits.iter().enumerate() {
            let chosen = dataset.images.iter().map(|i| i.splits.contains(at as u8)).collect();
            parts.push((split, chosen));
        }
        if outside.contains(&true) {
            parts.push(("", outside));
        }
        for (split, chosen) in parts {
            if !chosen.contains(&true) {
                continue;
            }
            let folder = if split.is_empty() { "images" } else { split };
            let file = match split {
                "" => "annotations/instances.json".to_owned(),
                split => format!("annotations/instances_{split}.json"),
            };
            write::write(dataset, &chosen, &names, output.create(file)?)?;
            if !keeps {
                for (at, image) in dataset.images.iter().enumerate().filter(|(at, _)| chosen[*at]) {
                    output.place_image(image, Utf8Path::new(folder).join(&names[at]))?;
                }
            }
        }
        Ok(())
    }
}
