//! Lists of points as text.

use std::fmt::Write as _;

use crate::model::{Box2, Ellipse, Point, Shape};

/// Reads `x,y x,y`, `x y x y` and what lies between; what is no number ends it with its place.
pub fn parse(text: &str) -> Result<Vec<Point>, String> {
    // most points are some eight characters
    let mut points = Vec::with_capacity(text.len() / 8 + 1);
    let mut first = None;
    let bytes = text.as_bytes();
    let is_between = |byte: &u8| *byte == b',' || byte.is_ascii_whitespace();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        if is_between(byte) {
            at += 1;
            continue;
        }
        // whole numbers, which most are, without the machinery of fractions
        let (begin, mut whole) = (at, 0_u32);
        while let Some(digit) =
            bytes.get(at).map(|byte| byte.wrapping_sub(b'0')).filter(|d| *d < 10)
        {
            whole = whole.wrapping_mul(10).wrapping_add(digit.into());
            at += 1;
        }
        let is_whole = at - begin < 10 && bytes.get(at).is_none_or(is_between);
        let number = if is_whole {
            f64::from(whole)
        } else {
            at += bytes[at..].iter().position(is_between).unwrap_or(bytes.len() - at);
            let piece = &text[begin..at];
            match piece.parse::<f64>() {
                Ok(number) if number.is_finite() => number,
                _ => return Err(format!("`{piece}` is not a coordinate")),
            }
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
        let long = vec![Point::new(4_294_967_297.0, 12_345_678_901.0)];
        assert_eq!(parse("4294967297,012345678901").unwrap(), long);
        assert!(parse("1,2é").unwrap_err().contains("`2é`"));
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
