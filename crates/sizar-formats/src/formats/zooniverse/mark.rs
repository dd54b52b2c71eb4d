//! What a volunteer drew, and how alike two drawings are.

use crate::model::{Annotation, Box2, Point, Rle, Shape};
use crate::raster::Rasteriser;

/// A drawing of one volunteer.
#[derive(Clone, Debug, PartialEq)]
pub enum Mark {
    Box(Box2),
    /// A closed outline: of a polygon, a circle, an ellipse, a turned box.
    Outline(Shape, Rle),
    Point(Point),
    /// A line of two points or many.
    Line(Vec<Point>),
}

/// Points that are this part of the longer side apart are alike by a half.
pub const NEAR: f64 = 0.01;

/// Points that a line is compared at.
const STEPS: usize = 16;

impl Mark {
    /// Makes a mark of a closed outline on an image of this size.
    pub fn outline(shape: Shape, [width, height]: [u32; 2]) -> Result<Self, String> {
        let mut rasteriser = Rasteriser::new(width, height).map_err(|error| error.to_string())?;
        let annotation = Annotation { shape, ..Annotation::default() };
        let mask = rasteriser.shape(&annotation).ok_or("a drawing without an area")?;
        Ok(Self::Outline(annotation.shape, mask))
    }

    /// Returns how alike two marks are, from 0 to 1; `longest` is the image's longer side.
    ///
    /// For areas that is intersection over union. For points and lines it falls from 1 to 0 with
    /// their distance, and is a half where that is [`NEAR`] of the longer side.
    pub fn likeness(&self, other: &Self, longest: f64) -> f64 {
        let by_distance = |distance: f64| (1.0 - distance / (2.0 * NEAR * longest)).max(0.0);
        match (self, other) {
            (Self::Box(one), Self::Box(two)) => {
                let both = one.shared_area(two);
                let either = one.area() + two.area() - both;
                if either > 0.0 { both / either } else { 0.0 }
            }
            (Self::Outline(_, one), Self::Outline(_, two)) => {
                let both = one.intersection(two).area() as f64;
                let either = (one.area() + two.area()) as f64 - both;
                if either > 0.0 { both / either } else { 0.0 }
            }
            (Self::Point(one), Self::Point(two)) => {
                by_distance((one.x - two.x).hypot(one.y - two.y))
            }
            (Self::Line(one), Self::Line(two)) => {
                let (one, mut two) = (steps(one), steps(two));
                let apart = |one: &[Point], two: &[Point]| {
                    let each = one.iter().zip(two).map(|(a, b)| (a.x - b.x).hypot(a.y - b.y));
                    each.sum::<f64>() / STEPS as f64
                };
                let forwards = apart(&one, &two);
                two.reverse();
                by_distance(forwards.min(apart(&one, &two)))
            }
            _ => 0.0,
        }
    }

    /// Brings marks of one thing together: the median of corners, or of the ends of a straight
    /// line; of outlines and long lines the one that is most like the others.
    pub fn consensus(marks: &[&Self], longest: f64) -> Option<Self> {
        let first = *marks.first()?;
        let boxes: Vec<Box2> = marks
            .iter()
            .filter_map(|mark| if let Self::Box(at) = mark { Some(*at) } else { None })
            .collect();
        let points: Vec<Point> = marks
            .iter()
            .filter_map(|mark| if let Self::Point(at) = mark { Some(*at) } else { None })
            .collect();
        let straight: Vec<[Point; 2]> = marks
            .iter()
            .filter_map(|mark| match mark {
                Self::Line(line) => <[Point; 2]>::try_from(&line[..]).ok(),
                _ => None,
            })
            .collect();
        let middle = |values: &mut dyn Iterator<Item = f64>| median(values.collect());
        if boxes.len() == marks.len() {
            return Some(Self::Box(Box2::from_corners(
                middle(&mut boxes.iter().map(|at| at.x))?,
                middle(&mut boxes.iter().map(|at| at.y))?,
                middle(&mut boxes.iter().map(Box2::right))?,
                middle(&mut boxes.iter().map(Box2::bottom))?,
            )));
        }
        let between = |points: &[Point]| {
            Some(Point::new(
                middle(&mut points.iter().map(|at| at.x))?,
                middle(&mut points.iter().map(|at| at.y))?,
            ))
        };
        if points.len() == marks.len() {
            return between(&points).map(Self::Point);
        }
        if straight.len() == marks.len() {
            // all in the direction of the first
            let [from, to] = straight[0];
            let apart = |a: Point, b: Point| (a.x - b.x).hypot(a.y - b.y);
            let turned: Vec<[Point; 2]> = straight
                .iter()
                .map(|[a, b]| {
                    match apart(*a, from) + apart(*b, to) > apart(*b, from) + apart(*a, to) {
                        true => [*b, *a],
                        false => [*a, *b],
                    }
                })
                .collect();
            let end = |at: usize| between(&turned.iter().map(|line| line[at]).collect::<Vec<_>>());
            return Some(Self::Line(vec![end(0)?, end(1)?]));
        }
        let sum =
            |mark: &Self| -> f64 { marks.iter().map(|other| mark.likeness(other, longest)).sum() };
        let best = marks.iter().rev().max_by(|a, b| sum(a).total_cmp(&sum(b)));
        best.copied().or(Some(first)).cloned()
    }

    /// Puts the mark's place into an annotation.
    pub fn place(self, annotation: &mut Annotation) {
        match self {
            Self::Box(bounds) => annotation.bbox = Some(bounds),
            Self::Outline(shape, _) => annotation.shape = shape,
            Self::Point(point) => annotation.shape = Shape::Points([point].into()),
            Self::Line(points) => annotation.shape = Shape::Polyline(points.into()),
        }
    }

    /// Its kind: marks of two kinds are never one thing.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Box(_) => "box",
            Self::Outline(..) => "outline",
            Self::Point(_) => "point",
            Self::Line(_) => "line",
        }
    }
}

/// Points along a line, at equal distances.
fn steps(line: &[Point]) -> Vec<Point> {
    let length = |pair: &[Point]| (pair[1].x - pair[0].x).hypot(pair[1].y - pair[0].y);
    let whole: f64 = line.windows(2).map(length).sum();
    if line.len() < 2 {
        return line.iter().copied().cycle().take(STEPS).collect();
    }
    let mut found = Vec::with_capacity(STEPS);
    let (mut done, mut at) = (0.0, 0);
    for step in 0..STEPS {
        let wanted = whole * step as f64 / (STEPS - 1) as f64;
        while at + 2 < line.len() && done + length(&line[at..at + 2]) < wanted {
            done += length(&line[at..at + 2]);
            at += 1;
        }
        let pair = &line[at..at + 2];
        let part = length(pair);
        let share = if part > 0.0 { ((wanted - done) / part).clamp(0.0, 1.0) } else { 0.0 };
        let along = |from: f64, to: f64| from + (to - from) * share;
        found.push(Point::new(along(pair[0].x, pair[1].x), along(pair[0].y, pair[1].y)));
    }
    found
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        count if count % 2 == 1 => values.get(middle).copied(),
        _ => Some(f64::midpoint(values[middle - 1], values[middle])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(one: f64, two: f64) {
        assert!((one - two).abs() < 1e-9, "{one} and {two}");
    }

    #[test]
    fn likeness_is_overlap_or_nearness() {
        let boxed = |x: f64| Mark::Box(Box2::new(x, 0.0, 100.0, 100.0));
        near(boxed(0.0).likeness(&boxed(0.0), 1000.0), 1.0);
        near(boxed(0.0).likeness(&boxed(50.0), 1000.0), 5000.0 / 15000.0);
        let point = |x: f64| Mark::Point(Point::new(x, 0.0));
        near(point(0.0).likeness(&point(10.0), 1000.0), 0.5);
        near(point(0.0).likeness(&point(90.0), 1000.0), 0.0);
        let line =
            |from: f64, to: f64| Mark::Line(vec![Point::new(from, 0.0), Point::new(to, 0.0)]);
        assert!(line(0.0, 100.0).likeness(&line(100.0, 0.0), 1000.0) > 0.999);
        near(line(0.0, 100.0).likeness(&boxed(0.0), 1000.0), 0.0);
    }

    #[test]
    fn consensus_is_the_median() {
        let boxed = |x: f64| Mark::Box(Box2::new(x, 0.0, 100.0, 100.0));
        let marks = [boxed(0.0), boxed(2.0), boxed(40.0)];
        let marks: Vec<&Mark> = marks.iter().collect();
        assert_eq!(Mark::consensus(&marks, 1000.0), Some(boxed(2.0)));
        let line =
            |from: f64, to: f64| Mark::Line(vec![Point::new(from, 0.0), Point::new(to, 0.0)]);
        let lines = [line(0.0, 100.0), line(102.0, 4.0)];
        assert_eq!(Mark::consensus(&[&lines[0], &lines[1]], 1000.0), Some(line(2.0, 101.0)));
    }
}
