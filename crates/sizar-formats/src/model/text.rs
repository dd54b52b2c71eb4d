//! What is written on a page, and in which order it is read.

use super::AnnotationIx;

/// One reading of a region, a line or a word.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Transcription {
    pub text: Box<str>,
    /// From 0 to 1.
    pub confidence: Option<f32>,
    /// The language, as the format writes it.
    pub language: Option<Box<str>>,
}

impl Transcription {
    pub fn of(text: impl Into<Box<str>>) -> Self {
        Self { text: text.into(), confidence: None, language: None }
    }
}

/// The order in which regions are read, with groups in groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadingOrder {
    Region(AnnotationIx),
    Ordered(Vec<ReadingOrder>),
    Unordered(Vec<ReadingOrder>),
}

impl ReadingOrder {
    /// Returns the regions one after the other.
    pub fn flat(&self) -> Vec<AnnotationIx> {
        match self {
            Self::Region(region) => vec![*region],
            Self::Ordered(groups) | Self::Unordered(groups) => {
                groups.iter().flat_map(Self::flat).collect()
            }
        }
    }

    /// Tells whether it is more than one list.
    pub fn is_nested(&self) -> bool {
        match self {
            Self::Region(_) => false,
            Self::Ordered(groups) => groups.iter().any(|at| !matches!(at, Self::Region(_))),
            Self::Unordered(_) => true,
        }
    }

    /// Adds `by` to each index.
    pub fn shift(&mut self, by: u32) {
        self.renumber(&mut |at| Some(at + by));
    }

    /// Gives each region the index that `new` says, and leaves out those without.
    pub fn renumber(&mut self, new: &mut impl FnMut(AnnotationIx) -> Option<AnnotationIx>) -> bool {
        match self {
            Self::Region(region) => match new(*region) {
                Some(at) => {
                    *region = at;
                    true
                }
                None => false,
            },
            Self::Ordered(groups) | Self::Unordered(groups) => {
                groups.retain_mut(|group| group.renumber(new));
                !groups.is_empty()
            }
        }
    }
}
