//! `sizar man`.

use camino::Utf8PathBuf;
use clap::CommandFactory as _;

use crate::args::Cli;
use crate::error::CommandResult;
use crate::exit_code::ExitCode;

/// Write the manual pages, one for each command
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sizar man ~/.local/share/man/man1      then `man sizar-run`
  sizar man | man -l -                   the main page, without writing a file")]
pub struct ManArgs {
    /// The folder to write to; without it the main page goes to standard output
    folder: Option<Utf8PathBuf>,
}

pub fn man(args: &ManArgs) -> CommandResult {
    if let Some(folder) = &args.folder {
        fs_err::create_dir_all(folder)?;
        clap_mangen::generate_to(Cli::command(), folder)?;
    } else {
        let mut page = Vec::new();
        clap_mangen::Man::new(Cli::command()).render(&mut page)?;
        crate::output::print_bytes(&page)?;
    }
    Ok(ExitCode::Success)
}
