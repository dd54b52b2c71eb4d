//! A contact sheet: small images with their annotations drawn.

use camino::Utf8Path;
use image::imageops::{FilterType, overlay};
use image::{DynamicImage, Rgb, RgbImage};
use rayon::prelude::*;

use crate::error::{FormatError, Result};
use crate::formats::mask::palette::voc_colour;
use crate::model::{Annotation, Dataset, Point, Shape};
use crate::pixels::encode::decode;
use crate::raster::trace;

/// The side of a tile, and the space between tiles.
const TILE: u32 = 240;
const GAP: u32 = 6;

/// Draws up to `most` images, taken evenly from those whose files are there, as a PNG.
///
/// Returns how many were drawn.
pub fn sheet(dataset: &Dataset, most: usize, out: &Utf8Path) -> Result<usize> {
    let by_image = dataset.by_image();
    let there: Vec<usize> =
        (0..dataset.images.len()).filter(|at| dataset.images[*at].file.is_some()).collect();
    if there.is_empty() {
        return Err(FormatError::cannot_write("a contact sheet needs images, and none was found")
            .with_hint("say where they are with `--images-in FOLDER`"));
    }
    let count = most.clamp(1, there.len());
    let chosen: Vec<usize> = (0..count).map(|at| there[at * there.len() / count]).collect();
    let tiles: Vec<RgbImage> =
        chosen.par_iter().map(|at| tile(dataset, *at, by_image.of(*at))).collect::<Result<_>>()?;
    let columns = (count as f64).sqrt().ceil() as u32;
    let rows = (count as u32).div_ceil(columns);
    let (width, height) = (columns * (TILE + GAP) + GAP, rows * (TILE + GAP) + GAP);
    let mut whole = RgbImage::from_pixel(width, height, Rgb([255, 255, 255]));
    for (at, tile) in tiles.iter().enumerate() {
        let (column, row) = (at as u32 % columns, at as u32 / columns);
        let x = GAP + column * (TILE + GAP) + (TILE - tile.width()) / 2;
        let y = GAP + row * (TILE + GAP) + (TILE - tile.height()) / 2;
        overlay(&mut whole, tile, x.into(), y.into());
    }
    let mut bytes = std::io::Cursor::new(Vec::new());
    DynamicImage::ImageRgb8(whole)
        .write_to(&mut bytes, image::ImageFormat::Png)
        .map_err(|error| FormatError::cannot_write(format!("`{out}`: {error}")))?;
    fs_err::write(out, bytes.into_inner())?;
    Ok(count)
}

fn tile(dataset: &Dataset, at: usize, annotations: &[u32]) -> Result<RgbImage> {
    let image = &dataset.images[at];
    let Some(file) = &image.file else { return Ok(RgbImage::new(1, 1)) };
    let pixels = decode(file)?;
    // annotations are in the pixels that the data set says
    let (width, height) = match (image.width, image.height) {
        (0, _) | (_, 0) => (pixels.width(), pixels.height()),
        known => known,
    };
    let small = pixels.resize(TILE, TILE, FilterType::Triangle).to_rgb8();
    let scale = [
        f64::from(small.width()) / f64::from(width),
        f64::from(small.height()) / f64::from(height),
    ];
    let mut canvas = Canvas { pixels: small, scale };
    for annotation in annotations {
        canvas.draw(&dataset.annotations[*annotation as usize]);
    }
    Ok(canvas.pixels)
}

struct Canvas {
    pixels: RgbImage,
    scale: [f64; 2],
}

impl Canvas {
    fn draw(&mut self, annotation: &Annotation) {
        let colour =
            annotation.category.map_or([0, 160, 255], |at| voc_colour((at % 255) as u8 + 1));
        match &annotation.shape {
            Shape::Polygon(polygon) => {
                polygon.rings().for_each(|ring| self.ring(ring, colour));
            }
            Shape::Rle(rle) => {
                if let Ok(polygon) = trace(rle) {
                    polygon.rings().for_each(|ring| self.ring(ring, colour));
                }
            }
            Shape::Ellipse(ellipse) => self.ring(&ellipse.points(48), colour),
            Shape::Polyline(points) => self.path(points, colour),
            Shape::Points(points) => points.iter().for_each(|point| self.dot(*point, colour)),
            Shape::None => {
                if let Some(bbox) = annotation.bbox {
                    self.ring(&bbox.corners(), colour);
                }
            }
        }
        if let Some(more) = &annotation.more {
            self.path(&more.baseline, colour);
            for keypoint in &more.keypoints {
                if keypoint.visibility != crate::model::Visibility::Absent {
                    self.dot(keypoint.at, colour);
                }
            }
        }
    }

    fn ring(&mut self, points: &[Point], colour: [u8; 3]) {
        self.path(points, colour);
        if let (Some(last), Some(first)) = (points.last(), points.first()) {
            self.line(*last, *first, colour);
        }
    }

    fn path(&mut self, points: &[Point], colour: [u8; 3]) {
        points.windows(2).for_each(|pair| self.line(pair[0], pair[1], colour));
    }

    fn line(&mut self, from: Point, to: Point, colour: [u8; 3]) {
        let [sx, sy] = self.scale;
        let (x0, y0, x1, y1) = (from.x * sx, from.y * sy, to.x * sx, to.y * sy);
        // a point far outside can't make the line endless
        let steps = (x1 - x0).abs().max((y1 - y0).abs()).ceil().clamp(1.0, 4096.0);
        for step in 0..=steps as u32 {
            let part = f64::from(step) / steps;
            self.put(x0 + (x1 - x0) * part, y0 + (y1 - y0) * part, colour);
        }
    }

    fn dot(&mut self, at: Point, colour: [u8; 3]) {
        let [sx, sy] = self.scale;
        for dx in -1..=1 {
            for dy in -1..=1 {
                self.put(at.x * sx + f64::from(dx), at.y * sy + f64::from(dy), colour);
            }
        }
    }

    fn put(&mut self, x: f64, y: f64, colour: [u8; 3]) {
        let (width, height) = self.pixels.dimensions();
        if x >= 0.0 && y >= 0.0 && x <= f64::from(width) && y <= f64::from(height) {
            let (x, y) = ((x as u32).min(width - 1), (y as u32).min(height - 1));
            self.pixels.put_pixel(x, y, Rgb(colour));
        }
    }
}
