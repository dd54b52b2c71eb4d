//! Writes a subject set.

use std::collections::BTreeSet;

use camino::Utf8Path;

use super::manifest::{NOTHING, ORIGINAL, hidden, hidden_original};
use crate::error::{FormatError, Result};
use crate::model::{Dataset, Image};
use crate::staging::{Encoding, Placing, Staging};

/// The bytes that an image may have: the project builder takes less than 1000 KiB, `panoptes` 1 MiB.
const MOST_BYTES: u64 = 1000 * 1024;

const HEADER: [&str; 9] =
    ["image", ORIGINAL, "#width", "#height", "#split", "origin", "author", "source", "license"];

/// Writes `manifest.csv` and the images beside it.
pub fn write(dataset: &Dataset, output: &Staging) -> Result<()> {
    let mut taken = BTreeSet::new();
    let mut rows = Vec::with_capacity(dataset.images.len());
    let mut big: Vec<(u64, &str)> = Vec::new();
    for image in &dataset.images {
        let name = match output.placing() {
            Placing::Leave => image.name.to_string(),
            placing => {
                let name = flat(image, placing, &mut taken);
                output.place_image(image, &name)?;
                name
            }
        };
        let bytes = match (output.placing(), &image.file) {
            (Placing::Leave, Some(file)) => file.metadata().ok().map(|file| file.len()),
            (Placing::Leave, None) => None,
            _ => output.size(&name),
        };
        if let Some(bytes) = bytes.filter(|bytes| *bytes >= MOST_BYTES) {
            big.push((bytes, &image.name));
        }
        rows.push(row(dataset, image, name));
    }
    // what uploaders make of an empty cell is the folder itself
    let is_there = |at: usize| at == 0 || rows.iter().any(|row| row[at] != NOTHING);
    let columns: Vec<usize> = (0..HEADER.len()).filter(|at| is_there(*at)).collect();
    let mut table = csv::Writer::from_writer(Vec::new());
    let broken = |error: csv::Error| FormatError::Io(error.into());
    table.write_record(columns.iter().map(|at| HEADER[*at])).map_err(broken)?;
    for row in &rows {
        table.write_record(columns.iter().map(|at| &row[*at])).map_err(broken)?;
    }
    let text = table.into_inner().map_err(|error| FormatError::Io(error.into_error()))?;
    output.write("manifest.csv", &text)?;
    if let Some((bytes, name)) = big.iter().max() {
        let help = match output.placing() {
            Placing::Encode(Encoding::Jpeg) => "a smaller `--resize`",
            _ => "`--resize 1600` and `--images jpeg`",
        };
        output.note(format!(
            "{} of {} images have {} KB or more: Zooniverse's project builder leaves them out, and \
             `panoptes` refuses the whole upload from 1024 KB on; the biggest is `{name}` with {} \
             KB, and {help} makes them smaller",
            big.len(),
            dataset.images.len(),
            MOST_BYTES / 1024,
            bytes / 1024,
        ));
    }
    Ok(())
}

fn row(dataset: &Dataset, image: &Image, name: String) -> [String; HEADER.len()] {
    let from = image.provenance.as_deref();
    let said = |said: Option<&str>| hidden(said.unwrap_or_default());
    let length = |pixels: u32| match pixels {
        0 => NOTHING.to_owned(),
        pixels => pixels.to_string(),
    };
    let licence = from.and_then(|from| from.licence);
    let licence = licence.and_then(|id| dataset.licences.iter().find(|it| it.id == id));
    let split = image.splits.iter().next().and_then(|at| dataset.splits.get(at as usize));
    [
        name,
        hidden_original(&image.name),
        length(image.width),
        length(image.height),
        said(split.map(|name| &**name)),
        said(from.and_then(|from| from.urls.first()).map(String::as_str)),
        said(from.and_then(|from| from.author.as_deref())),
        said(from.and_then(|from| from.source.as_deref())),
        said(licence.map(|licence| &*licence.name)),
    ]
}

/// Names an image without folders: the uploader knows files by their name alone.
fn flat(image: &Image, placing: Placing, taken: &mut BTreeSet<String>) -> String {
    let flat = image.name.trim_start_matches('/').replace(['/', '\\'], "__").replace("..", "_");
    // signs that the project builder has names end at
    let flat = flat.replace([':', ','], "_");
    let path = Utf8Path::new(&flat);
    let stem = path.file_stem().unwrap_or("image");
    let ending = match placing {
        Placing::Encode(Encoding::Png) => "png",
        Placing::Encode(Encoding::Jpeg) => "jpg",
        Placing::Leave | Placing::Link | Placing::Copy => {
            let ending = path.extension();
            let is_encoded = |ending: &&str| {
                ["jpg", "jpeg", "png"].iter().any(|it| it.eq_ignore_ascii_case(ending))
            };
            match &image.derivation {
                // cut and scaled images are written as PNG or JPEG, whatever they were
                Some(_) => ending.filter(is_encoded).unwrap_or("png"),
                None => ending.unwrap_or("jpg"),
            }
        }
    };
    let mut count = 1;
    loop {
        let numbered = match count {
            1 => format!("{stem}.{ending}"),
            _ => format!("{stem}_{count}.{ending}"),
        };
        if taken.insert(numbered.to_lowercase()) {
            return numbered;
        }
        count += 1;
    }
}
