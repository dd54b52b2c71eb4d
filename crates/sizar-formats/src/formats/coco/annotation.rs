//! One annotation, one image, one category of a COCO file.

#![expect(clippy::unit_arg, reason = "a push in a walk through a list is all that it does")]

use std::borrow::Cow;

use crate::json::{Cursor, JsonError};
use crate::model::{
    Annotation, Attributes, Box2, Category, Flags, Image, Keypoint, Licence, Part, Point, Polygon,
    Provenance, Rle, Shape, Skeleton, Visibility,
};

type Result<T> = std::result::Result<T, JsonError>;

/// An annotation that refers to image and category by their ids still.
pub struct Unresolved {
    pub annotation: Annotation,
    pub image: i64,
    pub category: Option<i64>,
}

/// Memory that is used for one annotation after the other.
#[derive(Default)]
pub struct Scratch {
    coordinates: Vec<f64>,
    parts: Vec<Part>,
    runs: Vec<u32>,
}

/// Takes an id; COCO's are whole numbers.
fn id(cursor: &mut Cursor<'_>) -> Result<i64> {
    if cursor.peek() == Some(b'"') {
        let at = cursor.at();
        let text = cursor.string()?;
        let what = format!("the id {text:?} is a string; COCO's ids are whole numbers");
        return Err(JsonError::new(at, what));
    }
    cursor.integer()
}

/// Takes an annotation.
pub fn annotation(cursor: &mut Cursor<'_>, scratch: &mut Scratch) -> Result<Unresolved> {
    cursor.peek();
    let begin = cursor.at();
    let mut made = Annotation::default();
    let (mut image, mut category) = (None, None);
    cursor.object(|key, cursor| {
        match key {
            b"id" => made.id = Some(id(cursor)?),
            b"image_id" => image = Some(id(cursor)?),
            b"category_id" if cursor.null() => {}
            b"category_id" => category = Some(id(cursor)?),
            b"bbox" => made.bbox = bbox(cursor)?,
            b"area" if cursor.null() => {}
            b"area" => made.area = Some(cursor.float()?),
            b"iscrowd" if cursor.null() => {}
            b"iscrowd" => made.flags.set(Flags::CROWD, cursor.boolean()?),
            b"segmentation" => made.shape = segmentation(cursor, scratch)?,
            b"keypoints" => keypoints(cursor, &mut made)?,
            // it follows from the keypoints
            b"num_keypoints" => cursor.skip().map(|_| ())?,
            b"caption" => made.more_mut().caption = Some(cursor.string()?.into_owned()),
            b"score" if cursor.null() => {}
            b"score" => made.more_mut().score = Some(cursor.float()?),
            b"attributes" if cursor.peek() == Some(b'{') => attributes(cursor, &mut made)?,
            other => {
                let key = String::from_utf8_lossy(other).into_owned();
                let value = cursor.value()?;
                made.more_mut().attributes.insert(key, value);
            }
        }
        Ok(())
    })?;
    let Some(image) = image else {
        return Err(JsonError::new(begin, "an annotation without `image_id`"));
    };
    Ok(Unresolved { annotation: made, image, category })
}

fn bbox(cursor: &mut Cursor<'_>) -> Result<Option<Box2>> {
    if cursor.null() {
        return Ok(None);
    }
    cursor.peek();
    let begin = cursor.at();
    let (mut sides, mut count) = ([0.0; 4], 0);
    cursor.numbers(|value| {
        if let Some(side) = sides.get_mut(count) {
            *side = value;
        }
        count += 1;
    })?;
    let [x, y, width, height] = sides;
    match count {
        4 => Ok(Some(Box2::new(x, y, width, height))),
        0 => Ok(None),
        _ => Err(JsonError::new(begin, format!("a box has 4 numbers, this has {count}"))),
    }
}

/// Takes a list of polygons, or a mask in one of its two forms.
fn segmentation(cursor: &mut Cursor<'_>, scratch: &mut Scratch) -> Result<Shape> {
    match cursor.peek() {
        Some(b'{') => return rle(cursor, scratch),
        _ if cursor.null() => return Ok(Shape::None),
        _ => {}
    }
    scratch.parts.clear();
    cursor.list(|cursor| {
        cursor.peek();
        let begin = cursor.at();
        if cursor.peek() != Some(b'[') {
            return Err(cursor.unexpected("a list of coordinates"));
        }
        scratch.coordinates.clear();
        cursor.numbers(|value| scratch.coordinates.push(value))?;
        let (pairs, []) = scratch.coordinates.as_chunks() else {
            return Err(JsonError::new(begin, "a polygon with an odd number of coordinates"));
        };
        let outer = pairs.iter().map(|[x, y]| Point::new(*x, *y)).collect();
        scratch.parts.push(Part { outer, holes: Box::default() });
        Ok(())
    })?;
    if scratch.parts.is_empty() {
        return Ok(Shape::None);
    }
    Ok(Shape::Polygon(Polygon { parts: scratch.parts.drain(..).collect() }))
}

fn rle(cursor: &mut Cursor<'_>, scratch: &mut Scratch) -> Result<Shape> {
    enum Counts<'a> {
        Text(Cow<'a, str>, usize),
        Runs(Box<[u32]>),
    }
    cursor.peek();
    let begin = cursor.at();
    let (mut size, mut counts) = (None, None);
    cursor.object(|key, cursor| {
        match key {
            b"size" => {
                let mut sides = Vec::with_capacity(2);
                cursor.list(|cursor| Ok(sides.push(cursor.size()?)))?;
                size = Some(sides);
            }
            b"counts" if cursor.peek() == Some(b'"') => {
                let at = cursor.at();
                counts = Some(Counts::Text(cursor.string()?, at));
            }
            b"counts" => {
                scratch.runs.clear();
                cursor.numbers(|run| scratch.runs.push(run))?;
                counts = Some(Counts::Runs(Box::from(&*scratch.runs)));
            }
            _ => {
                cursor.skip()?;
            }
        }
        Ok(())
    })?;
    let Some([height, width]) = size.as_deref() else {
        return Err(JsonError::new(begin, "a mask without its `size` of two numbers"));
    };
    let (height, width) = (*height, *width);
    let rle = match counts {
        Some(Counts::Text(text, at)) => Rle::from_text(text.as_bytes(), width, height)
            .map_err(|error| JsonError::new(at, error.to_string()))?,
        Some(Counts::Runs(counts)) => Rle { width, height, counts, compressed: false },
        None => return Err(JsonError::new(begin, "a mask without its `counts`")),
    };
    Ok(Shape::Rle(Box::new(rle)))
}

fn keypoints(cursor: &mut Cursor<'_>, made: &mut Annotation) -> Result<()> {
    if cursor.null() {
        return Ok(());
    }
    cursor.peek();
    let begin = cursor.at();
    let mut numbers = Vec::with_capacity(51);
    cursor.numbers(|value: f64| numbers.push(value))?;
    if numbers.len() % 3 != 0 {
        return Err(JsonError::new(begin, "keypoints are threes of x, y and visibility"));
    }
    let mut points = Vec::with_capacity(numbers.len() / 3);
    for three in numbers.chunks_exact(3) {
        let visibility = match three[2] {
            0.0 => Visibility::Absent,
            1.0 => Visibility::Hidden,
            2.0 => Visibility::Visible,
            other => {
                let what = format!("a keypoint's visibility is 0, 1 or 2, not {other}");
                return Err(JsonError::new(begin, what));
            }
        };
        points.push(Keypoint { at: Point::new(three[0], three[1]), visibility });
    }
    if !points.is_empty() {
        made.more_mut().keypoints = points;
    }
    Ok(())
}

/// Takes what CVAT and datumaro keep in an object of its own, two fields of theirs among it.
fn attributes(cursor: &mut Cursor<'_>, made: &mut Annotation) -> Result<()> {
    cursor.object(|key, cursor| {
        let value = cursor.value()?;
        match (key, value.as_bool(), value.as_f64()) {
            (b"occluded", Some(on), _) => made.flags.set(Flags::OCCLUDED, on),
            (b"rotation", _, Some(0.0)) => {}
            (b"rotation", _, Some(turn)) => made.more_mut().rotation = Some(turn),
            _ => {
                let key = String::from_utf8_lossy(key).into_owned();
                // what is beside the object was there first
                made.more_mut().attributes.entry(key).or_insert(value);
            }
        }
        Ok(())
    })
}

/// Takes what the model has no field for; null says nothing.
fn attribute(key: &[u8], cursor: &mut Cursor<'_>, attributes: &mut Attributes) -> Result<()> {
    let value = cursor.value()?;
    if !value.is_null() {
        attributes.insert(String::from_utf8_lossy(key).into_owned(), value);
    }
    Ok(())
}

/// Takes an image.
pub fn image(cursor: &mut Cursor<'_>) -> Result<Image> {
    cursor.peek();
    let begin = cursor.at();
    let mut made = Image::default();
    let mut provenance = Provenance::default();
    let mut attributes = Attributes::new();
    cursor.object(|key, cursor| {
        match key {
            b"id" => made.id = Some(id(cursor)?),
            b"file_name" => made.name = cursor.string()?.replace('\\', "/").into(),
            b"width" if !cursor.null() => made.width = cursor.size()?,
            b"height" if !cursor.null() => made.height = cursor.size()?,
            b"license" if cursor.null() => {}
            b"license" if matches!(cursor.peek(), Some(b'0'..=b'9' | b'-')) => {
                provenance.licence = Some(cursor.integer()?);
            }
            b"date_captured" if cursor.peek() == Some(b'"') => {
                provenance.date = Some(cursor.string()?.into_owned()).filter(|it| !it.is_empty());
            }
            b"coco_url" | b"flickr_url" if cursor.peek() == Some(b'"') => {
                let url = cursor.string()?;
                if !url.is_empty() {
                    provenance.urls.push(url.into_owned());
                }
            }
            other => attribute(other, cursor, &mut attributes)?,
        }
        Ok(())
    })?;
    if made.id.is_none() {
        return Err(JsonError::new(begin, "an image without `id`"));
    }
    if made.name.is_empty() {
        return Err(JsonError::new(begin, "an image without `file_name`"));
    }
    if provenance != Provenance::default() {
        made.provenance = Some(Box::new(provenance));
    }
    if !attributes.is_empty() {
        made.attributes = Some(Box::new(attributes));
    }
    Ok(made)
}

/// Takes a category.
pub fn category(cursor: &mut Cursor<'_>) -> Result<Category> {
    cursor.peek();
    let begin = cursor.at();
    let mut made = Category::default();
    let mut skeleton = Skeleton::default();
    let mut attributes = Attributes::new();
    let mut edges: Vec<[i64; 2]> = Vec::new();
    cursor.object(|key, cursor| {
        match key {
            b"id" => made.id = Some(id(cursor)?),
            b"name" => made.name = cursor.string()?.into(),
            b"supercategory" if cursor.null() => {}
            b"supercategory" => {
                made.supercategory =
                    Some(cursor.string()?).filter(|it| !it.is_empty()).map(Into::into);
            }
            b"isthing" => made.is_thing = Some(cursor.boolean()?),
            b"color" if cursor.peek() == Some(b'[') => {
                let mut parts = Vec::new();
                cursor.list(|cursor| Ok(parts.push(cursor.size()?.min(255) as u8)))?;
                made.colour = <[u8; 3]>::try_from(parts).ok();
            }
            b"keypoints" if cursor.peek() == Some(b'[') => {
                cursor.list(|cursor| Ok(skeleton.points.push(cursor.string()?.into())))?;
            }
            b"skeleton" if cursor.peek() == Some(b'[') => cursor.list(|cursor| {
                let mut ends = Vec::with_capacity(2);
                cursor.list(|cursor| Ok(ends.push(cursor.integer()?)))?;
                edges.extend(<[i64; 2]>::try_from(ends).ok());
                Ok(())
            })?,
            other => attribute(other, cursor, &mut attributes)?,
        }
        Ok(())
    })?;
    if made.id.is_none() {
        return Err(JsonError::new(begin, "a category without `id`"));
    }
    if !skeleton.points.is_empty() {
        // COCO counts the ends from 1
        let count = skeleton.points.len() as i64;
        let inside = |end: i64| (1..=count).contains(&end).then(|| (end - 1) as u16);
        skeleton.edges =
            edges.iter().filter_map(|[a, b]| Some([inside(*a)?, inside(*b)?])).collect();
        made.skeleton = Some(Box::new(skeleton));
    }
    if !attributes.is_empty() {
        made.attributes = Some(Box::new(attributes));
    }
    Ok(made)
}

/// Takes a licence.
pub fn licence(cursor: &mut Cursor<'_>) -> Result<Licence> {
    let mut made = Licence::default();
    cursor.object(|key, cursor| {
        match key {
            b"id" => made.id = id(cursor)?,
            b"name" if cursor.peek() == Some(b'"') => made.name = cursor.string()?.into_owned(),
            b"url" if cursor.peek() == Some(b'"') => {
                made.url = Some(cursor.string()?.into_owned()).filter(|it| !it.is_empty());
            }
            _ => {
                cursor.skip()?;
            }
        }
        Ok(())
    })?;
    Ok(made)
}
