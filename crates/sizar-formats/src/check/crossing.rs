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
    for a in 0..count - 2 {
        let (p, q) = side(a);
        let (left, right) = (p.x.min(q.x), p.x.max(q.x));
        let (top, bottom) = (p.y.min(q.y), p.y.max(q.y));
        for b in a + 2..count {
            if a == 0 && b == count - 1 {
                continue;
            }
            let (r, s) = side(b);
            let apart = (r.x > right && s.x > right)
                || (r.x < left && s.x < left)
                || (r.y > bottom && s.y > bottom)
                || (r.y < top && s.y < top);
            if !apart && turn(p, q, r) * turn(p, q, s) < 0.0 && turn(r, s, p) * turn(r, s, q) < 0.0
            {
                return Some([a, b]);
            }
        }
    }
    None
}

/// Positive when `c` lies to the right of the way from `a` to `b` on screen.
fn turn(a: Point, b: Point, c: Point) -> f64 {
    let value = (b.x - a.x) * (c.y - a.y) - (b.y - a.y) * (c.x - a.x);
    // the sign is all that counts, and tiny numbers must not vanish in the product
    if value == 0.0 { 0.0 } else { value.signum() }
}

#[cfg(test)]
mod tests {
    use super::crosses;
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
}
