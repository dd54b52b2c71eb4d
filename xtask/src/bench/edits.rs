//! Sending a large file that was sent before, and edited since, against `rsync`, which compares too.

use std::os::unix::fs::FileExt as _;
use std::time::Duration;

use camino::Utf8Path;
use sizar_testkit::{Cluster, noise};

use super::Bench;
use super::timing::line;
use super::transfer::{Way, report};

/// The size of the file, which nothing packs.
const SIZE: usize = 512 << 20;
/// How much comes at its end.
const MORE: usize = 1 << 20;

pub fn measure(bench: &Bench) -> anyhow::Result<()> {
    let cluster = Cluster::slurm().start()?;
    for delay in [0, 20, 100] {
        let way = Way::new(bench, &cluster, Duration::from_millis(delay))?;
        line(&format!("-- {delay} ms"));
        edits(&way, bench.rounds.min(7), "added to", append)?;
        edits(&way, bench.rounds.min(7), "with 100 bytes more in its middle", insert)?;
        edits(&way, bench.rounds.min(5), "that is another", replace)?;
    }
    Ok(())
}

fn edits(
    way: &Way<'_>,
    rounds: usize,
    what: &str,
    edit: fn(&Utf8Path, u64) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let path = way.folder().join("edited.bin");
    fs_err::write(&path, noise(1, SIZE))?;
    let shared = way.ssh(true);
    let rsync = format!("rsync -a -e '{shared}' edited.bin slurm:peer.bin");
    let scp = format!("scp -q -F {} edited.bin slurm:peer2.bin", way.config());
    way.send(&path)?;
    way.shell(&rsync)?;
    let mut times = [Vec::new(), Vec::new(), Vec::new()];
    let mut most = 0;
    for round in 0..rounds {
        edit(&path, round as u64 + 2)?;
        let (took, bytes) = way.send(&path)?;
        most = most.max(bytes);
        times[0].push(took);
        times[1].push(way.shell(&rsync)?);
        times[2].push(way.shell(&scp)?);
    }
    report(&format!("512 MiB, {what} (at most {most} bytes)"), &times, &["rsync", "scp"]);
    fs_err::remove_file(&path)?;
    way.clear();
    Ok(())
}

fn append(path: &Utf8Path, seed: u64) -> anyhow::Result<()> {
    let file = fs_err::OpenOptions::new().write(true).open(path)?;
    let end = file.metadata()?.len();
    Ok(file.file().write_all_at(&noise(seed, MORE), end)?)
}

fn insert(path: &Utf8Path, seed: u64) -> anyhow::Result<()> {
    let mut bytes = fs_err::read(path)?;
    let middle = bytes.len() / 2;
    bytes.splice(middle..middle, noise(seed, 100));
    Ok(fs_err::write(path, bytes)?)
}

/// The worst case: comparing costs its time, and finds nothing.
fn replace(path: &Utf8Path, seed: u64) -> anyhow::Result<()> {
    Ok(fs_err::write(path, noise(seed, SIZE))?)
}
