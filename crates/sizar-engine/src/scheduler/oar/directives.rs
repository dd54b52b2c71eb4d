//! The `#OAR` lines of a script.
//!
//! OAR takes the rest of a line as it is, without quotes, and reads one option a line. It reads
//! the whole file: a body must hold no such line.

use std::fmt::Write as _;

use sizar_model::{MailEvent, Resources};

use super::dialect::Oar;
use crate::scheduler::script::{no_directives, one_line};
use crate::scheduler::{JobScript, ScriptError};

/// The number of SIGUSR1, which the job is told with that its time is nearly up.
const SIGUSR1: u8 = 10;

/// Renders a batch script.
pub(super) fn script(oar: &Oar, job: &JobScript<'_>) -> Result<String, ScriptError> {
    no_directives(job.body, &["#OAR"])?;
    unsupported(job.resources)?;
    let mut lines = Lines { text: format!("#!{}\n", one_line("shell", job.shell)?) };
    lines.option("-n", "name", job.name.as_str())?;
    lines.option("-l", "resources", &resource_request(job.resources))?;
    if let Some(expression) = properties(oar, job.resources)? {
        lines.option("-p", "constraint", &expression)?;
    }
    if job.resources.memory.is_some() && oar.memory_property.is_none() {
        lines.remark("this site has no property for memory: what was asked for is not requested");
    }
    if let Some(queue) = &job.resources.partition {
        lines.word("-q", "queue", queue)?;
    }
    if let Some(project) = &job.resources.account {
        lines.word("--project", "project", project)?;
    }
    if job.resources.preemptible {
        lines.option("-t", "type", "besteffort")?;
    }
    if job.requeue {
        lines.option("-t", "type", "idempotent")?;
    }
    if let Some(container) = &job.resources.reservation {
        lines.word("-t", "reservation", &format!("inner={container}"))?;
    }
    if let Some(before) = job.resources.signal_before {
        lines.option("--checkpoint", "signal", &before.0.to_string())?;
        lines.option("--signal", "signal", &SIGUSR1.to_string())?;
    }
    notify(&mut lines, job.resources)?;
    for after in job.after {
        lines.option("-a", "dependency", &after.job.id.to_string())?;
    }
    if let Some(array) = job.array {
        lines.option("--array", "array", &array.count().to_string())?;
    }
    lines.option("-O", "output path", &job.stdout.as_str().replace("{job}", "%jobid%"))?;
    lines.option("-E", "error path", &job.stderr.as_str().replace("{job}", "%jobid%"))?;
    lines.option("-d", "folder", job.folder.as_str())?;
    lines.further(&job.resources.scheduler_args)?;
    Ok(format!("{}\n{}", lines.text, job.body))
}

/// Refuses what OAR has no word for.
fn unsupported(wish: &Resources) -> Result<(), ScriptError> {
    let no = |field| Err(ScriptError::Unsupported { field, scheduler: "OAR" });
    if wish.qos.is_some() {
        return no("QOS");
    }
    if !wish.licences.is_empty() {
        return no("licences");
    }
    Ok(())
}

/// Writes `/nodes=2/core=4,walltime=1:00:00`; whole nodes where they are to be exclusive.
fn resource_request(wish: &Resources) -> String {
    let nodes = wish.nodes.unwrap_or(1).max(1);
    let mut text = format!("/nodes={nodes}");
    let tasks = wish.tasks.unwrap_or(1).max(1).div_ceil(nodes);
    let cores = wish.cpus.map_or_else(|| wish.tasks.map(|_| tasks), |cpus| Some(cpus * tasks));
    let gpus = wish.gpus.filter(|gpus| *gpus > 0);
    if let Some(gpus) = gpus {
        let _ = write!(text, "/gpu={gpus}");
    }
    if !wish.exclusive {
        match (cores, gpus) {
            // cores belong to a GPU: the same number with each
            (Some(cores), Some(gpus)) => {
                let _ = write!(text, "/core={}", cores.div_ceil(gpus));
            }
            (cores, None) => {
                let _ = write!(text, "/core={}", cores.unwrap_or(1));
            }
            (None, Some(_)) => {}
        }
    }
    if let Some(time) = wish.walltime {
        let _ = write!(text, ",walltime={}:{}:{}", time.0 / 3600, time.0 / 60 % 60, time.0 % 60);
    }
    text
}

/// Joins the user's expression with what memory and GPU type mean at this site.
fn properties(oar: &Oar, wish: &Resources) -> Result<Option<String>, ScriptError> {
    let mut terms = Vec::new();
    if let Some(expression) = &wish.constraint {
        terms.push(expression.clone());
    }
    if let (Some(property), Some(memory)) = (&oar.memory_property, wish.memory) {
        terms.push(format!("{property} >= {}", memory.0.div_ceil(1 << 20)));
    }
    if let Some(kind) = wish.gpu_type.as_ref().filter(|_| wish.gpus.is_some_and(|gpus| gpus > 0)) {
        let Some(property) = &oar.gpu_property else {
            return Err(ScriptError::Unsupported { field: "GPU type here", scheduler: "OAR" });
        };
        let quote = |c: &char| matches!(c, '\'' | '"' | '\\');
        if let Some(character) = kind.chars().find(|c| quote(c)) {
            return Err(ScriptError::Character {
                field: "GPU type",
                value: kind.clone(),
                character,
                scheduler: "OAR",
            });
        }
        terms.push(format!("{property} = '{kind}'"));
    }
    Ok(match &terms[..] {
        [] => None,
        [only] => Some(only.clone()),
        several => {
            Some(several.iter().map(|term| format!("({term})")).collect::<Vec<_>>().join(" AND "))
        }
    })
}

fn notify(lines: &mut Lines, wish: &Resources) -> Result<(), ScriptError> {
    let Some(mail) = &wish.mail else { return Ok(()) };
    let events = if mail.on.is_empty() { &[MailEvent::End, MailEvent::Fail] } else { &mail.on[..] };
    let words: Vec<&str> = events
        .iter()
        .map(|event| match event {
            MailEvent::Begin => "RUNNING",
            MailEvent::End => "END",
            MailEvent::Fail => "ERROR",
        })
        .collect();
    let address = plain_word("mail address", &mail.to)?;
    lines.option("--notify", "mail address", &format!("[{}]mail:{address}", words.join(",")))
}

/// Returns a name that OAR hands to no shell and no database as anything but a name.
fn plain_word<'a>(field: &'static str, value: &'a str) -> Result<&'a str, ScriptError> {
    let harmless = |c: char| c.is_alphanumeric() || "._-+@=:/".contains(c);
    match one_line(field, value)?.chars().find(|c| !harmless(*c)) {
        Some(character) => Err(ScriptError::Character {
            field,
            value: value.to_owned(),
            character,
            scheduler: "OAR",
        }),
        None => Ok(value),
    }
}

struct Lines {
    text: String,
}

impl Lines {
    fn option(&mut self, name: &str, field: &'static str, value: &str) -> Result<(), ScriptError> {
        let _ = writeln!(self.text, "#OAR {name} {}", one_line(field, value)?);
        Ok(())
    }

    fn word(&mut self, name: &str, field: &'static str, value: &str) -> Result<(), ScriptError> {
        self.option(name, field, plain_word(field, value)?)
    }

    fn remark(&mut self, text: &str) {
        let _ = writeln!(self.text, "# {text}");
    }

    /// Adds the user's words, each option with its value on a line of its own.
    fn further(&mut self, words: &[String]) -> Result<(), ScriptError> {
        let mut open = false;
        for word in words {
            let word = one_line("scheduler argument", word)?;
            if word.starts_with('-') {
                // OAR would read `--project=x` as the project `=x`
                let (name, value) = match word.split_once('=') {
                    Some((name, value)) if name.starts_with("--") => (name, Some(value)),
                    _ => (word, None),
                };
                let end = if open { "\n" } else { "" };
                let _ = write!(self.text, "{end}#OAR {name}");
                if let Some(value) = value {
                    let _ = write!(self.text, " {value}");
                }
                open = true;
            } else if open {
                let _ = write!(self.text, " {word}");
            } else {
                return Err(ScriptError::Unsupported {
                    field: "scheduler argument without an option before it",
                    scheduler: "OAR",
                });
            }
        }
        if open {
            self.text.push('\n');
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use sizar_model::resources::ByteSize;
    use sizar_model::{JobHandle, Mail, Walltime};

    use super::*;
    use crate::scheduler::script::tests::plain;
    use crate::scheduler::{ArrayRange, Dependency};

    #[test]
    fn every_wish_has_a_line() {
        let oar = Oar {
            memory_property: Some("memnode".into()),
            gpu_property: Some("gpu_model".into()),
            ..Oar::new("alice")
        };
        let name = "sizar-key-1".parse().unwrap();
        let resources = Resources {
            cpus: Some(4),
            memory: Some(ByteSize(4 << 30)),
            gpus: Some(2),
            walltime: Some(Walltime(90_061)),
            nodes: Some(2),
            tasks: Some(4),
            gpu_type: Some("Tesla V100".into()),
            partition: Some("production".into()),
            account: Some("proj1".into()),
            constraint: Some("cluster='c1' OR cluster='c2'".into()),
            reservation: Some("42".into()),
            preemptible: true,
            mail: Some(Mail { to: "a@b.c".into(), on: Vec::new() }),
            signal_before: Some(Walltime(300)),
            scheduler_args: ["--hold", "-t", "cosystem", "--type=noop"].map(str::to_owned).to_vec(),
            ..Resources::default()
        };
        let after = [Dependency { job: JobHandle::new(7), success: false }];
        let job = JobScript {
            array: Some(ArrayRange { first: 0, last: 9, at_once: None }),
            after: &after,
            ..plain(&name, &resources)
        };
        insta::assert_snapshot!(script(&oar, &job).unwrap(), @r"
        #!/bin/sh
        #OAR -n sizar-key-1
        #OAR -l /nodes=2/gpu=2/core=4,walltime=25:1:1
        #OAR -p (cluster='c1' OR cluster='c2') AND (memnode >= 4096) AND (gpu_model = 'Tesla V100')
        #OAR -q production
        #OAR --project proj1
        #OAR -t besteffort
        #OAR -t inner=42
        #OAR --checkpoint 300
        #OAR --signal 10
        #OAR --notify [END,ERROR]mail:a@b.c
        #OAR -a 7
        #OAR --array 10
        #OAR -O /home/alice/run/job-%jobid%.out
        #OAR -E /home/alice/run/job-%jobid%.err
        #OAR -d /home/alice/run
        #OAR --hold
        #OAR -t cosystem
        #OAR --type noop

        echo hello
        ");
    }

    #[test]
    fn a_short_request_makes_a_short_script() {
        let name = "k".parse().unwrap();
        let resources = Resources { memory: Some(ByteSize(1 << 30)), ..Resources::default() };
        insta::assert_snapshot!(script(&Oar::new("alice"), &plain(&name, &resources)).unwrap(), @r"
        #!/bin/sh
        #OAR -n k
        #OAR -l /nodes=1/core=1
        # this site has no property for memory: what was asked for is not requested
        #OAR -O /home/alice/run/job-%jobid%.out
        #OAR -E /home/alice/run/job-%jobid%.err
        #OAR -d /home/alice/run

        echo hello
        ");
    }

    #[test]
    fn whole_nodes_have_no_cores_counted() {
        let request = |resources: &Resources| resource_request(resources);
        let wish =
            Resources { nodes: Some(3), exclusive: true, cpus: Some(4), ..Resources::default() };
        assert_eq!(request(&wish), "/nodes=3");
        let wish = Resources { tasks: Some(5), nodes: Some(2), ..Resources::default() };
        assert_eq!(request(&wish), "/nodes=2/core=3");
        let wish = Resources { gpus: Some(1), ..Resources::default() };
        assert_eq!(request(&wish), "/nodes=1/gpu=1");
    }

    #[test]
    fn a_value_cannot_become_a_directive() {
        let oar = Oar::new("alice");
        let name = "k".parse().unwrap();
        let refused = |resources: &Resources| script(&oar, &plain(&name, resources)).is_err();
        for queue in ["a\n#OAR -t deploy", "a\rb", "a; rm -rf /", "$(id)", "a`id`"] {
            assert!(refused(&Resources { partition: Some(queue.into()), ..Resources::default() }));
        }
        assert!(refused(&Resources {
            constraint: Some("a\n#OAR -l x".into()),
            ..Resources::default()
        }));
        assert!(refused(&Resources { qos: Some("x".into()), ..Resources::default() }));
        assert!(refused(&Resources { licences: vec!["x".into()], ..Resources::default() }));
        assert!(refused(&Resources { scheduler_args: vec!["x".into()], ..Resources::default() }));
        let resources = Resources::default();
        let job = JobScript { body: "true\n#OAR -t deploy\n", ..plain(&name, &resources) };
        assert!(matches!(script(&oar, &job), Err(ScriptError::DirectiveInBody { line: 2, .. })));
    }
}
