//! `inspect` against pipreqs and pigar, on 300 Python files and on CPython's standard library.

use std::process::Command;

use anyhow::Context as _;
use camino::{Utf8Path, Utf8PathBuf};

use super::Bench;
use super::timing::{Contender, compare, line, show};
use crate::shell::{command, output, run};

pub fn measure(bench: &Bench) -> anyhow::Result<()> {
    let library = standard_library()?;
    let tree = bench.folder.join("tree");
    copy_python_files(&library, &tree, 300)?;
    let peers = peers(&bench.folder)?;
    let home = bench.folder.join("home");
    let inspect = |tree: &Utf8Path| {
        let mut command = Command::new(&bench.sizar);
        command.args(["inspect", "--json", tree.as_str()]).env("SIZAR_HOME", &home);
        command
    };
    line("300 files of CPython's standard library");
    compare(
        bench.rounds,
        &[
            Contender { name: "sizar inspect", command: Box::new(|| inspect(&tree)) },
            Contender {
                name: "pipreqs --print --mode no-pin",
                command: Box::new(|| {
                    let mut command = Command::new(peers.join("bin/pipreqs"));
                    // a closed proxy: it shall read the tree, not ask the index
                    command.args(["--print", "--mode", "no-pin", "--use-local", tree.as_str()]);
                    command
                }),
            },
            Contender {
                name: "pigar generate",
                command: Box::new(|| {
                    let mut command = Command::new(peers.join("bin/pigar"));
                    command.args(["generate", "--question-answer", "no", "-f"]);
                    command.arg(bench.folder.join("pigar.txt")).arg(&tree);
                    command
                }),
            },
        ],
    )?;

    let whole = bench.folder.join("library");
    let bytes = copy_python_files(&library, &whole, usize::MAX)?;
    let times = compare(
        3,
        &[Contender {
            name: "sizar inspect, standard library",
            command: Box::new(|| inspect(&whole)),
        }],
    )?;
    line(&format!(
        "{:.1} MB in {}: {:.1} MB/s",
        bytes as f64 / 1e6,
        show(times[0]),
        bytes as f64 / 1e6 / times[0].as_secs_f64()
    ));
    Ok(())
}

/// Returns where the standard library of `python3` is.
fn standard_library() -> anyhow::Result<Utf8PathBuf> {
    let code = "import sysconfig; print(sysconfig.get_path('stdlib'))";
    Ok(output(command("python3", &["-c", code]))?.trim().into())
}

/// Copies up to `limit` Python files, with their folders, and returns their bytes.
fn copy_python_files(from: &Utf8Path, to: &Utf8Path, limit: usize) -> anyhow::Result<u64> {
    let (mut bytes, mut files) = (0, 0);
    let mut folders = vec![from.to_owned()];
    while let Some(folder) = folders.pop() {
        let mut entries = folder.read_dir_utf8()?.collect::<Result<Vec<_>, _>>()?;
        entries.sort_by(|a, b| a.path().cmp(b.path()));
        for entry in entries {
            let path = entry.path();
            if entry.file_type()?.is_dir() {
                if !matches!(entry.file_name(), "site-packages" | "__pycache__") {
                    folders.push(path.to_owned());
                }
            } else if path.extension() == Some("py") && files < limit {
                let there = to.join(path.strip_prefix(from)?);
                fs_err::create_dir_all(there.parent().context("a file in a folder")?)?;
                bytes += fs_err::copy(path, there)?;
                files += 1;
            }
        }
    }
    Ok(bytes)
}

/// Installs the peers into an environment of their own.
fn peers(folder: &Utf8Path) -> anyhow::Result<Utf8PathBuf> {
    let environment = folder.join("peers");
    run(command("python3", &["-m", "venv", environment.as_str()]))?;
    let pip = environment.join("bin/pip");
    run(command(pip.as_str(), &["install", "--quiet", "pipreqs", "pigar", "setuptools"]))?;
    Ok(environment)
}
