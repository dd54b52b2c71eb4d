//! `sizar target`.

use std::fmt::Write as _;

use camino::Utf8PathBuf;
use jiff::Timestamp;
use sizar_engine::target::{Profile, TargetName, Targets, probe, transport};
use sizar_engine::transport::Counters;
use sizar_model::{Progress as _, SchedulerKind, counted};

use crate::commands::target_clean::{CleanArgs, clean};
use crate::commands::target_gc::{GcArgs, gc};
use crate::elsewhere::{connecting, targets};
use crate::error::{CommandResult, Failure};
use crate::exit_code::ExitCode;
use crate::output::{self, table};
use crate::session::Session;

/// Places to run: add one, look at it, forget it
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sizar target add tours ssh://me@login.cluster.example      log in once, and learn the site
  sizar target check tours                                   look again
  sizar target show tours                                    all that is known
  sizar target clean tours                                   remove what is here already
  sizar target gc tours                                      remove code and data that no run uses
  sizar run ./code --on tours --time 1h -- train.py")]
pub struct TargetArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    Add(AddArgs),
    Check(CheckArgs),
    Show(ShowArgs),
    Clean(CleanArgs),
    Gc(GcArgs),
    /// List the targets that are known
    List {
        /// Print one JSON document
        #[arg(long)]
        json: bool,
    },
    /// Forget a target; what is on it stays
    Remove {
        /// The target's name
        name: TargetName,
    },
}

/// Make a cluster known: log in once, look around, write down what is there
#[derive(Debug, clap::Args)]
struct AddArgs {
    /// What it will be called
    name: TargetName,
    /// `ssh://[user@]host[:port]`, a host of your `~/.ssh/config`, or `here` on a login node
    address: String,
    /// A file to read instead of `~/.ssh/config`
    #[arg(long, value_name = "FILE")]
    ssh_config: Option<Utf8PathBuf>,
    /// The scheduler to use, where the site has several
    #[arg(long, value_name = "NAME")]
    scheduler: Option<Scheduler>,
    /// The host for large transfers, where it is another one
    #[arg(long, value_name = "ADDRESS")]
    transfer: Option<String>,
    /// The folder there in which sizar keeps everything, instead of `~/.sizar`
    #[arg(long, value_name = "DIR")]
    root: Option<Utf8PathBuf>,
}

/// A batch scheduler.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Scheduler {
    Slurm,
    Oar,
}

impl From<Scheduler> for SchedulerKind {
    fn from(scheduler: Scheduler) -> Self {
        match scheduler {
            Scheduler::Slurm => Self::Slurm,
            Scheduler::Oar => Self::Oar,
        }
    }
}

/// Look at a target again: read only, and say what it costs
#[derive(Debug, clap::Args)]
struct CheckArgs {
    /// The target's name
    name: TargetName,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

/// Show what is known of a target, and from which files
#[derive(Debug, clap::Args)]
struct ShowArgs {
    /// The target's name
    name: TargetName,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

pub fn target(session: &Session, args: &TargetArgs) -> CommandResult {
    let targets = targets(session);
    match &args.verb {
        Verb::Add(args) => add(session, &targets, args)?,
        Verb::Check(args) => check(session, &targets, args)?,
        Verb::Show(args) => show(&targets, args)?,
        Verb::Clean(args) => clean(session, args)?,
        Verb::Gc(args) => gc(session, args)?,
        Verb::List { json } => list(session, &targets, *json)?,
        Verb::Remove { name } => {
            targets.remove(name)?;
            session.say(&format!("`{name}` is forgotten; what is on it stays there"));
        }
    }
    Ok(ExitCode::Success)
}

fn add(session: &Session, targets: &Targets, args: &AddArgs) -> CommandResult<()> {
    let ssh_config = match &args.ssh_config {
        Some(path) => Some(camino::absolute_utf8(path)?),
        None => None,
    };
    let profile = Profile {
        address: args.address.clone(),
        scheduler: args.scheduler.map(SchedulerKind::from),
        ssh_config,
        transfer: args.transfer.clone(),
        root: args.root.clone(),
        ..Profile::default()
    };
    if targets.names().contains(&args.name) {
        let error = sizar_engine::target::TargetError::Exists { name: args.name.to_string() };
        return Err(error.into());
    }
    // first the look, so that nothing is written of a place that does not answer
    let (learned, counters) = look(session, &args.name, &profile)?;
    let path = targets.add(&args.name, &profile)?;
    targets.remember(&args.name, &learned)?;
    output::print(&page(&targets.profile(&args.name)?))?;
    session.say(&cost(&counters));
    session.say(&format!("`{path}` is yours to edit"));
    Ok(())
}

fn check(session: &Session, targets: &Targets, args: &CheckArgs) -> CommandResult<()> {
    let profile = targets.profile(&args.name)?;
    let (learned, counters) = look(session, &args.name, &profile)?;
    targets.remember(&args.name, &learned)?;
    let profile = targets.profile(&args.name)?;
    if args.json {
        let mut document = serde_json::to_value(&profile)?;
        document["cost"] = serde_json::to_value(counters)?;
        output::print_json(&document)?;
        return Ok(());
    }
    output::print(&page(&profile))?;
    session.say(&cost(&counters));
    Ok(())
}

/// Looks at a site; what it could not find out is said.
fn look(
    session: &Session,
    name: &TargetName,
    profile: &Profile,
) -> CommandResult<(Profile, Counters)> {
    let mut transport = transport(profile, &connecting(session))?;
    session.reporter.report(sizar_model::Activity::Began { what: format!("looking at {name}") });
    let probed = probe(&mut *transport, profile.scheduler);
    session.reporter.report(sizar_model::Activity::Ended { what: format!("looked at {name}") });
    let probed = probed?;
    for missing in &probed.unanswered {
        session.say(missing);
    }
    if probed.site.scheduler.is_none() {
        let error = sizar_engine::target::TargetError::NoScheduler { name: name.to_string() };
        return Err(error.into());
    }
    Ok((probed.layer(Timestamp::now()), transport.counters()))
}

/// Says what a look cost the site.
fn cost(counters: &Counters) -> String {
    format!(
        "{}, {}, {} there",
        counted(counters.logins, "login", "logins"),
        counted(counters.round_trips, "round trip", "round trips"),
        counted(counters.steps, "command", "commands")
    )
}

fn show(targets: &Targets, args: &ShowArgs) -> CommandResult<()> {
    let profile = targets.profile(&args.name)?;
    if args.json {
        output::print_json(&profile)?;
        return Ok(());
    }
    let mut text = page(&profile);
    let _ = writeln!(text, "\nfrom these files, a later one over an earlier one:");
    for layer in targets.layers(&args.name) {
        let _ = writeln!(text, "  {:<8} {}", layer.kind, layer.path);
    }
    output::print(&text)?;
    Ok(())
}

fn list(session: &Session, targets: &Targets, json: bool) -> CommandResult<()> {
    let names = targets.names();
    let profiles = names
        .iter()
        .map(|name| Ok((name, targets.profile(name)?)))
        .collect::<Result<Vec<_>, Failure>>()?;
    if json {
        let list: Vec<_> = profiles
            .iter()
            .map(|(name, profile)| {
                serde_json::json!({
                    "name": name,
                    "address": profile.address,
                    "scheduler": profile.site.scheduler,
                    "probed": profile.probed,
                })
            })
            .collect();
        output::print_json(&list)?;
        return Ok(());
    }
    if names.is_empty() {
        session.say("no targets yet; `sizar target add NAME ssh://user@host` makes one");
        return Ok(());
    }
    let rows: Vec<Vec<String>> = profiles
        .iter()
        .map(|(name, profile)| {
            let scheduler = match (profile.site.scheduler, profile.site.version) {
                (Some(kind), Some(version)) => format!("{kind} {version}"),
                (Some(kind), None) => kind.to_string(),
                (None, _) => String::new(),
            };
            vec![name.to_string(), profile.address.clone(), scheduler]
        })
        .collect();
    output::print(&table::render(&["TARGET", "ADDRESS", "SCHEDULER"], &rows))?;
    Ok(())
}

/// Describes a target for people.
fn page(profile: &Profile) -> String {
    let bold = anstyle::Style::new().bold();
    let mut page = String::new();
    let mut line = |name: &str, value: &str| {
        if !value.is_empty() {
            let _ = writeln!(page, "{bold}{name:<12}{bold:#}{value}");
        }
    };
    let (machine, site) = (&profile.machine, &profile.site);
    line("address", &profile.address);
    if let Some(kind) = site.scheduler {
        let version = site.version.map(|version| format!(" {version}")).unwrap_or_default();
        let cluster = site.cluster.as_ref().map(|name| format!(", cluster {name}"));
        let accounting = match site.accounting {
            Some(false) => ", without accounting",
            _ => "",
        };
        line("scheduler", &format!("{kind}{version}{}{accounting}", cluster.unwrap_or_default()));
    }
    for partition in &site.partitions {
        let mut text = partition.name.clone();
        if partition.default {
            text.push_str(" (default)");
        }
        if let Some(most) = partition.max_walltime {
            let _ = write!(text, ", up to {most}");
        }
        for group in &partition.node_groups {
            let _ = write!(text, ", {} nodes of {} cores", group.count, group.cores);
            if let Some(memory) = group.memory {
                let _ = write!(text, " and {memory}");
            }
            for gpus in &group.gpus {
                let kind = gpus.kind.as_deref().unwrap_or("any kind");
                let _ = write!(text, " with {} GPUs ({kind})", gpus.count);
            }
        }
        if let Some(state) = partition.state.as_ref().filter(|state| *state != "UP") {
            let _ = write!(text, ", {state}");
        }
        line("partition", &text);
    }
    let names = |list: Vec<&str>| list.join(", ");
    line("accounts", &names(site.accounts.iter().map(|account| account.name.as_str()).collect()));
    line("qos", &names(site.qos.iter().map(|qos| qos.name.as_str()).collect()));
    if let Some(most) = site.max_array_size {
        line("arrays", &format!("indices up to {}", most.saturating_sub(1)));
    }
    if let Some(most) = site.max_submit_jobs {
        line("jobs", &format!("at most {most} in the queue"));
    }
    for window in &site.maintenance {
        line("maintenance", &format!("{} from {}", window.name, window.start));
    }
    if let (Some(user), Some(node)) = (&machine.user, &machine.node) {
        line("login", &format!("{user} on {node}"));
    }
    let system = [machine.system.as_deref(), machine.architecture.as_deref()];
    let glibc = machine.glibc.as_ref().map(|version| format!(", glibc {version}"));
    let system = names(system.into_iter().flatten().collect());
    line("system", &format!("{system}{}", glibc.unwrap_or_default()));
    for storage in &machine.storage {
        let mut text = format!("{} at {}", storage.name, storage.path);
        if let Some(free) = storage.free {
            let _ = write!(text, ", {free} free");
        }
        if let Some(inodes) = storage.free_inodes {
            let _ = write!(text, ", {inodes} files free");
        }
        if let Some(quota) = &storage.quota {
            if let (Some(used), Some(most)) = (quota.bytes_used, quota.bytes) {
                let _ = write!(text, ", quota {used} of {most}");
            }
            if let (Some(used), Some(most)) = (quota.inodes_used, quota.inodes) {
                let _ = write!(text, ", {used} of {most} files");
            }
        }
        line("storage", &text);
    }
    line("scratch", profile.node_scratch.as_deref().unwrap_or_default());
    if let Some(days) = profile.purge_days {
        line("purge", &format!("files that nobody used for {days} days are removed by the site"));
    }
    if let Some(limit) = profile.bwlimit {
        line("bwlimit", &format!("{limit} in a second"));
    }
    if let Some(modules) = &machine.modules {
        let init = machine.modules_init.as_ref().map(|init| format!(" ({init})"));
        line("modules", &format!("{modules}{}", init.unwrap_or_default()));
    }
    let pythons: Vec<&str> = machine.pythons.values().map(String::as_str).collect();
    line("Pythons", &names(pythons));
    line(
        "internet",
        match machine.internet {
            Some(true) => "the login node reaches the package index",
            Some(false) => "the login node does not reach the package index",
            None => "",
        },
    );
    page
}
