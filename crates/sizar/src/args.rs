//! What was typed.

use clap::builder::styling::{AnsiColor, Styles};
use clap::{Parser, Subcommand};

use crate::commands;
use crate::progress::Verbosity;

/// From the address of a research repository to results, on any compute.
#[derive(Debug, Parser)]
#[command(
    name = "sizar",
    version,
    styles = STYLES,
    max_term_width = 100,
    after_help = "\
Examples:
  sizar inspect github:milesial/Pytorch-UNet     what is in there, and what will hinder
  sizar run pypi:madmom -- DBNBeatTracker single examples/clicks.wav
  sizar run ./my-code --data ~/scans:data/imgs --detach -- train.py --epochs 20
  sizar runs                                     what ran, what runs
  sizar doctor                                   what on this machine helps or hinders

A SOURCE is a folder, a git address (optionally `@rev`), `github:owner/name`,
`pypi:name[==version]`, or an archive's path or address."
)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

/// Options that every command takes.
#[derive(Clone, Debug, clap::Args)]
pub struct Global {
    /// Say nothing but results, warnings and errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Also show what the programs behind it say
    #[arg(short, long, global = true)]
    pub verbose: bool,
    /// When to use colour; `NO_COLOR` is respected
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub color: ColorWhen,
}

/// When to use colour.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub enum ColorWhen {
    Auto,
    Always,
    Never,
}

impl Global {
    /// Returns how much is to be said.
    pub fn verbosity(&self) -> Verbosity {
        match (self.quiet, self.verbose) {
            (true, _) => Verbosity::Quiet,
            (_, true) => Verbosity::Verbose,
            _ => Verbosity::Normal,
        }
    }
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Command {
    Inspect(commands::inspect::InspectArgs),
    Setup(commands::setup::SetupArgs),
    Run(Box<commands::run::RunArgs>),
    Sweep(Box<commands::sweep::SweepArgs>),
    Runs(commands::runs::RunsArgs),
    Show(commands::show::ShowArgs),
    Logs(commands::logs::LogsArgs),
    Wait(commands::wait::WaitArgs),
    Cancel(commands::cancel::CancelArgs),
    Resume(commands::resume::ResumeArgs),
    Fetch(commands::fetch::FetchArgs),
    Explain(commands::explain::ExplainArgs),
    Env(commands::env::EnvArgs),
    Data(commands::data::DataArgs),
    Doctor(commands::doctor::DoctorArgs),
    Target(commands::target::TargetArgs),
    Nodes(commands::nodes::NodesArgs),
    Queue(commands::queue::QueueArgs),
    Usage(commands::usage::UsageArgs),
    Completions(commands::completions::CompletionsArgs),
    Man(commands::man::ManArgs),
}

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());
