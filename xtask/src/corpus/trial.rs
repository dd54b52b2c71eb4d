//! One repository: set up, asked again, probed, cleaned up.

use std::process::{Command, Stdio};
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use camino::{Utf8Path, Utf8PathBuf};
use serde_json::Value;
use wait_timeout::ChildExt as _;

use super::outcome::Outcome;
use super::peer;
use super::row::Row;
use super::source;
use crate::shell::say;

/// How long a command that took too long may take to end.
const GRACE: Duration = Duration::from_secs(5);

/// What all trials share.
pub struct Bench {
    pub program: Utf8PathBuf,
    pub work: Utf8PathBuf,
    pub sources: Option<Utf8PathBuf>,
    pub setup_limit: Duration,
    pub probe_limit: Duration,
    /// Bytes.
    pub keep_free: u64,
    pub keep: bool,
    pub against_uv: bool,
    /// Held for reading by each trial, and for writing while what they share is removed.
    pub shared: RwLock<()>,
}

/// Where probes run.
struct Place<'a> {
    folder: &'a Utf8Path,
    environment: &'a str,
    tree: &'a Utf8Path,
}

/// How a command ended.
struct Ended {
    success: bool,
    timed_out: bool,
    stdout: String,
    stderr: String,
}

impl Bench {
    /// Judges one repository. Whatever happens, there is an outcome.
    pub fn judge(&self, row: &Row) -> Outcome {
        let folder = self.work.join(folder_name(&row.name));
        let mut outcome = Outcome {
            name: row.name.clone(),
            l3: (!row.probe_l3.trim().is_empty()).then_some(false),
            ..Outcome::default()
        };
        let trial = self.shared.read().unwrap_or_else(PoisonError::into_inner);
        let tried = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            self.attempt(row, &folder, &mut outcome)
        }));
        match tried {
            Ok(Ok(())) => {}
            Ok(Err(error)) => outcome.cause = format!("{error:#}"),
            Err(_) => "the trial itself broke".clone_into(&mut outcome.cause),
        }
        let level = match (outcome.l1, outcome.l2, outcome.l3) {
            (_, true, Some(true)) => "L3",
            (_, true, _) => "L2",
            (true, ..) => "L1",
            _ => "L0",
        };
        level.clone_into(&mut outcome.level);
        drop(trial);
        self.clean_up(&folder);
        outcome
    }

    fn attempt(&self, row: &Row, folder: &Utf8Path, outcome: &mut Outcome) -> anyhow::Result<()> {
        if !self.keep && folder.join("tree").exists() {
            fs_err::remove_dir_all(folder.join("tree"))?;
        }
        fs_err::create_dir_all(folder)?;
        let locator = match &self.sources {
            Some(sources) => source::lay_out(row, sources, folder)?.into_string(),
            None if row.commit.is_empty() => format!("github:{}", row.github),
            None => format!("github:{}@{}", row.github, row.commit),
        };
        if self.against_uv {
            peer::forget_packages(&self.home())?;
        }
        let began = Instant::now();
        let setup = self.sizar(&["setup", &locator, "--json"]);
        let setup = ended(setup, folder, "setup", self.setup_limit)?;
        outcome.seconds = began.elapsed().as_secs_f64();
        if !setup.success {
            outcome.cause = if setup.timed_out {
                format!("the setup did not end within {} s", self.setup_limit.as_secs())
            } else {
                said(&setup.stderr)
            };
            return Ok(());
        }
        let made: Value = serde_json::from_str(&setup.stdout).context("`setup --json`")?;
        read_setup(&made, outcome);
        let prefix = made["path"].as_str().context("`setup --json` names no path")?;
        let began = Instant::now();
        let again = self.sizar(&["setup", &locator, "--json"]);
        if ended(again, folder, "again", self.setup_limit)?.success {
            outcome.again_seconds = began.elapsed().as_secs_f64();
        }
        if self.against_uv {
            let home = self.home();
            let prefix = Utf8Path::new(prefix);
            let made = peer::Made { program: &self.program, home: &home, prefix, folder };
            outcome.uv_seconds = peer::time(&made)?.map(|took| took.as_secs_f64());
        }
        let environment = Utf8Path::new(prefix).file_name().context("a prefix without a name")?;
        let tree = self.tree(&locator, folder)?;
        let began = Instant::now();
        let mut failed = Vec::new();
        let place = Place { folder, environment, tree: &tree };
        outcome.l2 = self.probe(&place, "l2", &row.probe_l2, &mut failed)?;
        if outcome.l3.is_some() {
            outcome.l3 = Some(self.probe(&place, "l3", &row.probe_l3, &mut failed)?);
        }
        outcome.probe_seconds = began.elapsed().as_secs_f64();
        outcome.cause = failed.join("; ");
        if !self.keep {
            ended(self.sizar(&["env", "remove", environment]), folder, "remove", self.probe_limit)?;
        }
        Ok(())
    }

    /// Returns the tree that probes run in: that of the clone, or of what sizar fetched.
    fn tree(&self, locator: &str, folder: &Utf8Path) -> anyhow::Result<Utf8PathBuf> {
        if self.sources.is_some() {
            return Ok(folder.join("tree"));
        }
        let tree = folder.join("tree");
        let Some((repository, commit)) =
            locator.strip_prefix("github:").map(|rest| rest.split_once('@').unwrap_or((rest, "")))
        else {
            bail!("`{locator}` is no repository");
        };
        let url = format!("https://github.com/{repository}");
        let mut clone = Command::new("git");
        clone.args(["clone", "--quiet", "--recurse-submodules", &url, tree.as_str()]);
        anyhow::ensure!(clone.status()?.success(), "`{url}` could not be cloned");
        if !commit.is_empty() {
            let mut checkout = Command::new("git");
            checkout.args(["-C", tree.as_str(), "checkout", "--quiet", commit]);
            anyhow::ensure!(checkout.status()?.success(), "`{commit}` could not be checked out");
        }
        Ok(tree)
    }

    /// Runs a probe in a fresh copy of the tree.
    fn probe(
        &self,
        place: &Place<'_>,
        level: &str,
        probe: &str,
        failed: &mut Vec<String>,
    ) -> anyhow::Result<bool> {
        let Place { folder, environment, tree } = *place;
        if probe.trim().is_empty() {
            return Ok(level == "l2");
        }
        let copy = folder.join(format!("work-{level}"));
        if copy.exists() {
            fs_err::remove_dir_all(&copy)?;
        }
        let status = Command::new("cp")
            .args(["--archive", "--reflink=auto", tree.as_str(), copy.as_str()])
            .status()?;
        anyhow::ensure!(status.success(), "`{tree}` could not be copied");
        let mut command = self.sizar(&["env", "exec", environment, "--", "bash", "-c", probe]);
        command.current_dir(&copy);
        let ended = ended(command, folder, level, self.probe_limit)?;
        if !self.keep {
            fs_err::remove_dir_all(&copy)?;
        }
        if !ended.success {
            let why = if ended.timed_out {
                format!("did not end within {} s", self.probe_limit.as_secs())
            } else {
                said(&format!("{}\n{}", ended.stdout, ended.stderr))
            };
            failed.push(format!("{level}: {why}"));
        }
        Ok(ended.success)
    }

    fn sizar(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(args).env("SIZAR_HOME", self.home()).env("NO_COLOR", "1");
        command
    }

    fn home(&self) -> Utf8PathBuf {
        self.work.join("home")
    }

    /// Removes what the trial left, and sizar's caches where the disk gets full.
    fn clean_up(&self, folder: &Utf8Path) {
        if self.keep {
            return;
        }
        for name in ["tree", "work-l2", "work-l3"] {
            let _ = fs_err::remove_dir_all(folder.join(name));
        }
        let free = free_bytes(&self.work);
        if free.is_some_and(|free| free < self.keep_free) {
            // other trials end first: they use what is removed
            let _alone = self.shared.write().unwrap_or_else(PoisonError::into_inner);
            say("the disk gets full: what sizar has cached is removed");
            for name in ["envs", "cache/uv", "cache/builds"] {
                let _ = fs_err::remove_dir_all(self.home().join(name));
            }
        }
    }
}

/// Fills in what `setup --json` says.
fn read_setup(made: &Value, outcome: &mut Outcome) {
    outcome.l1 = true;
    outcome.verified = made["verified"].as_bool().unwrap_or_default();
    made["level"].as_str().unwrap_or_default().clone_into(&mut outcome.claimed);
    made["python"].as_str().unwrap_or_default().clone_into(&mut outcome.python);
    outcome.attempts = made["attempts"].as_array().map_or(0, Vec::len);
    let rules = made["deviations"].as_array().into_iter().flatten();
    let rules: Vec<&str> = rules.filter_map(|deviation| deviation["rule"].as_str()).collect();
    outcome.deviations = rules.join(" ");
}

/// Runs a command with its output in files, for at most `limit`.
fn ended(
    mut command: Command,
    folder: &Utf8Path,
    name: &str,
    limit: Duration,
) -> anyhow::Result<Ended> {
    use std::os::unix::process::CommandExt as _;
    let path = |end: &str| folder.join(format!("{name}.{end}"));
    let (out, err) = (path("stdout"), path("stderr"));
    command
        .stdin(Stdio::null())
        .stdout(fs_err::File::create(&out)?.into_parts().0)
        .stderr(fs_err::File::create(&err)?.into_parts().0)
        .process_group(0);
    let mut child = command.spawn().context("the program could not be started")?;
    let ended = child.wait_timeout(limit)?;
    let timed_out = ended.is_none();
    let status = match ended {
        Some(status) => status,
        None => {
            // its sandboxes end with it
            let group = format!("-{}", child.id());
            let _ = Command::new("kill").args(["-TERM", "--", &group]).status();
            let polite = child.wait_timeout(GRACE)?;
            let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
            polite.map_or_else(|| child.wait(), Ok)?
        }
    };
    let read = |path: &Utf8Path| -> anyhow::Result<String> {
        Ok(String::from_utf8_lossy(&fs_err::read(path)?).into_owned())
    };
    Ok(Ended {
        success: status.success() && !timed_out,
        timed_out,
        stdout: read(&out)?,
        stderr: read(&err)?,
    })
}

/// Returns the words that say what went wrong: sizar's, else a program's last.
fn said(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let error = lines.iter().rposition(|line| line.starts_with("error:"));
    let last = match error {
        Some(at) => lines.get(at..).unwrap_or_default().join(" "),
        None => lines.last().copied().unwrap_or("it said nothing").to_owned(),
    };
    last.chars().take(600).collect()
}

fn free_bytes(folder: &Utf8Path) -> Option<u64> {
    let output =
        Command::new("df").args(["--output=avail", "-B1", folder.as_str()]).output().ok()?;
    String::from_utf8_lossy(&output.stdout).lines().nth(1)?.trim().parse().ok()
}

/// Returns a name that is safe for a folder.
fn folder_name(name: &str) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' };
    format!("r-{}", name.chars().map(safe).collect::<String>())
}
