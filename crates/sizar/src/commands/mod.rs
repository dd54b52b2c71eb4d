//! One file for each subcommand: what is typed, and wiring to the engine.

pub mod after;
pub mod cancel;
pub mod completions;
pub mod data;
pub mod doctor;
pub mod env;
pub mod environment_options;
pub mod explain;
pub mod fetch;
pub mod fitting;
mod in_hand;
pub mod inspect;
pub mod internal;
pub mod logs;
pub mod man;
pub mod nodes;
pub mod queue;
pub mod reference;
pub mod repaired;
pub mod resume;
pub mod run;
pub mod run_elsewhere;
mod run_report;
mod run_start;
pub mod runs;
pub mod setup;
pub mod show;
pub mod sweep;
pub mod sweep_show;
pub mod target;
mod target_clean;
mod target_gc;
pub mod usage;
pub mod wait;

use crate::args::{Cli, ColorWhen, Command};
use crate::error::CommandResult;
use crate::session::Session;

/// Executes what was typed and returns the exit code.
pub fn execute(cli: &Cli) -> CommandResult<u8> {
    match cli.global.color {
        ColorWhen::Auto => anstream::ColorChoice::Auto,
        ColorWhen::Always => anstream::ColorChoice::Always,
        ColorWhen::Never => anstream::ColorChoice::Never,
    }
    .write_global();
    let code = match &cli.command {
        Command::Completions(args) => completions::completions(args)?,
        Command::Man(args) => man::man(args)?,
        command => {
            let session = Session::new(&cli.global)?;
            match command {
                Command::Inspect(args) => inspect::inspect(&session, args)?,
                Command::Setup(args) => setup::setup(&session, args)?,
                Command::Run(args) => return run::run(&session, args),
                Command::Sweep(args) => return sweep::sweep(&session, args),
                Command::Runs(args) => runs::runs(&session, args)?,
                Command::Show(args) => show::show(&session, args)?,
                Command::Logs(args) => logs::logs(&session, args)?,
                Command::Wait(args) => return wait::wait(&session, args),
                Command::Cancel(args) => cancel::cancel(&session, args)?,
                Command::Resume(args) => resume::resume(&session, args)?,
                Command::Fetch(args) => fetch::fetch(&session, args)?,
                Command::Explain(args) => explain::explain(&session, args)?,
                Command::Env(args) => return env::env(&session, args),
                Command::Data(args) => data::data(&session, args)?,
                Command::Doctor(args) => doctor::doctor(&session, args)?,
                Command::Target(args) => target::target(&session, args)?,
                Command::Nodes(args) => nodes::nodes(&session, args)?,
                Command::Queue(args) => queue::queue(&session, args)?,
                Command::Usage(args) => usage::usage(&session, args)?,
                Command::Completions(_) | Command::Man(_) => unreachable!("handled above"),
            }
        }
    };
    Ok(code.number())
}
