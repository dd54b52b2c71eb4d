//! What a data set makes use of, to be held against what a format can hold.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Annotation, Dataset, Flags, Level, Shape, Visibility};

/// Something that a data set may say and a format may be unable to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Feature {
    /// A class per image, without a place in it.
    ImageLabels,
    Boxes,
    RotatedBoxes,
    Polygons,
    PolygonParts,
    PolygonHoles,
    Masks,
    /// Annotations of one image whose pixels overlap.
    OverlappingAreas,
    Polylines,
    Points,
    Ellipses,
    /// Coordinates between the pixels.
    Fractions,
    Keypoints,
    /// Keypoints that are marked but hidden.
    HiddenKeypoints,
    Skeletons,
    Captions,
    Baselines,
    Transcriptions,
    /// More than one reading, or how sure it is.
    Readings,
    ReadingOrder,
    NestedReadingOrder,
    RegionTypes,
    /// Regions, lines and words in each other.
    Hierarchy,
    Words,
    Glyphs,
    Crowd,
    Difficult,
    Truncated,
    Occluded,
    Poses,
    Groups,
    Scores,
    /// Areas that the file says.
    Areas,
    Attributes,
    AnnotationIds,
    ImageIds,
    ImageSizes,
    ImageAttributes,
    /// Images in which nothing is marked.
    EmptyImages,
    CategoryNames,
    CategoryIds,
    Supercategories,
    Colours,
    Things,
    UnusedCategories,
    Splits,
    Provenance,
    Licences,
    Description,
}

impl Feature {
    /// Returns it in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::ImageLabels => "labels of whole images",
            Self::Boxes => "boxes",
            Self::RotatedBoxes => "turned boxes",
            Self::Polygons => "polygons",
            Self::PolygonParts => "polygons in several parts",
            Self::PolygonHoles => "polygons with holes",
            Self::Masks => "masks",
            Self::OverlappingAreas => "areas that overlap",
            Self::Polylines => "open lines",
            Self::Points => "single points",
            Self::Ellipses => "ellipses",
            Self::Fractions => "fractions of pixels",
            Self::Keypoints => "keypoints",
            Self::HiddenKeypoints => "hidden keypoints",
            Self::Skeletons => "skeletons",
            Self::Captions => "captions",
            Self::Baselines => "baselines",
            Self::Transcriptions => "transcriptions",
            Self::Readings => "further readings and confidences",
            Self::ReadingOrder => "reading order",
            Self::NestedReadingOrder => "groups in the reading order",
            Self::RegionTypes => "types of regions",
            Self::Hierarchy => "regions, lines and words in each other",
            Self::Words => "words",
            Self::Glyphs => "glyphs",
            Self::Crowd => "crowd flags",
            Self::Difficult => "difficult flags",
            Self::Truncated => "truncated flags",
            Self::Occluded => "occluded flags",
            Self::Poses => "poses",
            Self::Groups => "groups of annotations",
            Self::Scores => "scores",
            Self::Areas => "areas as the file says them",
            Self::Attributes => "attributes of annotations",
            Self::AnnotationIds => "ids of annotations",
            Self::ImageIds => "ids of images",
            Self::ImageSizes => "sizes of images",
            Self::ImageAttributes => "attributes of images",
            Self::EmptyImages => "images in which nothing is marked",
            Self::CategoryNames => "names of categories",
            Self::CategoryIds => "ids of categories",
            Self::Supercategories => "supercategories",
            Self::Colours => "colours of categories",
            Self::Things => "things and stuff",
            Self::UnusedCategories => "categories of which there is nothing",
            Self::Splits => "splits",
            Self::Provenance => "provenance of images",
            Self::Licences => "licences",
            Self::Description => "description of the data set",
        }
    }
}

/// How often each feature is used.
pub fn used(dataset: &Dataset) -> BTreeMap<Feature, u64> {
    let mut used = BTreeMap::new();
    let mut add = |feature, count: usize| {
        if count > 0 {
            *used.entry(feature).or_insert(0) += count as u64;
        }
    };
    let mut marked = vec![false; dataset.images.len()];
    let mut named = vec![false; dataset.categories.len()];
    for annotation in &dataset.annotations {
        if let Some(mark) = marked.get_mut(annotation.image as usize) {
            *mark = true;
        }
        if let Some(mark) = annotation.category.and_then(|at| named.get_mut(at as usize)) {
            *mark = true;
        }
        of_annotation(annotation, &mut |feature| add(feature, 1));
    }
    add(Feature::EmptyImages, marked.iter().filter(|marked| !**marked).count());
    add(Feature::UnusedCategories, named.iter().filter(|named| !**named).count());
    for image in &dataset.images {
        add(Feature::ImageIds, usize::from(image.id.is_some()));
        add(Feature::ImageSizes, usize::from(image.width > 0));
        add(Feature::Provenance, usize::from(image.provenance.is_some()));
        add(Feature::ImageAttributes, usize::from(image.attributes.is_some()));
        if let Some(order) = &image.reading_order {
            add(Feature::ReadingOrder, 1);
            add(Feature::NestedReadingOrder, usize::from(order.is_nested()));
        }
    }
    for category in &dataset.categories {
        add(Feature::CategoryNames, 1);
        add(Feature::CategoryIds, usize::from(category.id.is_some()));
        add(Feature::Supercategories, usize::from(category.supercategory.is_some()));
        add(Feature::Colours, usize::from(category.colour.is_some()));
        add(Feature::Skeletons, usize::from(category.skeleton.is_some()));
        add(Feature::Things, usize::from(category.is_thing.is_some()));
    }
    add(Feature::Splits, dataset.splits.len());
    add(Feature::Licences, dataset.licences.len());
    add(Feature::Description, usize::from(dataset.info != super::Info::default()));
    used
}

fn of_annotation(annotation: &Annotation, add: &mut impl FnMut(Feature)) {
    let fraction = |value: f64| value.fract() != 0.0;
    let mut fractions = false;
    if annotation.id.is_some() {
        add(Feature::AnnotationIds);
    }
    if let Some(bbox) = annotation.bbox {
        add(Feature::Boxes);
        fractions |= [bbox.x, bbox.y, bbox.width, bbox.height].into_iter().any(fraction);
    }
    if annotation.area.is_some() {
        add(Feature::Areas);
    }
    match &annotation.shape {
        Shape::None => {}
        Shape::Polygon(polygon) => {
            add(Feature::Polygons);
            if polygon.parts.len() > 1 {
                add(Feature::PolygonParts);
            }
            if polygon.has_holes() {
                add(Feature::PolygonHoles);
            }
            fractions |=
                polygon.rings().flatten().any(|point| fraction(point.x) || fraction(point.y));
        }
        Shape::Rle(_) => add(Feature::Masks),
        Shape::Polyline(_) => add(Feature::Polylines),
        Shape::Points(_) => add(Feature::Points),
        Shape::Ellipse(_) => add(Feature::Ellipses),
    }
    if fractions {
        add(Feature::Fractions);
    }
    for (flag, feature) in [
        (Flags::CROWD, Feature::Crowd),
        (Flags::DIFFICULT, Feature::Difficult),
        (Flags::TRUNCATED, Feature::Truncated),
        (Flags::OCCLUDED, Feature::Occluded),
    ] {
        if annotation.flags.has(flag) {
            add(feature);
        }
    }
    let Some(more) = &annotation.more else {
        if annotation.bbox.is_none() && annotation.shape == Shape::None {
            add(Feature::ImageLabels);
        }
        return;
    };
    let placed = annotation.bbox.is_some()
        || annotation.shape != Shape::None
        || !more.keypoints.is_empty()
        || !more.baseline.is_empty()
        || more.caption.is_some();
    let hidden = more.keypoints.iter().any(|point| point.visibility == Visibility::Hidden);
    let readings = more.text.len() > 1 || more.text.iter().any(|text| text.confidence.is_some());
    for (is_used, feature) in [
        (!placed, Feature::ImageLabels),
        (!more.keypoints.is_empty(), Feature::Keypoints),
        (hidden, Feature::HiddenKeypoints),
        (more.score.is_some(), Feature::Scores),
        (more.rotation.is_some_and(|turn| turn != 0.0), Feature::RotatedBoxes),
        (more.caption.is_some(), Feature::Captions),
        (more.parent.is_some(), Feature::Hierarchy),
        (more.level == Some(Level::Word), Feature::Words),
        (more.level == Some(Level::Glyph), Feature::Glyphs),
        (more.region_type.is_some(), Feature::RegionTypes),
        (!more.baseline.is_empty(), Feature::Baselines),
        (!more.text.is_empty(), Feature::Transcriptions),
        (readings, Feature::Readings),
        (more.pose.is_some(), Feature::Poses),
        (more.group.is_some(), Feature::Groups),
        (!more.attributes.is_empty(), Feature::Attributes),
    ] {
        if is_used {
            add(feature);
        }
    }
}
