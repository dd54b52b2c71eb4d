//! Submitting 1,000 tasks to a real Slurm over SSH, from the command to the job's id.
//!
//! The peers: one bare `sbatch --array` over SSH, and the loops of submitit and PSI/J, which run on
//! the login node, where `SIZAR_BENCH_PEERS` names a Python that has both. All jobs are held.

use std::process::Command;
use std::time::Instant;

use anyhow::Context as _;
use sizar_testkit::Cluster;

use super::Bench;
use super::timing::{Contender, compare, line, show};
use crate::shell::output;

/// How many tasks a sweep has.
const TASKS: usize = 1000;

/// One submission for each task, as their manuals show it.
const PEERS: &str = r"
import datetime, os, sys
count = int(sys.argv[2])
if sys.argv[1] == 'submitit':
    import submitit
    executor = submitit.AutoExecutor(folder='submitit-logs', cluster='slurm')
    executor.update_parameters(timeout_min=3, slurm_additional_parameters={'begin': 'now+1hour'})
    for number in range(count):
        executor.submit(abs, number)
else:
    import psij
    executor = psij.JobExecutor.get_instance('slurm')
    for number in range(count):
        spec = psij.JobSpec(executable='/bin/true', arguments=[str(number)])
        spec.attributes = psij.JobAttributes(
            duration=datetime.timedelta(minutes=3), custom_attributes={'slurm.begin': 'now+1hour'})
        executor.submit(psij.Job(spec))
    os._exit(0)
";

pub fn measure(bench: &Bench) -> anyhow::Result<()> {
    let cluster = Cluster::slurm().start()?;
    let config = cluster.ssh_config();
    let source = bench.folder.join("source");
    fs_err::create_dir_all(&source)?;
    fs_err::write(source.join("noop.py"), "if __name__ == '__main__':\n    pass\n")?;
    let sizar = |args: &[&str]| {
        // how often a host may be logged in to is not what is measured
        let logins = bench.folder.join("home/ssh");
        for entry in logins.read_dir_utf8().into_iter().flatten().flatten() {
            if entry.file_name().ends_with(".attempts") {
                let _ = fs_err::remove_file(entry.path());
            }
        }
        let mut command = Command::new(&bench.sizar);
        command.args(args).env("SIZAR_HOME", bench.folder.join("home"));
        command
    };
    let ssh = |words: &str| {
        let mut command = Command::new("ssh");
        command.args(["-F", config.as_str(), "slurm", words]);
        command
    };
    let add = ["target", "add", "slurm", "ssh://slurm", "--ssh-config", config.as_str()];
    output(sizar(&add))?;
    output(sizar(&["run", "-q", source.as_str(), "--on", "slurm", "--", "noop.py"]))?;
    output(ssh("printf '#!/bin/sh\\nsleep 1\\n' > bare.sh"))?;
    let range = format!("0-{}", TASKS - 1);
    let seeds = TASKS.to_string();
    let sweep = [
        "sweep",
        "-q",
        source.as_str(),
        "--on",
        "slurm",
        "--time",
        "3m",
        "--seeds",
        &seeds,
        "--scheduler-args=--hold",
        "--detach",
        "--",
        "noop.py",
        "{seed}",
    ];
    compare(
        bench.rounds.min(9),
        &[
            Contender {
                name: "ssh sbatch --array (1,000 tasks)",
                command: Box::new(|| {
                    ssh(&format!("scancel -u alice; sbatch --hold --array={range} -t 3 bare.sh"))
                }),
            },
            Contender { name: "sizar sweep (1,000 tasks)", command: Box::new(|| sizar(&sweep)) },
        ],
    )?;
    let Ok(python) = std::env::var("SIZAR_BENCH_PEERS") else {
        line("set `SIZAR_BENCH_PEERS` to a Python with submitit and psij-python to compare");
        return Ok(());
    };
    let script = bench.folder.join("peers.py");
    fs_err::write(&script, PEERS)?;
    for peer in ["submitit", "psij"] {
        let began = Instant::now();
        let words = format!("{python} - {peer} {TASKS}");
        let mut command = ssh(&words);
        command.stdin(fs_err::File::open(&script)?.into_parts().0);
        let status = command.status().context("ssh")?;
        anyhow::ensure!(status.success(), "`{words}` failed");
        let took = show(began.elapsed());
        line(&format!("{:<44} {took:>10}", format!("{peer}, a loop (1,000 tasks)")));
    }
    Ok(())
}
