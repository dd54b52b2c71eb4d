//! Starts a program, and says how it ended.

use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdin, Stdio};
use std::sync::{Mutex, PoisonError};

use camino::Utf8PathBuf;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use sizar_model::artifact::Ending;
use sizar_model::{Invocation, Usage};

use super::adopted::Claim;
use super::affinity::Narrowed;
use super::gpus::Gpus;
use super::launch::{Feed, Launch};
use super::meter::Meter;
use super::output::Output;
use super::supervise::{Chain, Started, supervise};
use super::{Control, Io, Limits, ProcessError, environment};
use crate::sandbox::{Confinement, helper};

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
    /// The folders in which its processes were when a limit ended it.
    pub places: Vec<String>,
}

/// Runs a program to its end, and with it everything that it started.
///
/// Its standard input is a file or empty: a run must not depend on who is typing.
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
        places: Vec::new(),
    };
    if control.is_stopped() {
        return Ok(finished);
    }
    let mut launch = Launch::prepare(invocation, confinement, limits, live)?;
    finished.notes.append(&mut launch.notes);
    let failed = |source| ProcessError::Spawn { program: invocation.program.clone(), source };
    let Spawned { mut child, claim, note } = spawn(&mut launch, limits).map_err(failed)?;
    finished.notes.extend(note);
    if let Some(stdin) = child.stdin.take() {
        feed(std::mem::replace(&mut launch.stdin, Feed::Nothing), stdin);
    }
    output.attach(child.stdout.take().map(Into::into), child.stderr.take().map(Into::into));
    let started = Started { child, claim, chain: launch.chain };
    let meter = meter(invocation, confinement, &io);
    let watched = supervise(started, limits, meter, &mut output, control);
    let (stdout, stderr, notes) = output.finish();
    let watched = watched
        .map_err(|source| ProcessError::Watch { program: invocation.program.clone(), source })?;
    if let Some(error) = refusal(launch.chain, &watched.ending, &stdout, &stderr, invocation) {
        return Err(error);
    }
    finished.ending = watched.ending;
    finished.usage = watched.usage;
    finished.places = watched.places;
    finished.notes.extend(notes);
    if let Some(proxy) = &launch.proxy {
        let refused = proxy.refused().into_iter();
        finished.notes.extend(refused.map(|host| format!("refused a connection to `{host}`")));
    }
    (finished.stdout, finished.stderr) = (stdout, stderr);
    Ok(finished)
}

/// Makes what measures a program: one whose table nobody wants is measured roughly.
fn meter(invocation: &Invocation, confinement: &Confinement, io: &Io<'_>) -> Meter {
    let Io::Live { usage: Some(file), .. } = io else { return Meter::new(None, None) };
    let visible = invocation.env.get("CUDA_VISIBLE_DEVICES").map(String::as_str);
    let gpus = if confinement.gpus { Gpus::watch(visible) } else { None };
    Meter::new(Some(file), gpus)
}

/// A process that has been started.
struct Spawned {
    child: Child,
    claim: Claim,
    note: Option<String>,
}

/// Starts a command on its cores, without core dumps.
fn spawn(launch: &mut Launch, limits: &Limits) -> std::io::Result<Spawned> {
    // What children inherit are attributes of this thread and process, so one at a time.
    static SPAWNING: Mutex<()> = Mutex::new(());
    let _one = SPAWNING.lock().unwrap_or_else(PoisonError::into_inner);
    let stdin = match launch.stdin {
        Feed::Nothing => Stdio::null(),
        Feed::Order(_) | Feed::File(_) => Stdio::piped(),
    };
    launch.command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
    // The terminal's Ctrl-C is for sizar alone, which passes it on to the program and not to what
    // watches it.
    launch.command.process_group(0);
    let (narrowed, note) = match limits.cpus.map(Narrowed::to) {
        Some(Ok(mut narrowed)) => {
            let note = narrowed.note.take();
            (Some(narrowed), note)
        }
        Some(Err(error)) => {
            (None, Some(format!("the processor cores could not be limited: {error}")))
        }
        None => (None, None),
    };
    let core = getrlimit(Resource::Core);
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: core.maximum });
    let child = Claim::spawn(&mut launch.command);
    let _ = setrlimit(Resource::Core, core);
    drop(narrowed);
    let (child, claim) = child?;
    Ok(Spawned { child, claim, note })
}

/// Writes what the first process reads; of a file as long as anybody reads it.
fn feed(what: Feed, mut stdin: ChildStdin) {
    match what {
        Feed::Nothing => {}
        Feed::Order(text) => {
            // Fails only where the helper has died, and then it says why.
            let _ = stdin.write_all(&text);
        }
        Feed::File(mut file) => {
            std::thread::spawn(move || {
                // a program need not read to the end
                if let Err(error) = std::io::copy(&mut file, &mut stdin) {
                    tracing::debug!(%error, "not all of its standard input was read");
                }
            });
        }
    }
}

/// Reads the complaint of bubblewrap or the helper, if it made one instead of starting the program.
fn refusal(
    chain: Chain,
    ending: &Ending,
    stdout: &str,
    stderr: &str,
    invocation: &Invocation,
) -> Option<ProcessError> {
    let said = stderr.trim_end();
    let (message, code) = match (said.strip_prefix(helper::COMPLAINT), chain) {
        (Some(message), _) => (message, i32::from(helper::COMPLAINED)),
        (None, Chain::Bubblewrap) => (said.strip_prefix("bwrap: ")?, 1),
        (None, Chain::Warden) => return None,
    };
    if *ending != (Ending::Exited { code }) || !stdout.is_empty() || message.contains('\n') {
        return None;
    }
    let Some((program, reason)) =
        message.strip_prefix("execvp ").and_then(|rest| rest.rsplit_once(": "))
    else {
        return Some(ProcessError::Sandbox { message: message.to_owned() });
    };
    let program = program.to_owned();
    Some(if reason == "No such file or directory" {
        let path = invocation.env.get("PATH").cloned();
        ProcessError::ProgramNotFound {
            program,
            path: path.unwrap_or_else(|| environment::PATH.to_owned()),
        }
    } else {
        ProcessError::NotExecutable { program, reason: reason.to_owned() }
    })
}
