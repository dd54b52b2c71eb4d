//! Overhead of `sizar run` over the bare command, for a tree of 1,000 files.
//!
//! On ext4 it must not follow another measurement closely: for five minutes new files avoid the
//! inodes of deleted ones, and each search goes past all of them (`recently_deleted` in the kernel's
//! `fs/ext4/ialloc.c`). A run was seen to take 340 ms instead of 82 ms then.

use std::process::Command;

use super::Bench;
use super::timing::{Contender, compare, line, show};
use crate::shell::output;

pub fn measure(bench: &Bench) -> anyhow::Result<()> {
    let home = bench.folder.join("home");
    let source = bench.folder.join("source");
    for i in 0..1000 {
        let folder = source.join(format!("part{}", i / 50));
        fs_err::create_dir_all(&folder)?;
        fs_err::write(folder.join(format!("m{i}.py")), format!("VALUE = {i}\n").repeat(40))?;
    }
    fs_err::write(source.join("noop.py"), "if __name__ == '__main__':\n    pass\n")?;
    let sizar = |args: &[&str]| {
        let mut command = Command::new(&bench.sizar);
        command.args(args).env("SIZAR_HOME", &home);
        command
    };
    let setup: serde_json::Value =
        serde_json::from_str(&output(sizar(&["setup", source.as_str(), "--json"]))?)?;
    let python = format!("{}/bin/python", setup["path"].as_str().unwrap_or_default());
    let medians = compare(
        bench.rounds.max(15),
        &[
            Contender {
                name: "python noop.py",
                command: Box::new(|| {
                    let mut command = Command::new(&python);
                    command.arg(source.join("noop.py"));
                    command
                }),
            },
            Contender {
                name: "sizar run SOURCE -- noop.py",
                command: Box::new(|| sizar(&["run", "-q", source.as_str(), "--", "noop.py"])),
            },
        ],
    )?;
    line(&format!("overhead: {}", show(medians[1].saturating_sub(medians[0]))));
    Ok(())
}
