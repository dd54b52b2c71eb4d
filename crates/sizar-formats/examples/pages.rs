//! Measures PAGE: `pages generate FOLDER COUNT` writes files like Transkribus' (4 regions, 36
//! lines with outlines, baselines and text, some 27 KB), `pages to FORMAT FOLDER OUT` converts
//! them, and `pages check FOLDER` holds them against the schema.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a measurement prints, and may end")]

use std::fmt::Write as _;
use std::time::Instant;

use camino::Utf8Path;
use rayon::prelude::*;
use sizar_formats::convert::save;
use sizar_formats::formats::{self, Look, WriteOptions};
use sizar_formats::staging::Placing;
use sizar_formats::{OpenOptions, open};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["generate", folder, count] => generate(folder.into(), count.parse().unwrap()),
        ["to", name, folder, out] => convert(name, folder.into(), out.into()),
        ["check", folder] => {
            let begin = Instant::now();
            let look = Look::at(folder.into()).unwrap();
            let format = formats::choose(&look, None).unwrap();
            let faults = format.schema_faults(&look).unwrap();
            println!("{} faults in {:?}", faults.len(), begin.elapsed());
        }
        _ => println!(
            "pages generate FOLDER COUNT | pages to FORMAT FOLDER OUT | pages check FOLDER"
        ),
    }
}

fn convert(name: &str, folder: &Utf8Path, out: &Utf8Path) {
    let begin = Instant::now();
    let mut opened = open(folder, &OpenOptions::default()).unwrap();
    let read = begin.elapsed();
    // `voc:boxes` is a variant
    let (name, variant) = name.split_once(':').unwrap_or((name, ""));
    let options = WriteOptions { variant: (!variant.is_empty()).then(|| variant.to_owned()) };
    let target = formats::named(name).unwrap();
    let losses = formats::losses(&opened.dataset, target, &options);
    let judged = begin.elapsed();
    save(&mut opened.dataset, target, out, Placing::Leave, &options).unwrap();
    println!(
        "{} images, {} annotations: read as {} in {read:?}, {} losses after {judged:?}, written as \
         {name} after {:?}",
        opened.dataset.images.len(),
        opened.dataset.annotations.len(),
        opened.format.name(),
        losses.len(),
        begin.elapsed()
    );
    std::mem::forget(opened);
}

fn generate(folder: &Utf8Path, count: u32) {
    fs_err::create_dir_all(folder).unwrap();
    (0..count).into_par_iter().for_each(|at| {
        fs_err::write(folder.join(format!("{at:05}.xml")), page(at)).unwrap();
    });
}

fn page(at: u32) -> String {
    let mut xml = format!(
        r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<PcGts xmlns="http://schema.primaresearch.org/PAGE/gts/pagecontent/2013-07-15">
    <Metadata><Creator>generated</Creator><Created>2016-06-16T16:57:15</Created><LastChange>2018-07-04T17:25:44</LastChange></Metadata>
    <Page imageFilename="{at:05}.jpg" imageWidth="2743" imageHeight="3965">
"#
    );
    // the same everywhere, and another for each page
    let mut state = at.wrapping_mul(2_654_435_761) | 1;
    let mut below = |limit: u32| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state % limit
    };
    for region in 0..4 {
        let top = 200 + region * 900;
        let kind = ["paragraph", "heading", "marginalia", "page-number"][region as usize];
        let bottom = top + 850;
        writeln!(xml, r#"        <TextRegion type="{kind}" id="r{region}" custom="readingOrder {{index:{region};}}"><Coords points="200,{top} 2500,{top} 2500,{bottom} 200,{bottom}"/>"#).unwrap();
        for line in 0..9 {
            let y = top + line * 95;
            write!(xml, r#"            <TextLine id="r{region}l{line}" custom="readingOrder {{index:{line};}}"><Coords points=""#).unwrap();
            for step in 0..20 {
                write!(xml, "{},{} ", 210 + step * 110, y + below(9)).unwrap();
            }
            for step in (0..20).rev() {
                write!(xml, "{},{} ", 210 + step * 110, y + 80 + below(9)).unwrap();
            }
            xml.pop();
            xml.push_str(r#""/><Baseline points=""#);
            for step in 0..8 {
                write!(xml, "{},{} ", 215 + step * 310, y + 60 + below(5)).unwrap();
            }
            xml.pop();
            xml.push_str("\"/><TextEquiv><Unicode>");
            for _ in 0..9 {
                write!(
                    xml,
                    "{} ",
                    ["und", "ſo", "der", "Raht", "Herrn", "beſchloſſen", "in", "& c."]
                        [below(8) as usize]
                        .replace('&', "&amp;")
                )
                .unwrap();
            }
            xml.push_str("</Unicode></TextEquiv></TextLine>\n");
        }
        xml.push_str("        </TextRegion>\n");
    }
    xml.push_str("    </Page>\n</PcGts>\n");
    xml
}
