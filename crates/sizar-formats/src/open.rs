//! Opens what lies at a path: recognised, read, its images found.

use camino::{Utf8Path, Utf8PathBuf};

use crate::error::Result;
use crate::formats::{self, Format, Look, ReadOptions, Recognised};
use crate::model::Dataset;
use crate::pixels::locate;

/// What a caller knows of a data set beforehand.
#[derive(Clone, Debug, Default)]
pub struct OpenOptions {
    /// The format's name; recognised if `None`.
    pub format: Option<String>,
    /// Where images are, beside the places where the format has them.
    pub images_in: Vec<Utf8PathBuf>,
    pub read: ReadOptions,
}

/// A data set that was opened.
pub struct Opened {
    pub look: Look,
    pub format: &'static dyn Format,
    /// Why it is this format; `None` where the caller said so.
    pub recognised: Option<Recognised>,
    /// Other formats that might do, the likeliest first.
    pub others: Vec<&'static dyn Format>,
    pub dataset: Dataset,
}

/// Opens what lies at `path`.
pub fn open(path: &Utf8Path, options: &OpenOptions) -> Result<Opened> {
    let look = Look::at(path)?;
    let mut recognised = None;
    let mut others = Vec::new();
    let format = match &options.format {
        Some(name) => formats::named(name)?,
        None => {
            let mut found = formats::recognise(&look).into_iter();
            match found.next() {
                Some((format, why)) => {
                    recognised = Some(why);
                    others = found.map(|(format, _)| format).collect();
                    format
                }
                None => formats::choose(&look, None)?,
            }
        }
    };
    let mut dataset = format.read(&look, &options.read)?;
    locate(&mut dataset, &options.images_in)?;
    locate::measure_missing(&mut dataset);
    Ok(Opened { look, format, recognised, others, dataset })
}
