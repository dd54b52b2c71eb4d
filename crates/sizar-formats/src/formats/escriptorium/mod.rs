//! What eScriptorium imports: images, a page file for each, and a METS file that joins them.
//!
//! eScriptorium matches PAGE or ALTO to images by their file names, and takes images out of an
//! archive by its METS file (<https://www.loc.gov/standards/mets/>). All files lie side by side, and
//! the archive has a `METS.xml`; without images it has none, and is for a document that has them.
//! What eScriptorium exports is read as PAGE or ALTO. Tried with its own import and export (2024).

mod flat;

use std::collections::BTreeSet;

use camino::{Utf8Path, Utf8PathBuf};
use rayon::prelude::*;

use super::{Format, Holding, Look, ReadOptions, Recognised, WriteOptions, alto, page};
use crate::error::{FormatError, Result};
use crate::model::{AnnotationIx, Dataset, Feature, Image};
use crate::staging::{Encoding, Placing, Staging};
use crate::xml::Writer;

pub struct EScriptorium;

impl Format for EScriptorium {
    fn name(&self) -> &'static str {
        "escriptorium"
    }

    fn title(&self) -> &'static str {
        "eScriptorium"
    }

    fn specification(&self) -> &'static str {
        "https://www.loc.gov/standards/mets/"
    }

    fn holding(&self, feature: Feature) -> Holding {
        match feature {
            Feature::Splits => Holding::Dropped,
            Feature::Readings => Holding::Changed("the first of them"),
            Feature::Hierarchy => Holding::Changed("regions beside each other, with lines"),
            Feature::Attributes => Holding::Dropped,
            Feature::Words | Feature::Glyphs => Holding::Changed("the text of their lines"),
            Feature::ReadingOrder | Feature::NestedReadingOrder => {
                Holding::Changed("the order of the file")
            }
            _ => page::Page.holding(feature),
        }
    }

    fn variants(&self) -> &'static [&'static str] {
        &["page", "alto"]
    }

    fn recognise(&self, _: &Look) -> Option<Recognised> {
        None
    }

    fn read(&self, look: &Look, options: &ReadOptions) -> Result<Dataset> {
        match page::Page.recognise(look) {
            Some(_) => page::Page.read(look, options),
            None => alto::Alto.read(look, options),
        }
    }

    fn write(&self, dataset: &Dataset, output: &Staging, options: &WriteOptions) -> Result<()> {
        let is_alto = match options.variant.as_deref() {
            None | Some("page") => false,
            Some("alto") => true,
            Some(other) => {
                let what = format!("eScriptorium doesn't import `{other}`");
                return Err(
                    FormatError::cannot_write(what).with_hint("known are `page` and `alto`")
                );
            }
        };
        let by_image = dataset.by_image();
        let names = flat_names(dataset, output.placing());
        dataset.images.par_iter().zip(&names).enumerate().try_for_each(
            |(at, (image, (name, about)))| {
                let flat = flat::flatten(dataset, image, by_image.of(at));
                let all: Vec<AnnotationIx> = (0..flat.annotations.len() as AnnotationIx).collect();
                let page = &flat.images[0];
                let text = match is_alto {
                    true => alto::document(&flat, page, &all, name, alto::Version::V4),
                    false => page::document(&flat, page, &all, name, page::Version::EScriptorium),
                };
                output.write(about, text.as_bytes())?;
                output.place_image(image, name)
            },
        )?;
        if output.placing() == Placing::Leave {
            return Ok(());
        }
        let others = |(image, (name, _)): &(&Image, &(String, Utf8PathBuf))| {
            Utf8Path::new(&*image.name).extension() != Utf8Path::new(name).extension()
        };
        let is_linked = matches!(output.placing(), Placing::Link | Placing::Copy);
        let count = dataset.images.iter().zip(&names).filter(others).count();
        if is_linked && count > 0 {
            output.note(format!(
                "{count} of {} images are written as PNG: eScriptorium takes {} out of an archive",
                names.len(),
                TAKEN.join(", ")
            ));
        }
        output.write("METS.xml", mets(&names).as_bytes())
    }
}

/// The endings of images that its import takes from an archive (`SUPPORTED_IMAGE_MIMETYPES` of its
/// `mets.py`).
const TAKEN: [&str; 5] = ["gif", "jpg", "jpeg", "png", "jp2"];

/// Names images and their files without folders, each stem once.
fn flat_names(dataset: &Dataset, placing: Placing) -> Vec<(String, Utf8PathBuf)> {
    let mut taken = BTreeSet::new();
    let each = dataset.images.iter().map(|image| {
        let flat = image.name.trim_start_matches('/').replace(['/', '\\'], "_").replace("..", "_");
        let path = Utf8Path::new(&flat);
        let stem = path.file_stem().unwrap_or("image");
        let ending = match placing {
            Placing::Encode(Encoding::Png) => "png",
            Placing::Encode(Encoding::Jpeg) => "jpg",
            Placing::Leave => path.extension().unwrap_or("jpg"),
            Placing::Link | Placing::Copy => {
                let ending = path.extension().unwrap_or("jpg");
                // others it does not take for images: they are written anew
                let is_taken = TAKEN.iter().any(|taken| ending.eq_ignore_ascii_case(taken));
                if is_taken { ending } else { "png" }
            }
        };
        let mut numbered = stem.to_owned();
        let mut count = 1;
        // the METS file has a name, too
        while numbered.eq_ignore_ascii_case("mets") || !taken.insert(numbered.to_lowercase()) {
            count += 1;
            numbered = format!("{stem}_{count}");
        }
        (format!("{numbered}.{ending}"), format!("{numbered}.xml").into())
    });
    each.collect()
}

/// Joins each image with its page (<https://www.loc.gov/standards/mets/>).
fn mets(names: &[(String, Utf8PathBuf)]) -> String {
    let mut xml = Writer::document();
    xml.open(
        "mets",
        &[
            ("xmlns", &"http://www.loc.gov/METS/"),
            ("xmlns:xlink", &"http://www.w3.org/1999/xlink"),
            ("xmlns:xsi", &"http://www.w3.org/2001/XMLSchema-instance"),
            (
                "xsi:schemaLocation",
                &"http://www.loc.gov/METS/ http://www.loc.gov/standards/mets/mets.xsd",
            ),
        ],
    );
    xml.open("fileSec", &[]);
    let group =
        |xml: &mut Writer, kind: &str, prefix: &str, files: &mut dyn Iterator<Item = &str>| {
            xml.open("fileGrp", &[("USE", &kind)]);
            for (at, file) in files.enumerate() {
                let id = format!("{prefix}{}", at + 1);
                xml.open("file", &[("ID", &id)]);
                xml.empty("FLocat", &[("LOCTYPE", &"URL"), ("xlink:href", &file)]);
                xml.close();
            }
            xml.close();
        };
    group(&mut xml, "image", "image", &mut names.iter().map(|(image, _)| image.as_str()));
    group(&mut xml, "export", "export", &mut names.iter().map(|(_, about)| about.as_str()));
    xml.close();
    xml.open("structMap", &[("TYPE", &"physical")]);
    xml.open("div", &[("TYPE", &"document")]);
    for at in 1..=names.len() {
        xml.open("div", &[("TYPE", &"page"), ("ORDER", &at)]);
        for prefix in ["image", "export"] {
            let id = format!("{prefix}{at}");
            xml.empty("fptr", &[("FILEID", &id)]);
        }
        xml.close();
    }
    xml.finish()
}
