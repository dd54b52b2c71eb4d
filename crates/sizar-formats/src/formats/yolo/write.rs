//! Writes YOLO.

use std::fmt::Write as _;

use rayon::prelude::*;

use super::super::mask::unique_stems;
use crate::error::{FormatError, Result};
use crate::model::{Annotation, Dataset, Point, Shape, Visibility};
use crate::raster::trace::{joined, trace};
use crate::staging::Staging;

/// What a row says.
#[derive(Clone, Copy, PartialEq)]
enum Task {
    Detect,
    Segment,
    /// With this many points each.
    Pose(usize),
}

/// The task that follows from the data: points before outlines before boxes.
pub fn variant_for(dataset: &Dataset) -> &'static str {
    let has_shape = |annotation: &Annotation| {
        matches!(annotation.shape, Shape::Polygon(_) | Shape::Rle(_) | Shape::Ellipse(_))
    };
    if dataset.annotations.iter().any(|annotation| !annotation.keypoints().is_empty()) {
        "pose"
    } else if dataset.annotations.iter().any(has_shape) {
        "segment"
    } else {
        "detect"
    }
}

/// Writes `images`, `labels` and `data.yaml`; the task follows from the data, or is `variant`.
pub fn write(dataset: &Dataset, output: &Staging, variant: Option<&str>) -> Result<()> {
    if output.is_file() {
        return Err(FormatError::cannot_write("YOLO is a folder").with_hint("name a folder"));
    }
    let points = dataset.annotations.iter().map(|a| a.keypoints().len()).max().unwrap_or(0);
    let task = match variant.unwrap_or_else(|| variant_for(dataset)) {
        "segment" => Task::Segment,
        "pose" => Task::Pose(points),
        _ => Task::Detect,
    };
    let by_image = dataset.by_image();
    let names = unique_stems(dataset);
    (0..dataset.images.len()).into_par_iter().try_for_each(|at| {
        let image = &dataset.images[at];
        if image.width == 0 || image.height == 0 {
            return Err(FormatError::cannot_write(format!(
                "the size of `{}` is not known",
                image.name
            ))
            .with_hint(
                "YOLO is in fractions of it: give the folder of the images with `--images-in`",
            ));
        }
        let mut text = String::new();
        for annotation in by_image.of(at) {
            let annotation = &dataset.annotations[*annotation as usize];
            let size = [f64::from(image.width), f64::from(image.height)];
            row(annotation, task, size, &mut text);
        }
        let (stem, extension) = &names[at];
        let mut splits: Vec<&str> =
            image.splits.iter().map(|split| &*dataset.splits[split as usize]).collect();
        if splits.is_empty() {
            splits.push("train");
        }
        for split in splits {
            output.write(format!("labels/{split}/{stem}.txt"), text.as_bytes())?;
            output.place_image(image, format!("images/{split}/{stem}.{extension}"))?;
        }
        Ok(())
    })?;
    output.write("data.yaml", yaml(dataset, task).as_bytes())
}

fn row(annotation: &Annotation, task: Task, [width, height]: [f64; 2], text: &mut String) {
    let Some(bbox) = annotation.bounds() else { return };
    let class = annotation.category.unwrap_or(0);
    let before = text.len();
    let _ = write!(text, "{class}");
    let mut put = |x: f64, y: f64| {
        fraction(text, x / width);
        fraction(text, y / height);
    };
    let is_ring = task == Task::Segment && {
        let ring = ring(annotation);
        for point in &ring {
            put(point.x, point.y);
        }
        ring.len() > 2
    };
    if !is_ring {
        text.truncate(before);
        let _ = write!(text, "{class}");
        let centre = bbox.centre();
        for value in [centre.x / width, centre.y / height, bbox.width / width, bbox.height / height]
        {
            fraction(text, value);
        }
    }
    if let Task::Pose(points) = task {
        let keypoints = annotation.keypoints();
        for at in 0..points {
            let (point, visibility) = match keypoints.get(at) {
                Some(keypoint) => (keypoint.at, keypoint.visibility),
                None => (Point::default(), Visibility::Absent),
            };
            fraction(text, point.x / width);
            fraction(text, point.y / height);
            text.push_str(match visibility {
                Visibility::Absent => " 0",
                Visibility::Hidden => " 1",
                Visibility::Visible => " 2",
            });
        }
    }
    text.push('\n');
}

/// The outline as one ring: of its box, where there is nothing finer, so that a file of polygons
/// holds polygons only.
fn ring(annotation: &Annotation) -> Vec<Point> {
    match &annotation.shape {
        Shape::Polygon(polygon) => joined(polygon),
        Shape::Ellipse(ellipse) => ellipse.points(64),
        Shape::Rle(rle) => trace(rle).map(|polygon| joined(&polygon)).unwrap_or_default(),
        _ => annotation.bounds().map(|bbox| bbox.corners().to_vec()).unwrap_or_default(),
    }
}

/// Writes a number with up to nine decimals, cut to what lies in the image.
///
/// As a whole number of billionths: the library's way costs most of the time of writing polygons.
fn fraction(text: &mut String, value: f64) {
    const ONE: u32 = 1_000_000_000;
    // what is no number is 0
    let mut rest = (value.clamp(0.0, 1.0) * f64::from(ONE)).round() as u32;
    if rest.is_multiple_of(ONE) {
        text.push_str(if rest == 0 { " 0" } else { " 1" });
        return;
    }
    let mut digits = [b'0'; 9];
    for digit in digits.iter_mut().rev() {
        *digit += (rest % 10) as u8;
        rest /= 10;
    }
    text.push_str(" 0.");
    let digits = std::str::from_utf8(&digits).unwrap_or_default();
    text.push_str(digits.trim_end_matches('0'));
}

fn yaml(dataset: &Dataset, task: Task) -> String {
    let mut text = String::from("path: .\n");
    let any_outside = dataset.images.iter().any(|image| image.splits.is_empty());
    let mut splits: Vec<&str> = dataset.splits.iter().map(|split| &**split).collect();
    if any_outside && !splits.contains(&"train") {
        splits.push("train");
    }
    let mut keys = Vec::new();
    for split in splits {
        let low = split.to_lowercase();
        let key = ["train", "val", "test"].into_iter().find(|key| low.starts_with(key));
        let key = key.unwrap_or(split);
        if !keys.contains(&key) {
            keys.push(key);
            let _ = writeln!(text, "{key}: images/{split}");
        }
    }
    // Ultralytics asks for both
    for key in ["train", "val"] {
        if !keys.contains(&key)
            && let Some(first) = keys.first()
            && let Some(line) = text.lines().find(|line| line.starts_with(first))
            && let Some((_, folder)) = line.split_once(' ')
        {
            let added = format!("{key}: {folder}\n");
            text.push_str(&added);
        }
    }
    if let Task::Pose(points) = task {
        let _ = writeln!(text, "kpt_shape: [{points}, 3]");
        let mirrored = dataset.categories.iter().find_map(|category| {
            category.skeleton.as_ref().map(|it| &it.mirrored).filter(|it| it.len() == points)
        });
        if let Some(mirrored) = mirrored {
            let _ = writeln!(text, "flip_idx: {mirrored:?}");
        }
    }
    text.push_str("names:\n");
    for (at, category) in dataset.categories.iter().enumerate() {
        // JSON's strings are YAML's
        let _ = writeln!(text, "  {at}: {}", serde_json::Value::from(&*category.name));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions_have_the_digits_that_they_need() {
        for (value, text) in [
            (0.0, " 0"),
            (1.0, " 1"),
            (-3.0, " 0"),
            (7.5, " 1"),
            (f64::NAN, " 0"),
            (0.5, " 0.5"),
            (0.1, " 0.1"),
            (1.0 / 3.0, " 0.333333333"),
            (2.0 / 3.0, " 0.666666667"),
            (1e-9, " 0.000000001"),
            (0.999_999_999_9, " 1"),
        ] {
            let mut written = String::new();
            fraction(&mut written, value);
            assert_eq!(written, text, "{value}");
        }
    }
}
