//! The reference pages that sizar writes about itself; `cargo xtask generate` calls it.

use std::fmt::Write as _;

use camino::Utf8Path;
use clap::{Command, CommandFactory as _};

use crate::args::Cli;
use crate::error::CommandResult;
use crate::exit_code;

/// Writes every generated page into `folder`.
pub fn write(folder: &Utf8Path) -> CommandResult<()> {
    fs_err::create_dir_all(folder)?;
    fs_err::write(folder.join("commands.md"), commands())?;
    fs_err::write(folder.join("exit-codes.md"), exit_codes())?;
    fs_err::write(folder.join("findings.md"), findings())?;
    fs_err::write(folder.join("breakages.md"), breakages())?;
    Ok(())
}

fn commands() -> String {
    let mut page = String::from("# Commands\n\nWritten by `cargo xtask generate`.\n");
    let mut root = Cli::command().term_width(96);
    root.build();
    describe(&mut root, &mut page);
    page
}

fn describe(command: &mut Command, page: &mut String) {
    if command.is_hide_set() || command.get_name() == "help" {
        return;
    }
    let name = command.get_bin_name().unwrap_or_else(|| command.get_name()).to_owned();
    let help = command.render_long_help().to_string();
    let help: Vec<&str> = help.lines().map(str::trim_end).collect();
    let _ = write!(page, "\n## `{name}`\n\n```text\n{}\n```\n", help.join("\n").trim_end());
    for subcommand in command.get_subcommands_mut() {
        describe(subcommand, page);
    }
}

fn exit_codes() -> String {
    let mut page = String::from(
        "# Exit codes\n\nWritten by `cargo xtask generate`.\n\n| code | meaning |\n| --- | --- |\n",
    );
    for (code, meaning) in exit_code::ALL {
        let _ = writeln!(page, "| {} | {meaning} |", code.number());
    }
    page
}

fn breakages() -> String {
    let rows = sizar_env::knowledge::breakages();
    let mut page = format!(
        "# Breakages\n\nWritten by `cargo xtask generate`. The {} ways to fail that sizar knows; \
         a row without a repair says what a person can do.\n\n\
         | id | cause | repaired | source |\n| --- | --- | --- | --- |\n",
        rows.len()
    );
    for row in rows {
        let repaired = if row.repair.is_empty() { "no" } else { "yes" };
        let cause = row.cause.replace('|', "\\|");
        let _ = writeln!(page, "| `{}` | {cause} | {repaired} | {} |", row.id, row.source);
    }
    page
}

fn findings() -> String {
    let mut page = String::from(
        "# Findings\n\nWritten by `cargo xtask generate`. What `sizar inspect` may point out.\n\n\
         | id | what it means | what helps |\n| --- | --- | --- |\n",
    );
    for entry in sizar_inspect::audit::catalogue::CATALOGUE {
        let _ = writeln!(page, "| `{}` | {} | {} |", entry.id, entry.means, entry.advice);
    }
    page
}
