//! A line that is cut ten times while 2 GiB and 5,000 small files go over it: how many bytes go in
//! all, and whether what arrived is right. The peers are started again until they succeed, as their
//! users do: `rsync --partial`, and `scp -r`, which begins anew.

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use camino::{Utf8Path, Utf8PathBuf};
use sizar_testkit::{Cluster, Line, noise};

use super::Bench;
use super::timing::{line, show};
use crate::shell::output;

const CUTS: u64 = 10;
const LARGE: usize = 2 << 30;
const FILES: usize = 5_000;
const SMALL: usize = 2048;
/// How often a program is started again.
const TRIES: usize = 40;

pub fn measure(bench: &Bench) -> anyhow::Result<()> {
    let cluster = Cluster::slurm().start()?;
    let way = cluster.line("slurm", Duration::ZERO)?;
    let config = way.ssh_config().to_owned();
    let source = bench.folder.join("source");
    let payload = write(&source)?;
    let sizar = |args: &[&str]| {
        let mut command = Command::new(&bench.sizar);
        command.args(args).env("SIZAR_HOME", bench.folder.join("home"));
        command
    };
    output(sizar(&["target", "add", "slurm", "ssh://slurm", "--ssh-config", config.as_str()]))?;
    // sizar itself is there before
    let warm = bench.folder.join("warm");
    fs_err::write(&warm, "1")?;
    output(sizar(&["__send", "slurm", warm.as_str()]))?;
    let forget = || {
        cluster.ssh(
            "slurm",
            "chmod -R u+w .sizar/store .sizar/trees 2>/dev/null; \
             rm -rf .sizar/store .sizar/trees peer; mkdir -p peer/source",
        );
    };
    let shell = |text: String| {
        let mut command = Command::new("sh");
        command.args(["-c", &text]).current_dir(&bench.folder);
        command
    };
    let own = || {
        // how often a host may be logged in to is not what is measured
        let logins = bench.folder.join("home/ssh");
        for entry in logins.read_dir_utf8().into_iter().flatten().flatten() {
            if entry.file_name().ends_with(".attempts") {
                let _ = fs_err::remove_file(entry.path());
            }
        }
        sizar(&["__send", "slurm", source.as_str()])
    };
    let rsync =
        || shell(format!("rsync -a --partial -e 'ssh -F {config}' source/ slurm:peer/source/"));
    let scp = || shell(format!("scp -q -r -F {config} source slurm:peer/"));
    let contenders: [(&str, &dyn Fn() -> Command); 3] =
        [("sizar", &own), ("rsync --partial", &rsync), ("scp -r", &scp)];
    for (name, command) in contenders {
        forget();
        let went = until_done(&way, payload, command).with_context(|| name.to_owned())?;
        let arrived = match name {
            "sizar" => tree(&cluster)?,
            _ => cluster.inside("/home/alice/peer/source"),
        };
        let wrong = wrong(&source, &arrived);
        line(&format!(
            "{name:<20} {:>9}: {:.3} of the payload, {} starts, {} cuts, {wrong} wrong files",
            show(went.took),
            went.bytes as f64 / payload as f64,
            went.starts,
            went.cuts,
        ));
    }
    forget();
    fs_err::remove_dir_all(&source)?;
    Ok(())
}

/// Writes what is sent; returns how many bytes that is.
fn write(source: &Utf8Path) -> anyhow::Result<u64> {
    fs_err::create_dir_all(source.join("small"))?;
    fs_err::write(source.join("large.bin"), noise(1, LARGE))?;
    for number in 0..FILES {
        fs_err::write(
            source.join("small").join(number.to_string()),
            noise(number as u64 + 2, SMALL),
        )?;
    }
    Ok((LARGE + FILES * SMALL) as u64)
}

/// What a transfer took.
struct Went {
    took: Duration,
    bytes: u64,
    starts: usize,
    cuts: u64,
}

/// Starts a command until it succeeds, on a line that is cut each time that so much has passed.
fn until_done(way: &Line, payload: u64, command: &dyn Fn() -> Command) -> anyhow::Result<Went> {
    let (began, before) = (Instant::now(), way.passed());
    let done = Arc::new(AtomicBool::new(false));
    let mut starts = 0;
    let cuts = std::thread::scope(|scope| -> anyhow::Result<u64> {
        let ended = Arc::clone(&done);
        let cutter = scope.spawn(move || {
            let mut cuts = 0;
            while cuts < CUTS && !ended.load(Ordering::Relaxed) {
                if way.passed() - before >= payload * (cuts + 1) / (CUTS + 1) {
                    way.cut();
                    cuts += 1;
                }
                // how often it is looked: a cut comes some hundred kilobytes late at most
                std::thread::sleep(Duration::from_millis(2));
            }
            cuts
        });
        let mut succeeded = false;
        while !succeeded && starts < TRIES {
            starts += 1;
            let mut command = command();
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            succeeded = command.status()?.success();
        }
        done.store(true, Ordering::Relaxed);
        ensure!(succeeded, "it did not succeed in {TRIES} starts");
        Ok(cutter.join().unwrap_or_default())
    })?;
    Ok(Went { took: began.elapsed(), bytes: way.passed() - before, starts, cuts })
}

/// Returns the tree that sizar laid out there.
fn tree(cluster: &Cluster) -> anyhow::Result<Utf8PathBuf> {
    let trees = cluster.inside("/home/alice/.sizar/trees");
    for entry in trees.read_dir_utf8()? {
        let entry = entry?;
        if entry.path().join("large.bin").exists() {
            return Ok(entry.path().to_owned());
        }
    }
    anyhow::bail!("nothing arrived in `{trees}`")
}

/// Counts the files that are not what was sent.
fn wrong(source: &Utf8Path, arrived: &Utf8Path) -> usize {
    let mut wrong = 0;
    let small = (0..FILES).map(|number| format!("small/{number}"));
    for name in small.chain(["large.bin".to_owned()]) {
        let same = fs_err::read(arrived.join(&name))
            .is_ok_and(|there| fs_err::read(source.join(&name)).is_ok_and(|here| here == there));
        wrong += usize::from(!same);
    }
    wrong
}
