//! The script that stands for sizar beside a job, where sizar itself cannot execute: another
//! processor, a file system whose programs are not executed, a site that forbids them.
//!
//! It does the same work with less comfort. What it cannot do, digests of sizar's kind above all,
//! is done when its results come here: see [`sealed`](super::sealed).

use camino::Utf8Path;
use sizar_model::resources::Walltime;
use sizar_model::{DataBinding, DataMode, RunId};

use super::batch::shell_word;
use super::{ElsewhereError, Layout, there};
use crate::home::Home;
use crate::run::checkpoint::is_whole;
use crate::run::{Attempt, PARTIAL, RunError, RunPlan, bare_command};

/// What is the same for all runs.
const WORK: &str = include_str!("plain.sh");

/// Renders the script that executes the attempts of a run, or of the tasks of a sweep, whose plan
/// is `plan` and whose folder there is `folder`.
///
/// # Errors
///
/// [`RunError::NeedsBubblewrap`] where data is to be shown under an absolute path.
pub(super) fn script(
    plan: &RunPlan,
    folder: &RunId,
    layout: &Layout,
) -> Result<String, ElsewhereError> {
    let place = Attempt::of(&Home::at(layout.root()), folder, 0);
    let command = bare_command(plan, &place);
    let mut script = format!("#!/bin/sh\n# run {folder}, in a plain shell\n");
    let mut line = |text: &str| {
        script.push_str(text);
        script.push('\n');
    };
    line(&format!("tree={}", shell_word(plan.checkout.path.as_str())));
    let limit = plan.job.resources.walltime.map(|time| time.0.to_string()).unwrap_or_default();
    line(&format!("limit={limit}"));
    line(&format!("after={}", shell_word(&words(plan.job.after.iter().map(RunId::as_str)))));
    line(&format!("path={}", shell_word(command.variables.get("PATH").map_or("", String::as_str))));
    line(&format!("args={}", shell_word(&words(plan.args.iter().map(String::as_str)))));
    line(&format!("starts_in={}", shell_word(plan.starts_in("work".into()).as_str())));
    line("furnish() {");
    for binding in plan.bindings() {
        if let Some(put) = furnish(binding)? {
            line(&format!("    {put} || return 1"));
        }
    }
    line("    :\n}");
    line("go_on() {");
    line("    :\n}");
    line("start() {");
    let first = std::iter::once(&command.program).chain(&command.first);
    let first: Vec<String> = first.map(|word| placed(word, &place)).collect();
    line(&format!("    set -- \"$@\" {}", first.join(" ")));
    line("    eval \"set -- \\\"\\$@\\\" $args\"");
    line("    exec env -i \\");
    for (name, value) in &command.variables {
        line(&format!("        {} \\", placed(&format!("{name}={value}"), &place)));
    }
    let stdin = plan.job.stdin().map_or("/dev/null", Utf8Path::as_str);
    line(&format!("        \"$@\" <{}\n}}\n", shell_word(stdin)));
    script.push_str(WORK);
    Ok(script)
}

/// Renders the same for a further attempt, which goes on from what an earlier one made and is here.
///
/// # Errors
///
/// As [`script`], and where a file here cannot be read.
pub(super) fn script_of_next(
    home: &Home,
    plan: &RunPlan,
    run: &RunId,
    layout: &Layout,
) -> Result<String, ElsewhereError> {
    let script = script(plan, run, layout)?;
    let Some(earlier) = plan.carry_from else { return Ok(script) };
    let lines = again(home, run, earlier)?;
    Ok(script.replacen("go_on() {\n", &format!("go_on() {{\n{lines}"), 1))
}

/// Renders what the tasks of an array go on from, each from an earlier attempt of its own, and how
/// long they may take.
///
/// # Errors
///
/// [`ElsewhereError::File`] where a file here cannot be read.
pub(super) fn tasks_again(
    home: &Home,
    tasks: &[(RunId, u32)],
    walltime: Option<Walltime>,
) -> Result<String, ElsewhereError> {
    let limit = walltime.map(|time| time.0.to_string()).unwrap_or_default();
    let mut text = format!("limit={limit}\ngo_on() {{\n    case $run in\n");
    for (run, earlier) in tasks {
        let lines = again(home, run, *earlier)?;
        text.push_str(&format!("    {run})\n{lines}    ;;\n"));
    }
    text.push_str("    esac\n}\n");
    Ok(text)
}

/// Renders what copies the whole files that an earlier attempt made, and puts aside the others.
fn again(home: &Home, run: &RunId, earlier: u32) -> Result<String, ElsewhereError> {
    let attempt = Attempt::of(home, run, earlier);
    let mut lines = String::new();
    for result in attempt.receipt().map(|receipt| receipt.results).unwrap_or_default() {
        let here = attempt.result(&result.path);
        let there = match result.path.strip_prefix("~/") {
            Some(path) => format!("home/{path}"),
            None => format!("work/{}", result.path),
        };
        let whole = is_whole(&here)
            .map_err(|source| ElsewhereError::File { path: here.clone(), source })?;
        let to = if whole { there.clone() } else { format!("{there}.{PARTIAL}") };
        let (from, to) = (shell_word(&there), shell_word(&to));
        lines.push_str(&format!("    again {earlier} {from} {to} || return 1\n"));
    }
    Ok(lines)
}

/// Returns the start of a line of a sweep's tasks with the arguments as words of the shell; none
/// where an argument has more than one line.
pub(super) fn task_words(args: &[String]) -> Option<String> {
    let plain = args.iter().all(|arg| !arg.contains('\n'));
    plain.then(|| words(args.iter().map(String::as_str)))
}

/// Returns whether the program there is the script.
pub(super) fn is_plain(program: &Utf8Path) -> bool {
    program.extension() == Some("sh")
}

/// Returns the words that start the program there.
pub(super) fn starting(program: &Utf8Path) -> String {
    let program_word = shell_word(program.as_str());
    // a file system that executes nothing has it read
    let how = if is_plain(program) { "/bin/sh " } else { "" };
    format!("{how}{program_word} {}", there::EXECUTE)
}

fn words<'a>(all: impl Iterator<Item = &'a str>) -> String {
    all.map(shell_word).collect::<Vec<_>>().join(" ")
}

/// Returns a word in which the attempt's folder is the one that it is at run time: the tasks of a
/// sweep share a script.
fn placed(text: &str, place: &Attempt) -> String {
    let mut parts = text.split(place.folder().as_str());
    let mut word = match parts.next().unwrap_or_default() {
        "" if !text.is_empty() => String::new(),
        first => shell_word(first),
    };
    for part in parts {
        word.push_str("\"$here\"");
        if !part.is_empty() {
            word.push_str(&shell_word(part));
        }
    }
    word
}

/// Returns what puts the user's data in its place; none where it is in its place already.
fn furnish(binding: &DataBinding) -> Result<Option<String>, ElsewhereError> {
    let DataBinding { here, there, mode } = binding;
    let copied = *mode == DataMode::Copy;
    if there.is_absolute() {
        if !copied && there == here {
            return Ok(None);
        }
        return Err(RunError::NeedsBubblewrap { there: there.clone() }.into());
    }
    let place = match there.strip_prefix("~") {
        Ok(below) => Utf8Path::new("home").join(below),
        Err(_) => Utf8Path::new("work").join(there),
    };
    let how = if copied { "copy" } else { "show" };
    let (here, place) = (shell_word(here.as_str()), shell_word(place.as_str()));
    Ok(Some(format!("put {here} {place} {how}")))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use camino::Utf8PathBuf;
    use fs_err as fs;
    use serde_json::json;
    use sizar_model::{Digest, Ending, Receipt};

    use super::*;
    use crate::elsewhere::sealed::seal_of;

    /// Changes one file of its tree, leaves another as it is, and makes two.
    const GO: &str = "#!/bin/sh\ncat data/in.txt > out.txt\necho new > changed.txt\n\
                      echo \"$1|$2|$SLURM_JOB_ID|${SLURM_JWT:-}|$HOME|$(cat)\" > ~/said.txt\nexit 3\n";

    fn plan(root: &Utf8Path, there: &str) -> RunPlan {
        let source = json!({
            "locator": "./x", "revision": null, "digest": Digest::of(&[]), "date": null,
            "code_date": null, "own": true,
        });
        let plan = json!({
            "version": 1, "locator": "./x",
            "checkout": {"path": root.join("tree"), "source": source, "notes": []},
            "prefix": root.join("env"), "project": "on_path", "caller_cwd": "/",
            "entry": {"kind": "interpreted", "interpreter": ["/bin/sh"], "path": "go.sh"},
            "args": ["it's", "a\nb"],
            "job": {
                "driver": "go.sh", "args": [], "network": false, "sandbox": true,
                "data": [
                    {"here": root.join("data"), "there": there, "mode": "read_only"},
                    DataBinding::stdin(root.join("data/it's typed")),
                ],
            },
        });
        serde_json::from_value(plan).unwrap()
    }

    #[test]
    fn the_script_runs_a_program_and_seals_what_it_made() {
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8PathBuf::from_path_buf(folder.path().to_owned()).unwrap();
        for (path, text) in [
            ("tree/go.sh", GO),
            ("tree/changed.txt", "old\n"),
            ("tree/same.txt", "same\n"),
            ("data/in.txt", "data\n"),
            ("data/it's typed", "typed\n"),
        ] {
            fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
            fs::write(root.join(path), text).unwrap();
        }
        let run = RunId::from_bits(1);
        let layout = Layout::at(&root);
        let text = script(&plan(&root, "data"), &run, &layout).unwrap();
        let path = root.join("plain.sh");
        fs::write(&path, text).unwrap();
        let status = Command::new("/bin/sh")
            .args([path.as_str(), there::EXECUTE, root.as_str(), run.as_str(), "1"])
            .env("SLURM_JOB_ID", "7")
            .env("SLURM_JWT", "secret")
            .status();
        assert_eq!(status.unwrap().code(), Some(3));
        let attempt = layout.attempt(&run, 1);
        let text = fs::read(layout.receipt(&run, 1)).unwrap();
        let receipt: Receipt = serde_json::from_slice(&text).unwrap();
        assert_eq!(receipt.ending, Ending::Exited { code: 3 });
        assert!(seal_of(&text).unwrap().is_some());
        let sealed = fs::read_to_string(attempt.join("sealed")).unwrap();
        let mut paths: Vec<&str> =
            sealed.lines().filter_map(|line| line.split("  ").nth(1)).collect();
        paths.sort_unstable();
        assert_eq!(paths, ["home/said.txt", "work/changed.txt", "work/out.txt"]);
        let said = fs::read_to_string(attempt.join("home/said.txt")).unwrap();
        assert_eq!(said, format!("it's|a\nb|7||{attempt}/home|typed\n"));
        // the tree itself is as it was
        assert_eq!(fs::read_to_string(root.join("tree/changed.txt")).unwrap(), "old\n");
    }

    #[test]
    fn data_under_an_absolute_path_need_a_sandbox() {
        let root = Utf8Path::new("/x");
        let run = RunId::from_bits(1);
        assert!(script(&plan(root, "/elsewhere"), &run, &Layout::at(root)).is_err());
        // shown where they are, they are there
        assert!(script(&plan(root, "/x/data"), &run, &Layout::at(root)).is_ok());
    }
}
