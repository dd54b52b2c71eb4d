//! `sizar data convert`.

use camino::{Utf8Path, Utf8PathBuf};
use serde::Serialize;
use sizar_formats::FormatError;
use sizar_formats::convert::{
    Group, SplitRequest, choose_classes, merge_classes, refuse_without_images, resize, save, split,
    tile,
};
use sizar_formats::formats::{self, Loss, WriteOptions, losses};
use sizar_formats::model::Image;
use sizar_formats::staging::{Encoding, Placing};

use super::{Reading, say_notes};
use crate::error::CommandResult;
use crate::exit_code::ExitCode;
use crate::output::{self, table};
use crate::session::Session;

/// Write annotations in another format; says first what that format can't hold
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sizar data convert ./coco ./voc --to voc
  sizar data convert ./voc boxes.json --to coco                       one file, images stay
  sizar data convert ./pages ./yolo --to yolo --split 80/10/10 --group-by _
  sizar data convert ./coco ./cars --to yolo --classes car,truck --merge truck=car
  sizar data convert ./scans ./tiles --to mask --tile 512
  sizar data convert ./alto for-escriptorium.zip --to escriptorium    to be corrected there
  sizar data convert ./scans ./subjects --to zooniverse --resize 1600 for volunteers
  sizar data convert classifications.csv ./coco --to coco --share 0.6 what they agree on
  sizar data convert ./coco ./voc --to voc --lossless                 refuses, and says why

The same input gives the same output, byte for byte. It appears under its name when it is whole.")]
pub struct ConvertArgs {
    /// A file or a folder of annotations
    input: Utf8PathBuf,
    /// The folder, the file, or the `.zip` of a folder, to be written; it must not exist
    output: Utf8PathBuf,
    /// The format to write
    #[arg(long, value_name = "FORMAT")]
    to: String,
    /// A variant of the format: `panoptic` of COCO; `boxes` of VOC, without masks; `detect`,
    /// `segment`, `pose` of YOLO; `2013` of PAGE; `2`, `3` of ALTO; `alto` of eScriptorium
    #[arg(long, value_name = "NAME")]
    variant: Option<String>,
    #[command(flatten)]
    reading: Reading,
    /// Refuse when anything would be lost
    #[arg(long)]
    lossless: bool,
    /// Keep only these classes, in this order
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    classes: Vec<String>,
    /// Make things of the class A ones of B
    #[arg(long, value_name = "A=B")]
    merge: Vec<String>,
    /// Put the images into splits, as 80/10/10 or train=80/val=20, stratified by class
    #[arg(long, value_name = "PARTS")]
    split: Option<String>,
    /// Keep together images of one folder (`folder`), or whose names are equal up to the last
    /// occurrence of this text
    #[arg(long, value_name = "folder|TEXT", requires = "split")]
    group_by: Option<String>,
    /// Another number deals the images out otherwise
    #[arg(long, value_name = "N", default_value_t = 0, requires = "split")]
    seed: u64,
    /// Scale images down to this longer side
    #[arg(long, value_name = "PIXELS")]
    resize: Option<u32>,
    /// Cut images into squares of this side
    #[arg(long, value_name = "PIXELS")]
    tile: Option<u32>,
    /// What happens to the files of the images
    #[arg(long, value_name = "HOW", default_value = "link")]
    images: Images,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

/// What happens to the files of images.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Images {
    /// Hard links; copies on another file system
    Link,
    Copy,
    /// They stay where they are
    Leave,
    /// Written anew
    Png,
    /// Written anew
    Jpeg,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Document<'a> {
    input: &'a str,
    output: &'a str,
    from: &'static str,
    to: &'static str,
    images: usize,
    annotations: usize,
    losses: &'a [Loss],
    missing_images: Vec<&'a str>,
    notes: &'a [String],
}

pub fn convert(session: &Session, args: &ConvertArgs) -> CommandResult {
    let target = formats::named(&args.to)?;
    if !target.is_written() {
        return Err(FormatError::NotWritten { format: target.title() }.into());
    }
    formats::check_variant(target, args.variant.as_deref())?;
    if args.output.symlink_metadata().is_ok() {
        return Err(FormatError::Exists { path: args.output.clone() }.into());
    }
    let mut opened = args.reading.open(&args.input)?;
    say_notes(session, &opened);
    refuse_without_images(&opened.dataset)?;
    let dataset = &mut opened.dataset;
    for pair in &args.merge {
        let Some((from, into)) = pair.split_once('=') else {
            let error =
                FormatError::cannot_write(format!("`{pair}` does not say what becomes what"));
            return Err(error.with_hint("write it like `--merge truck=car`").into());
        };
        merge_classes(dataset, from, into)?;
    }
    if !args.classes.is_empty() {
        choose_classes(dataset, &args.classes)?;
    }
    if let Some(side) = args.resize {
        resize(dataset, side.max(1))?;
    }
    if let Some(side) = args.tile {
        tile(dataset, side.max(16))?;
    }
    if let Some(parts) = &args.split {
        let group = match args.group_by.as_deref() {
            None => Group::None,
            Some("folder") => Group::Folder,
            Some(text) => Group::Before(text.to_owned()),
        };
        split(dataset, &SplitRequest::parse(parts, args.seed, group)?);
    }
    let options = WriteOptions { variant: args.variant.clone() };
    let losses = losses(dataset, target, &options);
    if args.lossless && !losses.is_empty() {
        let lost: Vec<String> =
            losses.iter().map(|loss| format!("{} ({})", loss.what, loss.count)).collect();
        return Err(FormatError::Lossy { format: target.title(), lost: lost.join(", ") }.into());
    }
    if !losses.is_empty() {
        let rows: Vec<Vec<String>> = losses
            .iter()
            .map(|loss| vec![loss.what.into(), loss.count.to_string(), loss.becomes.into()])
            .collect();
        let title = format!("{} can't hold all of it as it is:\n", target.title());
        session.say(&(title + table::render(&["", "count", "becomes"], &rows).trim_end()));
    }
    let placing = match args.images {
        Images::Link => Placing::Link,
        Images::Copy => Placing::Copy,
        Images::Leave => Placing::Leave,
        Images::Png => Placing::Encode(Encoding::Png),
        Images::Jpeg => Placing::Encode(Encoding::Jpeg),
    };
    let saved = save(dataset, target, &args.output, placing, &options)?;
    if args.json {
        output::print_json(&Document {
            input: args.input.as_str(),
            output: args.output.as_str(),
            from: opened.format.name(),
            to: target.name(),
            images: opened.dataset.images.len(),
            annotations: opened.dataset.annotations.len(),
            losses: &losses,
            missing_images: saved.missing.iter().map(|name| &**name).collect(),
            notes: &saved.notes,
        })?;
        return Ok(ExitCode::Success);
    }
    if let Some(first) = saved.missing.first() {
        session.warn(&format!(
            "the files of {} images were not found and are not in the output, like `{first}`: say \
             where they are with `--images-in FOLDER`",
            saved.missing.len()
        ));
    }
    for note in &saved.notes {
        session.warn(note);
    }
    let dataset = &opened.dataset;
    if let Some(ending) = target.image_ending().filter(|_| !matches!(args.images, Images::Jpeg)) {
        let others = |image: &&Image| Utf8Path::new(&*image.name).extension() != Some(ending);
        let count = dataset.images.iter().filter(others).count();
        if count > 0 {
            session.say(&format!(
                "loaders of {} look for `.{ending}` alone, and {} called otherwise: `--images jpeg` \
                 writes them so",
                target.title(),
                if count == 1 { "1 image is".to_owned() } else { format!("{count} images are") },
            ));
        }
    }
    session.say(&format!(
        "wrote {} images and {} annotations to {}",
        dataset.images.len(),
        dataset.annotations.len(),
        saved.path
    ));
    Ok(ExitCode::Success)
}
