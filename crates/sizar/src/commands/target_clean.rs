//! `sizar target clean`.

use sizar_engine::elsewhere::{self, Left, Policy};
use sizar_engine::target::TargetName;
use sizar_model::Walltime;
use sizar_model::resources::ByteSize;

use crate::elsewhere::{place, refresh};
use crate::error::CommandResult;
use crate::output::{self, table};
use crate::session::Session;

/// Remove what ended runs left on a target, when their results are here and verified
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sizar target clean tours --dry-run              what lies there, and what would go
  sizar target clean tours --older-than 30d       only what ended a month ago
  sizar target clean tours --older-than 1s        all that is here already")]
pub struct CleanArgs {
    /// The target's name
    name: TargetName,
    /// Only runs that ended so long ago
    #[arg(long, value_name = "TIME", default_value = "7d")]
    older_than: Walltime,
    /// Also runs whose results are only there, such as those that left no receipt
    #[arg(long)]
    unverified: bool,
    /// Show what would go, and remove nothing
    #[arg(long)]
    dry_run: bool,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

pub fn clean(session: &Session, args: &CleanArgs) -> CommandResult<()> {
    let mut journal = session.journal()?;
    // what has ended meanwhile comes home first
    refresh(session, &mut journal, args.name.as_str())?;
    let mut place = place(session, args.name.as_str())?;
    let policy = Policy { older_than: args.older_than.duration(), unverified: args.unverified };
    let now = jiff::Timestamp::now();
    let left = elsewhere::left_there(&session.home, &journal, &mut place, policy, now)?;
    let stayed = match args.dry_run {
        true => Vec::new(),
        false => elsewhere::clean(&mut place, &left)?,
    };
    if args.json {
        let document = serde_json::json!({
            "runs": left,
            "removed": !args.dry_run,
            "not_removed": stayed,
            "purge_days": place.profile.purge_days,
        });
        output::print_json(&document)?;
        return Ok(());
    }
    if left.is_empty() {
        session.say(&format!("no run has left anything on {}", args.name));
        return Ok(());
    }
    let purge = place.profile.purge_days;
    let rows: Vec<Vec<String>> = left
        .iter()
        .map(|one| {
            let fate = match &one.kept {
                Some(why) => format!("stays: {why}"),
                None if args.dry_run => "would go".to_owned(),
                None if stayed.contains(&one.run) => "could not be removed".to_owned(),
                None => "removed".to_owned(),
            };
            vec![one.run.clone(), one.size.to_string(), day(one.ended), purged(one, purge), fate]
        })
        .collect();
    output::print(&table::render(&["RUN", "SIZE", "ENDED", "PURGED ON", ""], &rows))?;
    let gone: u64 = left
        .iter()
        .filter(|one| one.kept.is_none() && !stayed.contains(&one.run))
        .map(|one| one.size.0)
        .sum();
    let how = if args.dry_run { "would be" } else { "are" };
    session.say(&format!("{} {how} free again on {}", ByteSize(gone), args.name));
    Ok(())
}

fn day(at: Option<jiff::Timestamp>) -> String {
    at.map(|at| at.strftime("%Y-%m-%d").to_string()).unwrap_or_default()
}

/// Says when the site removes what a run left, where that is known.
fn purged(left: &Left, days: Option<u32>) -> String {
    let (Some(ended), Some(days)) = (left.ended, days) else { return String::new() };
    day(ended.checked_add(jiff::SignedDuration::from_hours(24 * i64::from(days))).ok())
}
