//! Where a data set that is shown comes from, for the record of the run.

use sizar_formats::formats::Look;
use sizar_model::DataOrigin;

use super::identity::of_contents;
use super::{Expectation, FittingError, FormatWish, LaidOut};

/// Returns what the record of a run says of a data set that was laid out.
///
/// # Errors
///
/// [`FittingError`] where the user's data cannot be read any more.
pub fn origin(
    wish: &FormatWish,
    expected: &Expectation,
    laid_out: &LaidOut,
) -> Result<DataOrigin, FittingError> {
    let record = laid_out.record.as_ref();
    let losses = record.iter().flat_map(|record| &record.losses);
    Ok(DataOrigin {
        data: wish.path.clone(),
        format: record.map_or(expected.format, |record| &record.from).to_owned(),
        digest: of_contents(&Look::at(&wish.path)?)?,
        images: record.map(|record| record.images as u64),
        annotations: record.map(|record| record.annotations as u64),
        shown_as: expected.format.to_owned(),
        shape: expected.shape.map(|shape| shape.name.clone()),
        converted: record.is_some(),
        losses: losses
            .map(|lost| format!("{} ({}): {}", lost.what, lost.count, lost.becomes))
            .collect(),
        places: laid_out.bindings.iter().map(|binding| binding.there.clone()).collect(),
        reasons: expected.reasons.iter().map(ToString::to_string).collect(),
    })
}
