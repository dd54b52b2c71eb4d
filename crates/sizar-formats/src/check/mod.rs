//! What is wrong with a data set, and what of it can be mended without asking.

pub mod crossing;
pub mod files;
pub mod finding;
pub mod geometry;
pub mod mend;

pub use finding::{Finding, Kind};
pub use mend::mend;

use crate::error::Result;
use crate::formats::{Format, Look};
use crate::model::Dataset;

/// Checks annotations, and, where `look` says what lies there, the files.
pub fn check(dataset: &Dataset, look: Option<&Look>) -> Result<Vec<Finding>> {
    let mut findings = finding::from_notes(&dataset.notes);
    geometry::check(dataset, &mut findings);
    if let Some(look) = look {
        files::check(dataset, look, &mut findings)?;
    }
    findings.sort_by(|a, b| (a.kind, &a.at).cmp(&(b.kind, &b.at)));
    Ok(findings)
}

/// Holds files against their published schema; what can't be read at all is found, too.
pub fn check_schema(format: &dyn Format, look: &Look) -> Result<Vec<Finding>> {
    Ok(finding::from_notes(&format.schema_faults(look)?))
}
