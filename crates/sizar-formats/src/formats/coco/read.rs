//! Reads a COCO file.

#![expect(clippy::unit_arg, reason = "a push in a walk through a list is all that it does")]

use camino::Utf8Path;
use rustc_hash::FxHashMap;

use super::annotation::{self, Scratch, Unresolved};
use crate::error::{FormatError, Position, Result};
use crate::json::{Cursor, JsonError, Piece, read_lists};
use crate::model::{Annotation, Category, Dataset, Image, Info, Licence, Note};

/// What a piece of the file holds.
enum Parsed {
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
    let pieces = read_lists(file, parse)?;
    assemble(file, pieces)
}

fn parse(piece: &Piece) -> std::result::Result<Parsed, JsonError> {
    let mut cursor = Cursor::new(&piece.text);
    let parsed = match (piece.key.as_str(), piece.is_list) {
        ("annotations", true) => {
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
            Parsed::Annotations(made, ids, piece.first)
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
        (key @ ("annotations" | "images" | "categories"), false) => {
            let mut error = cursor.unexpected("a list of objects");
            error.path.push(key.to_owned().into());
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
            error.path.push(piece.key.clone().into());
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

/// Puts the pieces together and turns ids into indices.
///
/// An annotation of an image that isn't there is noted and left out.
fn assemble(file: &Utf8Path, pieces: Vec<Parsed>) -> Result<Dataset> {
    let mut dataset = Dataset::default();
    let (mut chunks, mut has_annotations) = (Vec::new(), false);
    for piece in pieces {
        match piece {
            Parsed::Annotations(made, ids, first) => {
                chunks.push((made, ids, first));
                has_annotations = true;
            }
            Parsed::Images(made) => dataset.images.extend(made),
            Parsed::Categories(made) => dataset.categories.extend(made),
            Parsed::Licences(made) => dataset.licences.extend(made),
            Parsed::Info(info) => dataset.info = info,
            Parsed::Other => {}
        }
    }
    dataset.images.shrink_to_fit();
    if !has_annotations && dataset.images.is_empty() {
        return Err(FormatError::malformed(
            Position::whole(file),
            "neither `images` nor `annotations`: this is no COCO file",
        ));
    }
    let images = ids(file, "images", dataset.images.iter().map(|i| i.id), &mut dataset.notes);
    let categories =
        ids(file, "categories", dataset.categories.iter().map(|c| c.id), &mut dataset.notes);
    let total = chunks.iter().map(|(made, ..)| made.len()).sum();
    dataset.annotations = Vec::with_capacity(total);
    for (made, ids, first) in chunks {
        let mut before = (i64::MIN, 0);
        for (at, (mut annotation, (image, category))) in made.into_iter().zip(ids).enumerate() {
            let mut note = |code, message| {
                let at = Position::element(file, format!("annotations[{}]", first + at));
                dataset.notes.push(Note { code, at, message });
            };
            if before.0 != image {
                let Some(found) = images.get(&image) else {
                    note("unknown-image", format!("there is no image of the id {image}"));
                    continue;
                };
                before = (image, *found);
            }
            annotation.image = before.1;
            if let Some(category) = category {
                annotation.category = categories.get(&category).copied();
                if annotation.category.is_none() {
                    note("unknown-category", format!("there is no category of the id {category}"));
                }
            }
            dataset.annotations.push(annotation);
        }
    }
    Ok(dataset)
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
