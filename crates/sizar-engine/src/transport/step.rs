//! What a transport runs, and what came of it.

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::time::Duration;

use sizar_model::Invocation;

/// One command of a batch.
#[derive(Clone, Debug)]
pub struct Step {
    pub(super) what: What,
    pub(super) env: Vec<(String, OsString)>,
    pub(super) cwd: Option<OsString>,
    pub(super) stdin: Vec<u8>,
    pub(super) limit: Duration,
    pub(super) stop_on_failure: bool,
    pub(super) keep: u64,
}

/// What a step runs.
#[derive(Clone, Debug)]
pub(super) enum What {
    Program { program: OsString, args: Vec<OsString> },
    Script { text: Cow<'static, str>, args: Vec<OsString> },
}

impl Step {
    /// The limit of a step that names none: a minute.
    pub const LIMIT: Duration = Duration::from_mins(1);
    /// How many bytes of each output are kept unless the step says otherwise: 1 MiB.
    pub const KEEP: u64 = 1 << 20;
    /// The most bytes that a step may print before it is ended: 256 MiB.
    pub const MOST_OUTPUT: u64 = 256 << 20;

    fn new(what: What) -> Self {
        Self {
            what,
            env: Vec::new(),
            cwd: None,
            stdin: Vec::new(),
            limit: Self::LIMIT,
            stop_on_failure: false,
            keep: Self::KEEP,
        }
    }

    /// Runs a program, looked up in `PATH`, never a builtin of the shell.
    pub fn program<T: Into<OsString>>(
        program: impl Into<OsString>,
        args: impl IntoIterator<Item = T>,
    ) -> Self {
        let args = args.into_iter().map(Into::into).collect();
        Self::new(What::Program { program: program.into(), args })
    }

    /// Runs a snippet of POSIX `sh` of ours in a shell of its own.
    ///
    /// What comes from outside is never part of `text`: it goes into [`Step::arg`], and the
    /// snippet reads it as `"$1"`.
    pub fn script(text: impl Into<Cow<'static, str>>) -> Self {
        Self::new(What::Script { text: text.into(), args: Vec::new() })
    }

    /// Adds one argument.
    pub fn arg(mut self, arg: impl Into<OsString>) -> Self {
        let (What::Program { args, .. } | What::Script { args, .. }) = &mut self.what;
        args.push(arg.into());
        self
    }

    /// Adds several arguments.
    pub fn args<T: Into<OsString>>(mut self, more: impl IntoIterator<Item = T>) -> Self {
        let (What::Program { args, .. } | What::Script { args, .. }) = &mut self.what;
        args.extend(more.into_iter().map(Into::into));
        self
    }

    /// Sets a variable beside those of the account.
    pub fn env(mut self, name: impl Into<String>, value: impl Into<OsString>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// Sets the folder it starts in; the account's home without one.
    pub fn cwd(mut self, cwd: impl Into<OsString>) -> Self {
        self.cwd = Some(cwd.into());
        self
    }

    /// Sets what it reads, up to a few mebibytes; nothing without it.
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = bytes.into();
        self
    }

    /// Sets the time after which it and all it started are ended there.
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Leaves the rest of the batch out if this step fails.
    pub fn stop_on_failure(mut self) -> Self {
        self.stop_on_failure = true;
        self
    }

    /// Sets how many bytes of each output come back.
    pub fn keep(mut self, bytes: u64) -> Self {
        self.keep = bytes;
        self
    }

    /// Writes a small file: under a temporary name beside it, then renamed.
    pub fn put_file(path: impl AsRef<OsStr>, bytes: impl Into<Vec<u8>>, mode: u32) -> Self {
        Self::script(
            "umask 077 && cat > \"$1.sizar-$$\" && chmod \"$2\" \"$1.sizar-$$\" && \
             mv -f \"$1.sizar-$$\" \"$1\" || { s=$?; rm -f \"$1.sizar-$$\"; exit $s; }",
        )
        .arg(operand(path.as_ref()))
        .arg(format!("{:o}", mode & 0o7777))
        .stdin(bytes)
    }

    /// Reads a small file, of `most` bytes at most.
    pub fn get_file(path: impl AsRef<OsStr>, most: u64) -> Self {
        Self::program("cat", [operand(path.as_ref())]).keep(most)
    }
}

/// Makes a path that no program takes for an option, nor for its standard input.
pub(super) fn operand(path: &OsStr) -> OsString {
    if path.as_encoded_bytes().starts_with(b"-") {
        let mut dotted = OsString::from("./");
        dotted.push(path);
        return dotted;
    }
    path.to_owned()
}

impl From<&Invocation> for Step {
    /// Its `network` is not looked at: only what runs foreign code here can deny it.
    fn from(invocation: &Invocation) -> Self {
        let mut step = Self::program(&invocation.program, &invocation.args);
        step.env =
            invocation.env.iter().map(|(name, value)| (name.clone(), value.into())).collect();
        step.cwd = invocation.cwd.as_ref().map(|cwd| cwd.as_os_str().to_owned());
        step
    }
}

/// What came of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub end: End,
    /// The first bytes of what it printed, as many as [`Step::keep`].
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
    /// How many bytes it printed in all.
    pub stdout_size: u64,
    pub stderr_size: u64,
    /// From its start to its end, as seen from here.
    pub duration: Duration,
}

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It ended with this status; `sh` reports death by signal N as 128 + N.
    Exited(i32),
    /// It took longer than its limit and was ended.
    TimedOut,
    /// It printed more than [`Step::MOST_OUTPUT`] and was ended.
    TooMuchOutput,
    /// An earlier step failed.
    Skipped,
    /// Its output or input files could not be made there: the disk is full, or a quota.
    NoSpace,
}

impl Answer {
    /// Returns whether it ended with status 0.
    pub fn is_success(&self) -> bool {
        self.end == End::Exited(0)
    }

    /// Returns the exit status, if it ended by itself.
    pub fn status(&self) -> Option<i32> {
        match self.end {
            End::Exited(status) => Some(status),
            _ => None,
        }
    }

    /// Returns the signal that ended it, as far as a status above 128 tells.
    pub fn signal(&self) -> Option<i32> {
        self.status().filter(|status| (129..=192).contains(status)).map(|status| status - 128)
    }

    /// Returns whether not all that it printed came back.
    pub fn is_truncated(&self) -> bool {
        self.stdout_size > self.stdout.len() as u64 || self.stderr_size > self.stderr.len() as u64
    }

    /// Returns its standard output as text.
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.stdout)
    }

    pub(super) fn without_output(end: End) -> Self {
        Self {
            end,
            stdout: Vec::new(),
            stderr: Vec::new(),
            stdout_size: 0,
            stderr_size: 0,
            duration: Duration::ZERO,
        }
    }
}
