//! Starts a program, and says how it ended.

use std::collections::BTreeMap;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use sizar_model::artifact::Ending;
use sizar_model::{Invocation, Usage};

use super::output::Output;
use super::supervise::{Chain, supervise};
use super::{Control, Io, Limits, ProcessError, environment};
use crate::sandbox::{self, Confinement, SandboxKind};

/// How a program ended.
#[derive(Clone, Debug)]
pub struct Finished {
    pub ending: Ending,
    pub usage: Usage,
    /// What kept it in: `bubblewrap`, `landlock` or `none`.
    pub sandbox: String,
    /// What the reader should know: an address refused, a limit that could not be set.
    pub notes: Vec<String>,
    /// What it printed; of very much the beginning and the end.
    pub stdout: String,
    pub stderr: String,
}

/// Runs a program to its end, and with it everything that it started.
///
/// Its standard input is empty: a run must not depend on who is typing.
///
/// # Errors
///
/// [`ProcessError`] where it could not be started. A program that fails is no error.
pub fn execute(
    invocation: &Invocation,
    confinement: &Confinement,
    limits: &Limits,
    io: Io<'_>,
    control: &Control,
) -> Result<Finished, ProcessError> {
    let live = matches!(io, Io::Live { .. });
    let mut output = Output::new(&io, limits.output).map_err(|source| ProcessError::Log {
        path: match io {
            Io::Live { log, .. } => log.to_owned(),
            Io::Captured { .. } => Utf8PathBuf::new(),
        },
        source,
    })?;
    let mut finished = Finished {
        ending: Ending::Cancelled,
        usage: Usage::default(),
        sandbox: confinement.kind.name().to_owned(),
        notes: Vec::new(),
        stdout: String::new(),
        stderr: String::new(),
    };
    if control.is_stopped() {
        return Ok(finished);
    }
    for folder in [&confinement.home, &confinement.tmp] {
        fs::create_dir_all(folder)
            .map_err(|source| ProcessError::Unusable { path: folder.clone(), source })?;
    }
    let user: BTreeMap<String, String> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let variables = environment::variables(invocation, confinement, limits, live, &user);
    let cwd = invocation.cwd.as_deref().unwrap_or(&confinement.home);
    let scratch = scratch()?;
    let (mut command, chain) = match confinement.kind {
        SandboxKind::Bubblewrap => {
            let command = bubblewrap(invocation, confinement, &variables, cwd, &scratch)?;
            (command, Chain::Bubblewrap)
        }
        SandboxKind::Landlock => {
            return Err(ProcessError::Sandbox { message: "Landlock is not wired yet".to_owned() });
        }
        SandboxKind::None => {
            let mut command = Command::new(&invocation.program);
            command.args(&invocation.args).env_clear().envs(&variables).current_dir(cwd);
            command.process_group(0);
            (command, Chain::Direct)
        }
    };
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = spawn(&mut command)
        .map_err(|source| ProcessError::Spawn { program: invocation.program.clone(), source })?;
    output.attach(child.stdout.take().map(Into::into), child.stderr.take().map(Into::into));
    let watched = supervise(child, chain, limits, &mut output, control);
    let (stdout, stderr, notes) = output.finish();
    let watched = watched
        .map_err(|source| ProcessError::Watch { program: invocation.program.clone(), source })?;
    if let Some(error) = refusal(chain, &watched.ending, &stdout, &stderr, &variables) {
        return Err(error);
    }
    finished.ending = watched.ending;
    finished.usage = watched.usage;
    finished.notes.extend(notes);
    (finished.stdout, finished.stderr) = (stdout, stderr);
    Ok(finished)
}

/// Makes a folder for what one execution needs outside; short, for sockets' names.
fn scratch() -> Result<tempfile::TempDir, ProcessError> {
    tempfile::Builder::new()
        .prefix("sizar-")
        .tempdir()
        .map_err(|source| ProcessError::Unusable { path: "/tmp".into(), source })
}

/// Returns the command for bubblewrap.
fn bubblewrap(
    invocation: &Invocation,
    confinement: &Confinement,
    variables: &BTreeMap<String, String>,
    cwd: &Utf8Path,
    scratch: &tempfile::TempDir,
) -> Result<Command, ProcessError> {
    let program = sandbox::program().ok_or(ProcessError::NoBubblewrap)?;
    let shown = confinement
        .readable
        .iter()
        .chain(&confinement.writable)
        .chain(confinement.bindings.iter().map(|binding| &binding.here));
    for path in shown {
        fs::metadata(path)
            .map_err(|source| ProcessError::Unusable { path: path.clone(), source })?;
    }
    let mut etc = Vec::new();
    for (name, text) in sandbox::etc_files(&confinement.home, invocation.network) {
        let path = scratch.path().join(name);
        let path = Utf8PathBuf::from_path_buf(path)
            .unwrap_or_else(|path| Utf8PathBuf::from(path.to_string_lossy().into_owned()));
        fs::write(&path, text)
            .map_err(|source| ProcessError::Unusable { path: path.clone(), source })?;
        etc.push((name, path));
    }
    let setup = sandbox::Setup { network: invocation.network, etc, extra: Vec::new(), cwd };
    let mut command = Command::new(program);
    command.env_clear();
    for (name, value) in variables {
        if loads_code(name) {
            command.args(["--setenv", name, value]);
        } else {
            // Not on the command line, which every user of the machine can read.
            command.env(name, value);
        }
    }
    command.args(sandbox::arguments(confinement, &setup));
    command.arg(&invocation.program).args(&invocation.args);
    Ok(command)
}

/// Returns whether a variable would make bubblewrap itself, outside the sandbox, load a file that
/// foreign code may have written.
fn loads_code(name: &str) -> bool {
    ["LD_", "GLIBC_", "GCONV_", "MALLOC_"].iter().any(|prefix| name.starts_with(prefix))
        || matches!(name, "LOCPATH" | "NLSPATH" | "RESOLV_HOST_CONF" | "HOSTALIASES" | "TZDIR")
}

/// Starts a command without core dumps.
fn spawn(command: &mut Command) -> std::io::Result<std::process::Child> {
    // Both are attributes of this process that children inherit, so one at a time.
    static SPAWNING: Mutex<()> = Mutex::new(());
    static ADOPTS: OnceLock<()> = OnceLock::new();
    let _one = SPAWNING.lock().unwrap_or_else(PoisonError::into_inner);
    ADOPTS.get_or_init(|| {
        // See `supervise`: the sandbox's first process is adopted and waited for.
        let _ = rustix::process::set_child_subreaper(Some(rustix::process::getpid()));
    });
    let core = getrlimit(Resource::Core);
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: core.maximum });
    let child = command.spawn();
    let _ = setrlimit(Resource::Core, core);
    child
}

/// Reads bubblewrap's own complaint, if it made one instead of starting the program.
fn refusal(
    chain: Chain,
    ending: &Ending,
    stdout: &str,
    stderr: &str,
    variables: &BTreeMap<String, String>,
) -> Option<ProcessError> {
    let message = stderr.trim_end().strip_prefix("bwrap: ")?;
    let alone = stdout.is_empty() && !message.contains('\n');
    if chain != Chain::Bubblewrap || *ending != (Ending::Exited { code: 1 }) || !alone {
        return None;
    }
    let Some((program, reason)) =
        message.strip_prefix("execvp ").and_then(|rest| rest.rsplit_once(": "))
    else {
        return Some(ProcessError::Sandbox { message: message.to_owned() });
    };
    let program = program.to_owned();
    Some(if reason == "No such file or directory" {
        ProcessError::ProgramNotFound {
            program,
            path: variables.get("PATH").cloned().unwrap_or_default(),
        }
    } else {
        ProcessError::NotExecutable { program, reason: reason.to_owned() }
    })
}
