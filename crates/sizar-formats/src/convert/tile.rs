//! Large images cut into tiles, and annotations with them.

use camino::Utf8Path;

use super::resize::{transform, unknown_size};
use crate::error::{FormatError, Result};
use crate::model::{
    Annotation, Box2, Dataset, Derivation, Image, Part, Point, Polygon, Rle, Shape, Visibility,
};
use crate::raster::Rasteriser;

/// Cuts each image into tiles of `side`, the last ones moved back to fit.
///
/// An annotation goes into each tile that it reaches into, cut at the tile's border. Pages'
/// reading order and hierarchy do not survive the cut.
pub fn tile(dataset: &mut Dataset, side: u32) -> Result<()> {
    let by_image = dataset.by_image();
    let mut images = Vec::new();
    let mut annotations = Vec::new();
    for (at, image) in dataset.images.iter().enumerate() {
        if image.width == 0 || image.height == 0 {
            return Err(unknown_size(image));
        }
        if image.width <= side && image.height <= side {
            let new = images.len() as u32;
            images.push(image.clone());
            annotations.extend(by_image.of(at).iter().map(|index| Annotation {
                image: new,
                ..dataset.annotations[*index as usize].clone()
            }));
            continue;
        }
        for top in starts(image.height, side) {
            for left in starts(image.width, side) {
                let size = [side.min(image.width), side.min(image.height)];
                let new = images.len() as u32;
                images.push(part(image, [left, top], size));
                for index in by_image.of(at) {
                    let whole = &dataset.annotations[*index as usize];
                    if let Some(cut) = cut(whole, [left, top], size, [image.width, image.height])? {
                        annotations.push(Annotation { image: new, id: None, ..cut });
                    }
                }
            }
        }
    }
    for image in &mut images {
        image.reading_order = None;
    }
    for annotation in &mut annotations {
        if let Some(more) = &mut annotation.more {
            more.parent = None;
        }
    }
    (dataset.images, dataset.annotations) = (images, annotations);
    Ok(())
}

fn starts(length: u32, side: u32) -> Vec<u32> {
    if length <= side {
        return vec![0];
    }
    let count = length.div_ceil(side);
    (0..count).map(|at| (at * side).min(length - side)).collect()
}

fn part(image: &Image, [left, top]: [u32; 2], size: [u32; 2]) -> Image {
    let path = Utf8Path::new(&*image.name);
    let stem = path.file_stem().unwrap_or("image");
    let name = format!("{stem}_{left}_{top}.{}", path.extension().unwrap_or("png"));
    // a cut in pixels of the file, before any scaling
    let (from, scale) = match &image.derivation {
        Some(before) => {
            let scale = f64::from(before.cut[2]) / f64::from(before.size[0].max(1));
            ([before.cut[0], before.cut[1]], scale)
        }
        None => ([0, 0], 1.0),
    };
    let in_file = |length: u32| (f64::from(length) * scale).round() as u32;
    let cut = [from[0] + in_file(left), from[1] + in_file(top), in_file(size[0]), in_file(size[1])];
    Image {
        id: None,
        name: path.with_file_name(name).as_str().into(),
        width: size[0],
        height: size[1],
        derivation: Some(Box::new(Derivation { cut, size })),
        ..image.clone()
    }
}

/// Cuts an annotation; `None` when nothing of it is in the tile.
fn cut(
    whole: &Annotation,
    [left, top]: [u32; 2],
    [width, height]: [u32; 2],
    image: [u32; 2],
) -> Result<Option<Annotation>> {
    let (dx, dy) = (f64::from(left), f64::from(top));
    let (w, h) = (f64::from(width), f64::from(height));
    let Some(bounds) = whole.bounds() else { return Ok(Some(whole.clone())) };
    if bounds.right() <= dx || bounds.bottom() <= dy || bounds.x >= dx + w || bounds.y >= dy + h {
        return Ok(None);
    }
    let mut cut = whole.clone();
    if let Shape::Rle(rle) = &whole.shape {
        cut.shape = Shape::None;
        let window = window(rle, [left, top], [width, height], image)?;
        if window.area() == 0 {
            return Ok(None);
        }
        transform(&mut cut, [width, height], |p| Point::new(p.x - dx, p.y - dy))?;
        cut.bbox = window.bounds();
        cut.area = None;
        cut.shape = Shape::Rle(Box::new(window));
        return Ok(Some(cut));
    }
    transform(&mut cut, [width, height], |p| Point::new(p.x - dx, p.y - dy))?;
    let is_inside =
        bounds.x >= dx && bounds.y >= dy && bounds.right() <= dx + w && bounds.bottom() <= dy + h;
    if is_inside {
        return Ok(Some(cut));
    }
    cut.area = None;
    if let Some(bbox) = &mut cut.bbox {
        *bbox = Box2::from_corners(
            bbox.x.clamp(0.0, w),
            bbox.y.clamp(0.0, h),
            bbox.right().clamp(0.0, w),
            bbox.bottom().clamp(0.0, h),
        );
    }
    if let Shape::Polygon(polygon) = &cut.shape {
        let clipped: Box<[Part]> = polygon
            .parts
            .iter()
            .map(|part| Part {
                outer: clip(&part.outer, w, h).into(),
                holes: part.holes.iter().map(|hole| clip(hole, w, h).into()).collect(),
            })
            .filter(|part| part.outer.len() > 2)
            .collect();
        if clipped.is_empty() {
            return Ok(None);
        }
        let polygon = Polygon { parts: clipped };
        cut.bbox = polygon.bounds();
        cut.shape = Shape::Polygon(polygon);
    }
    if let Some(more) = &mut cut.more {
        for keypoint in &mut more.keypoints {
            let p = keypoint.at;
            if p.x < 0.0 || p.y < 0.0 || p.x > w || p.y > h {
                keypoint.visibility = Visibility::Absent;
                keypoint.at = Point::default();
            }
        }
    }
    Ok(Some(cut))
}

/// Cuts a window out of a mask.
fn window(
    rle: &Rle,
    [left, top]: [u32; 2],
    [width, height]: [u32; 2],
    image: [u32; 2],
) -> Result<Rle> {
    let bad = |error: crate::raster::rle::RleError| {
        FormatError::cannot_write(format!("a mask can't be cut: {error}"))
    };
    if [rle.width, rle.height] != image {
        return Rasteriser::new(width, height).map(|mut empty| empty.ring(&[])).map_err(bad);
    }
    let columns = rle.to_columns().map_err(bad)?;
    let mut cut = Vec::with_capacity(width as usize * height as usize);
    for x in left..left + width {
        let start = x as usize * rle.height as usize + top as usize;
        cut.extend_from_slice(&columns[start..start + height as usize]);
    }
    Ok(Rle { compressed: rle.compressed, ..Rle::from_columns(&cut, width, height) })
}

/// Cuts a ring at the four sides of a tile (Sutherland and Hodgman 1974).
fn clip(ring: &[Point], width: f64, height: f64) -> Vec<Point> {
    let mut points = ring.to_vec();
    type Side = (fn(Point, f64) -> f64, f64);
    let sides: [Side; 4] = [
        (|p, _| p.x, width),
        (|p, limit| limit - p.x, width),
        (|p, _| p.y, height),
        (|p, limit| limit - p.y, height),
    ];
    for (distance, limit) in sides {
        let Some(mut before) = points.last().copied() else { break };
        let mut kept = Vec::with_capacity(points.len() + 4);
        for point in points {
            let (from, to) = (distance(before, limit), distance(point, limit));
            if (from < 0.0) != (to < 0.0) {
                let part = from / (from - to);
                kept.push(Point::new(
                    before.x + (point.x - before.x) * part,
                    before.y + (point.y - before.y) * part,
                ));
            }
            if to >= 0.0 {
                kept.push(point);
            }
            before = point;
        }
        points = kept;
    }
    points
}
