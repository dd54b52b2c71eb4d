//! The batch script of an array: each of its tasks is one attempt of a run.
//!
//! Beside the script lies a file with a line for each index: the run, the attempt, and as JSON what
//! only it has, its arguments above all. What the tasks share, the code, the data and the plan, lies there
//! once.

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};
use sizar_model::{Resources, RunId, Scratch, SweepId};

use super::batch::{Names, claiming, executing, modules, on_node, shell_word};
use super::{ElsewhereError, Layout, plain};
use crate::scheduler::{ArrayRange, Dependency, JobName, JobScript, Scheduler};
use crate::target::Profile;

/// What an array is made from.
pub(super) struct Array<'a> {
    pub sweep: &'a SweepId,
    pub name: &'a JobName,
    pub resources: &'a Resources,
    pub program: &'a Utf8Path,
    pub range: ArrayRange,
    pub after: &'a [Dependency],
    pub scratch: &'a Scratch,
}

/// Returns where the script of the array `name` lies.
pub(super) fn script_path(layout: &Layout, sweep: &SweepId, name: &JobName) -> Utf8PathBuf {
    layout.sweep(sweep).join(format!("{name}.sh"))
}

/// Returns where the lines of the array `name` lie, one for each task.
pub(super) fn tasks_path(layout: &Layout, sweep: &SweepId, name: &JobName) -> Utf8PathBuf {
    layout.sweep(sweep).join(format!("{name}.tasks"))
}

/// Returns where it lies what the tasks of the array `name` go on from, for a shell to read.
pub(super) fn again_path(layout: &Layout, sweep: &SweepId, name: &JobName) -> Utf8PathBuf {
    layout.sweep(sweep).join(format!("{name}.tasks.again"))
}

/// What a task of an array has for itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Own {
    /// The driver's arguments.
    pub args: Vec<String>,
    /// The earlier attempt that it goes on from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub carry_from: Option<u32>,
    /// What it asks for, where that is not what the sweep does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
}

/// One line of the file that tells the tasks of an array what they are; with `as_words` it is for
/// the shell to read, and holds arguments only.
///
/// # Errors
///
/// [`ElsewhereError::Step`] where the shell could not.
pub(super) fn line(
    run: &RunId,
    attempt: u32,
    own: &Own,
    as_words: bool,
) -> Result<String, ElsewhereError> {
    let text = if as_words {
        plain::task_words(&own.args).ok_or_else(|| ElsewhereError::Step {
            step: "write the tasks",
            message: "sizar cannot execute there, and its script takes no argument of several \
                      lines"
                .to_owned(),
        })?
    } else {
        serde_json::to_string(own)
            .map_err(|source| ElsewhereError::Json { what: "arguments", source })?
    };
    Ok(format!("{run} {attempt} {text}\n"))
}

/// Finds what a task has for itself in the text of that file.
pub(super) fn own(text: &str, run: &RunId, attempt: u32) -> Option<Own> {
    let head = format!("{run} {attempt} ");
    let line = text.lines().find_map(|line| line.strip_prefix(&head))?;
    serde_json::from_str(line).ok()
}

/// Renders the script of an array.
///
/// # Errors
///
/// [`ElsewhereError::Script`] where a wish cannot be said so that it means what was asked.
pub(super) fn script(
    array: &Array<'_>,
    profile: &Profile,
    layout: &Layout,
    scheduler: &dyn Scheduler,
) -> Result<String, ElsewhereError> {
    let folder = layout.sweep(array.sweep);
    // the program's own output lies with its run; this is what the scheduler says of tasks
    let output = folder.join(format!("{}.out", array.name));
    let body = body(array, profile, layout, scheduler);
    Ok(scheduler.script(&JobScript {
        name: array.name,
        resources: array.resources,
        shell: profile.shell.as_deref().unwrap_or("/bin/sh"),
        folder: &folder,
        stdout: &output,
        stderr: &output,
        array: Some(array.range),
        after: array.after,
        requeue: false,
        body: &body,
    })?)
}

fn body(
    array: &Array<'_>,
    profile: &Profile,
    layout: &Layout,
    scheduler: &dyn Scheduler,
) -> String {
    let tasks = shell_word(tasks_path(layout, array.sweep, array.name).as_str());
    let runs = shell_word(layout.root().join("runs").as_str());
    let folder = shell_word(layout.sweep(array.sweep).as_str());
    let marks = shell_word(layout.marks(array.sweep).as_str());
    let index = scheduler.task_index(array.range);
    let names = Names {
        claim: "\"$folder/claim-$attempt\"".to_owned(),
        claim_job: "\"$folder/claim-$attempt/job\"".to_owned(),
        claim_node: "\"$folder/claim-$attempt/node\"".to_owned(),
        job_id: scheduler.task_id(),
        work: format!("\"$run\" \"$attempt\" {tasks}"),
    };
    let id = scheduler.task_id();
    format!(
        "\n# which task this is: its run, and the attempt\n\
         index={index}\n\
         # a node may see late what the login node wrote\n\
         tries=0; until [ -s {tasks} ] || [ \"$tries\" -ge 60 ]; do\n\
         \x20   ls {folder} >/dev/null 2>&1; sleep 1; tries=$((tries + 1))\n\
         done\n\
         task=$(sed \"$((index + 1))q;d\" {tasks}) || exit 125\n\
         run=${{task%% *}}; task=${{task#* }}; attempt=${{task%% *}}\n\
         [ -n \"$run\" ] || {{ echo \"sizar: there is no task $index\" >&2; exit 125; }}\n\
         folder={runs}/$run\n\
         mkdir -p \"$folder\" || exit 125\n\n\
         {claiming}\
         : > {marks}/\"$run-$attempt-began-{id}-$(uname -n)\"\n\
         exec > \"$folder/job-$attempt.out\" 2>&1\n\
         {modules}{on_node}{executing}",
        claiming = claiming(&names),
        modules = modules(profile),
        on_node = on_node(array.scratch, profile),
        executing = executing(array.program, layout, &names),
    )
}

#[cfg(test)]
mod tests {
    use sizar_model::{SchedulerKind, Site};

    use super::super::batch::assert_read_by_sh;
    use super::*;
    use crate::scheduler::for_site;

    #[test]
    fn the_script_of_an_array_is_read_by_sh_and_claims_first() {
        let sweep = SweepId::from_bits(1);
        let name: JobName = format!("sizar-{sweep}-1").parse().unwrap();
        for kind in [SchedulerKind::Slurm, SchedulerKind::Oar] {
            let site = Site { scheduler: Some(kind), ..Site::default() };
            let array = Array {
                sweep: &sweep,
                name: &name,
                resources: &Resources::default(),
                program: "/home/alice/.sizar/bin/x/sizar".into(),
                range: ArrayRange { first: 0, last: 5, at_once: Some(2) },
                after: &[],
                scratch: &Scratch::At("/tmp".into()),
            };
            let layout = Layout::at("/home/alice/.sizar");
            let scheduler = for_site(&site, "alice").unwrap();
            let script = script(&array, &Profile::default(), &layout, &*scheduler).unwrap();
            assert!(script.find("mkdir \"$folder/claim-").unwrap() < script.find("exec ").unwrap());
            assert_read_by_sh(&script);
        }
    }

    #[test]
    fn a_task_finds_what_is_its_own() {
        let (one, two) = (RunId::from_bits(1), RunId::from_bits(2));
        let args = vec!["--name".to_owned(), "it's \"two\"\nlines".to_owned()];
        let resources = Some(Resources { cpus: Some(3), ..Resources::default() });
        let more = Own { args, carry_from: Some(2), resources };
        let text =
            line(&one, 1, &Own::default(), false).unwrap() + &line(&two, 3, &more, false).unwrap();
        assert_eq!(text.lines().count(), 2);
        assert_eq!(own(&text, &two, 3), Some(more));
        assert_eq!(own(&text, &one, 1), Some(Own::default()));
        assert_eq!(own(&text, &two, 1), None);
    }
}
