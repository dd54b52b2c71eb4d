//! `sizar data check`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use camino::Utf8PathBuf;
use serde::Serialize;
use sizar_formats::check::{Finding, Kind, check as find, check_schema, mend};
use sizar_formats::convert::save;
use sizar_formats::formats::{Format, Look, WriteOptions, choose};
use sizar_formats::staging::Placing;

use super::Reading;
use crate::error::{CommandResult, Failure};
use crate::exit_code::ExitCode;
use crate::output;
use crate::session::Session;

/// Say what is wrong with annotations and images, and where
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sizar data check ./labels
  sizar data check ./labels --fix ./labels-mended       writes a mended copy, links the images
  sizar data check instances.json --json | jq '.counts'

The exit code is 1 when something was found.")]
pub struct CheckArgs {
    /// A file or a folder of annotations
    path: Utf8PathBuf,
    #[command(flatten)]
    reading: Reading,
    /// Mend what needs no decision, in a copy at this place
    #[arg(long, value_name = "OUT")]
    fix: Option<Utf8PathBuf>,
    /// Every finding, not a few of each kind
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
    counts: BTreeMap<String, usize>,
    findings: &'a [Finding],
}

pub fn check(session: &Session, args: &CheckArgs) -> CommandResult {
    crate::memory::with_small_pages();
    let mut opened = match args.reading.open(&args.path) {
        Ok(opened) => opened,
        // where one file of many is broken, all that are get said
        Err(error) => return check_files(session, args).unwrap_or(Err(error)),
    };
    let mut findings = check_schema(opened.format, &opened.look)?;
    findings.extend(find(&opened.dataset, Some(&opened.look))?);
    findings.sort_by(|a, b| (a.kind, &a.at).cmp(&(b.kind, &b.at)));
    show(args, opened.format, &findings)?;
    if findings.is_empty() && !args.json {
        session.say("nothing is wrong");
    }
    if let Some(out) = &args.fix {
        if !opened.format.is_written() {
            let error = anyhow::anyhow!("{} is read, not written", opened.format.title());
            return Err(Failure::new(ExitCode::Request, error)
                .hint("convert it first: `sizar data convert`"));
        }
        mend(&mut opened.dataset);
        let options = WriteOptions::default();
        let format = opened.format;
        save(&mut opened.dataset, format, out, Placing::Link, &options)?;
        let left = find(&opened.dataset, None)?.len();
        session.say(&format!("wrote {out}, in which {left} findings are left to decide"));
    }
    Ok(if findings.is_empty() { ExitCode::Success } else { ExitCode::Failure })
}

fn show(args: &CheckArgs, format: &dyn Format, findings: &[Finding]) -> CommandResult<()> {
    if args.json {
        let mut counts = BTreeMap::new();
        for finding in findings {
            *counts.entry(finding.kind.name()).or_default() += 1;
        }
        let (path, format) = (args.path.as_str(), format.name());
        return Ok(output::print_json(&Document { path, format, counts, findings })?);
    }
    Ok(output::print(&render(findings, args.all))?)
}

/// Checks what can't be opened as a whole file by file; nothing if that finds nothing either.
fn check_files(session: &Session, args: &CheckArgs) -> Option<CommandResult> {
    let look = Look::at(&args.path).ok()?;
    let format = choose(&look, args.reading.from.as_deref()).ok()?;
    let findings = check_schema(format, &look).ok().filter(|findings| !findings.is_empty())?;
    if let Err(error) = show(args, format, &findings) {
        return Some(Err(error));
    }
    session.say("files that can't be read keep the annotations from being checked");
    Some(Ok(ExitCode::Failure))
}

fn render(findings: &[Finding], all: bool) -> String {
    const FEW: usize = 5;
    let mut text = String::new();
    let mut kinds: Vec<Kind> = findings.iter().map(|finding| finding.kind).collect();
    kinds.dedup();
    for kind in kinds {
        let of_kind: Vec<&Finding> = findings.iter().filter(|f| f.kind == kind).collect();
        let mending = match kind.is_mendable() {
            true => format!(" (`--fix`: {})", kind.mending()),
            false => String::new(),
        };
        let _ = writeln!(text, "{}: {}{mending}", kind.name(), of_kind.len());
        let shown = if all { of_kind.len() } else { FEW };
        for finding in of_kind.iter().take(shown) {
            let _ = writeln!(text, "  {}: {}", finding.at, finding.message);
        }
        if of_kind.len() > shown {
            let _ = writeln!(text, "  {} more: `--all`", of_kind.len() - shown);
        }
    }
    text
}
