//! What a format can hold, and from that the loss table of a conversion.

use serde::Serialize;

use super::{Format, WriteOptions};
use crate::model::{Dataset, Feature, features};
use crate::raster::overlap::overlapping;

/// What becomes of a feature in a format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holding {
    /// It is kept as it is.
    Kept,
    /// It is kept in another form, said here: a fragment, like "rounded to whole pixels".
    Changed(&'static str),
    /// It is left out.
    Dropped,
}

/// A row of the loss table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Loss {
    pub feature: Feature,
    /// The feature in words.
    pub what: &'static str,
    /// How often the data set uses it.
    pub count: u64,
    /// What becomes of it: a fragment.
    pub becomes: &'static str,
    /// Whether nothing of it is left.
    pub dropped: bool,
}

/// Returns what `format`, written with `options`, can't hold of `dataset` as it is.
pub fn losses(dataset: &Dataset, format: &dyn Format, options: &WriteOptions) -> Vec<Loss> {
    let variant = options.variant.as_deref().or_else(|| format.variant_for(dataset));
    let holding = |feature| format.holding_in(feature, variant);
    let mut used = features::used(dataset);
    // looked for only where it matters: it is the one feature that has to be drawn
    if holding(Feature::OverlappingAreas) != Holding::Kept {
        let boxes = holding(Feature::Boxes) != Holding::Kept;
        let count = overlapping(dataset, boxes);
        if count > 0 {
            used.insert(Feature::OverlappingAreas, count);
        }
    }
    used.into_iter()
        .filter_map(|(feature, count)| {
            let (becomes, dropped) = match holding(feature) {
                Holding::Kept => return None,
                Holding::Changed(how) => (how, false),
                Holding::Dropped => ("left out", true),
            };
            Some(Loss { feature, what: feature.words(), count, becomes, dropped })
        })
        .collect()
}
