//! Paths of shapes: years filled in, parts joined.

use camino::{Utf8Component, Utf8Path};
use sizar_inspect::Shape;
use sizar_model::Inspection;

/// Fills in the year.
pub(super) fn fill(text: &str, year: Option<&str>) -> String {
    text.replace("{year}", year.unwrap_or_default())
}

/// Returns the year that any place of the code says for a shape, or the shape's own.
pub(super) fn year_of(inspection: &Inspection, shape: &Shape) -> Option<String> {
    let mut seen = inspection.data_shapes.iter().filter(|seen| seen.shape == shape.name);
    seen.find_map(|seen| seen.year.clone()).or_else(|| shape.year.clone())
}

/// Joins two parts of a path, without `.` and slashes that say nothing.
pub(super) fn joined(before: &str, after: &str) -> String {
    let mut path = camino::Utf8PathBuf::new();
    for part in Utf8Path::new(before).components().chain(Utf8Path::new(after).components()) {
        match part {
            Utf8Component::CurDir => {}
            other => path.push(other.as_str()),
        }
    }
    path.into_string()
}

/// Returns whether a path is a folder of data sets, by its last part.
pub(super) fn is_data_folder(path: &str) -> bool {
    let last = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    let last = last.to_ascii_lowercase();
    let known = ["data", "dataset", "coco", "voc", "pascal", "imagenet"];
    !last.contains('.') && known.iter().any(|word| last.contains(word))
}
