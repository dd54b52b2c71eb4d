//! Calls the program `git`.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::io::{BufReader, Read};
use std::process::{Child, Command, Stdio};

use camino::{Utf8Path, Utf8PathBuf};
use sizar_model::progress::Unit;
use sizar_model::{Activity, Progress, SafeUrl};

use super::GitError;

/// Settings that no repository and no user may override: nothing of the repository's runs, and
/// a connection that stands still ends.
const SETTINGS: &[&str] = &[
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.askPass=",
    "log.showSignature=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "advice.detachedHead=false",
    "http.lowSpeedLimit=1",
    "http.lowSpeedTime=60",
];

/// Variables that would point git to another repository, or make it ask someone.
const FOREIGN: &[&str] = &[
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_NAMESPACE",
    "GIT_PREFIX",
    "GIT_CONFIG",
    "GIT_QUARANTINE_PATH",
    "GIT_REPLACE_REF_BASE",
    "GIT_GRAFT_FILE",
    "GIT_SHALLOW_FILE",
    "GIT_TEMPLATE_DIR",
    "GIT_ASKPASS",
    "SSH_ASKPASS",
    "GIT_EXTERNAL_DIFF",
    "GIT_PAGER",
    "GIT_LITERAL_PATHSPECS",
    "GIT_GLOB_PATHSPECS",
    "GIT_NOGLOB_PATHSPECS",
    "GIT_ICASE_PATHSPECS",
];

/// How many of git's last lines an error repeats.
const LAST_LINES: usize = 6;

/// The program, and the repository it works on.
#[derive(Clone, Debug, Default)]
pub struct Git {
    git_dir: Option<Utf8PathBuf>,
    folder: Option<Utf8PathBuf>,
}

impl Git {
    /// Works on the bare repository `git_dir`.
    pub fn on(git_dir: &Utf8Path) -> Self {
        Self { git_dir: Some(git_dir.to_owned()), folder: None }
    }

    /// Works in whatever repository holds `folder`, without regard to who owns it.
    ///
    /// For questions, and for folders of our own: git distrusts foreign folders because settings in them can name
    /// programs, and those that a question may start are switched off here.
    pub fn in_folder(folder: &Utf8Path) -> Self {
        Self { git_dir: None, folder: Some(folder.to_owned()) }
    }

    /// Prepares a command that cannot ask, and runs nothing of the repository's.
    pub fn command<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new("git");
        for setting in SETTINGS {
            command.args(["-c", setting]);
        }
        command.args(["--no-pager", "--no-optional-locks", "--no-replace-objects"]);
        if let Some(git_dir) = &self.git_dir {
            command.arg("--git-dir").arg(git_dir);
        }
        if let Some(folder) = &self.folder {
            command.args(["-c", "safe.directory=*"]).arg("-C").arg(folder);
        }
        command.args(arguments);
        for variable in FOREIGN {
            command.env_remove(variable);
        }
        command
            .env("LC_ALL", "C")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GCM_INTERACTIVE", "never")
            .env("GIT_NO_LAZY_FETCH", "1")
            .env("GIT_LFS_SKIP_SMUDGE", "1")
            .env("GIT_ALLOW_PROTOCOL", "https:ssh:file:git:http")
            .stdin(Stdio::null());
        if std::env::var_os("GIT_SSH_COMMAND").is_none() && std::env::var_os("GIT_SSH").is_none() {
            command.env("GIT_SSH_COMMAND", "ssh -oBatchMode=yes -oConnectTimeout=20");
        }
        command
    }

    /// Runs a short command and returns what it printed, or `None` if it failed.
    pub fn ask(&self, arguments: &[&str]) -> Result<Option<String>, GitError> {
        let output =
            self.command(arguments).stderr(Stdio::null()).output().map_err(GitError::Start)?;
        Ok(output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned()))
    }

    /// Runs a short command that has to succeed, and returns what it printed.
    pub fn read(&self, arguments: &[&str]) -> Result<Vec<u8>, GitError> {
        Self::finish(self.command(arguments), arguments.first().copied().unwrap_or_default())
    }

    /// Runs a command that has to succeed, and returns what it printed; errors call it `name`.
    pub(super) fn finish(mut command: Command, name: &str) -> Result<Vec<u8>, GitError> {
        let output = command.output().map_err(GitError::Start)?;
        if output.status.success() {
            return Ok(output.stdout);
        }
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        Err(GitError::Command { command: name.to_owned(), said: last_lines(text.lines()) })
    }

    /// Runs a command that talks to `url`, and shows its progress.
    ///
    /// # Errors
    ///
    /// [`GitError::Fetch`] with git's last lines, without the secrets of `url`.
    pub fn transfer<S: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = S>,
        url: &SafeUrl,
        progress: &dyn Progress,
    ) -> Result<(), GitError> {
        let mut child = self
            .command(arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map(Guard)
            .map_err(GitError::Start)?;
        let mut lines = VecDeque::new();
        if let Some(stderr) = child.0.stderr.take() {
            for_each_line(stderr, |line| {
                if let Some((done, total)) = amount(line) {
                    let unit = Unit::Items;
                    progress.report(Activity::Advanced { done, total: Some(total), unit });
                } else if !line.is_empty() {
                    let line = redact(line, url);
                    progress.report(Activity::Line { text: line.clone() });
                    lines.push_back(line);
                    if lines.len() > LAST_LINES {
                        lines.pop_front();
                    }
                }
            });
        }
        let status = child.0.wait().map_err(GitError::Start)?;
        if status.success() {
            return Ok(());
        }
        let lines = lines.iter().map(String::as_str);
        Err(GitError::Fetch { url: url.clone(), said: last_lines(lines) })
    }
}

/// A child that does not outlive its guard.
#[derive(Debug)]
pub struct Guard(pub Child);

impl Drop for Guard {
    fn drop(&mut self) {
        if let Ok(None) = self.0.try_wait() {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }
}

/// Calls `each` for what ends in a line feed or, as progress does, in a carriage return.
fn for_each_line(stream: impl Read, mut each: impl FnMut(&str)) {
    let mut line = Vec::new();
    // a stream that breaks is one that ended: the exit status tells the rest
    for byte in BufReader::new(stream).bytes().map_while(Result::ok) {
        if byte == b'\r' || byte == b'\n' {
            each(String::from_utf8_lossy(&line).trim());
            line.clear();
        } else if line.len() < 4096 {
            line.push(byte);
        }
    }
    each(String::from_utf8_lossy(&line).trim());
}

/// Reads `Receiving objects:  45% (450/1000), 1.2 MiB | 3 MiB/s`.
fn amount(line: &str) -> Option<(u64, u64)> {
    let (_, rest) = line.split_once("% (")?;
    let (amount, _) = rest.split_once(')')?;
    let (done, total) = amount.split_once('/')?;
    Some((done.parse().ok()?, total.parse().ok()?))
}

/// Replaces the address where git repeats it with its secrets.
fn redact(line: &str, url: &SafeUrl) -> String {
    let mut line = line.replace(url.expose(), &url.to_string());
    if let Ok(parsed) = url::Url::parse(url.expose())
        && let Some(password) = parsed.password().filter(|password| !password.is_empty())
    {
        line = line.replace(password, "***");
    }
    line
}

fn last_lines<'a>(lines: impl DoubleEndedIterator<Item = &'a str>) -> Vec<String> {
    let wanted = |line: &&str| !line.trim().is_empty() && !line.starts_with("Cloning into");
    let mut last: Vec<_> =
        lines.rev().filter(wanted).take(LAST_LINES).map(|line| line.trim().to_owned()).collect();
    last.reverse();
    last
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_read() {
        assert_eq!(amount("Receiving objects:  45% (450/1000), 1.2 MiB"), Some((450, 1000)));
        assert_eq!(amount("fatal: no such thing"), None);
    }

    #[test]
    fn git_never_tells_secrets() {
        let url = SafeUrl::new("https://me:s3cret@host/repo");
        let line = "fatal: unable to access 'https://me:s3cret@host/repo/': s3cret";
        assert_eq!(redact(line, &url), "fatal: unable to access 'https://***@host/repo/': ***");
    }
}
