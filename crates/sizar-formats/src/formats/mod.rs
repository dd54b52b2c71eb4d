//! The formats: what each of them is asked, and the list of all.
//!
//! A format is a file or a folder here that implements [`Format`], and a line in [`ALL`].

pub mod alto;
pub mod boxes_csv;
pub mod coco;
pub mod cvat;
pub mod escriptorium;
pub mod hocr;
pub mod holding;
pub mod imagefolder;
pub mod labelme;
pub mod look;
pub mod mask;
pub mod page;
pub mod pages;
pub mod via;
pub mod voc;
pub mod yolo;
pub mod zooniverse;

use crate::error::{FormatError, Result};
use crate::model::{Dataset, Feature, Note};
use crate::staging::Staging;

pub use holding::{Holding, Loss, losses};
pub use look::Look;

/// A way in which annotated images lie on a disk.
pub trait Format: Sync {
    /// Its name on the command line, like `coco`.
    fn name(&self) -> &'static str;

    /// Its name in a sentence, like `MS COCO`.
    fn title(&self) -> &'static str;

    /// The address of its specification.
    fn specification(&self) -> &'static str;

    /// What becomes of `feature` when a data set is written in this format.
    fn holding(&self, feature: Feature) -> Holding;

    /// The variants that [`WriteOptions::variant`] may name here.
    fn variants(&self) -> &'static [&'static str] {
        &[]
    }

    /// The variant that `dataset` is written in where none is asked for.
    fn variant_for(&self, _dataset: &Dataset) -> Option<&'static str> {
        None
    }

    /// What becomes of `feature` in a variant, where that makes a difference.
    fn holding_in(&self, feature: Feature, _variant: Option<&str>) -> Holding {
        self.holding(feature)
    }

    /// Tells whether `look` shows this format; it reads the heads of a few files at most.
    fn recognise(&self, look: &Look) -> Option<Recognised>;

    /// Reads what lies at `look`.
    ///
    /// Pixels are read only where they are the annotation, as in masks. Names of images are kept
    /// as written; finding their files is [`crate::pixels::locate`]'s work.
    fn read(&self, look: &Look, options: &ReadOptions) -> Result<Dataset>;

    /// The extension of a data set in one file, like `json`, where there is such a thing.
    fn single_file(&self) -> Option<&'static str> {
        None
    }

    /// Writes `dataset` into `output`: the same bytes for the same data set.
    ///
    /// What [`Format::holding`] says it can't hold is left out silently: it was said before.
    fn write(&self, _dataset: &Dataset, _output: &Staging, _options: &WriteOptions) -> Result<()> {
        Err(FormatError::NotWritten { format: self.title() })
    }

    /// Holds the files at `look` against their published schema, where the format has one.
    fn schema_faults(&self, _look: &Look) -> Result<Vec<Note>> {
        Ok(Vec::new())
    }

    /// Returns the only ending of images that the field's loaders of this format look for, where
    /// there is one.
    fn image_ending(&self) -> Option<&'static str> {
        None
    }

    /// Tells whether [`Format::write`] gives images names of its own, so that it needs those that
    /// they had.
    fn names_images(&self) -> bool {
        false
    }

    /// Tells whether [`Format::write`] does something.
    fn is_written(&self) -> bool {
        true
    }
}

/// How sure a format is that a folder or a file is its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Certainty {
    /// Images in folders could be anything.
    Possible,
    /// The names fit.
    Likely,
    /// The content says so.
    Sure,
}

/// What made a format recognise its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recognised {
    pub certainty: Certainty,
    /// A fragment, like "`annotations/instances_val.json` has `images` and `annotations`".
    pub why: String,
}

impl Recognised {
    pub fn sure(why: impl Into<String>) -> Option<Self> {
        Some(Self { certainty: Certainty::Sure, why: why.into() })
    }

    pub fn likely(why: impl Into<String>) -> Option<Self> {
        Some(Self { certainty: Certainty::Likely, why: why.into() })
    }

    pub fn possible(why: impl Into<String>) -> Option<Self> {
        Some(Self { certainty: Certainty::Possible, why: why.into() })
    }
}

/// What a reader can't know from the files.
#[derive(Clone, Debug, Default)]
pub struct ReadOptions {
    /// Names of the categories, in order, for formats that number them only.
    pub classes: Option<Vec<String>>,
    /// Whether boxes with whole corners count pixels from 0 or 1; the format's rule if `None`.
    pub origin: Option<u8>,
    /// The data set whose images and categories a list of results means.
    pub images_of: Option<camino::Utf8PathBuf>,
    /// When several people who marked one image agree.
    pub agreement: zooniverse::Agreement,
}

/// How a data set is written.
#[derive(Clone, Debug, Default)]
pub struct WriteOptions {
    /// The variant of a format that has several, like `panoptic` for COCO or `2013` for PAGE.
    pub variant: Option<String>,
}

/// All formats; the order decides between equally sure ones.
pub static ALL: &[&dyn Format] = &[
    &coco::Coco,
    &voc::Voc,
    &page::Page,
    &alto::Alto,
    &escriptorium::EScriptorium,
    &hocr::Hocr,
    &labelme::LabelMe,
    &cvat::Cvat,
    &via::Via,
    &zooniverse::Zooniverse,
    &yolo::Yolo,
    &boxes_csv::BoxesCsv,
    &mask::Mask,
    &imagefolder::ImageFolder,
];

/// Returns the format of this name.
pub fn named(name: &str) -> Result<&'static dyn Format> {
    ALL.iter()
        .copied()
        .find(|format| format.name() == name)
        .ok_or_else(|| FormatError::UnknownFormat { name: name.to_owned(), known: names() })
}

/// Refuses a variant that `format` doesn't have.
pub fn check_variant(format: &dyn Format, variant: Option<&str>) -> Result<()> {
    let Some(name) = variant.filter(|name| !format.variants().contains(name)) else {
        return Ok(());
    };
    let known: Vec<String> = format.variants().iter().map(|name| format!("`{name}`")).collect();
    let error = FormatError::cannot_write(format!("{} has no variant `{name}`", format.title()));
    Err(error.with_hint(match known.is_empty() {
        true => "leave `--variant` out".to_owned(),
        false => format!("known are {}", known.join(", ")),
    }))
}

/// Returns the names of all formats, for a sentence.
pub fn names() -> String {
    ALL.iter().map(|format| format!("`{}`", format.name())).collect::<Vec<_>>().join(", ")
}

/// Returns the formats that recognise what lies at `look`, the surest first.
pub fn recognise(look: &Look) -> Vec<(&'static dyn Format, Recognised)> {
    let mut found: Vec<(&'static dyn Format, Recognised)> = ALL
        .iter()
        .filter_map(|format| format.recognise(look).map(|recognised| (*format, recognised)))
        .collect();
    found.sort_by_key(|(_, recognised)| std::cmp::Reverse(recognised.certainty));
    found
}

/// Returns the format of what lies at `look`: the one that was named, or the surest.
pub fn choose(look: &Look, name: Option<&str>) -> Result<&'static dyn Format> {
    if let Some(name) = name {
        return named(name);
    }
    recognise(look).first().map(|(format, _)| *format).ok_or_else(|| FormatError::Unrecognised {
        path: look.path().to_owned(),
        looked_for: names(),
    })
}
