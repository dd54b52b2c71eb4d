//! Control of a cluster over SSH, with lines of 0, 20 and 100 ms: submitting again after an edit
//! against `rsync` and `ssh sbatch`, and watching many jobs against a loop over `squeue`.

use std::process::Command;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, ensure};
use camino::{Utf8Path, Utf8PathBuf};
use sizar_testkit::{Cluster, Line};

use super::Bench;
use super::timing::{line, show};
use super::watch::questions;
use crate::shell::output;

/// The files of the checkout.
const FILES: usize = 20_000;
/// How long jobs are watched.
const WATCH: Duration = Duration::from_mins(1);

pub fn measure(bench: &Bench) -> anyhow::Result<()> {
    let cluster = Cluster::slurm().start()?;
    let source = checkout(&bench.folder)?;
    for delay in [0, 20, 100] {
        resubmit(bench, &cluster, &source, Duration::from_millis(delay))?;
    }
    watch(bench, &cluster, &source)
}

/// A laptop on one line to the cluster.
struct Laptop<'a> {
    bench: &'a Bench,
    line: Line,
    home: Utf8PathBuf,
}

impl<'a> Laptop<'a> {
    fn new(
        bench: &'a Bench,
        cluster: &Cluster,
        name: &str,
        delay: Duration,
    ) -> anyhow::Result<Self> {
        let line = cluster.line("slurm", delay)?;
        let home = bench.folder.join(name);
        let laptop = Self { bench, line, home };
        let config = laptop.line.ssh_config().to_owned();
        let add = ["target", "add", "slurm", "ssh://slurm", "--ssh-config", config.as_str()];
        output(laptop.sizar(&[&add[..], &["--scheduler", "slurm"]].concat()))?;
        Ok(laptop)
    }

    fn sizar(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.bench.sizar);
        command.args(args).env("SIZAR_HOME", &self.home).current_dir(&self.bench.folder);
        command
    }

    fn ssh(&self, shared: bool) -> Vec<String> {
        let mut words = vec!["ssh".to_owned(), "-F".to_owned(), self.line.ssh_config().to_string()];
        if shared {
            let socket = self.bench.folder.join("mux-%C");
            words.extend([
                "-oControlMaster=auto".to_owned(),
                format!("-oControlPath={socket}"),
                "-oControlPersist=60".to_owned(),
            ]);
        }
        words
    }

    /// Submits as people do by hand.
    fn by_hand(&self, source: &Utf8Path, shared: bool) -> anyhow::Result<Duration> {
        let ssh = self.ssh(shared);
        let began = Instant::now();
        let mut rsync = Command::new("rsync");
        rsync.args(["-a", "--exclude=.git", "-e", &ssh.join(" ")]);
        rsync.arg(format!("{source}/")).arg("slurm:by-hand/");
        output(rsync)?;
        let mut sbatch = Command::new(&ssh[0]);
        sbatch.args(&ssh[1..]).arg("slurm");
        sbatch.arg("sbatch --parsable -o /dev/null --wrap 'cd by-hand && python3 train.py'");
        output(sbatch)?;
        Ok(began.elapsed())
    }

    fn by_sizar(&self, source: &Utf8Path) -> anyhow::Result<(Duration, String)> {
        let args = ["run", "-q", source.as_str(), "--on", "slurm", "--detach", "--", "train.py"];
        let began = Instant::now();
        let id = output(self.sizar(&args))?.trim().to_owned();
        Ok((began.elapsed(), id))
    }
}

fn checkout(folder: &Utf8Path) -> anyhow::Result<Utf8PathBuf> {
    let source = folder.join("source");
    for number in 0..FILES {
        let part = source.join(format!("part{}", number / 100));
        if number % 100 == 0 {
            fs_err::create_dir_all(&part)?;
        }
        let name = if number % 20 == 0 { "py" } else { "csv" };
        let text = format!("# {number}\n").repeat(100);
        fs_err::write(part.join(format!("f{number}.{name}")), text)?;
    }
    fs_err::write(source.join("train.py"), "if __name__ == '__main__':\n    print('done')\n")?;
    let git = |args: &[&str]| {
        let mut command = Command::new("git");
        command.current_dir(&source).args(["-c", "user.name=a", "-c", "user.email=a@b"]).args(args);
        output(command)
    };
    git(&["init", "-q"])?;
    git(&["add", "-A"])?;
    git(&["commit", "-qm", "all"])?;
    Ok(source)
}

fn resubmit(
    bench: &Bench,
    cluster: &Cluster,
    source: &Utf8Path,
    delay: Duration,
) -> anyhow::Result<()> {
    let laptop = Laptop::new(bench, cluster, &format!("home-{}", delay.as_millis()), delay)?;
    laptop.by_sizar(source)?;
    laptop.by_hand(source, true)?;
    let mut times = [Vec::new(), Vec::new(), Vec::new()];
    let mut trips = 0;
    for round in 0..=bench.rounds {
        let edit = |word: &str| -> anyhow::Result<()> {
            // the nodes are this machine, too: a job that still runs is no part of a submission
            cluster.ssh("slurm", "while [ -n \"$(squeue -h)\" ]; do sleep 0.1; done");
            let text = format!("# {word} {round} {}\n", delay.as_millis());
            Ok(fs_err::write(source.join("part0/f0.py"), text)?)
        };
        edit("first")?;
        let (sizar, id) = laptop.by_sizar(source)?;
        edit("again")?;
        let fresh = laptop.by_hand(source, false)?;
        edit("third")?;
        let shared = laptop.by_hand(source, true)?;
        if round > 0 {
            for (times, took) in times.iter_mut().zip([sizar, fresh, shared]) {
                times.push(took);
            }
            let shown = output(laptop.sizar(&["show", &id, "--json", "--no-refresh"]))?;
            let shown: serde_json::Value = serde_json::from_str(&shown)?;
            trips = shown["usage"]["round_trips"].as_u64().context("what was asked is counted")?;
        }
    }
    let [sizar, fresh, shared] = times.map(median);
    line(&format!(
        "submit again, one file of {FILES} edited, {:>3} ms: sizar {} in {trips} round trips; rsync \
         and ssh sbatch {} ({:.1} ×), on a shared connection {} ({:.1} ×)",
        delay.as_millis(),
        show(sizar),
        show(fresh),
        fresh.as_secs_f64() / sizar.as_secs_f64(),
        show(shared),
        shared.as_secs_f64() / sizar.as_secs_f64(),
    ));
    Ok(())
}

/// Watches a run for a while and counts what the controller was asked.
fn watch(bench: &Bench, cluster: &Cluster, source: &Utf8Path) -> anyhow::Result<()> {
    fs_err::write(
        source.join("train.py"),
        "import time\nif __name__ == '__main__':\n    time.sleep(60)\n    print(time.time())\n",
    )?;
    let laptop = Laptop::new(bench, cluster, "home-watch", Duration::ZERO)?;
    let (_, id) = laptop.by_sizar(source)?;
    let before = questions(cluster, "alice");
    output(laptop.sizar(&["wait", &id]))?;
    let known = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs_f64();
    let ours = questions(cluster, "alice") - before;
    let ended: f64 = output(laptop.sizar(&["logs", &id]))?.trim().parse()?;
    let late = known - ended;
    let before = questions(cluster, "alice");
    let began = Instant::now();
    while began.elapsed() < WATCH {
        cluster.ssh("slurm", "for i in 1 2 3 4 5; do squeue -h -u alice >/dev/null; sleep 1; done");
    }
    let theirs = questions(cluster, "alice") - before;
    line(&format!(
        "watching a job of a minute: {ours} questions to the controller, and {theirs} of a loop over \
         `squeue` ({:.0} ×); known {late:.1} s after its program had ended",
        theirs as f64 / ours.max(1) as f64
    ));
    ensure!(late >= 0.0, "its end was known before it was");
    Ok(())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}
