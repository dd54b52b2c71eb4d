//! `sizar target gc`.

use sizar_engine::elsewhere::{self, SweepPolicy};
use sizar_engine::target::TargetName;
use sizar_model::counted;
use sizar_model::resources::{ByteSize, Walltime};

use crate::elsewhere::place;
use crate::error::CommandResult;
use crate::output;
use crate::session::Session;

/// Remove code, data and environments from a target that no run uses any more
///
/// They lie there once for all runs, so that a second run of the same sends nothing. What a run uses
/// that has not ended stays, whatever is asked for. Old versions of sizar go, too.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sizar target gc tours --dry-run         what would go
  sizar target gc tours                   what no run wanted for 30 days
  sizar target gc tours --keep 50G        and of the rest all but the newest 50 GiB
  sizar target gc tours --older-than 1s   all that no run uses now")]
pub struct GcArgs {
    /// The target's name
    name: TargetName,
    /// Only what no run wanted for so long
    #[arg(long, value_name = "TIME", default_value = "30d")]
    older_than: Walltime,
    /// Let no more than this stay of what no run uses
    #[arg(long, value_name = "SIZE")]
    keep: Option<ByteSize>,
    /// Show what would go, and remove nothing
    #[arg(long)]
    dry_run: bool,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

pub fn gc(session: &Session, args: &GcArgs) -> CommandResult<()> {
    let mut place = place(session, args.name.as_str())?;
    let policy = SweepPolicy {
        older_than: args.older_than.duration(),
        most: args.keep,
        only_look: args.dry_run,
    };
    let swept = elsewhere::sweep_store(&session.home, &mut place, policy, &session.reporter)?;
    if args.json {
        let mut document = serde_json::json!(swept);
        document["removed"] = (!args.dry_run).into();
        return Ok(output::print_json(&document)?);
    }
    let how = if args.dry_run { "would go" } else { "went" };
    let elsewhere::SweptThere { store, beside } = swept;
    session.say(&format!(
        "{} ({}) {how} from {}, {} stay, of which runs use {}",
        counted(store.trees_removed, "tree", "trees"),
        ByteSize(store.trees_bytes),
        args.name,
        store.trees_kept,
        store.trees_used,
    ));
    let kinds = [
        ("fetched data set", "fetched data sets", beside.fetched),
        ("environment", "environments", beside.environments),
        ("version of sizar", "versions of sizar", beside.programs),
    ];
    for (one, many, group) in kinds.iter().filter(|(_, _, group)| group.removed + group.kept > 0) {
        session.say(&format!(
            "{} ({}) {how}, {} ({}) stay, of which runs use {}",
            counted(group.removed, one, many),
            ByteSize(group.bytes_removed),
            group.kept,
            ByteSize(group.bytes_kept),
            group.used,
        ));
    }
    if !args.dry_run {
        session.say(&format!(
            "{} of the store are free again, {} stay",
            ByteSize(store.bytes_freed),
            ByteSize(store.bytes_kept)
        ));
    }
    Ok(())
}
