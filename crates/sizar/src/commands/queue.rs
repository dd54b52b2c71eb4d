//! `sizar queue`.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;
use sizar_engine::looking::{self, QueueLine, queue_lines};
use sizar_engine::scheduler::Whose;
use sizar_engine::transport::Counters;

use crate::elsewhere::{looked, own, place};
use crate::error::CommandResult;
use crate::exit_code::ExitCode;
use crate::output::queue::{View, render};
use crate::output::{self, page::Style};
use crate::session::Session;

/// Show a target's queue: what runs, what waits, and why yours do not run
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sizar queue tours --mine
  sizar queue tours --json | jq -r '.jobs[] | select(.why) | .why.cause + \"; \" + .why.advice'
  sizar queue tours --json | jq '[.jobs[] | select(.pending) | .cores] | add'

What runs comes first, then what waits, in the scheduler's order. Runs of sizar are named by their
ids; a start with `~` is expected, not certain.")]
pub struct QueueArgs {
    /// The target's name
    target: String,
    /// Only your own jobs, those that sizar did not submit too
    #[arg(long)]
    mine: bool,
    /// All jobs of others, not only the first 40
    #[arg(long)]
    all: bool,
    /// Print one JSON document with all jobs
    #[arg(long)]
    json: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Document<'a> {
    target: &'a str,
    user: &'a str,
    jobs: &'a [QueueLine],
    cost: Counters,
}

pub fn queue(session: &Session, args: &QueueArgs) -> CommandResult {
    let mut place = place(session, &args.target)?;
    let own = own(session, &place)?;
    let whose = if args.mine { Whose::Mine } else { Whose::Everyones };
    let jobs = looked(session, &mut place, |place| looking::queue(place, whose))?;
    let now = Timestamp::now();
    let lines = queue_lines(jobs, &own, place.scheduler.kind(), &place.profile.site, now);
    if args.json {
        let cost = place.transport.counters();
        output::print_json(&Document {
            target: &args.target,
            user: &own.user,
            jobs: &lines,
            cost,
        })?;
        return Ok(ExitCode::Success);
    }
    if lines.is_empty() {
        let whose = if args.mine { "you have no jobs" } else { "there are no jobs" };
        session.say(&format!("{whose} in the queue of {}", args.target));
        return Ok(ExitCode::Success);
    }
    let view = View {
        style: Style::coloured(),
        width: output::width(),
        all: args.all,
        now,
        zone: TimeZone::system(),
    };
    output::print(&render(&lines, &view))?;
    Ok(ExitCode::Success)
}
