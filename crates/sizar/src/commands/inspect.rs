//! `sizar inspect`.

use sizar_engine::acquire::{AcquireOptions, acquire};
use sizar_inspect::InspectOptions;
use sizar_model::Locator;

use crate::error::CommandResult;
use crate::exit_code::ExitCode;
use crate::session::Session;
use crate::{memory, output};

/// Read a source tree, executing nothing
///
/// Says what it is, how it is started, what it needs, and what will hinder.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sizar inspect .                                       the folder you are in
  sizar inspect github:wkentaro/pytorch-fcn --all       everything, not only one screen
  sizar inspect pypi:madmom --json | jq '.drivers[].path'")]
pub struct InspectArgs {
    /// A folder, a git address, `github:owner/name`, `pypi:name[==version]`, or an archive
    source: Locator,
    /// Show everything, not only what fits on one screen
    #[arg(long)]
    all: bool,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
    /// Ask the source again instead of using what is cached
    #[arg(long)]
    refresh: bool,
}

pub fn inspect(session: &Session, args: &InspectArgs) -> CommandResult {
    memory::with_small_pages();
    let options = AcquireOptions { refresh: args.refresh, offline: false };
    let checkout = acquire(&session.home, &args.source, &options, &session.reporter)?;
    for note in &checkout.notes {
        session.say(note);
    }
    let options = InspectOptions { process_ends: true, ..InspectOptions::default() };
    let inspection = sizar_engine::run::inspect_with(&checkout, &options)?;
    if args.json {
        output::print_json(&inspection)?;
    } else {
        let style = output::inspection::Style::coloured();
        output::print(&output::inspection::render(&inspection, &style, args.all))?;
    }
    Ok(ExitCode::Success)
}
