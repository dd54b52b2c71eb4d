//! Masks turned into polygons along the borders of their pixels.
//!
//! The corners are whole numbers, so that COCO's rasteriser gives back the same mask.

use crate::model::shape::ring_area;
use crate::model::{Part, Point, Polygon, Rle};

use super::rle::RleError;

/// The four ways along a border, clockwise: right, down, left, up.
const STEPS: [(i64, i64); 4] = [(1, 0), (0, 1), (-1, 0), (0, -1)];

/// Returns the outline of `mask`; areas that touch at a corner only are parts of their own.
pub fn trace(mask: &Rle) -> Result<Polygon, RleError> {
    let columns = mask.to_columns()?;
    let (width, height) = (i64::from(mask.width), i64::from(mask.height));
    let set = |x: i64, y: i64| {
        (0..width).contains(&x)
            && (0..height).contains(&y)
            && columns[(x * height + y) as usize] != 0
    };
    // borders that go right along the upper side of a pixel: each ring has one of them
    let mut seen = vec![false; columns.len()];
    let mut rings = Vec::new();
    // such a pixel is the first of a run, or of its column
    let mut starts = Vec::new();
    mask.runs(|from, to| {
        starts.push(from as i64);
        let mut column = (from as i64 / height + 1) * height;
        while column < to as i64 {
            starts.push(column);
            column += height;
        }
    });
    for at in starts {
        let (x, y) = (at / height, at % height);
        if columns[at as usize] != 0 && !seen[at as usize] && !set(x, y - 1) {
            rings.push(follow(x, y, &set, |x, y| seen[(x * height + y) as usize] = true));
        }
    }
    Ok(assembled(rings))
}

/// Walks round a border with the set pixels on the right hand.
fn follow(
    start_x: i64,
    start_y: i64,
    set: &impl Fn(i64, i64) -> bool,
    mut mark: impl FnMut(i64, i64),
) -> Vec<Point> {
    let (mut x, mut y, mut way) = (start_x, start_y, 0_usize);
    let mut ring = Vec::new();
    loop {
        if way == 0 {
            mark(x, y);
        }
        let (dx, dy) = STEPS[way];
        (x, y) = (x + dx, y + dy);
        // the two pixels ahead, to the right and to the left of the way
        let (right, left) = match way {
            0 => ((x, y), (x, y - 1)),
            1 => ((x - 1, y), (x, y)),
            2 => ((x - 1, y - 1), (x - 1, y)),
            _ => ((x, y - 1), (x - 1, y - 1)),
        };
        let next = match (set(right.0, right.1), set(left.0, left.1)) {
            // four neighbours: at a corner that two areas share, stay with this one
            (false, _) => (way + 1) % 4,
            (true, false) => way,
            (true, true) => (way + 3) % 4,
        };
        if next != way {
            ring.push(Point::new(x as f64, y as f64));
        }
        way = next;
        if (x, y, way) == (start_x, start_y, 0) {
            return ring;
        }
    }
}

/// Gives each hole to the smallest ring around it.
fn assembled(rings: Vec<Vec<Point>>) -> Polygon {
    let (mut outer, mut holes) = (Vec::new(), Vec::new());
    for ring in rings {
        let area = ring_area(&ring);
        if area > 0.0 { outer.push((area, ring, Vec::new())) } else { holes.push(ring) }
    }
    for hole in holes {
        // a point just inside the hole's first corner's pixel
        let Some(corner) = hole.first().copied() else { continue };
        let around = outer
            .iter_mut()
            .filter(|(area, ring, _)| {
                *area > ring_area(&hole).abs() && surrounds(ring, &hole, corner)
            })
            .min_by(|(a, ..), (b, ..)| a.total_cmp(b));
        if let Some((_, _, holes)) = around {
            holes.push(Box::from(hole));
        }
    }
    let parts =
        outer.into_iter().map(|(_, ring, holes)| Part { outer: ring.into(), holes: holes.into() });
    Polygon { parts: parts.collect() }
}

/// Tells whether `ring` goes round `hole`: by the middle of the hole's first side, moved off the
/// grid towards its inside.
fn surrounds(ring: &[Point], hole: &[Point], corner: Point) -> bool {
    let Some(next) = hole.get(1) else { return false };
    let (dx, dy) = ((next.x - corner.x).signum(), (next.y - corner.y).signum());
    // the inside of a hole is to the left of its way
    let x = corner.x + dx * 0.5 + dy * 0.25;
    let y = corner.y + dy * 0.5 - dx * 0.25;
    contains(ring, x, y)
}

/// Tells whether a point that isn't on a corner's height lies within `ring`.
pub fn contains(ring: &[Point], x: f64, y: f64) -> bool {
    let Some(last) = ring.last() else { return false };
    let (mut inside, mut before) = (false, last);
    for point in ring {
        if (point.y > y) != (before.y > y) {
            let cut = (before.x - point.x) * (y - point.y) / (before.y - point.y) + point.x;
            inside ^= x < cut;
        }
        before = point;
    }
    inside
}

/// Joins parts and holes into one ring by lines of no width, for formats that have one ring.
///
/// Each ring is joined to the one before it, where the two are nearest, as Ultralytics'
/// `merge_multi_segment` does (`ultralytics/data/converter.py`): to look for the nearest point of all
/// takes minutes for the crowds of COCO, which have thousands of rings.
pub fn joined(polygon: &Polygon) -> Vec<Point> {
    let mut rings = polygon.rings().filter(|ring| !ring.is_empty());
    let mut all: Vec<Point> = rings.next().map(<[Point]>::to_vec).unwrap_or_default();
    let mut before = 0..all.len();
    for ring in rings {
        let (mut best, mut at, mut other) = (f64::INFINITY, before.start, 0);
        for (i, a) in all[before.clone()].iter().enumerate() {
            for (j, b) in ring.iter().enumerate() {
                let distance = (a.x - b.x).powi(2) + (a.y - b.y).powi(2);
                if distance < best {
                    (best, at, other) = (distance, before.start + i, j);
                }
            }
        }
        let bridge = [&ring[other..], &ring[..=other], &[all[at]]].concat();
        let next = at + 1;
        before = next..next + ring.len();
        all.splice(next..next, bridge);
    }
    all
}
