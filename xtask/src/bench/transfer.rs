//! Sending a folder over SSH against `rsync`, `scp` and `tar | ssh`, with lines of 0, 20 and 100 ms.
//!
//! Each contender sends the same bytes over the same line, in turns. `scp -r` waits for the line
//! several times for each file, and would take hours: it is timed once, for a part of them.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use camino::{Utf8Path, Utf8PathBuf};
use sizar_testkit::{Cluster, Line, noise};

use super::Bench;
use super::timing::{line, show};
use crate::shell::output;

/// The files of the folder, each of 2 KiB.
const FILES: usize = 20_000;
/// How many of them `scp -r` sends.
const SCP: usize = 500;
/// The large file.
const LARGE: usize = 512 << 20;

pub fn measure(bench: &Bench) -> anyhow::Result<()> {
    let cluster = Cluster::slurm().start()?;
    for delay in [0, 20, 100] {
        let way = Way::new(bench, &cluster, Duration::from_millis(delay))?;
        line(&format!("-- {delay} ms"));
        way.many()?;
        way.large("incompressible", |number| (number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15))?;
        way.large("compressible", |number| (number / 64) as u64)?;
    }
    Ok(())
}

/// A way to the cluster over a line.
pub struct Way<'a> {
    bench: &'a Bench,
    cluster: &'a Cluster,
    line: Line,
    home: Utf8PathBuf,
    folder: Utf8PathBuf,
}

impl<'a> Way<'a> {
    pub fn new(bench: &'a Bench, cluster: &'a Cluster, delay: Duration) -> anyhow::Result<Self> {
        let line = cluster.line("slurm", delay)?;
        let folder = bench.folder.join(format!("line-{}", delay.as_millis()));
        fs_err::create_dir_all(&folder)?;
        let way = Self { bench, cluster, line, home: folder.join("home"), folder };
        let config = way.line.ssh_config().to_owned();
        let add = ["target", "add", "slurm", "ssh://slurm", "--ssh-config", config.as_str()];
        output(way.sizar(&[&add[..], &["--scheduler", "slurm"]].concat()))?;
        // sizar itself is there before the first is timed
        let warm = way.folder.join("warm");
        fs_err::write(&warm, "1")?;
        way.send(&warm)?;
        Ok(way)
    }

    pub fn folder(&self) -> &Utf8Path {
        &self.folder
    }

    /// Returns the configuration of `ssh` that leads there.
    pub fn config(&self) -> &Utf8Path {
        self.line.ssh_config()
    }

    fn sizar(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.bench.sizar);
        command.args(args).env("SIZAR_HOME", &self.home).current_dir(&self.bench.folder);
        command
    }

    /// Sends by sizar; returns how long it took, and how many bytes went.
    pub fn send(&self, path: &Utf8Path) -> anyhow::Result<(Duration, u64)> {
        let began = Instant::now();
        let said = output(self.sizar(&["__send", "slurm", path.as_str()]))?;
        let took = began.elapsed();
        let bytes = said.trim().rsplit(' ').next().context("it says how much went")?;
        Ok((took, bytes.parse()?))
    }

    /// Returns the words that start `ssh`, on a shared connection or on one of its own.
    pub fn ssh(&self, shared: bool) -> String {
        let config = self.line.ssh_config();
        let socket = self.folder.join("mux-%C");
        if shared {
            format!(
                "ssh -F {config} -oControlMaster=auto -oControlPath={socket} -oControlPersist=300"
            )
        } else {
            format!("ssh -F {config}")
        }
    }

    /// Runs a line of shell in the folder; returns how long it took.
    pub fn shell(&self, text: &str) -> anyhow::Result<Duration> {
        let mut command = Command::new("sh");
        command.args(["-c", text]).current_dir(&self.folder);
        let began = Instant::now();
        output(command)?;
        Ok(began.elapsed())
    }

    /// Moves what was sent out of the way.
    ///
    /// It is removed only after the measurement: ext4 does not use the inodes of removed files again
    /// for some seconds, and looks through all of them for each new file (`recently_deleted` in its
    /// `ialloc.c`), which would make whoever comes next several times slower.
    fn forget(&self) {
        self.cluster.ssh(
            "slurm",
            "mkdir -p aside && new=$(mktemp -d aside/XXXXXX) && \
             for old in .sizar/store .sizar/trees peer peer.bin peer2.bin; do \
             [ ! -e \"$old\" ] || mv \"$old\" \"$new\"; done",
        );
    }

    /// Removes all that was moved out of the way.
    pub fn clear(&self) {
        self.forget();
        self.cluster.ssh("slurm", "chmod -R u+w aside; rm -rf aside");
    }

    /// Many small files: the first time, with nothing changed, with one changed.
    fn many(&self) -> anyhow::Result<()> {
        let source = self.folder.join("many");
        for number in 0..FILES {
            let part = source.join(format!("part{}", number / 100));
            if number % 100 == 0 {
                fs_err::create_dir_all(&part)?;
            }
            let text = noise(number as u64, 2048);
            fs_err::write(part.join(format!("{number}.png")), text)?;
        }
        let (fresh, shared) = (self.ssh(false), self.ssh(true));
        let rsync = |ssh: &str| format!("rsync -a -e '{ssh}' many/ slurm:peer/");
        let tar =
            format!("tar -C many -cf - . | {shared} slurm 'mkdir -p peer && tar -C peer -xf -'");
        let mut first = [Vec::new(), Vec::new(), Vec::new()];
        for _ in 0..self.bench.rounds {
            self.forget();
            first[0].push(self.send(&source)?.0);
            self.forget();
            first[1].push(self.shell(&rsync(&shared))?);
            self.forget();
            first[2].push(self.shell(&tar)?);
        }
        self.forget();
        report("first upload, 20,000 files", &first, &["rsync", "tar | ssh"]);
        let few = self.folder.join("few");
        fs_err::create_dir_all(&few)?;
        for number in 0..SCP {
            fs_err::write(few.join(number.to_string()), noise(number as u64, 2048))?;
        }
        let scp = format!("scp -q -r -F {} few slurm:peer", self.line.ssh_config());
        let scp = self.shell(&scp)?;
        line(&format!(
            "  scp -r of {SCP} such files, once: {}, or {} for {FILES}",
            show(scp),
            show(scp * (FILES / SCP) as u32)
        ));
        self.forget();
        self.send(&source)?;
        self.shell(&rsync(&shared))?;
        let mut same = [Vec::new(), Vec::new(), Vec::new()];
        let mut edited = [Vec::new(), Vec::new(), Vec::new()];
        // younger files are digested again
        std::thread::sleep(Duration::from_secs(3));
        self.send(&source)?;
        for round in 0..self.bench.rounds {
            let (took, bytes) = self.send(&source)?;
            ensure!(bytes == 0, "nothing changed, and {bytes} bytes went");
            same[0].push(took);
            same[1].push(self.shell(&rsync(&fresh))?);
            same[2].push(self.shell(&rsync(&shared))?);
            let edit = |number: usize| {
                fs_err::write(source.join("part0/0.png"), noise((round * 3 + number) as u64, 2048))
            };
            edit(100_000)?;
            edited[0].push(self.send(&source)?.0);
            edit(200_000)?;
            edited[1].push(self.shell(&rsync(&fresh))?);
            edit(300_000)?;
            edited[2].push(self.shell(&rsync(&shared))?);
            self.send(&source)?;
        }
        report("nothing changed, 20,000 files", &same, &["rsync", "rsync on a master"]);
        report("one file changed of 20,000", &edited, &["rsync", "rsync on a master"]);
        self.clear();
        fs_err::remove_dir_all(&source)?;
        Ok(())
    }

    fn large(&self, what: &str, word: impl Fn(usize) -> u64) -> anyhow::Result<()> {
        let path = self.folder.join("large.bin");
        let bytes: Vec<u8> = (0..LARGE / 8).flat_map(|number| word(number).to_le_bytes()).collect();
        fs_err::write(&path, bytes)?;
        let shared = self.ssh(true);
        let config = self.line.ssh_config();
        let mut times = [Vec::new(), Vec::new(), Vec::new()];
        for _ in 0..self.bench.rounds.min(5) {
            self.forget();
            times[0].push(self.send(&path)?.0);
            self.forget();
            times[1].push(self.shell(&format!("scp -q -F {config} large.bin slurm:peer.bin"))?);
            self.forget();
            let rsync = format!("rsync -a -e '{shared}' large.bin slurm:peer.bin");
            times[2].push(self.shell(&rsync)?);
            self.clear();
        }
        report(&format!("one file of 512 MiB, {what}"), &times, &["scp", "rsync"]);
        Ok(())
    }
}

/// Prints the medians of sizar and its peers.
pub fn report(what: &str, times: &[Vec<Duration>; 3], peers: &[&str; 2]) {
    let median = |times: &Vec<Duration>| {
        let mut times = times.clone();
        times.sort_unstable();
        times.get(times.len() / 2).copied().unwrap_or_default()
    };
    let sizar = median(&times[0]);
    let ratio = |time: Duration| time.as_secs_f64() / sizar.as_secs_f64().max(1e-9);
    let (one, two) = (median(&times[1]), median(&times[2]));
    line(&format!(
        "{what}: sizar {}; {} {} ({:.2} ×), {} {} ({:.2} ×)",
        show(sizar),
        peers[0],
        show(one),
        ratio(one),
        peers[1],
        show(two),
        ratio(two),
    ));
}
