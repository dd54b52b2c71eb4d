//! Where in an image something is.

/// A point in pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Point {
    pub x: f64,
    pub y: f64,
}

impl Point {
    pub const fn new(x: f64, y: f64) -> Self {
        Self { x, y }
    }
}

/// An upright box: its top left corner and its size.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Box2 {
    pub x: f64,
    pub y: f64,
    pub width: f64,
    pub height: f64,
}

impl Box2 {
    pub const fn new(x: f64, y: f64, width: f64, height: f64) -> Self {
        Self { x, y, width, height }
    }

    pub fn from_corners(left: f64, top: f64, right: f64, bottom: f64) -> Self {
        Self::new(left, top, right - left, bottom - top)
    }

    pub fn right(&self) -> f64 {
        self.x + self.width
    }

    pub fn bottom(&self) -> f64 {
        self.y + self.height
    }

    /// Returns the area that it shares with another box.
    pub fn shared_area(&self, other: &Self) -> f64 {
        let width = self.right().min(other.right()) - self.x.max(other.x);
        let height = self.bottom().min(other.bottom()) - self.y.max(other.y);
        width.max(0.0) * height.max(0.0)
    }

    pub fn area(&self) -> f64 {
        self.width * self.height
    }

    pub fn centre(&self) -> Point {
        Point::new(self.x + self.width / 2.0, self.y + self.height / 2.0)
    }

    /// Returns the corners clockwise from the top left.
    pub fn corners(&self) -> [Point; 4] {
        let (right, bottom) = (self.right(), self.bottom());
        [
            Point::new(self.x, self.y),
            Point::new(right, self.y),
            Point::new(right, bottom),
            Point::new(self.x, bottom),
        ]
    }

    /// Returns the smallest box around `points`, if there is one.
    pub fn around(points: impl IntoIterator<Item = Point>) -> Option<Self> {
        let mut points = points.into_iter();
        let first = points.next()?;
        let (mut low, mut high) = (first, first);
        for point in points {
            low = Point::new(low.x.min(point.x), low.y.min(point.y));
            high = Point::new(high.x.max(point.x), high.y.max(point.y));
        }
        Some(Self::from_corners(low.x, low.y, high.x, high.y))
    }
}

/// The outline or the pixels of something; a plain box is in [`super::Annotation::bbox`] alone.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Shape {
    #[default]
    None,
    Polygon(Polygon),
    /// Pixels.
    Rle(Box<Rle>),
    /// An open line.
    Polyline(Box<[Point]>),
    /// One point or several without names.
    Points(Box<[Point]>),
    Ellipse(Box<Ellipse>),
}

impl Shape {
    /// Returns the smallest box around it.
    pub fn bounds(&self) -> Option<Box2> {
        match self {
            Self::None => None,
            Self::Polygon(polygon) => polygon.bounds(),
            Self::Rle(rle) => rle.bounds(),
            Self::Polyline(points) | Self::Points(points) => Box2::around(points.iter().copied()),
            Self::Ellipse(ellipse) => Some(ellipse.bounds()),
        }
    }
}

/// An area in one or more parts, each of which may have holes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Polygon {
    pub parts: Box<[Part]>,
}

/// A part of a polygon: a ring of points, the last joined to the first, less its holes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Part {
    pub outer: Box<[Point]>,
    pub holes: Box<[Box<[Point]>]>,
}

impl Polygon {
    /// A polygon of one part without holes.
    pub fn simple(points: impl Into<Box<[Point]>>) -> Self {
        Self { parts: Box::new([Part { outer: points.into(), holes: Box::default() }]) }
    }

    pub fn bounds(&self) -> Option<Box2> {
        Box2::around(self.parts.iter().flat_map(|part| part.outer.iter().copied()))
    }

    pub fn has_holes(&self) -> bool {
        self.parts.iter().any(|part| !part.holes.is_empty())
    }

    /// Returns its area by the shoelace rule: parts that overlap count twice.
    pub fn area(&self) -> f64 {
        let part = |part: &Part| {
            ring_area(&part.outer).abs()
                - part.holes.iter().map(|hole| ring_area(hole).abs()).sum::<f64>()
        };
        self.parts.iter().map(part).sum()
    }

    /// Returns all rings, outer ones and holes.
    pub fn rings(&self) -> impl Iterator<Item = &[Point]> {
        self.parts
            .iter()
            .flat_map(|part| std::iter::once(&*part.outer).chain(part.holes.iter().map(|h| &**h)))
    }
}

/// Returns the area of a ring; it is negative when its points run counter-clockwise on screen.
pub fn ring_area(ring: &[Point]) -> f64 {
    let Some(last) = ring.last() else { return 0.0 };
    let mut before = last;
    let mut twice = 0.0;
    for point in ring {
        twice += before.x * point.y - point.x * before.y;
        before = point;
    }
    twice / 2.0
}

/// A mask as the lengths of its runs, down the columns, the first of zeros, as in COCO.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rle {
    pub width: u32,
    pub height: u32,
    pub counts: Box<[u32]>,
    /// Whether the file wrote it as a compressed string.
    pub compressed: bool,
}

/// An upright or turned ellipse.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Ellipse {
    pub centre: Point,
    pub radius_x: f64,
    pub radius_y: f64,
    /// Clockwise, in degrees.
    pub rotation: f64,
}

impl Ellipse {
    /// Tells whether both radii are one.
    pub fn is_circle(&self) -> bool {
        (self.radius_x - self.radius_y).abs() <= f64::EPSILON * self.radius_x.abs()
    }

    pub fn bounds(&self) -> Box2 {
        let (sin, cos) = self.rotation.to_radians().sin_cos();
        let half_width = (self.radius_x * cos).hypot(self.radius_y * sin);
        let half_height = (self.radius_x * sin).hypot(self.radius_y * cos);
        Box2::from_corners(
            self.centre.x - half_width,
            self.centre.y - half_height,
            self.centre.x + half_width,
            self.centre.y + half_height,
        )
    }

    /// Returns `count` points on it, clockwise.
    pub fn points(&self, count: usize) -> Vec<Point> {
        let (sin, cos) = self.rotation.to_radians().sin_cos();
        (0..count)
            .map(|at| {
                let (s, c) = (std::f64::consts::TAU * at as f64 / count as f64).sin_cos();
                let (x, y) = (self.radius_x * c, self.radius_y * s);
                Point::new(self.centre.x + x * cos - y * sin, self.centre.y + x * sin + y * cos)
            })
            .collect()
    }
}
