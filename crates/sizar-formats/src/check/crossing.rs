//! Whether the sides of a polygon cross.

use crate::model::Point;

/// A polygon of more points than this is taken on trust: the check is quadratic.
const MOST: usize = 4000;

/// Returns the first two sides that cross, by their first points.
///
/// Sides that touch at a corner, or run along each other, do not count: outlines traced from
/// masks do so, and all rasterisers take them.
pub fn crosses(ring: &[Point]) -> Option<[usize; 2]> {
    let count = ring.len();
    if !(4..=MOST).contains(&count) {
        return None;
    }
    let side = |at: usize| (ring[at], ring[(at + 1) % count]);
    let mut room = Vec::new();
    let bounds = Bounds::of_sides(ring, &mut room)?;
    for a in 0..count - 2 {
        // the next side begins where this one ends, and so does this one where the last ends
        let end = if a == 0 { count - 1 } else { count };
        for first in (a + 2..end).step_by(LANES) {
            let meets = bounds.meets(a, first)?;
            if meets.iter().fold(0, |any, meets| any | meets) == 0 {
                continue;
            }
            let met = (first..end).zip(meets).filter(|(_, meets)| *meets != 0).map(|(b, _)| b);
            let (p, q) = side(a);
            for b in met {
                let (r, s) = side(b);
                if turn(p, q, r) * turn(p, q, s) < 0.0 && turn(r, s, p) * turn(r, s, q) < 0.0 {
                    return Some([a, b]);
                }
            }
        }
    }
    None
}

/// So many sides are held against another one at a time.
const LANES: usize = 8;

/// The boxes around sides; most pairs of sides are apart, and four numbers tell.
///
/// Rounded to 32 bits, which leaves their order: two boxes that are apart then are so before.
struct Bounds<'a> {
    left: &'a [f32],
    right: &'a [f32],
    top: &'a [f32],
    bottom: &'a [f32],
}

impl<'a> Bounds<'a> {
    /// Computes them, in `room`.
    fn of_sides(ring: &[Point], room: &'a mut Vec<f32>) -> Option<Self> {
        // after the last there is what nothing meets
        let length = ring.len() + LANES;
        room.resize(4 * length, f32::NAN);
        let mut each = room.chunks_exact_mut(length);
        let (left, right) = (each.next()?, each.next()?);
        let (top, bottom) = (each.next()?, each.next()?);
        for (at, (p, q)) in ring.iter().zip(ring[1..].iter().chain(&ring[..1])).enumerate() {
            left[at] = p.x.min(q.x) as f32;
            right[at] = p.x.max(q.x) as f32;
            top[at] = p.y.min(q.y) as f32;
            bottom[at] = p.y.max(q.y) as f32;
        }
        Some(Self { left, right, top, bottom })
    }

    /// Tells which boxes from `first` on meet that of the side `a`: as numbers as wide as those that
    /// are compared, so that all are compared at once.
    #[inline]
    #[expect(clippy::needless_bitwise_bool, reason = "no branches: eight at once")]
    fn meets(&self, a: usize, first: usize) -> Option<[u32; LANES]> {
        let left: &[f32; LANES] = self.left[first..].first_chunk()?;
        let right: &[f32; LANES] = self.right[first..].first_chunk()?;
        let top: &[f32; LANES] = self.top[first..].first_chunk()?;
        let bottom: &[f32; LANES] = self.bottom[first..].first_chunk()?;
        let (a_left, a_right) = (self.left[a], self.right[a]);
        let (a_top, a_bottom) = (self.top[a], self.bottom[a]);
        Some(std::array::from_fn(|at| {
            u32::from(
                (left[at] <= a_right)
                    & (right[at] >= a_left)
                    & (top[at] <= a_bottom)
                    & (bottom[at] >= a_top),
            )
        }))
    }
}

/// Positive when `c` lies to the right of the way from `a` to `b` on screen.
fn turn(a: Point, b: Point, c: Point) -> f64 {
    let value = (b.x - a.x) * (c.y - a.y) - (b.y - a.y) * (c.x - a.x);
    // the sign is all that counts, and tiny numbers must not vanish in the product
    if value == 0.0 { 0.0 } else { value.signum() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{crosses, turn};
    use crate::model::Point;

    fn ring(points: &[(f64, f64)]) -> Vec<Point> {
        points.iter().map(|(x, y)| Point::new(*x, *y)).collect()
    }

    #[test]
    fn a_bow_tie_crosses_and_what_only_touches_does_not() {
        assert_eq!(crosses(&ring(&[(0., 0.), (4., 4.), (4., 0.), (0., 4.)])), Some([0, 2]));
        assert_eq!(crosses(&ring(&[(0., 0.), (4., 0.), (4., 4.), (0., 4.)])), None);
        // two squares that share a corner
        let touching =
            [(0., 0.), (2., 0.), (2., 2.), (4., 2.), (4., 4.), (2., 4.), (2., 2.), (0., 2.)];
        assert_eq!(crosses(&ring(&touching)), None);
    }

    /// Holds each side against each other.
    fn slowly(ring: &[Point]) -> Option<[usize; 2]> {
        let count = ring.len();
        let side = |at: usize| (ring[at], ring[(at + 1) % count]);
        let pairs = (0..count).flat_map(|a| (a + 2..count).map(move |b| [a, b]));
        pairs.filter(|[a, b]| (*a, *b) != (0, count - 1)).find(|[a, b]| {
            let ((p, q), (r, s)) = (side(*a), side(*b));
            turn(p, q, r) * turn(p, q, s) < 0.0 && turn(r, s, p) * turn(r, s, q) < 0.0
        })
    }

    proptest! {
        #[test]
        fn the_first_two_sides_that_cross_are_found(
            points in prop::collection::vec((0_i32..2000, 0_i32..2000), 4..40),
            count in 4_usize..40,
            jitter in prop::collection::vec(0.9_f64..1.1, 40),
        ) {
            let wild: Vec<Point> =
                points.iter().map(|(x, y)| Point::new(f64::from(*x) / 7.0, f64::from(*y))).collect();
            prop_assert_eq!(crosses(&wild), slowly(&wild));
            // about a circle, which seldom crosses itself
            let round: Vec<Point> = (0..count)
                .map(|at| {
                    let (sin, cos) = (jitter[at] * at as f64 / count as f64 * std::f64::consts::TAU).sin_cos();
                    Point::new(1e7 + cos * 50.0, sin * 50.0)
                })
                .collect();
            prop_assert_eq!(crosses(&round), slowly(&round));
        }
    }
}
