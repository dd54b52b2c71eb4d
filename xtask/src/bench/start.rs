//! Cold start: `--version`, and `runs` with 1,000 recorded runs.

use std::process::Command;

use super::Bench;
use super::timing::{Contender, compare};
use crate::shell::output;

pub fn measure(bench: &Bench) -> anyhow::Result<()> {
    let home = bench.folder.join("home");
    let source = bench.folder.join("source");
    fs_err::create_dir_all(&source)?;
    fs_err::write(source.join("noop.py"), "if __name__ == '__main__':\n    pass\n")?;
    let batch = bench.folder.join("batch.txt");
    fs_err::write(&batch, "--noop\n".repeat(1000))?;
    let sizar = |args: &[&str]| {
        let mut command = Command::new(&bench.sizar);
        command.args(args).env("SIZAR_HOME", &home);
        command
    };
    output(sizar(&["run", "-q", source.as_str(), "--batch", batch.as_str(), "--", "noop.py"]))?;
    output(sizar(&["wait"]))?;
    compare(
        bench.rounds.max(21),
        &[
            Contender { name: "true", command: Box::new(|| Command::new("true")) },
            Contender { name: "sizar --version", command: Box::new(|| sizar(&["--version"])) },
            Contender {
                name: "sizar runs (1,000 recorded)",
                command: Box::new(|| sizar(&["runs"])),
            },
            Contender {
                name: "sizar runs --json (1,000 recorded)",
                command: Box::new(|| sizar(&["runs", "--json"])),
            },
        ],
    )?;
    Ok(())
}
