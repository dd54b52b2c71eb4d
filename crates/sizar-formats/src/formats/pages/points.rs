//! Lists of points as text.

use std::fmt::Write as _;

use crate::model::{Box2, Ellipse, Point, Shape};

/// Reads `x,y x,y`, `x y x y` and what lies between; what is no number ends it with its place.
pub fn parse(text: &str) -> Result<Vec<Point>, String> {
    // most points are some eight characters
    let mut points = Vec::with_capacity(text.len() / 8 + 1);
    let mut first = None;
    let pieces = text.split(|c: char| c == ',' || c.is_ascii_whitespace());
    for piece in pieces.filter(|piece| !piece.is_empty()) {
        let Some(number) = number(piece) else {
            return Err(format!("`{piece}` is not a coordinate"));
        };
        match first.take() {
            None => first = Some(number),
            Some(x) => points.push(Point::new(x, number)),
        }
    }
    match first {
        None => Ok(points),
        Some(_) => Err(format!("a point lacks its second coordinate after {}", points.len())),
    }
}

/// Reads a number; whole ones, which most are, without the machinery of fractions.
fn number(text: &str) -> Option<f64> {
    if text.len() < 10 && text.bytes().all(|byte| byte.is_ascii_digit()) {
        let whole = text.bytes().fold(0_u32, |sum, byte| sum * 10 + u32::from(byte - b'0'));
        return Some(f64::from(whole));
    }
    text.parse::<f64>().ok().filter(|number| number.is_finite())
}

/// Writes whole coordinates, none below 0, between `pair` and `next`; at least two points.
pub fn whole(points: &[Point], pair: char, next: char) -> String {
    let mut text = String::with_capacity(points.len() * 10);
    let repeated = if points.len() == 1 { 2 } else { 1 };
    for point in points.iter().cycle().take(points.len() * repeated) {
        if !text.is_empty() {
            text.push(next);
        }
        let _ = write!(text, "{}{pair}{}", pixel(point.x), pixel(point.y));
    }
    text
}

/// A coordinate as a whole number, none below 0.
pub fn pixel(value: f64) -> u32 {
    // the cast is 0 for NaN and what is below 0
    value.round().min(2_147_483_647.0) as u32
}

/// Returns the outline of a shape, or of a box: its largest part, without holes.
pub fn outline(shape: &Shape, bounds: Option<Box2>) -> Vec<Point> {
    match shape {
        Shape::Polygon(polygon) if !polygon.parts.is_empty() => polygon
            .parts
            .iter()
            .map(|part| &part.outer)
            .max_by(|a, b| {
                let area = |ring: &[Point]| crate::model::shape::ring_area(ring).abs();
                area(a).total_cmp(&area(b))
            })
            .map(|ring| ring.to_vec())
            .unwrap_or_default(),
        Shape::Ellipse(ellipse) => Ellipse::points(ellipse, 32),
        Shape::Polyline(points) if points.len() > 2 => points.to_vec(),
        _ => bounds.map(|bounds| bounds.corners().to_vec()).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_read_in_each_spelling() {
        let expected = vec![Point::new(1.0, 2.0), Point::new(3.5, -4.0)];
        for text in ["1,2 3.5,-4", "1 2 3.5 -4", " 1,2, 3.5,-4 ", "1,2,3.5,-4\n"] {
            assert_eq!(parse(text).unwrap(), expected, "{text}");
        }
        assert_eq!(parse("").unwrap(), vec![]);
        assert!(parse("1,2 3").unwrap_err().contains("second coordinate"));
        assert!(parse("1,NaN").unwrap_err().contains("`NaN`"));
        assert!(parse("inf,1").is_err());
    }

    #[test]
    fn written_points_are_whole_and_at_least_two() {
        assert_eq!(whole(&[Point::new(1.4, -3.0)], ',', ' '), "1,0 1,0");
        assert_eq!(
            whole(&[Point::new(0.5, 2.0), Point::new(1e12, 0.0)], ',', ' '),
            "1,2 2147483647,0"
        );
    }
}
