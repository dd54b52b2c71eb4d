//! `sizar nodes`.

use serde::Serialize;
use sizar_engine::looking::{self, OwnRun, Totals, totals};
use sizar_engine::transport::Counters;
use sizar_model::cluster::Node;

use crate::elsewhere::{looked, own, place};
use crate::error::CommandResult;
use crate::exit_code::ExitCode;
use crate::output::nodes::{View, render};
use crate::output::{self, page::Style};
use crate::session::Session;

/// Show a target's nodes: what is free, what is taken, and by whom
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sizar nodes tours
  sizar nodes tours --all                                each node on lines of its own
  sizar nodes tours --json | jq '.totals.cores.free'     free cores
  sizar nodes tours --json | jq -r '.nodes[] | select(.reason) | .name + \": \" + .reason'

Each letter of a strip is a core. Nodes that differ in their names only share a line.")]
pub struct NodesArgs {
    /// The target's name
    target: String,
    /// Each node on lines of its own, nothing cut
    #[arg(long)]
    all: bool,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Document<'a> {
    target: &'a str,
    user: &'a str,
    totals: &'a Totals,
    nodes: &'a [Node],
    runs: &'a [OwnRun],
    cost: Counters,
}

pub fn nodes(session: &Session, args: &NodesArgs) -> CommandResult {
    let mut place = place(session, &args.target)?;
    let own = own(session, &place)?;
    let nodes = looked(session, &mut place, looking::nodes)?;
    let totals = totals(&nodes);
    if args.json {
        let cost = place.transport.counters();
        output::print_json(&Document {
            target: &args.target,
            user: &own.user,
            totals: &totals,
            nodes: &nodes,
            runs: &own.runs,
            cost,
        })?;
        return Ok(ExitCode::Success);
    }
    let view = View { style: Style::coloured(), width: output::width(), all: args.all };
    output::print(&render(&nodes, &totals, &own, view))?;
    Ok(ExitCode::Success)
}
