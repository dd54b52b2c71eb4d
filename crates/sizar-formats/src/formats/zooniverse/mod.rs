//! Zooniverse: images for volunteers, and what the volunteers marked.
//!
//! Written is a subject set: images side by side and `manifest.csv`, as the project builder's
//! uploader and `panoptes subject-set upload-subjects` take them. Columns that begin with `#` are
//! hidden from volunteers (<https://help.zooniverse.org/next-steps/subject-uploads/>).
//!
//! Read is a classification export (<https://help.zooniverse.org/next-steps/data-exports/>), with
//! several volunteers for each image: [`merge`] says how they are brought together. They belong to
//! a workflow: what several workflows find on one image is found apart, and comes together on it.

mod collected;
pub mod drawing;
mod export;
mod manifest;
pub mod mark;
pub mod merge;
mod read;
mod subject;
mod task;
mod together;

use super::{Format, Holding, Look, ReadOptions, Recognised, WriteOptions};
use crate::error::Result;
use crate::model::{Dataset, Feature};
use crate::staging::Staging;

pub use merge::Agreement;
pub use read::classifications;

pub struct Zooniverse;

impl Format for Zooniverse {
    fn name(&self) -> &'static str {
        "zooniverse"
    }

    fn title(&self) -> &'static str {
        "Zooniverse"
    }

    fn specification(&self) -> &'static str {
        "https://help.zooniverse.org/next-steps/data-exports/"
    }

    fn holding(&self, feature: Feature) -> Holding {
        match feature {
            Feature::EmptyImages | Feature::ImageSizes => Holding::Kept,
            Feature::Provenance => Holding::Changed("address, author and source"),
            _ => Holding::Dropped,
        }
    }

    fn recognise(&self, look: &Look) -> Option<Recognised> {
        let is_its = |head: &str| {
            let header = head.lines().next().unwrap_or_default();
            ["classification_id", "annotations", "subject_data"]
                .iter()
                .all(|column| header.contains(column))
        };
        let title = "a classification export of Zooniverse";
        super::pages::files::recognise(look, &["csv"], title, is_its)
    }

    fn read(&self, look: &Look, options: &ReadOptions) -> Result<Dataset> {
        let mut dataset = super::pages::read_each(look, &["csv"], |path, _| {
            let file = std::io::BufReader::new(fs_err::File::open(path)?);
            classifications(path, file, &options.agreement)
        })?;
        dataset.roots.push(look.folder().join("images"));
        Ok(dataset)
    }

    fn names_images(&self) -> bool {
        true
    }

    fn write(&self, dataset: &Dataset, output: &Staging, _: &WriteOptions) -> Result<()> {
        export::write(dataset, output)
    }
}
