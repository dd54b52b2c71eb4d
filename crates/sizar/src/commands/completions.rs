//! `sizar completions`.

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::args::Cli;
use crate::error::CommandResult;
use crate::exit_code::ExitCode;

/// Print a script that completes sizar's commands in your shell
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sizar completions bash > ~/.local/share/bash-completion/completions/sizar
  sizar completions zsh > ~/.zfunc/_sizar
  sizar completions fish > ~/.config/fish/completions/sizar.fish")]
pub struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

pub fn completions(args: &CompletionsArgs) -> CommandResult {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "sizar", &mut script);
    crate::output::print_bytes(&script)?;
    Ok(ExitCode::Success)
}
