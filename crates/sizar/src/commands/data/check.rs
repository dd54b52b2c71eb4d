//! `sizar data check`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use camino::Utf8PathBuf;
use serde::Serialize;
use sizar_formats::check::{Finding, Kind, check as find, mend};
use sizar_formats::convert::save;
use sizar_formats::formats::WriteOptions;
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
    let mut opened = args.reading.open(&args.path)?;
    let findings = find(&opened.dataset, Some(&opened.look))?;
    if args.json {
        let mut counts = BTreeMap::new();
        for finding in &findings {
            *counts.entry(finding.kind.name()).or_default() += 1;
        }
        output::print_json(&Document {
            path: args.path.as_str(),
            format: opened.format.name(),
            counts,
            findings: &findings,
        })?;
    } else {
        output::print(&render(&findings, args.all))?;
        if findings.is_empty() {
            session.say("nothing is wrong");
        }
    }
    if let Some(out) = &args.fix {
        if !opened.format.is_written() {
            let error = anyhow::anyhow!("{} is read, not written", opened.format.title());
            return Err(Failure::new(ExitCode::Request, error)
                .hint("convert it first: `sizar data convert`"));
        }
        mend(&mut opened.dataset);
        let options = WriteOptions::default();
        save(&mut opened.dataset, opened.format, out, Placing::Link, &options)?;
        let left = find(&opened.dataset, None)?.len();
        session.say(&format!("wrote {out}, in which {left} findings are left to decide"));
    }
    Ok(if findings.is_empty() { ExitCode::Success } else { ExitCode::Failure })
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
