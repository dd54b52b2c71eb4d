//! `sizar data inspect`.

use std::fmt::Write as _;

use camino::Utf8PathBuf;
use serde::Serialize;
use sizar_formats::survey::{Summary, sheet, summarise};

use super::{Reading, say_notes};
use crate::error::CommandResult;
use crate::exit_code::ExitCode;
use crate::output::{self, table};
use crate::session::Session;

/// Show which format it is, and what is in it
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sizar data inspect ./VOCdevkit/VOC2012
  sizar data inspect instances_val2017.json --images-in ./val2017 --sheet sheet.png
  sizar data inspect ./labels --json | jq '.summary.classes[] | {name, annotations}'")]
pub struct InspectArgs {
    /// A file or a folder of annotations
    path: Utf8PathBuf,
    #[command(flatten)]
    reading: Reading,
    /// Write a picture of images with their annotations drawn
    #[arg(long, value_name = "FILE.png")]
    sheet: Option<Utf8PathBuf>,
    /// How many images the picture shows
    #[arg(long, value_name = "N", default_value_t = 25, requires = "sheet")]
    sheet_images: usize,
    /// All classes, nothing left out
    #[arg(long)]
    all: bool,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Document<'a> {
    path: &'a str,
    format: &'static str,
    specification: &'static str,
    why: Option<&'a str>,
    others: Vec<&'static str>,
    summary: &'a Summary,
    notes: Vec<String>,
}

pub fn inspect(session: &Session, args: &InspectArgs) -> CommandResult {
    let opened = args.reading.open(&args.path)?;
    let summary = summarise(&opened.dataset);
    if let Some(out) = &args.sheet {
        let drawn = sheet(&opened.dataset, args.sheet_images, out)?;
        session.say(&format!("drew {drawn} images into {out}"));
    }
    if args.json {
        let notes = &opened.dataset.notes;
        output::print_json(&Document {
            path: args.path.as_str(),
            format: opened.format.name(),
            specification: opened.format.specification(),
            why: opened.recognised.as_ref().map(|recognised| &*recognised.why),
            others: opened.others.iter().map(|format| format.name()).collect(),
            summary: &summary,
            notes: notes.iter().map(|note| format!("{}: {}", note.at, note.message)).collect(),
        })?;
        return Ok(ExitCode::Success);
    }
    say_notes(session, &opened);
    let mut text = opened.format.title().to_owned();
    if let Some(recognised) = &opened.recognised {
        let _ = write!(text, ": {}", recognised.why);
    }
    text.push('\n');
    if let Some(other) = opened.others.first() {
        let _ = writeln!(text, "it might also be `--from {}`", other.name());
    }
    text.push_str(&render(&summary, args.all));
    output::print(&text)?;
    Ok(ExitCode::Success)
}

fn render(summary: &Summary, all: bool) -> String {
    const FEW: usize = 20;
    let mut text = format!(
        "{} images ({} with a file here, {} with nothing marked), {} annotations, {} categories\n",
        summary.images, summary.found, summary.empty, summary.annotations, summary.categories
    );
    if !summary.splits.is_empty() {
        let splits: Vec<String> =
            summary.splits.iter().map(|(name, count)| format!("{name} {count}")).collect();
        let _ = writeln!(text, "splits: {}", splits.join(", "));
    }
    let sizes: Vec<String> = summary
        .sizes
        .iter()
        .take(5)
        .map(|size| match size.width {
            0 => format!("unknown ({})", size.images),
            width => format!("{width} × {} ({})", size.height, size.images),
        })
        .collect();
    if !sizes.is_empty() {
        let more = summary.sizes.len().saturating_sub(5);
        let more = if more > 0 { format!(", {more} more") } else { String::new() };
        let _ = writeln!(text, "sizes: {}{more}", sizes.join(", "));
    }
    let features: Vec<String> = summary
        .features
        .iter()
        .map(|(feature, count)| format!("{} ({count})", feature.words()))
        .collect();
    let _ = writeln!(text, "it says: {}\n", features.join(", "));
    let shown = if all { summary.classes.len() } else { FEW };
    let rows: Vec<Vec<String>> = summary
        .classes
        .iter()
        .take(shown)
        .map(|class| {
            vec![
                class.name.clone(),
                class.annotations.to_string(),
                class.images.to_string(),
                class.example.clone().unwrap_or_default(),
            ]
        })
        .collect();
    if !rows.is_empty() {
        text.push_str(&table::render(&["class", "annotations", "images", "example"], &rows));
    }
    if summary.classes.len() > shown {
        let _ = writeln!(text, "{} more: `--all`", summary.classes.len() - shown);
    }
    text
}
