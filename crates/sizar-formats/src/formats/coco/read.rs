//! Reads a COCO file.

#![expect(clippy::unit_arg, reason = "a push in a walk through a list is all that it does")]

use camino::Utf8Path;
use rayon::prelude::*;
use rustc_hash::FxHashMap;

use super::annotation::{self, Scratch, Unresolved};
use super::results;
use crate::error::{FormatError, Position, Result};
use crate::json::{Cursor, JsonError, Piece, read_lists};
use crate::model::{Annotation, Category, Dataset, Image, Info, Licence, Note};

/// What a piece of the file holds.
enum Parsed {
    /// With the ids of image and category, and the length of their text.
    Annotations(Vec<Annotation>, Vec<(i64, Option<i64>)>, usize),
    Images(Vec<Image>),
    Categories(Vec<Category>),
    Licences(Vec<Licence>),
    Info(Info),
    /// A list that has to be there was.
    Other,
}

/// Reads `file`: all but panoptic masks, which stay an attribute of their annotation.
pub fn read(file: &Utf8Path) -> Result<Dataset> {
    let mut lists = lists(file)?;
    if lists.is_bare {
        results::name_images(&mut lists.dataset, &lists.ids);
    }
    lists.into_dataset(file)
}

/// Reads a list of results, whose images and categories are those of `truth`.
pub fn read_results(file: &Utf8Path, truth: Dataset) -> Result<Dataset> {
    let mut lists = lists(file)?;
    let annotations = std::mem::take(&mut lists.dataset.annotations);
    lists.dataset = Dataset { annotations, ..truth };
    lists.into_dataset(file)
}

fn lists(file: &Utf8Path) -> Result<Lists> {
    let bytes = fs_err::metadata(file)?.len();
    let mut lists = Lists { bytes, is_bare: results::is_list(file), ..Lists::default() };
    read_lists(file, parse, |piece| lists.add(piece))?;
    Ok(lists)
}

/// No annotation of use is shorter than so many bytes.
const LEAST: usize = 32;

/// The lists of a file, put together.
#[derive(Default)]
struct Lists {
    /// How long the file is.
    bytes: u64,
    dataset: Dataset,
    /// The ids of the image and the category of each annotation.
    ids: Vec<(i64, Option<i64>)>,
    has_annotations: bool,
    /// Whether the file is a list of results, without images and categories.
    is_bare: bool,
}

fn parse(piece: &Piece) -> std::result::Result<Parsed, JsonError> {
    let mut cursor = Cursor::new(&piece.text);
    let parsed = match (piece.key.as_str(), piece.is_list) {
        ("annotations" | "", true) => {
            let mut scratch = Scratch::default();
            let mut made = Vec::with_capacity(piece.count);
            let mut ids = Vec::with_capacity(piece.count);
            objects(piece, &mut cursor, |cursor| {
                let Unresolved { annotation, image, category } =
                    annotation::annotation(cursor, &mut scratch)?;
                made.push(annotation);
                ids.push((image, category));
                Ok(())
            })?;
            Parsed::Annotations(made, ids, piece.text.len())
        }
        ("images", true) => {
            let mut made = Vec::with_capacity(piece.count);
            objects(piece, &mut cursor, |cursor| Ok(made.push(annotation::image(cursor)?)))?;
            Parsed::Images(made)
        }
        ("categories", true) => {
            let mut made = Vec::new();
            objects(piece, &mut cursor, |cursor| Ok(made.push(annotation::category(cursor)?)))?;
            Parsed::Categories(made)
        }
        ("licenses", true) => {
            let mut made = Vec::new();
            objects(piece, &mut cursor, |cursor| Ok(made.push(annotation::licence(cursor)?)))?;
            Parsed::Licences(made)
        }
        (key @ ("annotations" | "images" | "categories" | ""), false) => {
            let mut error = cursor.unexpected("a list of objects");
            if !key.is_empty() {
                error.path.push(key.to_owned().into());
            }
            return Err(error);
        }
        ("info", false) if cursor.peek() == Some(b'{') => Parsed::Info(info(&mut cursor)?),
        _ => {
            if piece.is_list {
                objects(piece, &mut cursor, |cursor| cursor.skip().map(|_| ()))?;
            } else {
                cursor.skip()?;
            }
            Parsed::Other
        }
    };
    if !piece.is_list {
        cursor.end()?;
    }
    Ok(parsed)
}

/// Walks through the objects of a piece.
fn objects(
    piece: &Piece,
    cursor: &mut Cursor<'_>,
    mut each: impl FnMut(&mut Cursor<'_>) -> std::result::Result<(), JsonError>,
) -> std::result::Result<(), JsonError> {
    let mut index = piece.first;
    while cursor.peek().is_some() {
        if let Err(mut error) = each(cursor) {
            error.path.push(format!("[{index}]").into());
            if !piece.key.is_empty() {
                error.path.push(piece.key.clone().into());
            }
            return Err(error);
        }
        index += 1;
        if !cursor.comma() && cursor.peek().is_some() {
            return Err(cursor.unexpected("`,`"));
        }
    }
    Ok(())
}

fn info(cursor: &mut Cursor<'_>) -> std::result::Result<Info, JsonError> {
    let mut info = Info::default();
    cursor.object(|key, cursor| {
        let key = String::from_utf8_lossy(key).into_owned();
        let value = cursor.value()?;
        let text = value.as_str().map(str::to_owned);
        match (key.as_str(), text) {
            (_, Some(text)) if text.is_empty() => {}
            ("description", Some(text)) => info.name = Some(text),
            ("version", Some(text)) => info.version = Some(text),
            ("contributor", Some(text)) => info.contributor = Some(text),
            ("url", Some(text)) => info.url = Some(text),
            ("date_created", Some(text)) => info.date = Some(text),
            ("year", text) => {
                let number = value.as_i64().or_else(|| text?.parse().ok());
                info.year = number.and_then(|year| i32::try_from(year).ok());
            }
            _ if value.is_null() => {}
            _ => {
                info.attributes.insert(key, value);
            }
        }
        Ok(())
    })?;
    Ok(info)
}

impl Lists {
    fn add(&mut self, piece: Parsed) {
        match piece {
            Parsed::Annotations(made, ids, bytes) => {
                if !self.has_annotations && bytes > 0 {
                    // growing would have all that there is in memory twice; what is not filled is not
                    let share = self.bytes as f64 / bytes as f64;
                    let likely = (made.len() as f64 * share * 1.1) as usize;
                    let count = likely.min(self.bytes as usize / LEAST);
                    // without, they grow as they come
                    let _ = self.dataset.annotations.try_reserve(count);
                    let _ = self.ids.try_reserve(count);
                }
                self.dataset.annotations.extend(made);
                self.ids.extend(ids);
                self.has_annotations = true;
            }
            Parsed::Images(made) => self.dataset.images.extend(made),
            Parsed::Categories(made) => self.dataset.categories.extend(made),
            Parsed::Licences(made) => self.dataset.licences.extend(made),
            Parsed::Info(info) => self.dataset.info = info,
            Parsed::Other => {}
        }
    }

    /// Turns ids into indices.
    ///
    /// An annotation of an image that isn't there is noted and left out.
    fn into_dataset(self, file: &Utf8Path) -> Result<Dataset> {
        let Self { mut dataset, ids: named, has_annotations, is_bare, .. } = self;
        let list = if is_bare { "" } else { "annotations" };
        dataset.images.shrink_to_fit();
        if !has_annotations && dataset.images.is_empty() {
            return Err(FormatError::malformed(
                Position::whole(file),
                "neither `images` nor `annotations`: this is no COCO file",
            ));
        }
        let Dataset { images, categories, annotations, notes, .. } = &mut dataset;
        let images = ids(file, "images", images.iter().map(|image| image.id), notes);
        let categories =
            ids(file, "categories", categories.iter().map(|category| category.id), notes);
        let all_known = annotations
            .par_iter_mut()
            .zip(&named)
            .map(|(annotation, (image, category))| {
                let image = images.get(image).copied();
                annotation.image = image.unwrap_or_default();
                annotation.category = category.and_then(|id| categories.get(&id).copied());
                image.is_some() && annotation.category.is_some() == category.is_some()
            })
            // not `all`, which would leave the others as they are
            .reduce(|| true, |a, b| a && b);
        if all_known {
            return Ok(dataset);
        }
        let mut named = named.into_iter().enumerate();
        annotations.retain(|annotation| {
            let Some((at, (image, category))) = named.next() else { return false };
            let mut note = |code, message| {
                let at = Position::element(file, format!("{list}[{at}]"));
                notes.push(Note { code, at, message });
            };
            if !images.contains_key(&image) {
                note("unknown-image", format!("there is no image of the id {image}"));
                return false;
            }
            if let Some(category) = category
                && annotation.category.is_none()
            {
                note("unknown-category", format!("there is no category of the id {category}"));
            }
            true
        });
        Ok(dataset)
    }
}

/// Maps ids to indices; the first of equal ones counts, and the others are noted.
fn ids(
    file: &Utf8Path,
    list: &str,
    ids: impl Iterator<Item = Option<i64>>,
    notes: &mut Vec<Note>,
) -> FxHashMap<i64, u32> {
    let mut indices = FxHashMap::default();
    for (at, id) in ids.enumerate() {
        let Some(id) = id else { continue };
        if let Some(first) = indices.get(&id) {
            notes.push(Note {
                code: "duplicate-id",
                at: Position::element(file, format!("{list}[{at}]")),
                message: format!("the id {id} is that of `{list}[{first}]` too"),
            });
        } else {
            indices.insert(id, at as u32);
        }
    }
    indices
}
