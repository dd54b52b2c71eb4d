//! COCO's panoptic form: each pixel of a PNG names its segment, as red + 256 green + 256² blue.

use std::io::Write as _;

use camino::Utf8Path;
use rayon::prelude::*;
use rustc_hash::FxHashMap;
use serde_json::{Value, json};

use super::write::{category_row, image_row, info};
use crate::error::{FormatError, Position, Result};
use crate::model::{Annotation, Box2, Dataset, Flags, Rle, Shape};
use crate::pixels::encode::decode as decode_image;
use crate::raster::Rasteriser;
use crate::staging::Staging;

/// Turns annotations with `segments_info` into one annotation per segment, with its mask.
pub fn decode(dataset: &mut Dataset, file: &Utf8Path) -> Result<()> {
    let is_panoptic = |annotation: &Annotation| {
        annotation.more.as_ref().is_some_and(|more| more.attributes.contains_key("segments_info"))
    };
    if !dataset.annotations.iter().any(is_panoptic) {
        return Ok(());
    }
    let folder = file.parent().unwrap_or("".into());
    let stem = file.file_stem().unwrap_or_default();
    let masks = [folder.join(stem), folder.to_owned()];
    let by_id: FxHashMap<i64, u32> = dataset
        .categories
        .iter()
        .enumerate()
        .filter_map(|(at, category)| Some((category.id?, at as u32)))
        .collect();
    let made: Vec<Vec<Annotation>> = std::mem::take(&mut dataset.annotations)
        .into_par_iter()
        .map(|annotation| {
            if !is_panoptic(&annotation) {
                return Ok(vec![annotation]);
            }
            let attributes = annotation.more.map(|more| more.attributes).unwrap_or_default();
            let name = attributes.get("file_name").and_then(Value::as_str).unwrap_or_default();
            let png = masks.iter().map(|folder| folder.join(name)).find(|path| path.is_file());
            let Some(png) = png else {
                return Err(FormatError::malformed(
                    Position::whole(file),
                    format!(
                        "the panoptic masks `{name}` are neither in `{}` nor beside it",
                        masks[0]
                    ),
                ));
            };
            let rows = attributes.get("segments_info").and_then(Value::as_array);
            segments(&png, rows.map_or(&[], Vec::as_slice), annotation.image, &by_id)
        })
        .collect::<Result<_>>()?;
    dataset.annotations = made.into_iter().flatten().collect();
    Ok(())
}

fn segments(
    png: &Utf8Path,
    rows: &[Value],
    image: u32,
    categories: &FxHashMap<i64, u32>,
) -> Result<Vec<Annotation>> {
    let pixels = decode_image(png)?.to_rgb8();
    let (width, height) = pixels.dimensions();
    let mut runs: FxHashMap<u32, (Vec<u32>, u64)> = FxHashMap::default();
    let mut at = 0_u64;
    let mut before: Option<(u32, u64)> = None;
    let mut close = |segment: u32, from: u64, to: u64| {
        let (counts, end) = runs.entry(segment).or_default();
        counts.push((from - *end) as u32);
        counts.push((to - from) as u32);
        *end = to;
    };
    for x in 0..width {
        for y in 0..height {
            let [r, g, b] = pixels.get_pixel(x, y).0;
            let segment = u32::from(r) | u32::from(g) << 8 | u32::from(b) << 16;
            match before {
                Some((same, _)) if same == segment => {}
                _ => {
                    if let Some((other, from)) = before {
                        close(other, from, at);
                    }
                    before = Some((segment, at));
                }
            }
            at += 1;
        }
    }
    if let Some((other, from)) = before {
        close(other, from, at);
    }
    let mut made = Vec::with_capacity(rows.len());
    for row in rows {
        let Some(id) = row.get("id").and_then(Value::as_u64) else {
            return Err(FormatError::malformed(Position::whole(png), "a segment without `id`"));
        };
        let Some((mut counts, end)) = runs.remove(&(id as u32)) else {
            return Err(FormatError::malformed(
                Position::whole(png),
                format!("the segment {id} of `segments_info` has no pixels"),
            ));
        };
        if end < at {
            counts.push((at - end) as u32);
        }
        let rle = Rle { width, height, counts: counts.into(), compressed: true };
        let numbers: Vec<f64> = row
            .get("bbox")
            .and_then(Value::as_array)
            .map(|list| list.iter().filter_map(Value::as_f64).collect())
            .unwrap_or_default();
        let bbox = <[f64; 4]>::try_from(numbers).ok();
        let crowd = row.get("iscrowd").and_then(Value::as_u64) == Some(1);
        made.push(Annotation {
            id: Some(id as i64),
            image,
            category: row
                .get("category_id")
                .and_then(Value::as_i64)
                .and_then(|id| categories.get(&id).copied()),
            flags: Flags::default().with(Flags::CROWD, crowd),
            bbox: bbox.map(|[x, y, width, height]| Box2::new(x, y, width, height)),
            area: row.get("area").and_then(Value::as_f64),
            shape: Shape::Rle(Box::new(rle)),
            more: None,
        });
    }
    Ok(made)
}

/// Writes `panoptic.json` and a folder of masks for each split; where areas overlap, the later
/// annotation gets the pixels.
pub fn write(dataset: &Dataset, output: &Staging) -> Result<()> {
    if output.is_file() {
        return Err(FormatError::cannot_write("panoptic COCO is a file and a folder of masks")
            .with_hint("name a folder to write to"));
    }
    let by_image = dataset.by_image();
    let mut parts: Vec<(String, Vec<usize>)> = dataset
        .splits
        .iter()
        .enumerate()
        .map(|(split, name)| {
            let has = |at: &usize| dataset.images[*at].splits.contains(split as u8);
            (format!("panoptic_{name}"), (0..dataset.images.len()).filter(has).collect())
        })
        .collect();
    let outside = |at: &usize| dataset.images[*at].splits.is_empty();
    parts.push(("panoptic".into(), (0..dataset.images.len()).filter(outside).collect()));
    let names = super::layout::flat_names(dataset);
    for (name, images) in parts.into_iter().filter(|(_, images)| !images.is_empty()) {
        let rows: Vec<Value> = images
            .par_iter()
            .map(|at| {
                let image = &dataset.images[*at];
                let stem = Utf8Path::new(&names[*at]).file_stem().unwrap_or("image").to_owned();
                let png = format!("{stem}.png");
                let (pixels, rows) = painted(dataset, *at, by_image.of(*at))?;
                let mut out = output.create(Utf8Path::new("annotations").join(&name).join(&png))?;
                let mut encoder = png::Encoder::new(&mut out, image.width, image.height);
                encoder.set_color(png::ColorType::Rgb);
                encoder
                    .write_header()
                    .and_then(|mut writer| writer.write_image_data(&pixels))
                    .map_err(|error| FormatError::cannot_write(format!("`{png}`: {error}")))?;
                out.flush()?;
                Ok(json!({
                    "image_id": at + 1,
                    "file_name": png,
                    "segments_info": rows,
                }))
            })
            .collect::<Result<_>>()?;
        let categories: Vec<Value> = dataset
            .categories
            .iter()
            .enumerate()
            .map(|(at, category)| category_row(category, at as i64 + 1))
            .collect();
        let image_rows: Vec<Value> = images
            .iter()
            .map(|at| image_row(&dataset.images[*at], *at as i64 + 1, &names[*at]))
            .collect();
        let document = json!({
            "info": info(dataset),
            "images": image_rows,
            "annotations": rows,
            "categories": categories,
        });
        let mut out = output.create(format!("annotations/{name}.json"))?;
        writeln!(out, "{document}")?;
        out.flush()?;
        let folder = name.strip_prefix("panoptic_").unwrap_or("images");
        for at in images {
            output.place_image(&dataset.images[at], Utf8Path::new(folder).join(&names[at]))?;
        }
    }
    Ok(())
}

/// Paints the annotations of an image, and says what each is.
fn painted(dataset: &Dataset, at: usize, annotations: &[u32]) -> Result<(Vec<u8>, Vec<Value>)> {
    let image = &dataset.images[at];
    let (width, height) = (image.width as usize, image.height as usize);
    let too_large = |error: crate::raster::rle::RleError| {
        FormatError::cannot_write(format!("`{}`: {error}", image.name))
    };
    let mut rasteriser = Rasteriser::new(image.width, image.height).map_err(too_large)?;
    let mut segments = vec![0_u32; width * height];
    for (index, annotation) in annotations.iter().enumerate() {
        let Some(mask) = rasteriser.shape(&dataset.annotations[*annotation as usize]) else {
            continue;
        };
        mask.runs(|from, to| {
            for pixel in from as usize..to as usize {
                if let Some(slot) = segments.get_mut(pixel % height * width + pixel / height) {
                    *slot = index as u32 + 1;
                }
            }
        });
    }
    let mut found: Vec<(u64, [usize; 4])> =
        vec![(0, [usize::MAX, usize::MAX, 0, 0]); annotations.len()];
    let mut pixels = Vec::with_capacity(width * height * 3);
    for (at, segment) in segments.iter().enumerate() {
        pixels.extend_from_slice(&segment.to_le_bytes()[..3]);
        if *segment > 0 {
            let (x, y) = (at % width, at / width);
            let (area, [left, top, right, bottom]) = &mut found[*segment as usize - 1];
            *area += 1;
            (*left, *top) = ((*left).min(x), (*top).min(y));
            (*right, *bottom) = ((*right).max(x + 1), (*bottom).max(y + 1));
        }
    }
    let rows = annotations
        .iter()
        .zip(found)
        .enumerate()
        .filter(|(_, (_, (area, _)))| *area > 0)
        .map(|(index, (annotation, (area, [left, top, right, bottom])))| {
            let annotation = &dataset.annotations[*annotation as usize];
            json!({
                "id": index + 1,
                "category_id": annotation.category.map_or(0, |at| at + 1),
                "iscrowd": u8::from(annotation.flags.has(Flags::CROWD)),
                "bbox": [left, top, right - left, bottom - top],
                "area": area,
            })
        })
        .collect();
    Ok((pixels, rows))
}
