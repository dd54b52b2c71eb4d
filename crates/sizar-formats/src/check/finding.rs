//! A finding: what is wrong, where, and whether it can be mended.

use serde::Serialize;

use crate::model::{Dataset, Note};

/// What kind of thing is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Something that the reader noticed.
    Note,
    /// A file that can't be read, where others of its kind can.
    UnreadableFile,
    /// Something that a published schema forbids.
    Schema,
    /// An image whose file isn't there.
    MissingImage,
    /// A file that isn't an image that can be read.
    UnreadableImage,
    /// An image beside the data that no annotation names.
    UnreferencedImage,
    DuplicateId,
    /// Two files of the same content.
    DuplicateFile,
    /// The same content in two splits.
    Leakage,
    /// The annotations say another size than the file.
    WrongSize,
    /// The file says that it is to be turned, which some loaders do and others don't.
    Orientation,
    /// A box that goes beyond its image.
    BoxOutside,
    /// A box of no area.
    EmptyBox,
    /// A polygon of fewer than three points, or of no area.
    DegeneratePolygon,
    /// A polygon whose sides cross.
    CrossedPolygon,
    /// Runs that don't cover their mask, or a mask of another size than the image.
    BadMask,
    /// Keypoints other than the category has.
    BadKeypoints,
    UnusedCategory,
    DuplicateCategory,
    /// An annotation without a category among others that have one.
    NoCategory,
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub kind: Kind,
    /// The image, the annotation or the file.
    pub at: String,
    pub message: String,
    /// Whether `--fix` mends it.
    pub mendable: bool,
}

impl Finding {
    pub fn new(kind: Kind, at: impl Into<String>, message: impl Into<String>) -> Self {
        Self { kind, at: at.into(), message: message.into(), mendable: kind.is_mendable() }
    }
}

impl Kind {
    /// Tells whether what is wrong can be mended without a decision.
    pub fn is_mendable(self) -> bool {
        matches!(
            self,
            Self::MissingImage
                | Self::DuplicateId
                | Self::BoxOutside
                | Self::EmptyBox
                | Self::DegeneratePolygon
                | Self::UnusedCategory
                | Self::DuplicateCategory
        )
    }

    /// Says what `--fix` does about it.
    pub fn mending(self) -> &'static str {
        match self {
            Self::MissingImage => "the image is left out",
            Self::DuplicateId => "all are numbered anew",
            Self::BoxOutside => "the box is cut at the image's border",
            Self::EmptyBox | Self::DegeneratePolygon => "the annotation is left out",
            Self::UnusedCategory => "the category is left out",
            Self::DuplicateCategory => "they become one",
            _ => "",
        }
    }

    /// Returns it as `--json` names it.
    pub fn name(self) -> String {
        serde_json::to_value(self)
            .ok()
            .and_then(|value| value.as_str().map(str::to_owned))
            .unwrap_or_default()
    }
}

/// Turns what readers noticed into findings.
pub fn from_notes(notes: &[Note]) -> Vec<Finding> {
    notes
        .iter()
        .map(|note| {
            let kind = match note.code {
                "duplicate-id" => Kind::DuplicateId,
                "unreadable-image" => Kind::UnreadableImage,
                "unreadable" => Kind::UnreadableFile,
                "schema" => Kind::Schema,
                _ => Kind::Note,
            };
            Finding::new(kind, note.at.to_string(), note.message.clone())
        })
        .collect()
}

/// Says where an annotation is, for people.
pub fn place(dataset: &Dataset, at: usize) -> String {
    let annotation = &dataset.annotations[at];
    let image = dataset.images.get(annotation.image as usize).map_or("?", |image| &*image.name);
    match annotation.id {
        Some(id) => format!("{image}, annotation {id}"),
        None => format!("{image}, annotations[{at}]"),
    }
}
