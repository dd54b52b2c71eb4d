//! Importing a large environment at the start of a job, from a file server on which each question
//! about names and attributes takes 2 ms: in place, which is what other tools do, and as one file that is
//! unpacked to the node's own disk.
//!
//! The target's folder is shown to the node as [`crate::slow_fs`] shows it; the login node sees it as
//! it is. `SIZAR_BENCH_PACKAGES` names other packages than PyTorch, by a comma.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use camino::Utf8PathBuf;
use sizar_testkit::Cluster;

use super::Bench;
use super::timing::{line, show};
use crate::shell::output;

/// How long each question takes, in milliseconds.
const DELAY: &str = "2";
const NODE: &str = "cpu01";
const PACKAGES: &str = "torch==2.2.2,numpy==1.26.4";
/// The account there, its folder, and where that really lies.
const ROOT: &str = "/home/alice/.sizar";
const REAL: &str = "/home/alice/real";
const PROGRAM: &str = "/home/alice/slow-fs";

/// What a job costs.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
struct Cost {
    /// From its claim to its receipt.
    job: Duration,
    questions: u64,
}

pub fn measure(bench: &Bench) -> anyhow::Result<()> {
    let packages = std::env::var("SIZAR_BENCH_PACKAGES").unwrap_or_else(|_| PACKAGES.to_owned());
    let packages: Vec<&str> = packages.split(',').collect();
    let source = bench.folder.join("source");
    fs_err::create_dir_all(&source)?;
    fs_err::write(source.join("requirements.txt"), packages.join("\n") + "\n")?;
    let names = packages.iter().map(|package| package.split("==").next().unwrap_or(package));
    let imports: Vec<String> =
        names.map(|name| format!("import {}", name.replace('-', "_"))).collect();
    let driver =
        format!("{}\nif __name__ == '__main__':\n    print('imported')\n", imports.join("\n"));
    fs_err::write(source.join("work.py"), driver)?;
    let cluster = Cluster::slurm().start()?;
    let config = cluster.ssh_config();
    let sizar = |args: &[&str]| {
        let mut command = Command::new(&bench.sizar);
        command.args(args).env("SIZAR_HOME", bench.folder.join("home"));
        command
    };
    output(sizar(&["target", "add", "slurm", "ssh://slurm", "--ssh-config", config.as_str()]))?;
    let on_node = format!("--scheduler-args=--nodelist={NODE}");
    let submit = |scratch: &[&str]| -> anyhow::Result<String> {
        let first =
            ["run", "-q", source.as_str(), "--on", "slurm", "--build", "here", "--time", "30m"];
        let rest = ["--detach", "--no-rehearsal", on_node.as_str()];
        let words = [&first[..], &rest, scratch, &["--", "work.py"]].concat();
        Ok(output(sizar(&words))?.trim().to_owned())
    };
    let ended = |run: &str| -> anyhow::Result<()> {
        output(sizar(&["wait", "-q", run])).map(drop).with_context(|| format!("run {run}"))
    };
    let slow = Slow { cluster: &cluster };
    slow.prepare()?;
    // what is sent and unpacked once, at full speed
    ended(&submit(&["--scratch", "no"])?)?;
    slow.mount()?;
    let (mut in_place, mut packed) = (Vec::new(), Vec::new());
    for _ in 0..bench.rounds.min(5) {
        for (costs, scratch) in [(&mut in_place, &["--scratch", "no"][..]), (&mut packed, &[])] {
            let before = slow.questions()?;
            let run = submit(scratch)?;
            // this looks from the login node, which does not see the slow view
            ended(&run)?;
            costs.push(Cost { job: slow.took(&run)?, questions: slow.questions()? - before });
        }
    }
    let middle = |costs: &mut Vec<Cost>| {
        costs.sort_by_key(|cost| cost.job);
        costs[costs.len() / 2]
    };
    let (in_place, packed) = (middle(&mut in_place), middle(&mut packed));
    for (name, cost) in [("in place", in_place), ("one file, unpacked on the node", packed)] {
        let Cost { job, questions } = cost;
        line(&format!("{name:<44} {:>10}, {questions} questions", show(job)));
    }
    line(&format!(
        "{:<44} {:.1} × the time, {:.1} × the questions",
        "in place, of one file",
        in_place.job.as_secs_f64() / packed.job.as_secs_f64(),
        in_place.questions as f64 / packed.questions.max(1) as f64,
    ));
    Ok(())
}

/// The slow view of the target's folder, on one node.
struct Slow<'a> {
    cluster: &'a Cluster,
}

impl Slow<'_> {
    fn inside(&self, path: &str) -> Utf8PathBuf {
        self.cluster.inside(path)
    }

    /// Brings the program that shows it.
    fn prepare(&self) -> anyhow::Result<()> {
        fs_err::copy(std::env::current_exe()?, self.inside(PROGRAM))?;
        Ok(())
    }

    fn mount(&self) -> anyhow::Result<()> {
        let line = format!(
            "set -e; mkdir -p {REAL}; \
             pid=$(pgrep -f 'slurmd.*{NODE}' | head -1); \
             nsenter -t $pid -m sh -c 'mount --bind {ROOT} {REAL}; \
             setsid {PROGRAM} slow-fs {REAL} {ROOT} --count /home/alice/count --delay {DELAY} \
             >/home/alice/slow-fs.log 2>&1 </dev/null & \
             until grep -q \" {ROOT} fuse\" /proc/mounts; do sleep 0.1; done'"
        );
        let said = self.cluster.root(&line);
        ensure!(said.code == 0, "the slow file system cannot be mounted: {said}");
        Ok(())
    }

    /// Returns how often the file server was asked.
    fn questions(&self) -> anyhow::Result<u64> {
        let text = fs_err::read_to_string(self.inside("/home/alice/count"))?;
        Ok(text.trim().parse()?)
    }

    /// Returns how long a job took, from its claim to its receipt.
    fn took(&self, run: &str) -> anyhow::Result<Duration> {
        let folder = self.inside(&format!("{ROOT}/runs/{run}"));
        let modified = |path: &str| fs_err::metadata(folder.join(path))?.modified();
        let (began, ended) = (modified("claim-1/job")?, modified("attempt-1/receipt.json")?);
        Ok(ended.duration_since(began)?)
    }
}
