//! Watching a sweep of 1,000 tasks: questions to Slurm's controller against a loop over `squeue`, and how
//! late the end of a task is known.
//!
//! Both watch the same jobs at the same time, as two users, whom `sdiag` counts apart.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use camino::Utf8Path;
use sizar_testkit::Cluster;

use super::Bench;
use super::timing::line;
use crate::shell::output;

/// How many tasks are watched.
const TASKS: usize = 1000;
/// How long.
const WATCH: Duration = Duration::from_mins(10);
/// Who loops over `squeue`.
const PEER: &str = "nobody";

/// Prints by how many seconds each end was known late; the journal is SQLite.
const LATE: &str = r"
import datetime, json, sqlite3, sys
rows = sqlite3.connect(sys.argv[1]).execute('select at, kind from events')
for at, kind in rows:
    kind = json.loads(kind)
    if kind['event'] == 'ended':
        ended = datetime.datetime.fromisoformat(kind['receipt']['ended'].replace('Z', '+00:00'))
        print(at / 1e6 - ended.timestamp())
";

pub fn measure(bench: &Bench) -> anyhow::Result<()> {
    let cluster = Cluster::slurm().start()?;
    let config = cluster.ssh_config();
    let source = bench.folder.join("source");
    fs_err::create_dir_all(&source)?;
    let task = "import time\nif __name__ == '__main__':\n    time.sleep(25)\n";
    fs_err::write(source.join("nap.py"), task)?;
    let home = bench.folder.join("home");
    let sizar = |args: &[&str]| {
        let mut command = Command::new(&bench.sizar);
        command.args(args).env("SIZAR_HOME", &home);
        command
    };
    output(sizar(&["target", "add", "slurm", "ssh://slurm", "--ssh-config", config.as_str()]))?;
    let seeds = TASKS.to_string();
    let sweep = ["sweep", "-q", source.as_str(), "--on", "slurm", "--time", "5m", "--mem", "900M"];
    let tail = ["--seeds", &seeds, "--scratch", "no", "--detach", "--", "nap.py", "{seed}"];
    let id = output(sizar(&[&sweep[..], &tail].concat()))?.trim().to_owned();

    let before = [questions(&cluster, "alice"), questions(&cluster, PEER)];
    let began = Instant::now();
    let mut following = sizar(&["wait", &id]).stderr(Stdio::null()).spawn()?;
    // a loop of ten minutes, a look in each second
    let seconds = WATCH.as_secs();
    let each = format!(
        "n=0; while [ $n -lt {seconds} ]; do squeue -h >/dev/null; sleep 1; n=$((n+1)); done"
    );
    let peer = format!("timeout {seconds} setpriv --reuid {PEER} --clear-groups sh -c '{each}'");
    cluster.root(&peer);
    let watched = began.elapsed();
    let after = [questions(&cluster, "alice"), questions(&cluster, PEER)];
    following.kill()?;
    following.wait()?;
    let [ours, theirs] = [after[0] - before[0], after[1] - before[1]];
    let late = late(&home)?;
    ensure!(!late.is_empty(), "no task ended while they were watched");
    let at = |part: usize| late.get(late.len() * part / 100).copied().unwrap_or_default();
    line(&format!(
        "watching {TASKS} jobs for {} s: {ours} questions to the controller, and {theirs} of a loop over \
         `squeue` ({:.0} ×); of {} ends half were known within {:.1} s, nine of ten within {:.1} s",
        watched.as_secs(),
        theirs as f64 / ours.max(1) as f64,
        late.len(),
        at(50),
        at(90),
    ));
    output(sizar(&["cancel", &id]))?;
    Ok(())
}

/// Returns by how many seconds each end was known late, in order.
fn late(home: &Utf8Path) -> anyhow::Result<Vec<f64>> {
    let journal = home
        .read_dir_utf8()?
        .filter_map(Result::ok)
        .map(camino::Utf8DirEntry::into_path)
        .find(|path| path.file_name().is_some_and(|name| name.starts_with("journal")))
        .context("there is a journal")?;
    let mut python = Command::new("python3");
    python.args(["-c", LATE, journal.as_str()]);
    let mut late = Vec::new();
    for text in output(python)?.lines() {
        late.push(text.parse()?);
    }
    late.sort_by(f64::total_cmp);
    Ok(late)
}

/// Returns how often a user asked the controller, as `sdiag` counts.
pub(super) fn questions(cluster: &Cluster, user: &str) -> u64 {
    let said = cluster.root("sdiag").stdout;
    said.lines()
        .filter(|line| line.split_whitespace().next() == Some(user))
        .filter_map(|line| {
            line.split("count:").nth(1)?.split_whitespace().next()?.parse::<u64>().ok()
        })
        .sum()
}
