//! The `#SBATCH` lines of a script.

use std::fmt::Write as _;

use camino::Utf8Path;
use sizar_model::site::SchedulerVersion;
use sizar_model::{MailEvent, Resources, Walltime};

use crate::scheduler::script::{no_directives, one_line};
use crate::scheduler::{JobScript, ScriptError};

/// What `sbatch` takes directives from; it reads the last two as PBS and LSF do.
const PREFIXES: [&str; 3] = ["#SBATCH", "#PBS", "#BSUB"];

/// The longest warning that `--signal` takes, in seconds.
const LONGEST_WARNING: u64 = 65_535;

/// The first version whose long form of `-D` is `--chdir`; it was `--workdir` before.
const CHDIR: SchedulerVersion = SchedulerVersion(17, 11, 0);

/// Renders a batch script.
pub(super) fn script(
    version: Option<SchedulerVersion>,
    job: &JobScript<'_>,
) -> Result<String, ScriptError> {
    no_directives(job.body, &PREFIXES)?;
    let mut lines = Lines { text: format!("#!{}\n", one_line("shell", job.shell)?) };
    lines.option("job-name", "name", job.name.as_str())?;
    resources(&mut lines, job.resources)?;
    if let Some(array) = job.array {
        lines.option("array", "array", &array.to_string())?;
    }
    if !job.after.is_empty() {
        let words: Vec<String> = job
            .after
            .iter()
            .map(|after| {
                let kind = if after.success { "afterok" } else { "afterany" };
                format!("{kind}:{}", after.job.word())
            })
            .collect();
        lines.option("dependency", "dependency", &words.join(","))?;
        // it would wait for ever
        lines.option("kill-on-invalid-dep", "dependency", "yes")?;
    }
    lines.flag(if job.requeue { "requeue" } else { "no-requeue" });
    let array = job.array.is_some();
    lines.option("output", "output path", &pattern(job.stdout, array))?;
    lines.option("error", "error path", &pattern(job.stderr, array))?;
    if array && !job.stdout.as_str().contains("{job}") {
        // all tasks write into one file
        lines.option("open-mode", "output mode", "append")?;
    }
    if version.is_some_and(|version| version < CHDIR) {
        lines.words(&["-D".to_owned(), job.folder.to_string()], "folder")?;
    } else {
        lines.option("chdir", "folder", job.folder.as_str())?;
    }
    // nothing of the shell that submits is carried into the job
    lines.option("export", "environment", "NONE")?;
    lines.words(&job.resources.scheduler_args, "scheduler argument")?;
    Ok(format!("{}\n{}", lines.text, job.body))
}

fn resources(lines: &mut Lines, wish: &Resources) -> Result<(), ScriptError> {
    if let Some(time) = wish.walltime {
        lines.option("time", "walltime", &clock(time))?;
    }
    if let Some(nodes) = wish.nodes {
        lines.option("nodes", "nodes", &nodes.to_string())?;
    }
    lines.option("ntasks", "tasks", &wish.tasks.unwrap_or(1).to_string())?;
    if let Some(cpus) = wish.cpus {
        lines.option("cpus-per-task", "cpus", &cpus.to_string())?;
    }
    if let Some(memory) = wish.memory {
        lines.option("mem", "memory", &format!("{}M", memory.0.div_ceil(1 << 20)))?;
    }
    if let Some(gpus) = wish.gpus.filter(|gpus| *gpus > 0) {
        // `--gpus` came with 19.05 and needs select/cons_tres; this holds everywhere
        let gres = match &wish.gpu_type {
            Some(kind) => format!("gpu:{}:{gpus}", no_comma("GPU type", kind)?),
            None => format!("gpu:{gpus}"),
        };
        lines.option("gres", "GPU type", &gres)?;
    }
    let named = [
        ("partition", "partition", &wish.partition),
        ("account", "account", &wish.account),
        ("qos", "QOS", &wish.qos),
        ("constraint", "constraint", &wish.constraint),
        ("reservation", "reservation", &wish.reservation),
    ];
    for (option, field, value) in named {
        if let Some(value) = value {
            lines.option(option, field, value)?;
        }
    }
    if wish.exclusive {
        lines.flag("exclusive");
    }
    if !wish.licences.is_empty() {
        for licence in &wish.licences {
            no_comma("licence", licence)?;
        }
        lines.option("licenses", "licence", &wish.licences.join(","))?;
    }
    if let Some(mail) = &wish.mail {
        let events =
            if mail.on.is_empty() { &[MailEvent::End, MailEvent::Fail] } else { &mail.on[..] };
        let words: Vec<&str> = events
            .iter()
            .map(|event| match event {
                MailEvent::Begin => "BEGIN",
                MailEvent::End => "END",
                MailEvent::Fail => "FAIL",
            })
            .collect();
        lines.option("mail-type", "mail events", &words.join(","))?;
        lines.option("mail-user", "mail address", &mail.to)?;
    }
    if let Some(before) = wish.signal_before {
        let seconds = before.0.min(LONGEST_WARNING);
        // to the batch shell alone, which passes it on; it may come up to a minute early
        lines.option("signal", "signal", &format!("B:USR1@{seconds}"))?;
    }
    Ok(())
}

/// Writes `1-02:03:04`, or `02:03:04` under a day.
fn clock(time: Walltime) -> String {
    let day = 24 * 3600;
    match time.0 / day {
        0 => time.to_string(),
        days => format!("{days}-{}", Walltime(time.0 % day)),
    }
}

/// Writes a path for `--output`, in which `%` starts a pattern.
fn pattern(path: &Utf8Path, array: bool) -> String {
    let job = if array { "%A_%a" } else { "%j" };
    path.as_str().replace('%', "%%").replace("{job}", job)
}

fn no_comma<'a>(field: &'static str, value: &'a str) -> Result<&'a str, ScriptError> {
    if value.contains(',') {
        return Err(ScriptError::Character {
            field,
            value: value.to_owned(),
            character: ',',
            scheduler: "Slurm",
        });
    }
    Ok(value)
}

struct Lines {
    text: String,
}

impl Lines {
    fn flag(&mut self, name: &str) {
        let _ = writeln!(self.text, "#SBATCH --{name}");
    }

    fn option(&mut self, name: &str, field: &'static str, value: &str) -> Result<(), ScriptError> {
        let value = quoted(one_line(field, value)?);
        let _ = writeln!(self.text, "#SBATCH --{name}={value}");
        Ok(())
    }

    /// Adds a line with several words, each one argument.
    fn words(&mut self, words: &[String], field: &'static str) -> Result<(), ScriptError> {
        if words.is_empty() {
            return Ok(());
        }
        let words = words
            .iter()
            .map(|word| Ok(quoted(one_line(field, word)?)))
            .collect::<Result<Vec<_>, _>>()?;
        let _ = writeln!(self.text, "#SBATCH {}", words.join(" "));
        Ok(())
    }
}

/// Quotes a value as `sbatch` reads it: a `#` would start a comment and a blank end the word; a
/// backslash takes the next character as it is, inside of quotes too.
fn quoted(value: &str) -> String {
    let plain = |c: char| !c.is_whitespace() && !matches!(c, '"' | '\'' | '\\' | '#');
    if !value.is_empty() && value.chars().all(plain) {
        return value.to_owned();
    }
    let escaped = value.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{escaped}\"")
}

#[cfg(test)]
mod tests {
    use sizar_model::resources::ByteSize;
    use sizar_model::{JobHandle, Mail};

    use super::*;
    use crate::scheduler::script::tests::plain;
    use crate::scheduler::{ArrayRange, Dependency};

    #[test]
    fn every_wish_has_a_line() {
        let name = "sizar-key-1".parse().unwrap();
        let resources = Resources {
            cpus: Some(4),
            memory: Some(ByteSize((4 << 30) + 1)),
            gpus: Some(2),
            walltime: Some(Walltime(90_061)),
            nodes: Some(2),
            tasks: Some(8),
            gpu_type: Some("a100".into()),
            partition: Some("gpu".into()),
            account: Some("proj1".into()),
            qos: Some("premium".into()),
            constraint: Some("skylake&ib".into()),
            reservation: Some("course".into()),
            preemptible: true,
            exclusive: true,
            licences: vec!["matlab:1".into(), "ansys".into()],
            mail: Some(Mail { to: "a@b.c".into(), on: Vec::new() }),
            signal_before: Some(Walltime(300)),
            scheduler_args: vec!["-x".into(), "cpu[01-02]".into(), "--comment=two words".into()],
        };
        let after = [Dependency { job: JobHandle::new(7), success: true }];
        let job = JobScript {
            array: Some(ArrayRange { first: 0, last: 9, at_once: Some(2) }),
            after: &after,
            requeue: true,
            ..plain(&name, &resources)
        };
        insta::assert_snapshot!(script(None, &job).unwrap(), @r#"
        #!/bin/sh
        #SBATCH --job-name=sizar-key-1
        #SBATCH --time=1-01:01:01
        #SBATCH --nodes=2
        #SBATCH --ntasks=8
        #SBATCH --cpus-per-task=4
        #SBATCH --mem=4097M
        #SBATCH --gres=gpu:a100:2
        #SBATCH --partition=gpu
        #SBATCH --account=proj1
        #SBATCH --qos=premium
        #SBATCH --constraint=skylake&ib
        #SBATCH --reservation=course
        #SBATCH --exclusive
        #SBATCH --licenses=matlab:1,ansys
        #SBATCH --mail-type=END,FAIL
        #SBATCH --mail-user=a@b.c
        #SBATCH --signal=B:USR1@300
        #SBATCH --array=0-9%2
        #SBATCH --dependency=afterok:7
        #SBATCH --kill-on-invalid-dep=yes
        #SBATCH --requeue
        #SBATCH --output=/home/alice/run/job-%A_%a.out
        #SBATCH --error=/home/alice/run/job-%A_%a.err
        #SBATCH --chdir=/home/alice/run
        #SBATCH --export=NONE
        #SBATCH -x cpu[01-02] "--comment=two words"

        echo hello
        "#);
    }

    #[test]
    fn a_short_request_makes_a_short_script() {
        let name = "k".parse().unwrap();
        let resources = Resources::default();
        let text = script(Some(SchedulerVersion(17, 2, 9)), &plain(&name, &resources)).unwrap();
        insta::assert_snapshot!(text, @r"
        #!/bin/sh
        #SBATCH --job-name=k
        #SBATCH --ntasks=1
        #SBATCH --no-requeue
        #SBATCH --output=/home/alice/run/job-%j.out
        #SBATCH --error=/home/alice/run/job-%j.err
        #SBATCH -D /home/alice/run
        #SBATCH --export=NONE

        echo hello
        ");
    }

    #[test]
    fn a_value_cannot_become_a_directive() {
        let name = "k".parse().unwrap();
        let with = |partition: &str| Resources {
            partition: Some(partition.to_owned()),
            ..Resources::default()
        };
        let line = |partition: &str| {
            let resources = with(partition);
            let text = script(None, &plain(&name, &resources)).unwrap();
            text.lines().find(|line| line.contains("--partition")).unwrap().to_owned()
        };
        assert_eq!(line("a --wrap=x"), r#"#SBATCH --partition="a --wrap=x""#);
        assert_eq!(line("a#b"), "#SBATCH --partition=\"a#b\"");
        assert_eq!(line(r#"a" --wrap=x "\"#), r#"#SBATCH --partition="a\" --wrap=x \"\\""#);
        for partition in ["a\n#SBATCH --wrap=x", "a\rb", "a\u{0}"] {
            let resources = with(partition);
            let refused = script(None, &plain(&name, &resources));
            assert!(matches!(
                refused,
                Err(ScriptError::ControlCharacter { field: "partition", .. })
            ));
        }
        let resources =
            Resources { gpus: Some(1), gpu_type: Some("a,b".into()), ..Resources::default() };
        assert!(script(None, &plain(&name, &resources)).is_err());
    }

    #[test]
    fn a_body_gives_no_directives() {
        let name = "k".parse().unwrap();
        let resources = Resources::default();
        let job = JobScript { body: "true\n#SBATCH -p gpu\n", ..plain(&name, &resources) };
        assert_eq!(
            script(None, &job),
            Err(ScriptError::DirectiveInBody { line: 2, text: "#SBATCH -p gpu".into() })
        );
    }
}
