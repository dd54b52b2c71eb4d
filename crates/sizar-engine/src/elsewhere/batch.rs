//! The batch script: what a job does, for a person to read.

use camino::{Utf8Path, Utf8PathBuf};
use sizar_model::{RunId, Scratch};

use super::{ElsewhereError, Layout, node, plain, there};
use crate::scheduler::{Dependency, JobName, JobScript, Scheduler};
use crate::target::{Profile, WorkerWish};
use crate::transport::quoted;

/// What one job is made from.
pub(super) struct Job<'a> {
    pub run: &'a RunId,
    pub attempt: u32,
    pub name: &'a JobName,
    pub resources: &'a sizar_model::Resources,
    pub program: &'a Utf8Path,
    pub after: &'a [Dependency],
    pub scratch: &'a Scratch,
}

/// Renders the script of one attempt.
///
/// # Errors
///
/// [`ElsewhereError::Script`] where a wish cannot be said so that it means what was asked.
pub(super) fn of(
    job: &Job<'_>,
    profile: &Profile,
    layout: &Layout,
    scheduler: &dyn Scheduler,
) -> Result<String, ElsewhereError> {
    let body = body(job, profile, layout, scheduler);
    let output = layout.output(job.run, job.attempt);
    let script = JobScript {
        name: job.name,
        resources: job.resources,
        shell: profile.shell.as_deref().unwrap_or("/bin/sh"),
        folder: &layout.run(job.run),
        stdout: &output,
        stderr: &output,
        array: None,
        after: job.after,
        requeue: false,
        body: &body,
    };
    Ok(scheduler.script(&script)?)
}

/// Renders what `--dry-run` shows: the script of a run that has no name yet.
///
/// # Errors
///
/// As for the script that is submitted.
pub fn script(
    resources: &sizar_model::Resources,
    scratch: &Scratch,
    profile: &Profile,
    root: &Utf8Path,
    scheduler: &dyn Scheduler,
) -> Result<String, ElsewhereError> {
    let layout = Layout::at(root);
    let run = RunId::from_bits(0);
    let name: JobName = name_of(&run, 1).parse()?;
    let program = program_of(&layout, &run, profile);
    let (program, after) = (&program, &[][..]);
    let job = Job { run: &run, attempt: 1, name: &name, resources, program, after, scratch };
    of(&job, profile, &layout, scheduler)
}

/// Returns what will execute a run, before anything was sent.
pub(super) fn program_of(layout: &Layout, folder: &RunId, profile: &Profile) -> Utf8PathBuf {
    match profile.worker {
        WorkerWish::Auto => layout.program("VERSION"),
        WorkerWish::None => layout.plain(folder),
    }
}

/// Returns the submission key of an attempt, which is its job's name.
pub(super) fn name_of(run: &RunId, attempt: u32) -> String {
    format!("sizar-{run}-{attempt}")
}

fn body(job: &Job<'_>, profile: &Profile, layout: &Layout, scheduler: &dyn Scheduler) -> String {
    let claim = layout.claim(job.run, job.attempt);
    let names = Names {
        claim: shell_word(claim.as_str()),
        claim_job: shell_word(claim.join("job").as_str()),
        claim_node: shell_word(claim.join("node").as_str()),
        job_id: scheduler.job_id(),
        work: format!("{} {}", shell_word(job.run.as_str()), job.attempt),
    };
    let mut body = String::from("\n");
    body.push_str(&claiming(&names));
    body.push_str(&modules(profile));
    body.push_str(&on_node(job.scratch, profile));
    body.push_str(&executing(job.program, layout, &names));
    body
}

/// What a script calls the attempt that it executes, in words of the shell.
pub(super) struct Names {
    /// The folder that is made to claim the attempt.
    pub claim: String,
    pub claim_job: String,
    pub claim_node: String,
    pub job_id: &'static str,
    /// The run and the attempt, as arguments of the program.
    pub work: String,
}

/// Returns the lines that claim the attempt.
pub(super) fn claiming(names: &Names) -> String {
    let mut lines = String::new();
    let mut line = |text: &str| {
        lines.push_str(text);
        lines.push('\n');
    };
    line("# one attempt is executed once, however many jobs bear its name");
    line(&format!("if ! mkdir {} 2>/dev/null; then", names.claim));
    line("    echo \"sizar: another job has this attempt; nothing is run\" >&2");
    line(&format!("    exit {}", there::CLAIMED));
    line("fi");
    line(&format!("printf '%s\\n' \"{}\" > {}", names.job_id, names.claim_job));
    line(&format!("uname -n > {}", names.claim_node));
    lines
}

/// Returns the lines of the site's own, and those that load modules.
pub(super) fn modules(profile: &Profile) -> String {
    let mut lines = String::new();
    let mut line = |text: &str| {
        lines.push_str(text);
        lines.push('\n');
    };
    for own in &profile.prelude {
        line(own);
    }
    if !profile.modules.is_empty() {
        line("");
        if let Some(init) = &profile.machine.modules_init {
            let init = shell_word(init.as_str());
            line(&format!("command -v module >/dev/null 2>&1 || . {init}"));
        }
        for module in &profile.modules {
            line(&format!("module load {} || exit 125", shell_word(module)));
        }
    }
    lines
}

/// Returns the lines that hand over to sizar.
pub(super) fn executing(program: &Utf8Path, layout: &Layout, names: &Names) -> String {
    format!(
        "\n# the working copy, the program and its limits, its results with their digests, the \
         receipt\nexec {} {} {}\n",
        plain::starting(program),
        shell_word(layout.root().as_str()),
        names.work
    )
}

/// Returns the lines that name the node's own disk, where the job is to use it.
pub(super) fn on_node(wish: &Scratch, profile: &Profile) -> String {
    scratch(wish, profile).map_or_else(String::new, |scratch| {
        let name = node::VARIABLE;
        format!("\n# where the node has a disk of its own\n{name}={scratch}; export {name}\n")
    })
}

/// Returns the folder of the node's own, as a word of the shell in which variables have their values.
fn scratch(wish: &Scratch, profile: &Profile) -> Option<String> {
    let folder = match wish {
        Scratch::No => return None,
        Scratch::At(folder) => folder.as_str(),
        Scratch::Auto => profile.node_scratch.as_deref()?,
    };
    let mut word = String::from("\"");
    let mut rest = folder.chars().peekable();
    while let Some(letter) = rest.next() {
        // nothing is executed by naming a folder
        let command = letter == '$' && rest.peek() == Some(&'(');
        if command || matches!(letter, '"' | '\\' | '`') {
            word.push('\\');
        }
        word.push(letter);
    }
    word.push('"');
    Some(word)
}

/// Quotes a word for `sh`, unless it is plain.
pub(super) fn shell_word(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"/._-+:@%,=".contains(&b);
    if !text.is_empty() && text.bytes().all(plain) {
        return text.to_owned();
    }
    String::from_utf8_lossy(&quoted(text.as_bytes())).into_owned()
}

/// Asserts that `sh` can read a script.
#[cfg(test)]
pub(super) fn assert_read_by_sh(script: &str) {
    let mut child = std::process::Command::new("sh")
        .args(["-n"])
        .stdin(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(child.stdin.as_mut().unwrap(), script.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success(), "{script}");
}

#[cfg(test)]
mod tests {
    use sizar_model::resources::Walltime;
    use sizar_model::{Resources, SchedulerKind, Site};

    use super::*;
    use crate::scheduler::for_site;

    fn rendered(kind: SchedulerKind, profile: &Profile) -> String {
        let site = Site { scheduler: Some(kind), ..Site::default() };
        let scheduler = for_site(&site, "alice").unwrap();
        let resources =
            Resources { cpus: Some(2), walltime: Some(Walltime(600)), ..Resources::default() };
        script(&resources, &Scratch::Auto, profile, "/home/alice/.sizar".into(), &*scheduler)
            .unwrap()
    }

    #[test]
    fn a_script_claims_its_attempt_before_anything_else() {
        for kind in [SchedulerKind::Slurm, SchedulerKind::Oar] {
            let script = rendered(kind, &Profile::default());
            let claim = script.find("mkdir /home/alice/.sizar/runs/").unwrap();
            assert!(claim < script.find("exec ").unwrap(), "{script}");
        }
    }

    #[test]
    fn names_of_modules_are_words_of_their_own() {
        let modules = vec!["cuda/12.1".to_owned(), "x; rm -rf ~".to_owned()];
        let script = rendered(SchedulerKind::Slurm, &Profile { modules, ..Profile::default() });
        assert!(script.contains("module load cuda/12.1 || exit 125\n"), "{script}");
        assert!(script.contains("module load 'x; rm -rf ~' ||"), "{script}");
    }

    #[test]
    fn naming_a_folder_executes_nothing() {
        let of = |folder: &str| scratch(&Scratch::At(folder.into()), &Profile::default()).unwrap();
        assert_eq!(of("${SLURM_TMPDIR:-/tmp}"), "\"${SLURM_TMPDIR:-/tmp}\"");
        assert_eq!(of("/x/$(rm -rf ~)`id`\"y"), "\"/x/\\$(rm -rf ~)\\`id\\`\\\"y\"");
        let node_scratch = Some("$TMPDIR".to_owned());
        let script =
            rendered(SchedulerKind::Slurm, &Profile { node_scratch, ..Profile::default() });
        assert!(script.contains("SIZAR_NODE_SCRATCH=\"$TMPDIR\"; export"), "{script}");
        assert_eq!(scratch(&Scratch::No, &Profile::default()), None);
    }

    #[test]
    fn the_body_is_read_by_sh() {
        let script = rendered(SchedulerKind::Oar, &Profile::default());
        assert_read_by_sh(&script);
    }
}
