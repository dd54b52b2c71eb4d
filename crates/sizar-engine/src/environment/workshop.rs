//! The place of one setup: its files, its limits, and the only door to foreign code.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use sizar_env::knowledge;
use sizar_env::pip::{self, Virtualenv};
use sizar_env::uv::{BuildRules, Files, Uv};
use sizar_model::artifact::Ending;
use sizar_model::resources::{ByteSize, Walltime};
use sizar_model::{Activity, Invocation, Progress};

use super::SetupError;
use super::builds_cache::BuildsCache;
use super::error::io;
use super::interpreters::Interpreter;
use super::stage::Stage;
use super::stuck;
use crate::home::Home;
use crate::index::TimeMachine;
use crate::process::{Control, Finished, Io, Limits, execute};
use crate::sandbox::{Confinement, SandboxKind};
use crate::tools::find_or_install_virtualenv;

/// How long to wait before uv is run again after the network failed. uv itself has tried each
/// request several times by then; what it downloaded is in its cache.
const PAUSES: [Duration; 3] =
    [Duration::from_secs(2), Duration::from_secs(5), Duration::from_secs(10)];

/// The home, and the folder for temporary files, of calls in which nothing foreign runs.
const OUR_HOME: &str = "our-home";
const OUR_TMP: &str = "our-tmp";
/// The home of foreign code.
const HOME: &str = "home";
/// Its folder for temporary files.
const TMP: &str = "tmp";

/// The place of one setup.
pub struct Workshop<'a> {
    root: Utf8PathBuf,
    sandbox: SandboxKind,
    uv_program: Utf8PathBuf,
    /// What all sources share.
    uv_cache: Utf8PathBuf,
    /// What foreign builds of this source write to.
    builds: BuildsCache,
    home: Home,
    /// The interpreter that virtualenv runs on.
    host: Option<Interpreter>,
    virtualenv: OnceLock<Virtualenv>,
    offline: bool,
    deadline: Instant,
    time_limit: Duration,
    progress: &'a dyn Progress,
    control: Control,
    /// What sandboxes had to say: an address that was refused.
    notes: Mutex<Vec<String>>,
    /// Hosts that builds may reach beside the package index, because a requirement names them.
    hosts: Mutex<Vec<String>>,
    /// Packages that are known to have no wheel.
    without_wheels: Mutex<BTreeSet<String>>,
    /// Removed with everything in it when the setup ends.
    _staging: tempfile::TempDir,
}

/// What foreign code sees beside the system and its own home.
#[derive(Clone, Debug, Default)]
pub struct View {
    pub readable: Vec<Utf8PathBuf>,
    pub writable: Vec<Utf8PathBuf>,
    /// The index as of a date, for installers that know of none.
    pub time_machine: Option<Arc<TimeMachine>>,
    /// Whether nothing foreign runs: then it has a home that foreign code never wrote to.
    pub is_ours: bool,
}

/// Which of its caches uv works with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UvCache {
    /// What all sources share; nothing foreign may run in such a call.
    Shared,
    /// The source's own; the shared one is not there.
    Builds,
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
    /// The source, as the user names it.
    pub locator: &'a str,
    pub sandbox: SandboxKind,
    pub uv_program: Utf8PathBuf,
    /// The interpreter that virtualenv runs on.
    pub host: Option<Interpreter>,
    pub offline: bool,
    pub time_limit: Duration,
    pub progress: &'a dyn Progress,
}

impl<'a> Workshop<'a> {
    pub fn open(home: &Home, order: Order<'a>) -> Result<Self, SetupError> {
        let staging = home.staging()?;
        // sizar's own folder has a name in UTF-8, and so has what lies in it
        let root = Utf8PathBuf::from(staging.path().to_string_lossy().into_owned());
        for folder in [TMP, "out", OUR_HOME, OUR_TMP] {
            let path = root.join(folder);
            fs::create_dir_all(&path).map_err(io(&path))?;
        }
        furnish(&root.join(HOME))?;
        Ok(Self {
            root,
            sandbox: order.sandbox,
            uv_program: order.uv_program,
            uv_cache: home.folder("cache/uv")?,
            home: home.clone(),
            builds: BuildsCache::open(home, order.locator)?,
            host: order.host,
            virtualenv: OnceLock::new(),
            offline: order.offline,
            deadline: Instant::now() + order.time_limit,
            time_limit: order.time_limit,
            progress: order.progress,
            control: Control::default(),
            notes: Mutex::default(),
            hosts: Mutex::default(),
            without_wheels: Mutex::default(),
            _staging: staging,
        })
    }

    /// Gives foreign code a home, and a folder for temporary files, in which no other of it has been.
    ///
    /// What a build or another environment left there would be found again: Theano keeps what it
    /// has compiled in the home, so that an environment in which it can compile nothing would pass.
    pub fn fresh_home(&self) -> Result<(), SetupError> {
        for name in [HOME, TMP] {
            self.put_aside(name)?;
        }
        let tmp = self.root.join(TMP);
        fs::create_dir_all(&tmp).map_err(io(&tmp))?;
        furnish(&self.root.join(HOME))
    }

    /// Takes a folder away, as far as that can be done: foreign code may have taken the right to
    /// remove files of it, and they go with the workshop.
    fn put_aside(&self, name: &str) -> Result<(), SetupError> {
        let path = self.root.join(name);
        let mut numbered = (1..).map(|n: u32| self.root.join(format!("{name}-{n}")));
        let Some(aside) = numbered.find(|aside| !aside.exists()) else { return Ok(()) };
        match fs::rename(&path, &aside) {
            // without a sandbox, a build may have removed it
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            renamed => renamed.map_err(io(&path))?,
        }
        if let Err(error) = fs::remove_dir_all(&aside) {
            tracing::debug!(%error, "what foreign code left stays until the end");
        }
        Ok(())
    }

    /// Returns the path of a file or folder in the workshop.
    pub fn path(&self, name: &str) -> Utf8PathBuf {
        self.root.join(name)
    }

    /// Returns a folder that foreign code may write answers to.
    pub fn answers(&self) -> Utf8PathBuf {
        self.root.join("out")
    }

    /// Returns the file in which shims write down what they do.
    pub fn ledger(&self) -> Utf8PathBuf {
        self.answers().join("shims.jsonl")
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
        held(&self.notes).push(text);
    }

    /// Lets what follows reach the hosts that direct references (`name @ git+https://…`) name.
    pub fn reach_named_in<'t>(&self, requirements: impl IntoIterator<Item = &'t str>) {
        let hosts = requirements.into_iter().filter_map(sizar_env::name::host_of_reference);
        let mut hosts: Vec<String> = hosts.collect();
        hosts.sort();
        hosts.dedup();
        for host in &hosts {
            self.note(format!("builds could reach `{host}`, which a requirement names"));
        }
        *held(&self.hosts) = hosts;
    }

    /// Takes what the sandboxes had to say.
    pub fn take_notes(&self) -> Vec<String> {
        let mut notes = std::mem::take(&mut *held(&self.notes));
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

    /// Returns virtualenv, fetched if it is not here yet, and the folder of the Python that it
    /// runs on.
    pub fn virtualenv(&self) -> Result<(Virtualenv, Utf8PathBuf), SetupError> {
        let host = self.host.as_ref().ok_or(SetupError::NoHost)?;
        if let Some(found) = self.virtualenv.get() {
            return Ok((found.clone(), host.prefix.clone()));
        }
        let found = Virtualenv {
            host: host.path.clone(),
            modules: find_or_install_virtualenv(&self.home, self.progress)?,
            data: self.home.folder("cache/virtualenv")?,
        };
        let found = self.virtualenv.get_or_init(|| found);
        Ok((found.clone(), host.prefix.clone()))
    }

    /// Returns the folder in which pip, and builds of this source, keep what they fetched.
    pub fn pip_cache(&self) -> &Utf8Path {
        &self.builds.pip
    }

    /// Makes the place where the wheels of an environment are installed first: in the folder of the
    /// cache, for links.
    pub fn wheels_stage(&self) -> Result<Stage, SetupError> {
        Stage::open(&self.uv_cache)
    }

    /// Returns whether foreign code is kept from what it should not write to.
    pub fn confines(&self) -> bool {
        self.sandbox != SandboxKind::None
    }

    /// Remembers which packages of the newest lock have no wheel.
    pub fn set_without_wheels(&self, names: Vec<String>) {
        *held(&self.without_wheels) = names.into_iter().collect();
    }

    /// Returns the packages that are known to have no wheel.
    pub fn without_wheels(&self) -> BTreeSet<String> {
        held(&self.without_wheels).clone()
    }

    /// Returns uv's program.
    pub fn uv_program(&self) -> &Utf8Path {
        &self.uv_program
    }

    /// Returns uv, set up for the packages of one attempt.
    pub fn uv(&self, rules: &BuildRules<'_>, cache: UvCache) -> Result<Uv, SetupError> {
        let settings = self.write("uv.toml", &rules.settings()?)?;
        Ok(Uv {
            program: self.uv_program.clone(),
            cache: match cache {
                UvCache::Shared => self.uv_cache.clone(),
                UvCache::Builds => self.builds.uv.clone(),
            },
            settings,
            offline: self.offline,
            variables: index_variables(),
        })
    }

    /// Runs uv, which may build foreign packages where it works with the source's own cache.
    pub fn run_uv(
        &self,
        call: &Invocation,
        interpreter: &Interpreter,
        mut view: View,
        cache: UvCache,
    ) -> Result<Ended, SetupError> {
        view.readable.extend([self.uv_program.clone(), interpreter.prefix.clone()]);
        match cache {
            UvCache::Shared => {
                view.writable.push(self.uv_cache.clone());
                view.is_ours = true;
            }
            UvCache::Builds => {
                view.writable.push(self.builds.uv.clone());
            }
        }
        for pause in PAUSES {
            let ended = self.run(call, view.clone(), None)?;
            let transient = || knowledge::is_transient(knowledge::Stage::Resolve, &ended.output);
            if ended.success || self.offline || self.is_late() || !transient() {
                return Ok(ended);
            }
            self.progress.note(format!(
                "the network failed in the middle: trying again in {} s",
                pause.as_secs()
            ));
            self.pause(pause)?;
        }
        self.run(call, view, None)
    }

    /// Waits for `time`, or until somebody stops the setup.
    fn pause(&self, time: Duration) -> Result<(), SetupError> {
        if self.control.is_stopped_within(time) { Err(SetupError::Stopped) } else { Ok(()) }
    }

    /// Runs a program in the sandbox, for at most `limit` and what is left of the setup's time.
    pub fn run(
        &self,
        call: &Invocation,
        view: View,
        limit: Option<Duration>,
    ) -> Result<Ended, SetupError> {
        self.run_within(call, view, limit, None)
    }

    /// Runs a program as [`Self::run`] does, with at most `memory`.
    pub fn run_within(
        &self,
        call: &Invocation,
        view: View,
        limit: Option<Duration>,
        memory: Option<ByteSize>,
    ) -> Result<Ended, SetupError> {
        let [home, tmp] = if view.is_ours { [OUR_HOME, OUR_TMP] } else { [HOME, TMP] };
        let mut confinement =
            Confinement::new(self.sandbox, self.root.join(home), self.root.join(tmp));
        confinement.readable = view.readable;
        confinement.readable.push(self.root.clone());
        confinement.writable = view.writable;
        confinement.writable.push(self.answers());
        confinement.index_hosts.clone_from(&held(&self.hosts));
        confinement.time_machine = view.time_machine;
        let left = self.deadline.saturating_duration_since(Instant::now());
        let time = limit.map_or(left, |limit| limit.min(left)).as_secs().max(1);
        let limits = Limits {
            walltime: Some(Walltime(time)),
            memory,
            processes: Some(stuck::PROCESSES),
            idle: Some(stuck::IDLE),
            grace: Duration::from_secs(5),
            ..Limits::default()
        };
        let line = |text: &str| self.progress.report(Activity::Line { text: text.to_owned() });
        tracing::debug!(program = %call.program, args = ?call.args, "running");
        let finished =
            execute(call, &confinement, &limits, Io::Captured { line: &line }, &self.control)?;
        held(&self.notes).extend(finished.notes.iter().cloned());
        if finished.ending == Ending::Cancelled {
            return Err(SetupError::Stopped);
        }
        let mut ended = ended(finished, time);
        ended.output = self.with_tilde(ended.output);
        Ok(ended)
    }

    /// Writes the home of foreign code as `~`, as its authors and the user mean it.
    pub fn with_tilde(&self, text: String) -> String {
        let home = format!("{}/", self.root.join(HOME));
        if text.contains(&home) { text.replace(&home, "~/") } else { text }
    }
}

/// Makes a home with what installers of other packages read. No foreign code may have been there,
/// which could have made links to other files of it.
fn furnish(home: &Utf8Path) -> Result<(), SetupError> {
    let settings = [
        (".pydistutils.cfg", pip::easy_install_settings(TimeMachine::URL)),
        (".config/pip/pip.conf", pip::pip_settings(TimeMachine::URL, TimeMachine::HOST)),
    ];
    for (name, text) in settings {
        let path = home.join(name);
        let folder = path.parent().unwrap_or(home);
        fs::create_dir_all(folder).map_err(io(folder))?;
        fs::write(&path, text).map_err(io(&path))?;
    }
    Ok(())
}

/// Locks what several calls of one setup share.
fn held<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    // each holder does one assignment, so what a panic left is whole
    shared.lock().unwrap_or_else(PoisonError::into_inner)
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
        ref ending => {
            if let Some(said) = stuck::said(ending, &finished.places, seconds) {
                let _ = write!(output, "\n{said}");
            }
            None
        }
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
    /// Writes them under names of their own: `kind` tells calls apart that run at the same time.
    pub fn write(
        workshop: &Workshop<'_>,
        kind: &str,
        requirements: &str,
        constraints: &[String],
        build_constraints: &[String],
    ) -> Result<Self, SetupError> {
        let list = |name: &str, lines: &[String]| match lines {
            [] => Ok(None),
            lines => {
                workshop.write(&format!("{kind}-{name}"), &(lines.join("\n") + "\n")).map(Some)
            }
        };
        Ok(Self {
            requirements: workshop.write(&format!("{kind}-requirements.txt"), requirements)?,
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
