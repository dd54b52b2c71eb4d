//! `inspect` against pipreqs and pigar: on 300 files of research packages, on 300 files of
//! CPython's standard library, which are longer and call each other more, and on all of that.

use std::process::Command;

use anyhow::{Context as _, ensure};
use camino::{Utf8Path, Utf8PathBuf};

use super::Bench;
use super::timing::{Contender, compare, line, show};
use crate::shell::{command, output, run};

/// Research packages of several fields and years, together more than 300 files of Python.
const RESEARCH: [&str; 8] = [
    "madmom==0.16.1",
    "cutadapt==4.9",
    "phonopy==2.20.0",
    "lasio==0.31",
    "gffutils==0.13",
    "librosa==0.9.2",
    "pydicom==2.3.1",
    "mir-eval==0.7",
];
/// The files of Python of a tree that is measured.
const FILES: usize = 300;

pub fn measure(bench: &Bench) -> anyhow::Result<()> {
    let library = standard_library()?;
    let peers = peers(&bench.folder)?;
    let home = bench.folder.join("home");
    let inspect = |tree: &str| {
        let mut command = Command::new(&bench.sizar);
        command.args(["inspect", "--json", tree]).env("SIZAR_HOME", &home);
        command
    };
    let research = bench.folder.join("research");
    research_tree(&research, &home, &inspect)?;
    let tree = bench.folder.join("tree");
    copy_python_files(&library, &tree, FILES)?;
    for (title, tree) in [
        ("300 files of research packages, with their packaging", &research),
        ("300 files of CPython's standard library", &tree),
    ] {
        line(title);
        compare(
            bench.rounds,
            &[
                Contender {
                    name: "sizar inspect --json",
                    command: Box::new(|| inspect(tree.as_str())),
                },
                // as its users call it: it asks the index which distribution a module is of
                Contender {
                    name: "pipreqs --print",
                    command: Box::new(|| {
                        let mut command = Command::new(peers.join("bin/pipreqs"));
                        command.args(["--print", tree.as_str()]);
                        command
                    }),
                },
                Contender {
                    name: "pipreqs --print --use-local",
                    command: Box::new(|| {
                        let mut command = Command::new(peers.join("bin/pipreqs"));
                        command.args(["--print", "--mode", "no-pin", "--use-local", tree.as_str()]);
                        command
                    }),
                },
                Contender {
                    name: "pigar generate",
                    command: Box::new(|| {
                        let mut command = Command::new(peers.join("bin/pigar"));
                        command.args(["generate", "--question-answer", "no", "-f"]);
                        command.arg(bench.folder.join("pigar.txt")).arg(tree);
                        command
                    }),
                },
            ],
        )?;
    }

    let whole = bench.folder.join("library");
    let bytes = copy_python_files(&library, &whole, usize::MAX)?;
    let times = compare(
        3,
        &[Contender {
            name: "sizar inspect, standard library",
            command: Box::new(|| inspect(whole.as_str())),
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

/// Puts source releases of research packages side by side, up to 300 files of Python.
fn research_tree(
    tree: &Utf8Path,
    home: &Utf8Path,
    inspect: &dyn Fn(&str) -> Command,
) -> anyhow::Result<()> {
    let checkouts = home.join("checkouts");
    let mut left = FILES;
    for package in RESEARCH {
        let before = folders(&checkouts)?;
        // what fetches a source release is the program itself: it executes nothing of it
        output(inspect(&format!("pypi:{package}")))?;
        let new = folders(&checkouts)?.into_iter().find(|folder| !before.contains(folder));
        let source = new.with_context(|| format!("no checkout of {package}"))?.join("tree");
        left -= copy_sources(&source, &tree.join(package.replace("==", "-")), left)?;
    }
    ensure!(left == 0, "the research packages have {left} files of Python too few");
    Ok(())
}

fn folders(folder: &Utf8Path) -> anyhow::Result<Vec<Utf8PathBuf>> {
    if !folder.exists() {
        return Ok(Vec::new());
    }
    folder.read_dir_utf8()?.map(|entry| Ok(entry?.into_path())).collect()
}

/// Copies text that a reader may look at, and up to `limit` files of Python; returns their number.
fn copy_sources(from: &Utf8Path, to: &Utf8Path, limit: usize) -> anyhow::Result<usize> {
    const TEXT: [&str; 9] = ["txt", "toml", "cfg", "md", "rst", "in", "yml", "yaml", "ipynb"];
    let mut python = 0;
    let mut open = vec![from.to_owned()];
    while let Some(folder) = open.pop() {
        let mut entries = folder.read_dir_utf8()?.collect::<Result<Vec<_>, _>>()?;
        entries.sort_by(|a, b| a.path().cmp(b.path()));
        for entry in entries {
            let path = entry.path();
            if entry.file_type()?.is_dir() {
                open.push(path.to_owned());
                continue;
            }
            let extension = path.extension().unwrap_or_default();
            let is_python = extension == "py";
            if !(is_python && python < limit || TEXT.contains(&extension)) {
                continue;
            }
            python += usize::from(is_python);
            let there = to.join(path.strip_prefix(from)?);
            fs_err::create_dir_all(there.parent().context("a file in a folder")?)?;
            fs_err::copy(path, there)?;
        }
    }
    Ok(python)
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
