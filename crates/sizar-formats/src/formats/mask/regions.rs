//! Masks of numbers turned into one mask of runs per number, and painted from annotations.

use std::collections::BTreeMap;

use super::palette::Indexed;
use crate::error::{FormatError, Result};
use crate::model::{Dataset, Rle};
use crate::raster::Rasteriser;

/// Returns the mask of each number that occurs.
pub fn regions(mask: &Indexed) -> BTreeMap<u32, Rle> {
    let (width, height) = (mask.width as usize, mask.height as usize);
    let total = (width * height) as u64;
    let mut found: BTreeMap<u32, (Vec<u32>, u64)> = BTreeMap::new();
    let mut run: Option<(u32, u64)> = None;
    let mut close = |number: u32, from: u64, to: u64| {
        let (counts, end) = found.entry(number).or_default();
        counts.extend([(from - *end) as u32, (to - from) as u32]);
        *end = to;
    };
    let mut at = 0;
    for x in 0..width {
        for y in 0..height {
            let number = mask.pixels[y * width + x];
            if run.is_none_or(|(same, _)| same != number) {
                if let Some((other, from)) = run {
                    close(other, from, at);
                }
                run = Some((number, at));
            }
            at += 1;
        }
    }
    if let Some((other, from)) = run {
        close(other, from, at);
    }
    found
        .into_iter()
        .map(|(number, (mut counts, end))| {
            if end < total {
                counts.push((total - end) as u32);
            }
            let (width, height) = (mask.width, mask.height);
            (number, Rle { width, height, counts: counts.into(), compressed: true })
        })
        .collect()
}

/// Paints annotations over each other, row after row, each with the number that `number` gives.
pub fn paint(
    dataset: &Dataset,
    image: usize,
    annotations: &[u32],
    number: impl Fn(usize, u32) -> u8,
) -> Result<Vec<u8>> {
    let size = &dataset.images[image];
    let (width, height) = (size.width as usize, size.height as usize);
    if width == 0 || height == 0 {
        return Err(FormatError::cannot_write(format!("the size of `{}` is not known", size.name))
            .with_hint("give the folder of its images with `--images-in`"));
    }
    let mut rasteriser = Rasteriser::new(size.width, size.height)
        .map_err(|error| FormatError::cannot_write(format!("`{}`: {error}", size.name)))?;
    let mut pixels = vec![0; width * height];
    for (index, annotation) in annotations.iter().enumerate() {
        let Some(mask) = rasteriser.shape(&dataset.annotations[*annotation as usize]) else {
            continue;
        };
        let value = number(index, *annotation);
        mask.runs(|from, to| {
            let (mut x, mut y) = (from as usize / height, from as usize % height);
            for _ in from..to {
                if let Some(pixel) = pixels.get_mut(y * width + x) {
                    *pixel = value;
                }
                y += 1;
                if y == height {
                    (x, y) = (x + 1, 0);
                }
            }
        });
    }
    Ok(pixels)
}
