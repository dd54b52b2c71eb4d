//! CSV with a box a row.
//!
//! There is no standard; read are the columns of TensorFlow's object detection tutorials
//! (`filename,width,height,class,xmin,ymin,xmax,ymax`), of Open Images
//! (<https://storage.googleapis.com/openimages/web/download_v7.html>: fractions, `XMin,XMax`), and
//! of keras-retinanet (no header: `path,x1,y1,x2,y2,class`,
//! <https://github.com/fizyr/keras-retinanet#csv-datasets>). The first is written.

use std::collections::BTreeMap;

use camino::Utf8Path;

use super::{Format, Holding, Look, ReadOptions, Recognised, WriteOptions};
use crate::error::{FormatError, Position, Result};
use crate::model::{Annotation, Box2, Category, Dataset, Feature, Image};
use crate::pixels::{is_image_name, locate};
use crate::staging::Staging;

pub struct BoxesCsv;

/// Where each field is in a row.
#[derive(Default)]
struct Columns {
    image: usize,
    class: Option<usize>,
    left: usize,
    top: usize,
    right: Option<usize>,
    bottom: Option<usize>,
    width: Option<usize>,
    height: Option<usize>,
    image_width: Option<usize>,
    image_height: Option<usize>,
    score: Option<usize>,
    has_header: bool,
    /// Open Images names images without extension and boxes in fractions.
    open_images: bool,
}

impl Format for BoxesCsv {
    fn name(&self) -> &'static str {
        "csv"
    }

    fn title(&self) -> &'static str {
        "CSV of boxes"
    }

    fn specification(&self) -> &'static str {
        "https://github.com/fizyr/keras-retinanet#csv-datasets"
    }

    fn holding(&self, feature: Feature) -> Holding {
        use Feature as F;
        match feature {
            F::Boxes | F::Fractions | F::CategoryNames | F::ImageSizes => Holding::Kept,
            F::Masks
            | F::Polygons
            | F::PolygonParts
            | F::PolygonHoles
            | F::Ellipses
            | F::RotatedBoxes
            | F::Keypoints
            | F::Polylines
            | F::Points => Holding::Changed("the upright box"),
            F::CategoryIds => Holding::Changed("numbered in order of their names"),
            _ => Holding::Dropped,
        }
    }

    fn single_file(&self) -> Option<&'static str> {
        Some("csv")
    }

    fn recognise(&self, look: &Look) -> Option<Recognised> {
        let file = look.with_extension(&["csv"]).into_iter().find(|file| {
            let head = Look::head(file);
            head.lines().next().is_some_and(|line| columns(&split(line)).is_some())
        })?;
        let name = file.file_name().unwrap_or_default();
        Recognised::likely(format!("`{name}` has columns of an image, a class and a box"))
    }

    fn read(&self, look: &Look, _: &ReadOptions) -> Result<Dataset> {
        let mut whole = Dataset { roots: vec![look.folder().to_owned()], ..Dataset::default() };
        for root in ["images", "imgs", "JPEGImages"] {
            if look.folder().join(root).is_dir() {
                whole.roots.push(look.folder().join(root));
            }
        }
        let mut found = false;
        for file in look.with_extension(&["csv"]) {
            let head = Look::head(&file);
            let Some(columns) = head.lines().next().and_then(|line| columns(&split(line))) else {
                continue;
            };
            found = true;
            read(&file, &columns, &mut whole)?;
        }
        if !found {
            return Err(FormatError::malformed(
                Position::whole(look.path()),
                "no CSV file with columns of an image, a class and a box",
            ));
        }
        sorted(&mut whole);
        Ok(whole)
    }

    fn write(&self, dataset: &Dataset, output: &Staging, _: &WriteOptions) -> Result<()> {
        let out = match output.is_file() {
            true => output.create_single()?,
            false => output.create("annotations.csv")?,
        };
        let mut csv = csv::Writer::from_writer(out);
        let failed = |error: csv::Error| FormatError::cannot_write(format!("CSV: {error}"));
        csv.write_record(["filename", "width", "height", "class", "xmin", "ymin", "xmax", "ymax"])
            .map_err(failed)?;
        let by_image = dataset.by_image();
        let names = super::mask::unique_stems(dataset);
        for (at, image) in dataset.images.iter().enumerate() {
            let (stem, extension) = &names[at];
            let name = match output.is_file() {
                true => image.name.to_string(),
                false => format!("images/{stem}.{extension}"),
            };
            for annotation in by_image.of(at) {
                let annotation = &dataset.annotations[*annotation as usize];
                let Some(bbox) = annotation.bounds() else { continue };
                let class = annotation.category.and_then(|at| dataset.categories.get(at as usize));
                csv.write_record([
                    name.clone(),
                    image.width.to_string(),
                    image.height.to_string(),
                    class.map_or_else(String::new, |category| category.name.to_string()),
                    bbox.x.to_string(),
                    bbox.y.to_string(),
                    bbox.right().to_string(),
                    bbox.bottom().to_string(),
                ])
                .map_err(failed)?;
            }
            if !output.is_file() {
                output.place_image(image, &name)?;
            }
        }
        csv.flush()?;
        Ok(())
    }
}

fn split(line: &str) -> Vec<String> {
    line.trim_start_matches('\u{feff}')
        .split(',')
        .map(|field| field.trim().trim_matches('"').to_lowercase())
        .collect()
}

fn columns(header: &[String]) -> Option<Columns> {
    let find = |names: &[&str]| header.iter().position(|field| names.contains(&field.as_str()));
    let image = find(&[
        "filename",
        "file_name",
        "image",
        "image_path",
        "path",
        "imageid",
        "image_id",
        "file",
    ]);
    let left = find(&["xmin", "x_min", "x1", "left", "x", "bbox_x"]);
    let top = find(&["ymin", "y_min", "y1", "top", "y", "bbox_y"]);
    if let (Some(image), Some(left), Some(top)) = (image, left, top) {
        let right = find(&["xmax", "x_max", "x2", "right"]);
        let sizes = [find(&["width"]), find(&["height"])];
        // with corners, `width` is the image's; without, it is the box's
        let of_box =
            [find(&["w", "bbox_width", "box_width"]), find(&["h", "bbox_height", "box_height"])];
        let columns = Columns {
            image,
            left,
            top,
            right,
            bottom: find(&["ymax", "y_max", "y2", "bottom"]),
            width: of_box[0].or(sizes[0].filter(|_| right.is_none())),
            height: of_box[1].or(sizes[1].filter(|_| right.is_none())),
            image_width: find(&["image_width", "img_width"])
                .or(sizes[0].filter(|_| right.is_some())),
            image_height: find(&["image_height", "img_height"])
                .or(sizes[1].filter(|_| right.is_some())),
            class: find(&["class", "label", "labelname", "name", "category", "class_name"]),
            score: find(&["confidence", "score"]),
            has_header: true,
            open_images: find(&["imageid"]).is_some() && find(&["labelname"]).is_some(),
        };
        let whole = (columns.right.is_some() && columns.bottom.is_some())
            || (columns.width.is_some() && columns.height.is_some());
        return whole.then_some(columns);
    }
    let is_number = |field: &String| field.is_empty() || field.parse::<f64>().is_ok();
    (header.len() == 6
        && is_image_name(Utf8Path::new(&header[0]))
        && header[1..5].iter().all(is_number))
    .then(|| Columns {
        left: 1,
        top: 2,
        right: Some(3),
        bottom: Some(4),
        class: Some(5),
        ..Columns::default()
    })
}

fn read(file: &Utf8Path, columns: &Columns, dataset: &mut Dataset) -> Result<()> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(columns.has_header)
        .trim(csv::Trim::All)
        .from_reader(std::io::BufReader::new(fs_err::File::open(file)?));
    let mut images: BTreeMap<String, u32> =
        dataset.images.iter().enumerate().map(|(at, i)| (i.name.to_string(), at as u32)).collect();
    let mut classes: BTreeMap<String, u32> = dataset
        .categories
        .iter()
        .enumerate()
        .map(|(at, category)| (category.name.to_string(), at as u32))
        .collect();
    let begin = dataset.annotations.len();
    for record in reader.records() {
        let record = record.map_err(|error| {
            let line = error.position().map_or(0, csv::Position::line);
            FormatError::malformed(Position::line(file, line, 1), format!("not CSV: {error}"))
        })?;
        let line = record.position().map_or(0, csv::Position::line);
        let field = |at: usize| record.get(at).unwrap_or_default();
        let at = || Position::line(file, line, 1);
        let number = |at_column: usize| match field(at_column).parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(number),
            _ => Err(FormatError::malformed(
                at(),
                format!("`{}` in column {} is not a number", field(at_column), at_column + 1),
            )),
        };
        let mut name = field(columns.image).replace('\\', "/");
        if name.is_empty() {
            return Err(FormatError::malformed(at(), "a row without an image"));
        }
        if columns.open_images && Utf8Path::new(&name).extension().is_none() {
            name.push_str(".jpg");
        }
        let image = *images.entry(name).or_insert_with_key(|name| {
            dataset.images.push(Image { name: name.as_str().into(), ..Image::default() });
            dataset.images.len() as u32 - 1
        });
        let size = |column: Option<usize>| column.and_then(|c| field(c).parse::<u32>().ok());
        if let (Some(w), Some(h)) = (size(columns.image_width), size(columns.image_height)) {
            let image = &mut dataset.images[image as usize];
            (image.width, image.height) = (w, h);
        }
        // keras-retinanet: an image without anything is a row with empty fields
        if field(columns.left).is_empty() {
            continue;
        }
        let (left, top) = (number(columns.left)?, number(columns.top)?);
        let bbox = match (columns.right, columns.bottom, columns.width, columns.height) {
            (Some(right), Some(bottom), ..) => {
                Box2::from_corners(left, top, number(right)?, number(bottom)?)
            }
            (_, _, Some(width), Some(height)) => {
                Box2::new(left, top, number(width)?, number(height)?)
            }
            _ => continue,
        };
        let mut annotation = Annotation { image, bbox: Some(bbox), ..Annotation::default() };
        if let Some(class) = columns.class.map(field).filter(|class| !class.is_empty()) {
            annotation.category =
                Some(*classes.entry(class.to_owned()).or_insert_with_key(|name| {
                    dataset.categories.push(Category::named(name.as_str()));
                    dataset.categories.len() as u32 - 1
                }));
        }
        if let Some(score) = columns.score.and_then(|at| field(at).parse::<f64>().ok()) {
            annotation.more_mut().score = Some(score);
        }
        dataset.annotations.push(annotation);
    }
    if columns.open_images {
        unscaled(file, begin, dataset)?;
    }
    Ok(())
}

/// Turns fractions into pixels, for which the images have to be there.
fn unscaled(file: &Utf8Path, begin: usize, dataset: &mut Dataset) -> Result<()> {
    locate(dataset, &[])?;
    locate::measure_missing(dataset);
    for at in begin..dataset.annotations.len() {
        let image = &dataset.images[dataset.annotations[at].image as usize];
        if image.width == 0 {
            return Err(FormatError::malformed(
                Position::whole(file),
                format!("boxes are fractions, and the size of `{}` is not known", image.name),
            )
            .with_hint("put the images beside the CSV file, in `images`"));
        }
        let (width, height) = (f64::from(image.width), f64::from(image.height));
        if let Some(bbox) = &mut dataset.annotations[at].bbox {
            *bbox = Box2::new(
                bbox.x * width,
                bbox.y * height,
                bbox.width * width,
                bbox.height * height,
            );
        }
    }
    Ok(())
}

/// Puts categories into order of their names: rows are in no order that means anything.
fn sorted(dataset: &mut Dataset) {
    let mut order: Vec<usize> = (0..dataset.categories.len()).collect();
    order.sort_by(|a, b| dataset.categories[*a].name.cmp(&dataset.categories[*b].name));
    let mut new = vec![0_u32; order.len()];
    for (at, old) in order.iter().enumerate() {
        new[*old] = at as u32;
    }
    dataset.categories.sort_by(|a, b| a.name.cmp(&b.name));
    for annotation in &mut dataset.annotations {
        annotation.category = annotation.category.map(|at| new[at as usize]);
    }
}
