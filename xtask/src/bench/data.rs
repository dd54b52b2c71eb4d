//! `sizar-formats` against pycocotools: a COCO file of half a gigabyte, made by a script with the
//! distribution of `instances_train2017`, read by both.

use std::process::Command;

use camino::Utf8Path;

use super::Bench;
use super::timing::{Contender, compare, line};
use crate::shell::{command, root, run};

/// As many annotations as `instances_train2017` has.
const ANNOTATIONS: &str = "860000";

pub fn measure(bench: &Bench) -> anyhow::Result<()> {
    let build = ["build", "--release", "--locked", "-p", "sizar-formats", "--examples"];
    run(command("cargo", &build))?;
    let examples = root().join("target/release/examples");
    let file = bench.folder.join("instances.json");
    run(command(examples.join("generate").as_str(), &[file.as_str(), ANNOTATIONS]))?;
    let python = peer(&bench.folder)?;
    line(&format!("{} MB", fs_err::metadata(&file)?.len() / 1_000_000));
    compare(
        bench.rounds.min(3),
        &[
            Contender {
                name: "sizar-formats: read",
                command: Box::new(|| {
                    let mut command = Command::new(examples.join("measure"));
                    command.arg(&file);
                    command
                }),
            },
            Contender {
                name: "pycocotools.COCO()",
                command: Box::new(|| {
                    let code = "import sys; from pycocotools.coco import COCO; COCO(sys.argv[1])";
                    let mut command = Command::new(&python);
                    command.args(["-c", code]).arg(&file);
                    command
                }),
            },
        ],
    )?;
    Ok(())
}

/// Installs pycocotools into an environment of its own.
fn peer(folder: &Utf8Path) -> anyhow::Result<camino::Utf8PathBuf> {
    let environment = folder.join("peers");
    run(command("python3", &["-m", "venv", environment.as_str()]))?;
    let python = environment.join("bin/python");
    run(command(python.as_str(), &["-m", "pip", "install", "--quiet", "pycocotools"]))?;
    Ok(python)
}
