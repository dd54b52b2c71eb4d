//! Reads what a volunteer drew, with the tools of both of Zooniverse's classifiers.
//!
//! The older one names no tool in its export: what a mark is, its fields tell. Where they don't,
//! all marks of the tool decide together (see [`Tool`]).

use serde_json::Value;

use super::mark::Mark;
use crate::model::{Box2, Ellipse, Point, Polygon, Shape};

/// A drawing as an export says it.
#[derive(Clone, Debug, PartialEq)]
pub enum Drawing {
    Box(Box2),
    Outline(Shape),
    Point(Point),
    Line(Vec<Point>),
    /// A box from the top of the image to its bottom.
    Column {
        x: f64,
        width: f64,
    },
    /// A line from the left of the image to its right, at this height.
    FullWidth(f64),
    /// A line from the top of the image to its bottom.
    FullHeight(f64),
    /// A path drawn by hand: an outline or a line, as most of its tool are.
    Path(Vec<Point>),
    /// Corners, or ends and control points of curves by turns.
    Corners {
        points: Vec<Point>,
        closed: Closed,
    },
}

/// Whether corners come back to the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed {
    No,
    Yes,
    /// The classifier closed it when the volunteer went on.
    Later,
}

/// A path whose ends are no more than this part of its length apart was meant to come round.
///
/// In real exports, volunteers leave up to an eighth of an outline open, and a line that bends
/// much is open by a third of its length.
const GAP: f64 = 0.2;

/// Points of each curve, as Zooniverse's own aggregation has them.
const CURVE_STEPS: usize = 9;

/// What the marks of one tool have in common.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tool {
    closed: usize,
    open: usize,
    /// A control point lies where the classifier puts it, amid its curve's ends.
    has_control: bool,
    /// Corners that can't be ends and control points by turns.
    has_odd: bool,
}

impl Tool {
    /// Takes a mark into account.
    pub fn see(&mut self, drawing: &Drawing) {
        match drawing {
            Drawing::Path(points) if comes_round(points) => self.closed += 1,
            Drawing::Path(_) => self.open += 1,
            Drawing::Corners { points, closed } => {
                self.has_control |= has_control(points, *closed != Closed::No);
                self.has_odd |= (points.len() % 2 == 0) != (*closed == Closed::Yes);
            }
            _ => {}
        }
    }

    fn draws_outlines(self) -> bool {
        self.closed >= self.open
    }

    fn draws_curves(self) -> bool {
        self.has_control && !self.has_odd
    }
}

impl Drawing {
    /// Reads a mark of the tool that is called `label`.
    pub fn read(value: &Value, label: &str) -> Result<Self, String> {
        let number = |name: &str| {
            let number = value.get(name).and_then(Value::as_f64);
            number.filter(|number| number.is_finite())
        };
        let kind = value.get("toolType").and_then(Value::as_str).unwrap_or_default();
        let is = |kinds: &[&str]| kind.is_empty() || kinds.contains(&kind);
        let both = |x: &str, y: &str| Some(Point::new(number(x)?, number(y)?));
        if let Some(points) = points(value) {
            return Self::of_points(points, value, kind, label);
        }
        if let (Some(from), Some(to)) = (both("x1", "y1"), both("x2", "y2")) {
            return Ok(Self::Line(vec![from, to]));
        }
        // the newer classifier says the centre, and counts angles with the clock
        let centre = both("x_center", "y_center");
        let angle = number("angle");
        let Some(at) = centre.or_else(|| both("x", "y")) else {
            return match (number("x"), number("y"), number("width")) {
                (Some(x), None, Some(width)) if is(&["column"]) => Ok(Self::Column { x, width }),
                (None, Some(y), None) if is(&["fullWidthLine"]) => Ok(Self::FullWidth(y)),
                (Some(x), None, None) if is(&["fullHeightLine"]) => Ok(Self::FullHeight(x)),
                _ => Err(unread(kind)),
            };
        };
        let ellipse = |radius_x: f64, radius_y: f64, rotation: f64| {
            let ellipse = Ellipse { centre: at, radius_x, radius_y, rotation };
            Ok(Self::Outline(Shape::Ellipse(Box::new(ellipse))))
        };
        let turned = |points: Vec<Point>, middle: Point, angle: f64| {
            let (sin, cos) = angle.to_radians().sin_cos();
            let points = points.into_iter().map(|at| {
                Point::new(middle.x + at.x * cos - at.y * sin, middle.y + at.x * sin + at.y * cos)
            });
            Ok(Self::Outline(Shape::Polygon(Polygon::simple(points.collect::<Vec<_>>()))))
        };
        if let (Some(radius_x), Some(radius_y)) = (number("rx"), number("ry")) {
            let angle = angle.unwrap_or(0.0);
            return ellipse(radius_x, radius_y, if centre.is_some() { angle } else { -angle });
        }
        if let (Some(radius), Some(rotation), Some(spread)) =
            (number("radius"), number("rotation"), number("spread"))
        {
            return turned(fan(radius, spread), at, rotation);
        }
        match (number("r").or_else(|| number("radius")), angle) {
            (Some(radius), Some(angle)) if is(&["triangle"]) => {
                let (side, down) = (radius * 3_f64.sqrt() / 2.0, radius / 2.0);
                let corners = [(0.0, -radius), (side, down), (-side, down)];
                return turned(corners.map(|(x, y)| Point::new(x, y)).to_vec(), at, -angle);
            }
            (Some(radius), _) if is(&["circle"]) => return ellipse(radius, radius, 0.0),
            (Some(_), _) => return Err(unread(kind)),
            _ => {}
        }
        if let (Some(width), Some(height)) = (number("width"), number("height")) {
            let from = match centre {
                Some(centre) => Point::new(centre.x - width / 2.0, centre.y - height / 2.0),
                None => at,
            };
            // drawn from any corner
            let (right, bottom) = (from.x + width, from.y + height);
            let upright = Box2::from_corners(
                from.x.min(right),
                from.y.min(bottom),
                from.x.max(right),
                from.y.max(bottom),
            );
            return match angle.filter(|angle| *angle != 0.0) {
                None => Ok(Self::Box(upright)),
                Some(angle) => {
                    let middle = upright.centre();
                    let corners = upright
                        .corners()
                        .map(|corner| Point::new(corner.x - middle.x, corner.y - middle.y));
                    turned(corners.to_vec(), middle, angle)
                }
            };
        }
        let is_more = ["width", "height", "rx", "ry", "spread", "angle"]
            .iter()
            .any(|name| value.get(*name).is_some());
        if is(&["point", "temporalPoint"]) && centre.is_none() && !is_more {
            return Ok(Self::Point(at));
        }
        Err(unread(kind))
    }

    fn of_points(
        points: Vec<Point>,
        value: &Value,
        kind: &str,
        label: &str,
    ) -> Result<Self, String> {
        if points.len() < 2 {
            return Err("a drawing of fewer than two points".into());
        }
        let flag = |name: &str| value.get(name).and_then(Value::as_bool);
        let closed = match (flag("closed"), flag("auto_closed")) {
            (Some(true), Some(true)) => Closed::Later,
            (Some(true), _) => Closed::Yes,
            (Some(false), _) => Closed::No,
            (None, _) if ["polygon", "bezier"].contains(&kind) => Closed::Yes,
            (None, _) => return Ok(Self::Path(points)),
        };
        // who calls a tool so has chosen that tool
        let label = label.to_lowercase();
        let is_called = kind.is_empty() && (label.contains("bezier") || label.contains("bézier"));
        match (kind, closed) {
            ("bezier", _) => Ok(curves(&points, closed)),
            _ if is_called => Ok(curves(&points, closed)),
            ("", _) => Ok(Self::Corners { points, closed }),
            (_, Closed::No) => Ok(Self::Line(points)),
            _ if points.len() < 3 => Ok(Self::Line(points)),
            _ => Ok(Self::Outline(Shape::Polygon(Polygon::simple(points)))),
        }
    }

    /// Decides what it is; `size` is that of its image.
    pub fn mark(self, size: [u32; 2], tool: Tool) -> Result<Mark, String> {
        let [width, height] = size.map(f64::from);
        match self {
            Self::Column { .. } | Self::FullWidth(_) | Self::FullHeight(_) if size == [0, 0] => {
                Err("a drawing across an image whose size the export doesn't say".into())
            }
            Self::Box(bounds) => Ok(Mark::Box(bounds)),
            Self::Point(point) => Ok(Mark::Point(point)),
            Self::Line(points) => Ok(Mark::Line(points)),
            Self::Outline(shape) => Mark::outline(shape, size),
            Self::Column { x, width } => Ok(Mark::Box(Box2::new(x, 0.0, width, height))),
            Self::FullWidth(y) => Ok(Mark::Line(vec![Point::new(0.0, y), Point::new(width, y)])),
            Self::FullHeight(x) => Ok(Mark::Line(vec![Point::new(x, 0.0), Point::new(x, height)])),
            Self::Path(points) if !tool.draws_outlines() => Ok(Mark::Line(points)),
            Self::Path(points) if points.len() < 3 => {
                Err("a drawing of two points of a tool that draws outlines".into())
            }
            Self::Path(points) => Mark::outline(Shape::Polygon(Polygon::simple(points)), size),
            Self::Corners { points, closed } if tool.draws_curves() => {
                curves(&points, closed).mark(size, tool)
            }
            Self::Corners { points, closed } if closed == Closed::No || points.len() < 3 => {
                Ok(Mark::Line(points))
            }
            Self::Corners { points, .. } => {
                Mark::outline(Shape::Polygon(Polygon::simple(points)), size)
            }
        }
    }
}

fn unread(kind: &str) -> String {
    match kind {
        "" => "a drawing of a kind that sizar doesn't read".into(),
        _ => format!("a drawing of the kind `{kind}`, which sizar doesn't read"),
    }
}

fn points(value: &Value) -> Option<Vec<Point>> {
    let numbers = |name: &str| -> Option<Vec<f64>> {
        value.get(name)?.as_array()?.iter().map(Value::as_f64).collect()
    };
    match (numbers("pathX"), numbers("pathY")) {
        (Some(xs), Some(ys)) if xs.len() == ys.len() => {
            Some(xs.into_iter().zip(ys).map(|(x, y)| Point::new(x, y)).collect())
        }
        _ => value.get("points").and_then(Value::as_array).map(|points| {
            let each = points.iter().filter_map(|point| {
                Some(Point::new(point.get("x")?.as_f64()?, point.get("y")?.as_f64()?))
            });
            each.collect()
        }),
    }
}

fn apart(one: Point, two: Point) -> f64 {
    (one.x - two.x).hypot(one.y - two.y)
}

fn comes_round(points: &[Point]) -> bool {
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return false };
    let length: f64 = points.windows(2).map(|pair| apart(pair[0], pair[1])).sum();
    points.len() > 3 && apart(*first, *last) <= GAP * length
}

fn has_control(points: &[Point], is_closed: bool) -> bool {
    let first = points.first().filter(|_| is_closed).copied();
    (1..points.len()).step_by(2).any(|at| {
        let (from, control) = (points[at - 1], points[at]);
        points.get(at + 1).copied().or(first).is_some_and(|to| {
            let amid = Point::new(f64::midpoint(from.x, to.x), f64::midpoint(from.y, to.y));
            apart(from, to) > 1.0 && apart(control, amid) < 0.01
        })
    })
}

/// Curves of an end, a control point and an end each, as lines.
fn curves(points: &[Point], closed: Closed) -> Drawing {
    let mut line: Vec<Point> = points.first().copied().into_iter().collect();
    for at in (1..points.len()).step_by(2) {
        let (from, control) = (points[at - 1], points[at]);
        // the last control point leads back to the first end
        let Some(to) = points.get(at + 1).or(points.first().filter(|_| closed == Closed::Yes))
        else {
            break;
        };
        line.extend((1..=CURVE_STEPS).map(|step| {
            let t = step as f64 / CURVE_STEPS as f64;
            let (a, b, c) = ((1.0 - t) * (1.0 - t), 2.0 * (1.0 - t) * t, t * t);
            Point::new(a * from.x + b * control.x + c * to.x, a * from.y + b * control.y + c * to.y)
        }));
    }
    if line.len() < 2 {
        return Drawing::Line(points.to_vec());
    }
    if closed == Closed::No || line.len() < 3 {
        return Drawing::Line(line);
    }
    if line.first() == line.last() {
        line.pop();
    }
    Drawing::Outline(Shape::Polygon(Polygon::simple(line)))
}

/// A fan about its tip that opens to the right: two straight sides and half a circle.
fn fan(radius: f64, spread: f64) -> Vec<Point> {
    let (sin, cos) = (spread / 2.0).to_radians().sin_cos();
    let half = radius * sin / (sin + cos);
    let arc = (0..=2 * CURVE_STEPS).map(|step| {
        let angle = std::f64::consts::PI * (step as f64 / (2 * CURVE_STEPS) as f64 - 0.5);
        Point::new(radius - half + half * angle.cos(), half * angle.sin())
    });
    std::iter::once(Point::new(0.0, 0.0)).chain(arc).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const SIZE: [u32; 2] = [1000, 500];

    fn mark(value: &Value) -> Result<Mark, String> {
        let drawing = Drawing::read(value, "")?;
        let mut tool = Tool::default();
        tool.see(&drawing);
        drawing.mark(SIZE, tool)
    }

    #[test]
    fn marks_of_each_tool_are_read() {
        let kind = |value: Value| mark(&value).map(|mark| mark.kind());
        let points = json!([{"x": 1, "y": 1}, {"x": 90, "y": 1}, {"x": 9, "y": 90}]);
        assert_eq!(kind(json!({"x": 1, "y": 2, "width": -3, "height": 4})), Ok("box"));
        assert_eq!(
            kind(json!({"x": 1, "y": 2, "width": 3, "height": 4, "angle": 9})),
            Ok("outline")
        );
        assert_eq!(kind(json!({"x": 100, "y": 200, "r": 30})), Ok("outline"));
        assert_eq!(kind(json!({"x": 1, "y": 2})), Ok("point"));
        assert_eq!(kind(json!({"x": 1, "y": 2, "toolType": "temporalPoint"})), Ok("point"));
        assert_eq!(kind(json!({"x1": 1, "y1": 2, "x2": 3, "y2": 4})), Ok("line"));
        assert_eq!(kind(json!({"x": 1, "width": 4})), Ok("box"));
        assert_eq!(kind(json!({"points": points, "closed": true})), Ok("outline"));
        assert_eq!(kind(json!({"points": points, "closed": false})), Ok("line"));
        assert!(kind(json!({"x": 1, "y": 2, "toolType": "fan"})).is_err());
        assert!(kind(json!({"x": 1, "y": 2, "spread": 9})).is_err());
        assert!(kind(json!({"points": []})).is_err());
        assert_eq!(
            mark(&json!({"y": 7})),
            Ok(Mark::Line(vec![Point::new(0.0, 7.0), Point::new(1000.0, 7.0)]))
        );
        assert_eq!(
            mark(&json!({"x": 7})),
            Ok(Mark::Line(vec![Point::new(7.0, 0.0), Point::new(7.0, 500.0)]))
        );
    }

    fn polygon(value: &Value, label: &str) -> Vec<[i32; 2]> {
        let Ok(Drawing::Outline(Shape::Polygon(polygon))) = Drawing::read(value, label) else {
            panic!("{value} is no polygon")
        };
        let points = polygon.parts.iter().flat_map(|part| part.outer.iter());
        points.map(|at| [at.x.round() as i32, at.y.round() as i32]).collect()
    }

    #[test]
    fn shapes_are_turned_as_their_classifier_turns_them() {
        let triangle = json!({"x": 100, "y": 100, "r": 60, "angle": 90});
        assert_eq!(polygon(&triangle, ""), [[40, 100], [130, 48], [130, 152]]);
        let fan =
            polygon(&json!({"x": 100, "y": 50, "radius": 60, "rotation": 90, "spread": 90}), "");
        assert_eq!((fan[0], fan[10]), ([100, 50], [100, 110]));
        let turned = json!({"toolType": "rotateRectangle", "x_center": 100, "y_center": 50, "width": 40, "height": 20, "angle": 90});
        assert_eq!(polygon(&turned, ""), [[110, 30], [110, 70], [90, 70], [90, 30]]);
        // counted with the clock by the newer one alone
        for (x, y, rotation) in [("x", "y", -25.0), ("x_center", "y_center", 25.0)] {
            let ellipse =
                Ellipse { centre: Point::new(9.0, 9.0), radius_x: 4.0, radius_y: 2.0, rotation };
            let shape = Shape::Ellipse(Box::new(ellipse));
            let value = json!({x: 9, y: 9, "rx": 4, "ry": 2, "angle": 25});
            assert_eq!(Drawing::read(&value, ""), Ok(Drawing::Outline(shape)));
        }
        let curve = json!({"closed": true, "points": [
            {"x": 0, "y": 0}, {"x": 90, "y": 0}, {"x": 90, "y": 90}, {"x": 0, "y": 90}]});
        let points = polygon(&curve, "Bézier curve");
        assert_eq!((points.len(), points[9]), (18, [90, 90]));
        assert!(!points.contains(&[90, 0]), "{points:?}");
    }
}
