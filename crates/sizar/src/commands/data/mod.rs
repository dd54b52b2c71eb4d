//! `sizar data`: annotated images, inspected, checked, converted.

mod check;
mod convert;
mod inspect;
mod stats;

use std::mem::ManuallyDrop;

use camino::Utf8PathBuf;
use sizar_formats::formats::ReadOptions;
use sizar_formats::formats::zooniverse::Agreement;
use sizar_formats::{OpenOptions, Opened, open};

use crate::error::CommandResult;
use crate::session::Session;

/// Inspect, check and convert annotated images: COCO, VOC, YOLO, PAGE, ALTO and others
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sizar data inspect ./labels                         which format, how many, of what
  sizar data check ./labels                           what is wrong, and where
  sizar data convert ./labels ./voc --to voc          says first what VOC can't hold")]
pub struct DataArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    Inspect(inspect::InspectArgs),
    Check(check::CheckArgs),
    Convert(Box<convert::ConvertArgs>),
    Stats(stats::StatsArgs),
}

pub fn data(session: &Session, args: &DataArgs) -> CommandResult {
    match &args.verb {
        Verb::Inspect(args) => inspect::inspect(session, args),
        Verb::Check(args) => check::check(session, args),
        Verb::Convert(args) => convert::convert(session, args),
        Verb::Stats(args) => stats::stats(session, args),
    }
}

/// How a data set is read.
#[derive(Debug, clap::Args)]
struct Reading {
    /// The format, where it isn't recognised, like `coco`, `voc` or `page`
    #[arg(long, value_name = "FORMAT")]
    from: Option<String>,
    /// A folder with the images, where they aren't beside the annotations
    #[arg(long, value_name = "FOLDER")]
    images_in: Vec<Utf8PathBuf>,
    /// The COCO file whose images and categories a list of results means, as pycocotools' `loadRes`
    /// reads it
    #[arg(long, value_name = "FILE")]
    images_of: Option<Utf8PathBuf>,
    /// A file with the names of the classes, a line each, for formats that only number them
    #[arg(long, value_name = "FILE")]
    names: Option<Utf8PathBuf>,
    /// Whether the pixels of VOC boxes count from 0 or from 1; if not given, from 1 unless a box
    /// begins at 0
    #[arg(long, value_name = "0|1", value_parser = clap::value_parser!(u8).range(0..=1))]
    origin: Option<u8>,
    /// How alike the marks of volunteers have to be to be one thing, from 0 to 1 (Zooniverse)
    #[arg(long, value_name = "PART", default_value_t = 0.5)]
    overlap: f64,
    /// The part of the volunteers that has to be exceeded for a thing to be there (Zooniverse)
    #[arg(long, value_name = "PART", default_value_t = 0.5)]
    share: f64,
}

impl Reading {
    fn open(&self, path: &Utf8PathBuf) -> CommandResult<ManuallyDrop<Opened>> {
        self.open_with(path, self.images_of.as_ref())
    }

    /// Opens what lies at `path`, where a list of results means the images of `truth`.
    ///
    /// It is in memory until the program ends: to let go of a million annotations one by one takes
    /// as long as to check them.
    fn open_with(
        &self,
        path: &Utf8PathBuf,
        truth: Option<&Utf8PathBuf>,
    ) -> CommandResult<ManuallyDrop<Opened>> {
        let classes = match &self.names {
            Some(file) => {
                let text = fs_err::read_to_string(file)?;
                Some(text.lines().map(|line| line.trim().to_owned()).collect())
            }
            None => None,
        };
        let options = OpenOptions {
            format: self.from.clone(),
            images_in: self.images_in.clone(),
            read: ReadOptions {
                classes,
                origin: self.origin,
                images_of: truth.cloned(),
                agreement: Agreement { overlap: self.overlap, share: self.share },
            },
        };
        Ok(ManuallyDrop::new(open(path, &options)?))
    }
}

/// Says what the reader noticed, a few of each kind.
fn say_notes(session: &Session, opened: &Opened) {
    const FEW: usize = 5;
    let notes = &opened.dataset.notes;
    for note in notes.iter().take(FEW) {
        session.warn(&format!("{}: {}", note.at, note.message));
    }
    if notes.len() > FEW {
        session.warn(&format!("{} more like this: see `sizar data check`", notes.len() - FEW));
    }
}
