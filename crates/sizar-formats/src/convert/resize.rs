//! Images of another size, and annotations with them.

use crate::error::{FormatError, Result};
use crate::model::{Annotation, Dataset, Derivation, Image, Point, Shape};
use crate::raster::{Rasteriser, trace};

/// Scales each image so that its longer side is `side`; smaller images stay as they are.
pub fn resize(dataset: &mut Dataset, side: u32) -> Result<()> {
    let mut factors = Vec::with_capacity(dataset.images.len());
    for image in &mut dataset.images {
        let longest = image.width.max(image.height);
        if longest == 0 {
            return Err(unknown_size(image));
        }
        if longest <= side {
            factors.push(None);
            continue;
        }
        let scaled = |length: u32| {
            let exact = f64::from(length) * f64::from(side) / f64::from(longest);
            (exact.round() as u32).max(1)
        };
        let before = [image.width, image.height];
        let size = [scaled(image.width), scaled(image.height)];
        let cut = image.derivation.as_ref().map_or([0, 0, before[0], before[1]], |it| it.cut);
        image.derivation = Some(Box::new(Derivation { cut, size }));
        [image.width, image.height] = size;
        factors.push(Some([
            f64::from(size[0]) / f64::from(before[0]),
            f64::from(size[1]) / f64::from(before[1]),
        ]));
    }
    for annotation in &mut dataset.annotations {
        let at = annotation.image as usize;
        if let Some(factor) = factors[at] {
            let size = [dataset.images[at].width, dataset.images[at].height];
            transform(annotation, size, |point| {
                Point::new(point.x * factor[0], point.y * factor[1])
            })?;
            annotation.area = annotation.area.map(|area| area * factor[0] * factor[1]);
        }
    }
    Ok(())
}

pub(super) fn unknown_size(image: &Image) -> FormatError {
    FormatError::cannot_write(format!("the size of `{}` is not known", image.name))
        .with_hint("say where the images are with `--images-in FOLDER`")
}

/// Moves all points of an annotation; masks are traced, moved and drawn again in `size`.
///
/// `to` keeps upright boxes upright.
pub(super) fn transform(
    annotation: &mut Annotation,
    size: [u32; 2],
    to: impl Fn(Point) -> Point,
) -> Result<()> {
    if let Some(bbox) = &mut annotation.bbox {
        let low = to(Point::new(bbox.x, bbox.y));
        let high = to(Point::new(bbox.right(), bbox.bottom()));
        *bbox = crate::model::Box2::from_corners(low.x, low.y, high.x, high.y);
    }
    let all = |points: &mut [Point]| points.iter_mut().for_each(|point| *point = to(*point));
    match &mut annotation.shape {
        Shape::None => {}
        Shape::Polygon(polygon) => {
            for part in &mut polygon.parts {
                all(&mut part.outer);
                part.holes.iter_mut().for_each(|hole| all(hole));
            }
        }
        Shape::Rle(rle) => {
            let bad = |error: crate::raster::rle::RleError| {
                FormatError::cannot_write(format!("a mask can't be scaled: {error}"))
            };
            let mut polygon = trace(rle).map_err(bad)?;
            for part in &mut polygon.parts {
                all(&mut part.outer);
                part.holes.iter_mut().for_each(|hole| all(hole));
            }
            **rle = Rasteriser::new(size[0], size[1]).map_err(bad)?.polygon(&polygon);
        }
        Shape::Polyline(points) | Shape::Points(points) => all(points),
        Shape::Ellipse(ellipse) => {
            let edge = to(Point::new(
                ellipse.centre.x + ellipse.radius_x,
                ellipse.centre.y + ellipse.radius_y,
            ));
            ellipse.centre = to(ellipse.centre);
            ellipse.radius_x = (edge.x - ellipse.centre.x).abs();
            ellipse.radius_y = (edge.y - ellipse.centre.y).abs();
        }
    }
    if let Some(more) = &mut annotation.more {
        all(&mut more.baseline);
        more.keypoints.iter_mut().for_each(|keypoint| keypoint.at = to(keypoint.at));
    }
    Ok(())
}
