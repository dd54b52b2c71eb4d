//! `sizar data stats`.

use std::collections::BTreeMap;

use camino::Utf8PathBuf;
use serde::Serialize;
use sizar_formats::survey::{Summary, summarise};

use super::{Reading, say_notes};
use crate::error::CommandResult;
use crate::exit_code::ExitCode;
use crate::output::{self, table};
use crate::session::Session;

/// Compare two data sets, class by class
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sizar data stats ./coco ./voc
  sizar data stats instances_val.json results.json      what was there, and what was found
  sizar data stats ./train ./val --json | jq '.classes[] | select(.a == 0 or .b == 0)'")]
pub struct StatsArgs {
    /// A file or a folder of annotations
    a: Utf8PathBuf,
    /// Another one
    b: Utf8PathBuf,
    #[command(flatten)]
    reading: Reading,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Document<'a> {
    a: &'a Summary,
    b: &'a Summary,
    classes: Vec<Class>,
}

/// A class and how often it occurs in both.
#[derive(Serialize)]
struct Class {
    name: String,
    a: usize,
    b: usize,
}

pub fn stats(session: &Session, args: &StatsArgs) -> CommandResult {
    let (mut a, mut b) = (args.reading.open(&args.a)?, args.reading.open(&args.b)?);
    // results are of the images that they are compared with
    if b.dataset.lacks_images && !a.dataset.lacks_images {
        b = args.reading.open_with(&args.b, Some(&args.a))?;
    } else if a.dataset.lacks_images && !b.dataset.lacks_images {
        a = args.reading.open_with(&args.a, Some(&args.b))?;
    }
    for opened in [&a, &b] {
        say_notes(session, opened);
    }
    let (a, b) = (summarise(&a.dataset), summarise(&b.dataset));
    let mut both: BTreeMap<&str, [usize; 2]> = BTreeMap::new();
    for (at, summary) in [&a, &b].into_iter().enumerate() {
        for class in &summary.classes {
            both.entry(&class.name).or_default()[at] += class.annotations;
        }
    }
    let classes: Vec<Class> =
        both.into_iter().map(|(name, [a, b])| Class { name: name.to_owned(), a, b }).collect();
    if args.json {
        output::print_json(&Document { a: &a, b: &b, classes })?;
        return Ok(ExitCode::Success);
    }
    let share = |count: usize, of: usize| match of {
        0 => String::new(),
        of => format!("{:.1} %", count as f64 * 100.0 / of as f64),
    };
    let mut rows = vec![
        vec!["images".into(), a.images.to_string(), String::new(), b.images.to_string()],
        vec![
            "annotations".into(),
            a.annotations.to_string(),
            String::new(),
            b.annotations.to_string(),
        ],
        vec!["with nothing marked".into(), a.empty.to_string(), String::new(), b.empty.to_string()],
    ];
    rows.extend(classes.iter().map(|class| {
        vec![
            class.name.clone(),
            class.a.to_string(),
            share(class.a, a.annotations),
            class.b.to_string(),
            share(class.b, b.annotations),
        ]
    }));
    output::print(&table::render(&["", args.a.as_str(), "", args.b.as_str(), ""], &rows))?;
    Ok(ExitCode::Success)
}
