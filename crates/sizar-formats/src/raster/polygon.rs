//! Polygons turned into masks, with COCO's rule to the pixel.
//!
//! `maskApi.c` walks along each edge in fifths of a pixel and keeps the steps that cross the
//! middle of a column. Here those crossings are computed straight away, a fifth of the steps or
//! fewer, with the same roundings.

use crate::model::{Annotation, Part, Point, Polygon, Rle, Shape};

use super::rle::RleError;

/// Turns polygons into masks of one size; it keeps its memory from one to the next.
pub struct Rasteriser {
    width: u32,
    height: u32,
    corners: Vec<[i64; 2]>,
    crossings: Vec<u32>,
}

/// `maskApi.c` has 32-bit pixels; so have we.
const MOST: u64 = 1 << 31;

/// Coordinates beyond this are cut, so that their fifths stay exact.
const FARTHEST: f64 = 4e8;

impl Rasteriser {
    pub fn new(width: u32, height: u32) -> Result<Self, RleError> {
        if u64::from(width) * u64::from(height) >= MOST {
            return Err(RleError::TooLarge { width, height });
        }
        Ok(Self { width, height, corners: Vec::new(), crossings: Vec::new() })
    }

    /// Returns the mask of an annotation: of its shape, or of its box where it has none.
    ///
    /// A mask of another size than this is none.
    pub fn shape(&mut self, annotation: &Annotation) -> Option<Rle> {
        match &annotation.shape {
            Shape::Polygon(polygon) => Some(self.polygon(polygon)),
            Shape::Ellipse(ellipse) => Some(self.ring(&ellipse.points(64))),
            Shape::Rle(rle) => {
                let fits = (rle.width, rle.height) == (self.width, self.height);
                (fits && rle.check().is_ok()).then(|| (**rle).clone())
            }
            Shape::None => annotation.bbox.map(|bbox| self.ring(&bbox.corners())),
            Shape::Polyline(_) | Shape::Points(_) => None,
        }
    }

    /// Returns the mask of all parts, less their holes.
    pub fn polygon(&mut self, polygon: &Polygon) -> Rle {
        let parts: Vec<Rle> = polygon.parts.iter().map(|part| self.part(part)).collect();
        match <[Rle; 1]>::try_from(parts) {
            Ok([only]) => only,
            Err(parts) => Rle::union(&parts).unwrap_or_else(|| self.ring(&[])),
        }
    }

    fn part(&mut self, part: &Part) -> Rle {
        let mut mask = self.ring(&part.outer);
        for hole in &part.holes {
            mask = mask.without(&self.ring(hole));
        }
        mask
    }

    /// Returns the mask of one closed ring.
    pub fn ring(&mut self, ring: &[Point]) -> Rle {
        self.corners.clear();
        self.crossings.clear();
        // the cast cuts off like C's; the 0.5 makes it round
        let fifth = |value: f64| (5.0 * value.clamp(-FARTHEST, FARTHEST) + 0.5) as i64;
        self.corners.extend(ring.iter().map(|point| [fifth(point.x), fifth(point.y)]));
        if let Some(first) = self.corners.first().copied() {
            self.corners.push(first);
        }
        let corners = std::mem::take(&mut self.corners);
        for pair in corners.windows(2) {
            self.edge(pair[0], pair[1]);
        }
        self.corners = corners;
        self.runs()
    }

    /// Notes where an edge crosses the middle of a column.
    fn edge(&mut self, from: [i64; 2], to: [i64; 2]) {
        let ([mut xs, mut ys], [mut xe, mut ye]) = (from, to);
        let (dx, dy) = ((xe - xs).abs(), (ye - ys).abs());
        if (dx >= dy && xs > xe) || (dx < dy && ys > ye) {
            ((xs, ys), (xe, ye)) = ((xe, ye), (xs, ys));
        }
        let (low, high) = (xs.min(xe), xs.max(xe));
        // column X is crossed between 5X + 2 and 5X + 3
        let first = (low - 2 + 4).div_euclid(5).max(0);
        let last = (high - 3).div_euclid(5).min(i64::from(self.width) - 1);
        if dx >= dy {
            let slope = (ye - ys) as f64 / dx as f64;
            let y_at = |step: i64| (ys as f64 + slope * step as f64 + 0.5) as i64;
            for column in first..=last {
                let step = column * 5 + 2 - xs;
                self.cross(column, y_at(step).min(y_at(step + 1)));
            }
        } else {
            let slope = (xe - xs) as f64 / dy as f64;
            let x_at = |step: i64| (xs as f64 + slope * step as f64 + 0.5) as i64;
            for column in first..=last {
                let middle = column * 5 + 2;
                // the first step beyond the middle: computed, then put right by the exact rule
                let beyond = |step: i64| {
                    if slope > 0.0 { x_at(step) > middle } else { x_at(step) <= middle }
                };
                let guess = (middle as f64 + 0.5 - xs as f64) / slope;
                let mut step = (guess.ceil() as i64).clamp(0, dy);
                while step > 0 && beyond(step - 1) {
                    step -= 1;
                }
                while step <= dy && !beyond(step) {
                    step += 1;
                }
                if step > 0 && step <= dy {
                    self.cross(column, ys + step - 1);
                }
            }
        }
    }

    fn cross(&mut self, column: i64, y: i64) {
        let height = i64::from(self.height);
        let row = (y + 2).div_euclid(5).clamp(0, height);
        self.crossings.push((column * height + row) as u32);
    }

    /// Makes runs of the crossings, as the end of `rleFrPoly` does.
    fn runs(&mut self) -> Rle {
        self.crossings.push(self.width * self.height);
        self.crossings.sort_unstable();
        let mut counts: Vec<u32> = Vec::with_capacity(self.crossings.len());
        let mut before = 0;
        let mut lengths = self.crossings.iter().map(|at| {
            let length = at - before;
            before = *at;
            length
        });
        counts.extend(lengths.next());
        while let Some(length) = lengths.next() {
            if length > 0 {
                counts.push(length);
            } else if let (Some(next), Some(last)) = (lengths.next(), counts.last_mut()) {
                *last += next;
            }
        }
        Rle { width: self.width, height: self.height, counts: counts.into(), compressed: true }
    }
}
