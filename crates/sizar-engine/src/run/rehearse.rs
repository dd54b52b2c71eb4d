//! A rehearsal: the driver is started where a run will be, and ended when it has imported what it
//! needs and read its arguments.
//!
//! It happens before a job waits for hours in a queue, without a network, in a copy of the source.

use std::time::Duration;

use fs_err as fs;
use serde::{Deserialize, Serialize};
use sizar_model::inspection::Inspection;
use sizar_model::{Ending, Invocation, NetworkAccess, RunId};

use super::execute::{Ready, confine, prepare, with_variables};
use super::{Attempt, Entry, RunError, RunPlan};
use crate::environment::stops_for_want_of_environment;
use crate::home::Home;
use crate::process::{self, Control, Finished, Io, Limits};
use crate::sandbox::{self, SandboxKind};

const SCRIPT: &str = include_str!("../../python/rehearse.py");

/// The longest that it may take: imports on a busy file server are slow.
const LIMIT: Duration = Duration::from_mins(4);

/// Frameworks whose reading of arguments can be told from the work after it.
const PARSED: [&str; 4] = ["argparse", "optparse", "click", "docopt"];

/// What a rehearsal came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "came", rename_all = "snake_case")]
pub enum Rehearsed {
    /// It starts; `words` say how far it was followed.
    Well { words: String },
    /// Nothing is known: there is nothing that can be tried without running it.
    Unknown { words: String },
    /// It would fail on the node as it did here.
    Fails { words: String },
}

/// What the script is told.
#[derive(Debug, Serialize)]
struct Order<'a> {
    how: &'a str,
    name: &'a str,
    args: &'a [String],
    parse: bool,
}

/// What the script says.
#[derive(Debug, Deserialize)]
struct Answer {
    reached: String,
    #[serde(default)]
    message: String,
}

/// Rehearses a run with its plan, on this machine.
///
/// # Errors
///
/// [`RunError`] where not even the attempt could be made: a full disk, no interpreter.
pub fn rehearse(
    home: &Home,
    run: &RunId,
    plan: &RunPlan,
    inspection: &Inspection,
) -> Result<Rehearsed, RunError> {
    let bin = plan.prefix.join("bin");
    let installed;
    let (how, name) = match &plan.entry {
        Entry::Script { path } => ("script", path.as_str()),
        Entry::Installed { name } => {
            installed = bin.join(name);
            ("script", installed.as_str())
        }
        Entry::Module { name } => ("module", name.as_str()),
        Entry::Python
        | Entry::Interpreted { .. }
        | Entry::Executable { .. }
        | Entry::Program { .. } => {
            let words = "the driver is no Python program: only running it would tell".to_owned();
            return Ok(Rehearsed::Unknown { words });
        }
    };
    let framework = framework(&plan.entry, inspection);
    let parse = framework.is_some_and(|framework| PARSED.contains(&framework));
    let kind = if plan.job.sandbox { sandbox::detect() } else { SandboxKind::None };
    let attempt = Attempt::begin(home, run)?;
    let ready = prepare(plan, attempt, kind)?;
    let order = Order { how, name, args: &plan.args, parse };
    let played = play(plan, &ready, &order);
    ready.attempt.abandon();
    Ok(judge(played?, parse))
}

/// How the play went.
struct Played {
    finished: Finished,
    answer: Option<Answer>,
}

fn play(plan: &RunPlan, ready: &Ready, order: &Order<'_>) -> Result<Played, RunError> {
    let attempt = &ready.attempt;
    let copy = |source| RunError::Copy { source };
    let (script, told) = (attempt.tmp().join("rehearse.py"), attempt.tmp().join("order.json"));
    let answer = attempt.notes().join("rehearsed.json");
    fs::write(&script, SCRIPT).map_err(copy)?;
    let text = serde_json::to_vec(order).map_err(|source| RunError::Plan { source })?;
    fs::write(&told, text).map_err(copy)?;
    let (confinement, _) = confine(plan, ready);
    let call = Invocation::new(plan.python().as_str())
        .args([script.as_str(), answer.as_str(), told.as_str()])
        .network(NetworkAccess::None);
    let call = with_variables(call, plan, attempt).cwd(plan.starts_in(&attempt.work()));
    let limits = Limits {
        walltime: Some(sizar_model::Walltime(LIMIT.as_secs())),
        cpus: Some(2),
        ..Limits::default()
    };
    let io = Io::Captured { line: &|_| {} };
    let finished = process::execute(&call, &confinement, &limits, io, &Control::default())?;
    let answer = fs::read(&answer).ok().and_then(|text| serde_json::from_slice(&text).ok());
    Ok(Played { finished, answer })
}

fn judge(played: Played, parse: bool) -> Rehearsed {
    let Played { finished, answer } = played;
    let reached = answer.as_ref().map(|answer| answer.reached.as_str());
    match reached {
        Some("parsed") => {
            let words = "it imports what it needs and takes its arguments".to_owned();
            return Rehearsed::Well { words };
        }
        Some("refused") => {
            let message = answer.map(|answer| answer.message).unwrap_or_default();
            let words = format!("the driver refuses its arguments: {}", message.trim());
            return Rehearsed::Fails { words };
        }
        Some("imported" | "ended") => {
            return Rehearsed::Well { words: "it imports what it needs".to_owned() };
        }
        Some("nothing") => {
            let words = "there is nothing to try without running it".to_owned();
            return Rehearsed::Unknown { words };
        }
        _ => {}
    }
    let output =
        if finished.stderr.trim().is_empty() { &finished.stdout } else { &finished.stderr };
    let line = sizar_env::diagnosis::error_line(output);
    match &finished.ending {
        Ending::Exited { code: 0 } => {
            Rehearsed::Unknown { words: "it ends before it reads its arguments".to_owned() }
        }
        Ending::Exited { .. } if is_fatal(&line) => {
            Rehearsed::Fails { words: format!("the driver does not start: {line}") }
        }
        // a login node has no GPU, and the data of a node may not be there
        Ending::Exited { .. } => Rehearsed::Unknown { words: format!("it stops here: {line}") },
        Ending::TimedOut if parse => {
            Rehearsed::Unknown { words: "it works before it reads its arguments".to_owned() }
        }
        other => Rehearsed::Unknown {
            words: other.reason().unwrap_or_else(|| "it ended early".to_owned()),
        },
    }
}

/// Returns whether a program that ends with this line here would do so on a node, too.
///
/// A library that is not found may be a driver's or a module's, which only nodes have; and what is
/// `None` here may be a variable that only jobs have (`int(os.environ.get('SLURM_PROCID'))`).
fn is_fatal(line: &str) -> bool {
    let of_nodes = ["cannot open shared object file", "libcuda", "NoneType"];
    !of_nodes.iter().any(|words| line.contains(words)) && stops_for_want_of_environment(line)
}

/// Finds by what a driver reads its arguments.
fn framework<'a>(entry: &Entry, inspection: &'a Inspection) -> Option<&'a str> {
    let is = |path: &str, name: Option<&str>| match entry {
        Entry::Script { path: script } => path == script,
        Entry::Installed { name: script } => name == Some(script.as_str()),
        Entry::Module { name: module } => {
            let file = path.trim_end_matches(".py").replace('/', ".");
            let file = file.trim_end_matches(".__main__");
            file == module || file.strip_prefix("src.") == Some(module)
        }
        _ => false,
    };
    let mut drivers = inspection.drivers.iter();
    let found = drivers.find(|driver| is(&driver.path, driver.name.as_deref()))?;
    Some(found.framework.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_login_node_lacks_is_no_failure() {
        assert!(is_fatal("ModuleNotFoundError: No module named 'yaml'"));
        assert!(is_fatal("ImportError: cannot import name 'x' from 'y'"));
        let library = "cannot open shared object file: No such file or directory";
        assert!(!is_fatal(&format!("ImportError: libcudart.so.11.0: {library}")));
        assert!(!is_fatal("TypeError: int() argument must be a string, not 'NoneType'"));
        assert!(!is_fatal("RuntimeError: No CUDA GPUs are available"));
        assert!(!is_fatal("FileNotFoundError: [Errno 2] 'data/x.json'"));
    }

    #[test]
    fn python_2_can_read_the_script() {
        assert!(SCRIPT.is_ascii(), "without a declaration it reads only ASCII");
    }
}
