//! The rows of a corpus.

use anyhow::Context as _;
use camino::Utf8Path;
use serde::Deserialize;

/// A repository and how to see that it works.
#[derive(Clone, Debug, Deserialize)]
pub struct Row {
    pub name: String,
    /// `owner/name`.
    #[serde(default)]
    pub github: String,
    #[serde(default)]
    pub commit: String,
    /// A line of shell that succeeds where the program answers.
    #[serde(default)]
    pub probe_l2: String,
    /// A line of shell that succeeds where the program computes.
    #[serde(default)]
    pub probe_l3: String,
}

/// Reads a corpus; a row that cannot be read is an error that names its line.
pub fn read(path: &Utf8Path) -> anyhow::Result<Vec<Row>> {
    let mut reader = csv::ReaderBuilder::new()
        .flexible(true)
        .from_path(path)
        .with_context(|| format!("`{path}` cannot be read"))?;
    reader
        .deserialize()
        .enumerate()
        .map(|(index, row)| row.with_context(|| format!("row {} of `{path}`", index + 1)))
        .collect()
}
