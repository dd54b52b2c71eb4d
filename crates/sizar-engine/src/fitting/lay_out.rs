//! Lays a data set out: converted where it has to be, once, and bound where the driver looks.

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use serde::{Deserialize, Serialize};
use sizar_formats::convert::save;
use sizar_formats::formats::{self, Look, WriteOptions, losses};
use sizar_formats::staging::Placing;
use sizar_formats::{OpenOptions, Opened, open};
use sizar_model::{DataBinding, Digest, Progress};

use super::adapt::adapt;
use super::clean::want;
use super::identity::{of_files, of_look, outside};
use super::shaped::{fill, joined};
use super::tree::{edit, move_folders};
use super::{Expectation, FittingError, FormatWish};
use crate::home::Home;

/// Where laid-out data sets lie.
pub(super) const FOLDER: &str = "cache/laid-out";
/// How one was made, beside its data; its time is when it was wanted last.
pub(super) const RECORD: &str = "record.json";

/// Changes where what is written for the same data changes.
const LAYOUT: u32 = 1;

/// A data set that is laid out, or would be.
#[derive(Clone, Debug)]
pub struct LaidOut {
    pub bindings: Vec<DataBinding>,
    /// How it was converted; none where the data are shown as they are.
    pub record: Option<Record>,
    /// Whether it was there already.
    pub known: bool,
}

/// What a conversion did; it lies beside what it made.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The user's data.
    pub data: Utf8PathBuf,
    /// The format that they are in.
    pub from: String,
    pub to: String,
    /// The shape of `knowledge/datasets.toml`.
    pub shape: Option<String>,
    pub images: usize,
    pub annotations: usize,
    pub losses: Vec<Lost>,
    /// What the user should know.
    pub notes: Vec<String>,
    /// Images whose files were not found.
    pub missing: Vec<String>,
}

/// What the format can't hold as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lost {
    pub what: String,
    pub count: u64,
    pub becomes: String,
}

/// Lays out the data set of `wish` as it is expected; `dry` only says what would be done.
///
/// What was converted is kept, and used again as long as neither the data nor the expectation has
/// changed.
///
/// # Errors
///
/// [`FittingError`] where the data cannot be read, or are not what the driver needs; nothing
/// half-made is left.
pub fn lay_out(
    home: &Home,
    wish: &FormatWish,
    expected: &Expectation,
    dry: bool,
    progress: &dyn Progress,
) -> Result<LaidOut, FittingError> {
    let look = Look::at(&wish.path)?;
    if let Some(folder) = as_it_is(&look, expected) {
        let bindings = bindings(&folder, wish, expected);
        return Ok(LaidOut { bindings, record: None, known: true });
    }
    let made = home.folder(FOLDER)?;
    let state = state(&look, expected)?;
    let laid_out = |folder: &Utf8Path, record: Record, known: bool| LaidOut {
        bindings: bindings(folder, wish, expected),
        record: Some(record),
        known,
    };
    let beside = made.join(format!("{}.outside", state.short()));
    if let Some((folder, record)) = kept(&made, &state, &beside) {
        return Ok(laid_out(&folder, record, true));
    }
    let _lock = home.lock(&format!("laid-out-{}", state.short()), || {
        progress.note("another sizar lays out the same data; this one waits for it");
    })?;
    if let Some((folder, record)) = kept(&made, &state, &beside) {
        return Ok(laid_out(&folder, record, true));
    }
    let format = formats::named(expected.format)?;
    progress.begin(format!("reading {}", wish.typed));
    let mut opened = open(&wish.path, &OpenOptions::default())?;
    let mut record = prepared(&mut opened, wish, expected)?;
    progress.end(format!("read {}", wish.typed));
    if dry {
        // what is sent, and how much, is told by the data as they are
        let bindings = stand_in(wish, expected);
        return Ok(LaidOut { bindings, record: Some(record), known: false });
    }
    progress.begin(format!("converting {} to {}", wish.typed, format.title()));
    let staging = home.staging()?;
    let stage = Utf8PathBuf::try_from(staging.path().to_owned()).map_err(|error| {
        FittingError::File { path: made.clone(), source: error.into_io_error() }
    })?;
    let data = stage.join("data");
    let options = WriteOptions::default();
    let saved = save(&mut opened.dataset, format, &data, Placing::Link, &options)?;
    record.missing = saved.missing.iter().map(ToString::to_string).collect();
    if let Some(shape) = expected.shape {
        let splits: Vec<&str> = opened.dataset.splits.iter().map(|name| &**name).collect();
        move_folders(&data, shape, &splits)?;
        edit(&data, shape, expected.place.as_str(), expected.file.as_deref())?;
    }
    let failed = |path: &Utf8Path, source| FittingError::File { path: path.to_owned(), source };
    let text = serde_json::to_string_pretty(&record)
        .map_err(|error| failed(&stage, std::io::Error::other(error)))?;
    let file = stage.join(RECORD);
    fs::write(&file, text).map_err(|source| failed(&file, source))?;
    let images = opened.dataset.images.iter().filter_map(|image| image.file.as_ref());
    let elsewhere = outside(images, &wish.path);
    let whole = made.join(key(&state, &elsewhere)?);
    if !elsewhere.is_empty() {
        write_list(&stage.join("outside"), &beside, &elsewhere)
            .map_err(|source| failed(&beside, source))?;
    }
    if !whole.exists() {
        fs::rename(&stage, &whole).map_err(|source| failed(&whole, source))?;
        // it has its final name now
        let _ = staging.keep();
    }
    progress.end(format!("converted {} to {}", wish.typed, format.title()));
    Ok(laid_out(&whole.join("data"), record, false))
}

/// The identity of the data and of all that decides what is made of them.
fn state(look: &Look, expected: &Expectation) -> Result<Digest, FittingError> {
    let edited = expected.shape.filter(|shape| !shape.edits.is_empty());
    let text = format!(
        "{LAYOUT} {}\n{} {:?} {:?}\n{:?} {} {:?} {:?}\n{}",
        env!("CARGO_PKG_VERSION"),
        expected.format,
        expected.shape,
        expected.year,
        expected.splits,
        expected.one_split,
        expected.file,
        edited.map(|_| &expected.place),
        of_look(look)?,
    );
    Ok(Digest::of(text.as_bytes()))
}

/// Returns the folder of the data, where they are of the shape already.
fn as_it_is(look: &Look, expected: &Expectation) -> Option<Utf8PathBuf> {
    let format = formats::recognise(look).into_iter().next()?.0;
    if format.name() != expected.format {
        return None;
    }
    let Some(shape) = expected.shape else { return Some(look.path().to_owned()) };
    if shape.needs.is_empty() || expected.file.is_some() {
        return None;
    }
    let year = expected.year.as_deref();
    let below = fill(&shape.below, year);
    let folder = ["", below.as_str()].into_iter().find(|start| {
        let there = |need: &String| {
            let path = joined(start, &fill(need, year));
            look.has(&path) || look.has_folder(&path)
        };
        shape.needs.iter().all(there)
    })?;
    let ends = |file: &&Utf8PathBuf| match &shape.images {
        Some(ending) => {
            file.parent().and_then(Utf8Path::file_name) == Some("JPEGImages")
                && file.extension() != Some(ending)
        }
        None => false,
    };
    if look.files().iter().any(|file| ends(&file)) {
        return None;
    }
    Some(Utf8PathBuf::from(joined(look.path().as_str(), folder)))
}

/// Makes the data set what is expected, and says what that costs.
fn prepared(
    opened: &mut Opened,
    wish: &FormatWish,
    expected: &Expectation,
) -> Result<Record, FittingError> {
    let mut notes: Vec<String> = opened
        .dataset
        .notes
        .iter()
        .take(3)
        .map(|note| format!("{}: {}", note.at, note.message))
        .collect();
    let mut missing = opened.dataset.images.iter().filter(|image| image.file.is_none());
    if let Some(first) = missing.next()
        && missing.count() + 1 == opened.dataset.images.len()
    {
        return Err(FittingError::NoImages {
            data: wish.typed.clone(),
            count: opened.dataset.images.len(),
            example: first.name.to_string(),
        });
    }
    notes.extend(adapt(&mut opened.dataset, expected, &wish.typed)?);
    let format = formats::named(expected.format)?;
    let losses = losses(&opened.dataset, format, &WriteOptions::default());
    Ok(Record {
        data: wish.path.clone(),
        from: opened.format.name().to_owned(),
        to: format.name().to_owned(),
        shape: expected.shape.map(|shape| shape.name.clone()),
        images: opened.dataset.images.len(),
        annotations: opened.dataset.annotations.len(),
        losses: losses
            .into_iter()
            .map(|loss| Lost {
                what: loss.what.to_owned(),
                count: loss.count,
                becomes: loss.becomes.to_owned(),
            })
            .collect(),
        notes,
        missing: opened
            .dataset
            .images
            .iter()
            .filter(|image| image.file.is_none())
            .map(|image| image.name.to_string())
            .collect(),
    })
}

/// Finds what was laid out before: the folder of the data, and how they were made.
fn kept(made: &Utf8Path, state: &Digest, beside: &Utf8Path) -> Option<(Utf8PathBuf, Record)> {
    let elsewhere: Vec<Utf8PathBuf> = match fs::read_to_string(beside) {
        Ok(text) => serde_json::from_str(&text).ok()?,
        Err(_) => Vec::new(),
    };
    let folder = made.join(key(state, &elsewhere).ok()?);
    want(beside);
    want(&folder.join(RECORD));
    let record = fs::read_to_string(folder.join(RECORD)).ok()?;
    Some((folder.join("data"), serde_json::from_str(&record).ok()?))
}

/// The name of what is made of a state of the data, and of images that lie elsewhere.
fn key(state: &Digest, elsewhere: &[Utf8PathBuf]) -> Result<String, FittingError> {
    if elsewhere.is_empty() {
        return Ok(state.short());
    }
    Ok(Digest::of(format!("{state}\n{}", of_files(elsewhere)?).as_bytes()).short())
}

fn write_list(temporary: &Utf8Path, to: &Utf8Path, files: &[Utf8PathBuf]) -> std::io::Result<()> {
    fs::write(temporary, serde_json::to_string(files)?)?;
    fs::rename(temporary, to)
}

/// Returns what is bound of a folder that is laid out.
fn bindings(folder: &Utf8Path, wish: &FormatWish, expected: &Expectation) -> Vec<DataBinding> {
    let bind = |here: Utf8PathBuf, there: Utf8PathBuf| DataBinding { here, there, mode: wish.mode };
    if expected.binds.is_empty() {
        return vec![bind(folder.to_owned(), expected.place.clone())];
    }
    let parts = expected.binds.iter().filter(|part| folder.join(part).exists());
    parts.map(|part| bind(folder.join(part), expected.place.join(part))).collect()
}

/// Returns what stands for data that are not laid out yet: what would be sent, once.
fn stand_in(wish: &FormatWish, expected: &Expectation) -> Vec<DataBinding> {
    let part = expected.binds.first().map_or("", String::as_str);
    let whole = !expected.place.as_str().is_empty();
    let there = if whole { expected.place.clone() } else { part.into() };
    vec![DataBinding { here: wish.path.clone(), there, mode: wish.mode }]
}

#[cfg(test)]
#[path = "lay_out_tests.rs"]
mod tests;
