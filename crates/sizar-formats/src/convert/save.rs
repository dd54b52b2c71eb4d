//! Writes a data set in another format, under its final name when it is whole.

use camino::{Utf8Path, Utf8PathBuf};

use crate::error::{FormatError, Result};
use crate::formats::{Format, WriteOptions, check_variant};
use crate::model::Dataset;
use crate::staging::{Encoding, Placing, Staging};

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Saved {
    pub path: Utf8PathBuf,
    /// Images whose files were to be put there and are missing.
    pub missing: Vec<Box<str>>,
    /// What its user should know, in whole sentences.
    pub notes: Vec<String>,
}

/// Writes `dataset` to `to`: one file where the name ends as the format's single files do, an
/// archive of the folder where it ends with `.zip`.
pub fn save(
    dataset: &mut Dataset,
    format: &dyn Format,
    to: &Utf8Path,
    placing: Placing,
    options: &WriteOptions,
) -> Result<Saved> {
    if !format.is_written() {
        return Err(FormatError::NotWritten { format: format.title() });
    }
    refuse_without_images(dataset)?;
    check_variant(format, options.variant.as_deref())?;
    if format.names_images() {
        // by the names that they have
    } else if let Placing::Encode(encoding) = placing {
        renamed(dataset, encoding);
    } else {
        derived_names(dataset);
    }
    let is_file = format.single_file().is_some_and(|ending| {
        to.extension().is_some_and(|extension| extension.eq_ignore_ascii_case(ending))
    });
    let is_archive = to.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("zip"));
    let staging = match (is_file, is_archive) {
        (true, _) => Staging::file(to)?,
        (false, true) => Staging::archive(to, placing)?,
        (false, false) => Staging::folder(to, placing)?,
    };
    format.write(dataset, &staging, options)?;
    let (missing, notes) = (staging.missing(), staging.notes());
    staging.finish()?;
    Ok(Saved { path: to.to_owned(), missing, notes })
}

/// Refuses a list of results whose images nobody has named.
pub fn refuse_without_images(dataset: &Dataset) -> Result<()> {
    if !dataset.lacks_images {
        return Ok(());
    }
    let what = "a list of results knows its images by their ids only";
    Err(FormatError::cannot_write(what)
        .with_hint("name the COCO file whose images and categories they are: `--images-of FILE`"))
}

/// Gives images the ending of the format that they are written in.
fn renamed(dataset: &mut Dataset, encoding: Encoding) {
    for image in &mut dataset.images {
        let name = Utf8Path::new(&*image.name).with_extension(encoding.extension());
        image.name = name.as_str().into();
    }
}

/// Cut and scaled images are written as PNG or JPEG, whatever they were.
fn derived_names(dataset: &mut Dataset) {
    for image in dataset.images.iter_mut().filter(|image| image.derivation.is_some()) {
        let name = Utf8Path::new(&*image.name);
        if !matches!(name.extension(), Some("jpg" | "jpeg" | "png" | "JPG" | "JPEG" | "PNG")) {
            image.name = name.with_extension("png").as_str().into();
        }
    }
}
