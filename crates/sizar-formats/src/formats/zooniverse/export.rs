//! Writes a subject set.

use std::collections::BTreeSet;

use camino::Utf8Path;

use crate::error::{FormatError, Result};
use crate::model::Dataset;
use crate::staging::{Encoding, Placing, Staging};

/// The column that brings what comes back to the image that it was.
pub const ORIGINAL: &str = "#original";

/// Writes `manifest.csv` and the images beside it.
pub fn write(dataset: &Dataset, output: &Staging) -> Result<()> {
    let mut table = csv::Writer::from_writer(Vec::new());
    let broken = |error: csv::Error| FormatError::Io(error.into());
    let header =
        ["image", ORIGINAL, "#width", "#height", "#split", "origin", "author", "source", "license"];
    table.write_record(header).map_err(broken)?;
    let mut taken = BTreeSet::new();
    for image in &dataset.images {
        let name = match output.placing() {
            Placing::Leave => image.name.to_string(),
            placing => {
                let name = flat(&image.name, placing, &mut taken);
                output.place_image(image, &name)?;
                name
            }
        };
        let from = image.provenance.as_deref();
        let said = |said: Option<&String>| said.cloned().unwrap_or_default();
        let licence = from.and_then(|from| from.licence);
        let licence = licence.and_then(|id| dataset.licences.iter().find(|it| it.id == id));
        let split = image.splits.iter().next().and_then(|at| dataset.splits.get(at as usize));
        let record = [
            name,
            image.name.to_string(),
            image.width.to_string(),
            image.height.to_string(),
            split.map_or_else(String::new, ToString::to_string),
            said(from.and_then(|from| from.urls.first())),
            said(from.and_then(|from| from.author.as_ref())),
            said(from.and_then(|from| from.source.as_ref())),
            licence.map_or_else(String::new, |licence| licence.name.clone()),
        ];
        table.write_record(record).map_err(broken)?;
    }
    let text = table.into_inner().map_err(|error| FormatError::Io(error.into_error()))?;
    output.write("manifest.csv", &text)
}

/// Names an image without folders: the uploader knows files by their name alone.
fn flat(name: &str, placing: Placing, taken: &mut BTreeSet<String>) -> String {
    let flat = name.trim_start_matches('/').replace(['/', '\\'], "__").replace("..", "_");
    let path = Utf8Path::new(&flat);
    let stem = path.file_stem().unwrap_or("image");
    let ending = match placing {
        Placing::Encode(Encoding::Png) => "png",
        Placing::Encode(Encoding::Jpeg) => "jpg",
        Placing::Leave | Placing::Link | Placing::Copy => path.extension().unwrap_or("jpg"),
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
