//! sizar: from the address of a research repository to results.
//!
//! This crate is the only one that prints, reads flags and draws. [`args`] is what was typed;
//! each file of [`commands`] turns one subcommand into a request to the engine and shows what
//! came of it.

mod args;
mod commands;
mod elsewhere;
mod error;
mod exit_code;
mod interrupt;
mod log;
mod memory;
mod output;
mod progress;
mod session;
mod sweeps;

use clap::{CommandFactory as _, FromArgMatches as _};

use crate::args::Cli;

/// Reading a tree makes and frees millions of small nodes, on several threads.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    log::begin();
    // hidden subcommands are this program's own other halves: no parsing, no start-up cost
    if let Some(code) = commands::internal::dispatch() {
        return code;
    }
    clap_complete::CompleteEnv::with_factory(Cli::command).complete();
    let cli = match Cli::command().try_get_matches().and_then(|m| Cli::from_arg_matches(&m)) {
        Ok(cli) => cli,
        Err(error) => error.exit(),
    };
    let code = match commands::execute(&cli) {
        Ok(code) => code,
        Err(failure) => {
            anstream::eprint!("{}", failure.render());
            failure.code.number()
        }
    };
    std::process::ExitCode::from(code)
}
