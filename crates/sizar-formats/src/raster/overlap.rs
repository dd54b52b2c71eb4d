//! Areas that share pixels: what one layer of pixels cannot hold.

use rayon::prelude::*;

use super::Rasteriser;
use crate::model::{Annotation, Box2, Dataset, Shape};

/// Counts the annotations that share a pixel with an earlier one of their image.
///
/// Boxes count as areas where `boxes` says so and there is nothing finer. Of an image whose size is
/// not known, its annotations tell how far it reaches.
pub fn overlapping(dataset: &Dataset, boxes: bool) -> u64 {
    let by_image = dataset.by_image();
    (0..dataset.images.len())
        .into_par_iter()
        .map(|at| {
            let annotations = by_image.of(at).iter();
            let areas: Vec<(&Annotation, Box2)> = annotations
                .filter_map(|at| dataset.annotations.get(*at as usize))
                .filter(|annotation| is_area(annotation, boxes))
                .filter_map(|annotation| Some((annotation, annotation.bounds()?)))
                .collect();
            let image = &dataset.images[at];
            in_one(&areas, image.width, image.height)
        })
        .sum()
}

fn is_area(annotation: &Annotation, boxes: bool) -> bool {
    match annotation.shape {
        Shape::Polygon(_) | Shape::Rle(_) | Shape::Ellipse(_) => true,
        Shape::None => boxes,
        Shape::Polyline(_) | Shape::Points(_) => false,
    }
}

fn in_one(areas: &[(&Annotation, Box2)], width: u32, height: u32) -> u64 {
    let reach = |side: fn(&Box2) -> f64| {
        areas.iter().map(|(_, bounds)| side(bounds)).fold(1.0, f64::max).ceil() as u32
    };
    let width = if width > 0 { width } else { reach(Box2::right) };
    let height = if height > 0 { height } else { reach(Box2::bottom) };
    let Ok(mut rasteriser) = Rasteriser::new(width, height) else { return 0 };
    // most areas meet no other: only those whose boxes do are turned into pixels
    let meet = |one: &Box2, other: &Box2| {
        one.x < other.right()
            && other.x < one.right()
            && one.y < other.bottom()
            && other.y < one.bottom()
    };
    let mut masks = vec![None; areas.len()];
    let mut count = 0;
    for (later, (_, bounds)) in areas.iter().enumerate() {
        let earlier: Vec<usize> =
            (0..later).filter(|earlier| meet(&areas[*earlier].1, bounds)).collect();
        if earlier.is_empty() {
            continue;
        }
        for at in earlier.iter().copied().chain([later]) {
            if masks[at].is_none() {
                masks[at] = rasteriser.shape(areas[at].0);
            }
        }
        let Some(mask) = &masks[later] else { continue };
        let shared = |at: &usize| {
            masks[*at].as_ref().is_some_and(|other| mask.intersection(other).area() > 0)
        };
        count += u64::from(earlier.iter().any(shared));
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Image, Point, Polygon};

    fn triangle(corners: [(f64, f64); 3]) -> Annotation {
        let ring = corners.map(|(x, y)| Point::new(x, y));
        Annotation { shape: Shape::Polygon(Polygon::simple(ring)), ..Annotation::default() }
    }

    #[test]
    fn areas_whose_boxes_meet_need_not_share_a_pixel() {
        let mut dataset = Dataset::default();
        dataset.images.push(Image { width: 40, height: 40, ..Image::default() });
        dataset.annotations.push(triangle([(0., 0.), (20., 0.), (0., 20.)]));
        dataset.annotations.push(triangle([(20., 20.), (20., 5.), (5., 20.)]));
        assert_eq!(overlapping(&dataset, false), 0);
        dataset.annotations.push(triangle([(2., 2.), (12., 2.), (2., 12.)]));
        assert_eq!(overlapping(&dataset, false), 1);
        let bbox = Some(Box2::from_corners(0., 0., 30., 30.));
        dataset.annotations.push(Annotation { bbox, ..Annotation::default() });
        assert_eq!(overlapping(&dataset, false), 1);
        assert_eq!(overlapping(&dataset, true), 2);
        dataset.images[0].width = 0;
        assert_eq!(overlapping(&dataset, true), 2);
    }
}
