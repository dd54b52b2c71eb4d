//! Looks at a site once, and changes nothing there.

use std::time::Duration;

use jiff::Timestamp;
use sizar_model::{Output, SchedulerKind, Site};

use super::machine::{Batch, SCRIPT};
use super::{Machine, Profile, TargetError};
use crate::scheduler::{Oar, Scheduler, Slurm};
use crate::transport::{Answer, End, Step, Transport};

/// How long the whole script about the machine may take.
const PATIENCE: Duration = Duration::from_secs(90);
/// How long one question to a scheduler may take: a controller that is away takes 20 seconds.
const QUESTION: Duration = Duration::from_secs(45);

/// What was learned of a site.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Probed {
    pub machine: Machine,
    pub site: Site,
    /// What batch scripts should be read by, and what they find on the nodes.
    pub node_scratch: Option<String>,
    /// What could not be found out, and why.
    pub unanswered: Vec<String>,
}

impl Probed {
    /// Returns what was learned as a layer of a profile.
    pub fn layer(&self, at: Timestamp) -> Profile {
        Profile {
            node_scratch: self.node_scratch.clone(),
            probed: Some(at),
            machine: self.machine.clone(),
            site: self.site.clone(),
            ..Profile::default()
        }
    }
}

/// Looks at the site behind `transport`: two round trips, read only.
///
/// `wished` chooses among several schedulers.
///
/// # Errors
///
/// [`TargetError::Transport`] where it cannot be reached. What a scheduler does not answer is
/// told in [`Probed::unanswered`].
pub fn probe(
    transport: &mut dyn Transport,
    wished: Option<SchedulerKind>,
) -> Result<Probed, TargetError> {
    let about = transport.run(&[Step::script(SCRIPT).limit(PATIENCE)])?;
    let answer = about.first().filter(|answer| !answer.stdout.is_empty());
    let text = answer
        .map(|answer| answer.text().into_owned())
        .ok_or_else(|| TargetError::Unreadable { name: transport.name() })?;
    let (machine, batch) = Machine::read(&text);
    let user = machine.user.clone().unwrap_or_default();
    let Batch { slurm, oar, node_scratch } = batch;
    let mut probed = Probed { machine, node_scratch, ..Probed::default() };
    let kind = match (slurm, oar) {
        (true, true) => wished.unwrap_or(SchedulerKind::Slurm),
        (true, false) => SchedulerKind::Slurm,
        (false, true) => SchedulerKind::Oar,
        (false, false) => return Ok(probed),
    };
    let scheduler: Box<dyn Scheduler> = match kind {
        SchedulerKind::Slurm => Box::new(Slurm::new(&user)),
        SchedulerKind::Oar => Box::new(Oar::new(&user)),
    };
    probed.site.scheduler = Some(scheduler.kind());
    let steps: Vec<Step> = scheduler
        .probe()
        .iter()
        .map(|question| Step::from(question).limit(QUESTION).keep(Step::MOST_OUTPUT))
        .collect();
    let outputs: Vec<Output> = transport.run(&steps)?.iter().map(output).collect();
    match scheduler.read_probe(&outputs) {
        Ok(site) => probed.site = site,
        Err(error) => probed.unanswered.push(crate::run::chain(&error)),
    }
    if slurm && oar && wished.is_none() {
        probed.unanswered.push(format!("both Slurm and OAR are there; {kind} is used"));
    }
    if let Some(wished) = wished.filter(|&wished| wished != kind) {
        probed.unanswered.push(format!("{wished} is not there; {kind} is used"));
    }
    if probed.node_scratch.is_none() {
        probed.node_scratch = match probed.site.scheduler {
            // Slurm sets none; sites that make a folder for each job set this
            Some(SchedulerKind::Slurm) => Some("${SLURM_TMPDIR:-${TMPDIR:-/tmp}}".to_owned()),
            Some(SchedulerKind::Oar) => Some("${TMPDIR:-/tmp}".to_owned()),
            None => None,
        };
    }
    Ok(probed)
}

/// Turns a transport's answer into what a scheduler reads.
pub(crate) fn output(answer: &Answer) -> Output {
    Output {
        code: match answer.end {
            End::Exited(code) => Some(code),
            _ => None,
        },
        stdout: answer.text().into_owned(),
        stderr: String::from_utf8_lossy(&answer.stderr).into_owned(),
    }
}
