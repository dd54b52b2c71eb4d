//! The place of one setup: its files, its limits, and the only door to foreign code.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use sizar_env::uv::{BuildRules, Files, Uv};
use sizar_model::artifact::Ending;
use sizar_model::resources::Walltime;
use sizar_model::{Activity, Invocation, Progress};

use super::SetupError;
use super::error::io;
use super::interpreters::Interpreter;
use crate::home::Home;
use crate::process::{Control, Finished, Io, Limits, execute};
use crate::sandbox::{Confinement, SandboxKind};

/// The place of one setup.
pub struct Workshop<'a> {
    root: Utf8PathBuf,
    sandbox: SandboxKind,
    uv_program: Utf8PathBuf,
    uv_cache: Utf8PathBuf,
    offline: bool,
    deadline: Instant,
    time_limit: Duration,
    progress: &'a dyn Progress,
    control: Control,
    /// What sandboxes had to say: an address that was refused.
    notes: RefCell<Vec<String>>,
    /// Removed with everything in it when the setup ends.
    _staging: tempfile::TempDir,
}

/// What foreign code sees beside the system and its own home.
#[derive(Clone, Debug, Default)]
pub struct View {
    pub readable: Vec<Utf8PathBuf>,
    pub writable: Vec<Utf8PathBuf>,
}

/// How a program ended, in the words of the repair loop.
pub struct Ended {
    pub success: bool,
    pub code: Option<i32>,
    /// Everything that it printed; standard error last.
    pub output: String,
}

/// What the workshop is opened for.
pub struct Order<'a> {
    pub sandbox: SandboxKind,
    pub uv_program: Utf8PathBuf,
    pub offline: bool,
    pub time_limit: Duration,
    pub progress: &'a dyn Progress,
}

impl<'a> Workshop<'a> {
    pub fn open(home: &Home, order: Order<'a>) -> Result<Self, SetupError> {
        let staging = home.staging()?;
        // sizar's own folder has a name in UTF-8, and so has what lies in it
        let root = Utf8PathBuf::from(staging.path().to_string_lossy().into_owned());
        for folder in ["home", "tmp", "out"] {
            let path = root.join(folder);
            fs::create_dir_all(&path).map_err(io(&path))?;
        }
        Ok(Self {
            root,
            sandbox: order.sandbox,
            uv_program: order.uv_program,
            uv_cache: home.folder("cache/uv")?,
            offline: order.offline,
            deadline: Instant::now() + order.time_limit,
            time_limit: order.time_limit,
            progress: order.progress,
            control: Control::default(),
            notes: RefCell::default(),
            _staging: staging,
        })
    }

    /// Returns the path of a file or folder in the workshop.
    pub fn path(&self, name: &str) -> Utf8PathBuf {
        self.root.join(name)
    }

    /// Returns a folder that foreign code may write answers to.
    pub fn answers(&self) -> Utf8PathBuf {
        self.root.join("out")
    }

    /// Writes a file for a program to read.
    pub fn write(&self, name: &str, text: &str) -> Result<Utf8PathBuf, SetupError> {
        let path = self.path(name);
        fs::write(&path, text).map_err(io(&path))?;
        Ok(path)
    }

    pub fn progress(&self) -> &'a dyn Progress {
        self.progress
    }

    /// Returns whether only what is cached may be used.
    pub fn is_offline(&self) -> bool {
        self.offline
    }

    pub fn sandbox(&self) -> SandboxKind {
        self.sandbox
    }

    /// Notes what a person should know once the environment is there.
    pub fn note(&self, text: String) {
        self.notes.borrow_mut().push(text);
    }

    /// Takes what the sandboxes had to say.
    pub fn take_notes(&self) -> Vec<String> {
        let mut notes = self.notes.take();
        notes.sort();
        notes.dedup();
        notes
    }

    /// Returns whether the setup's time is used up.
    pub fn is_late(&self) -> bool {
        Instant::now() >= self.deadline
    }

    pub fn time_limit(&self) -> Duration {
        self.time_limit
    }

    /// Returns uv, set up for the packages of one attempt.
    pub fn uv(&self, rules: &BuildRules<'_>) -> Result<Uv, SetupError> {
        let settings = self.write("uv.toml", &rules.settings()?)?;
        Ok(Uv {
            program: self.uv_program.clone(),
            cache: self.uv_cache.clone(),
            settings,
            offline: self.offline,
            variables: index_variables(),
        })
    }

    /// Runs uv, which may build foreign packages.
    pub fn run_uv(
        &self,
        call: &Invocation,
        interpreter: &Interpreter,
        view: View,
    ) -> Result<Ended, SetupError> {
        let View { mut readable, mut writable } = view;
        readable.extend([self.uv_program.clone(), interpreter.prefix.clone()]);
        writable.push(self.uv_cache.clone());
        self.run(call, View { readable, writable }, None)
    }

    /// Runs a program in the sandbox, for at most `limit` and what is left of the setup's time.
    pub fn run(
        &self,
        call: &Invocation,
        view: View,
        limit: Option<Duration>,
    ) -> Result<Ended, SetupError> {
        let mut confinement =
            Confinement::new(self.sandbox, self.root.join("home"), self.root.join("tmp"));
        confinement.readable = view.readable;
        confinement.readable.push(self.root.clone());
        confinement.writable = view.writable;
        confinement.writable.push(self.answers());
        let left = self.deadline.saturating_duration_since(Instant::now());
        let time = limit.map_or(left, |limit| limit.min(left)).as_secs().max(1);
        let limits = Limits {
            walltime: Some(Walltime(time)),
            grace: Duration::from_secs(5),
            ..Limits::default()
        };
        let line = |text: &str| self.progress.report(Activity::Line { text: text.to_owned() });
        tracing::debug!(program = %call.program, args = ?call.args, "running");
        let finished =
            execute(call, &confinement, &limits, Io::Captured { line: &line }, &self.control)?;
        self.notes.borrow_mut().extend(finished.notes.iter().cloned());
        if finished.ending == Ending::Cancelled {
            return Err(SetupError::Stopped);
        }
        Ok(ended(finished, time))
    }
}

fn ended(finished: Finished, seconds: u64) -> Ended {
    let mut output = finished.stdout;
    if !output.is_empty() && !output.ends_with('\n') {
        output.push('\n');
    }
    output.push_str(&finished.stderr);
    let code = match finished.ending {
        Ending::Exited { code } => Some(code),
        Ending::Signalled { signal } => {
            let _ = writeln!(output, "\nError: it was ended by signal {signal}");
            None
        }
        Ending::TimedOut => {
            let _ = writeln!(output, "\nError: it did not end within {seconds} s");
            None
        }
        Ending::OutOfMemory => {
            output.push_str("\nError: it used more memory than there is\n");
            None
        }
        Ending::Cancelled => None,
    };
    Ended { success: code == Some(0), code, output }
}

/// Returns the variables by which the user names another package index. Nothing else of the
/// user's configuration reaches uv.
fn index_variables() -> BTreeMap<String, String> {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let mut variables = BTreeMap::from([
        // certificates of an institution's proxy are in the system's store
        ("UV_SYSTEM_CERTS".to_owned(), "true".to_owned()),
        ("UV_HTTP_TIMEOUT".to_owned(), "120".to_owned()),
    ]);
    let index = variable("UV_DEFAULT_INDEX")
        .or_else(|| variable("UV_INDEX_URL"))
        .or_else(|| variable("PIP_INDEX_URL"));
    if let Some(index) = index {
        variables.insert("UV_DEFAULT_INDEX".to_owned(), index);
    }
    variables
}

/// Writes the files that a call of uv reads.
pub struct RequirementFiles {
    requirements: Utf8PathBuf,
    constraints: Option<Utf8PathBuf>,
    build_constraints: Option<Utf8PathBuf>,
}

impl RequirementFiles {
    pub fn write(
        workshop: &Workshop<'_>,
        requirements: &str,
        constraints: &[String],
        build_constraints: &[String],
    ) -> Result<Self, SetupError> {
        let list = |name: &str, lines: &[String]| match lines {
            [] => Ok(None),
            lines => workshop.write(name, &(lines.join("\n") + "\n")).map(Some),
        };
        Ok(Self {
            requirements: workshop.write("requirements.txt", requirements)?,
            constraints: list("constraints.txt", constraints)?,
            build_constraints: list("build-constraints.txt", build_constraints)?,
        })
    }

    pub fn files(&self) -> Files<'_> {
        Files {
            requirements: &self.requirements,
            constraints: self.constraints.as_deref(),
            build_constraints: self.build_constraints.as_deref(),
        }
    }
}

/// Returns whether `path` may be shown to foreign code without showing the user's files.
pub fn is_system(path: &Utf8Path) -> bool {
    path.starts_with("/usr") || path == "/"
}
