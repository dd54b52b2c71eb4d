//! The first process of a cluster, on which everything else hangs.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use camino::Utf8Path;
use fs_err as fs;
use rustix::process::{Pid, Signal, kill_process};

use super::ClusterError;

/// What the daemons get of an environment, besides nothing.
pub(super) const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// How long bringing up may take on a machine that is busy.
const PATIENCE: Duration = Duration::from_mins(2);

/// The first process of a cluster, and `unshare` before it.
pub(super) struct Life {
    /// `unshare`, the parent of the first process: it ends after the last process of the cluster.
    outer: i32,
    init: i32,
    /// There when the cluster shall end with this value. Its standard input is the life line.
    child: Option<Child>,
}

impl Life {
    /// Starts the daemons and waits until all are there.
    pub(super) fn begin(
        prefix: &Utf8Path,
        private_network: bool,
        stay: bool,
    ) -> Result<Self, ClusterError> {
        let log = fs::File::create(prefix.join("log/up")).map_err(ClusterError::Folder)?;
        let errors = log.try_clone().map_err(ClusterError::Folder)?;
        let mut command = Command::new("setsid");
        command.args(["unshare", "--mount", "--pid", "--uts"]);
        if private_network {
            command.arg("--net");
        }
        command
            .args(["--fork", "--kill-child", "--mount-proc", "bash"])
            .args([prefix.join("scripts/init.sh"), prefix.to_owned()])
            .env_clear()
            .env("PATH", PATH)
            .env("LANG", "C.UTF-8")
            .stdin(if stay { Stdio::null() } else { Stdio::piped() })
            .stdout(log.into_file())
            .stderr(errors.into_file());
        let mut child = command
            .spawn()
            .map_err(|source| ClusterError::Program { program: "unshare", source })?;
        if let Err(error) = wait_ready(prefix, &mut child) {
            drop(child.stdin.take());
            let _ = child.kill();
            let _ = child.wait();
            return Err(error);
        }
        let outer = child.id() as i32;
        let init = child_of(outer).ok_or_else(|| ClusterError::Down { log: log_of(prefix) })?;
        if stay {
            record(prefix, outer, init).map_err(ClusterError::Folder)?;
        }
        Ok(Self { outer, init, child: (!stay).then_some(child) })
    }

    /// Returns the cluster that is recorded in `prefix` if it is up.
    pub(super) fn recorded(prefix: &Utf8Path) -> Option<Self> {
        let text = fs::read_to_string(prefix.join("init")).ok()?;
        let mut words = text.split_whitespace();
        let outer = words.next()?.parse().ok()?;
        let init = words.next()?.parse().ok()?;
        // numbers of processes come again, with another start
        (started(init)? == words.next()?).then_some(Self { outer, init, child: None })
    }

    /// Returns the number, out here, of the first process.
    pub(super) fn init(&self) -> i32 {
        self.init
    }

    /// Returns whether the cluster ends with this value.
    pub(super) fn is_owned(&self) -> bool {
        self.child.is_some()
    }

    /// Ends everything and waits until it has ended.
    pub(super) fn end(&mut self) {
        let Some(mut child) = self.child.take() else {
            kill(self.init);
            wait_until(Duration::from_secs(20), || started(self.outer).is_none());
            return;
        };
        // the kernel lets `unshare` see the end of its child when the last process has gone
        drop(child.stdin.take());
        if !wait_until(Duration::from_secs(5), || !matches!(child.try_wait(), Ok(None))) {
            kill(self.init);
            let _ = child.wait();
        }
    }
}

fn wait_ready(prefix: &Utf8Path, child: &mut Child) -> Result<(), ClusterError> {
    let mut ended = false;
    wait_until(PATIENCE, || {
        ended = prefix.join("failed").exists() || !matches!(child.try_wait(), Ok(None));
        ended || prefix.join("ready").exists()
    });
    if ended || !prefix.join("ready").exists() {
        return Err(ClusterError::Down { log: log_of(prefix) });
    }
    Ok(())
}

fn log_of(prefix: &Utf8Path) -> String {
    fs::read_to_string(prefix.join("log/up")).unwrap_or_default()
}

/// Waits for a condition, and returns whether it came.
fn wait_until(patience: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + patience;
    while !condition() {
        if Instant::now() > end {
            return false;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    true
}

fn record(prefix: &Utf8Path, outer: i32, init: i32) -> std::io::Result<()> {
    let start = started(init).unwrap_or_default();
    fs::write(prefix.join("init"), format!("{outer} {init} {start}\n"))
}

fn kill(process: i32) {
    if let Some(pid) = Pid::from_raw(process) {
        let _ = kill_process(pid, Signal::KILL);
    }
}

/// Returns what `/proc` says of a process after its name: state, parent, …
fn stat(process: &str) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    stat.rsplit_once(") ").map(|(_, rest)| rest.to_owned())
}

/// Returns when a process began, in the kernel's words; nothing if it has ended.
pub(super) fn started(process: i32) -> Option<String> {
    let stat = stat(&process.to_string())?;
    let mut words = stat.split(' ');
    // a process whose parent has not looked yet has ended all the same
    (words.next()? != "Z").then(|| words.nth(18).unwrap_or_default().to_owned())
}

fn child_of(parent: i32) -> Option<i32> {
    let parent = parent.to_string();
    let processes = fs::read_dir("/proc").ok()?.filter_map(Result::ok);
    let mut names = processes.filter_map(|entry| entry.file_name().into_string().ok());
    names.find_map(|name| {
        let process = name.parse().ok()?;
        (stat(&name)?.split(' ').nth(1)? == parent).then_some(process)
    })
}
