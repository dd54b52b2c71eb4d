//! Gets a run ready on its target: code and data there, the environment made there.

use std::io::Write;
use std::time::Duration;

use camino::Utf8PathBuf;
use sizar_model::{Activity, Checkout, Locator, Progress, RunId};

use super::downloads::downloads;
use super::push::push;
use super::there::{PREPARE, REHEARSE, Request, Said};
use super::{ElsewhereError, Layout, sent, ship};
use crate::acquire::acquire;
use crate::home::Home;
use crate::run::{self, BuildPlace, PrepareError, Rehearsed, RunPlan, RunRequest};
use crate::target::Place;
use crate::transport::{Answer, End, Step};

/// The longest that an environment is worked on, with everything around it.
const PATIENCE: Duration = Duration::from_hours(3);
/// The longest that a rehearsal takes.
const REHEARSAL: Duration = Duration::from_mins(6);
/// The most bytes that a plan has.
const PLAN: u64 = 16 << 20;

/// A run that is ready on its target.
#[derive(Clone, Debug)]
pub struct Preparation {
    /// As it is there.
    pub plan: RunPlan,
    /// The program that its job starts.
    pub program: Utf8PathBuf,
}

/// Brings a run's code and data to its target, and has its environment made there.
///
/// What is there already is used again: the program once for each build, an environment once for
/// each lock.
///
/// # Errors
///
/// [`ElsewhereError`] of the step that failed; a later try goes on from there.
pub fn prepare(
    home: &Home,
    place: &mut Place,
    run: &RunId,
    locator: &Locator,
    request: &RunRequest,
    progress: &dyn Progress,
) -> Result<Preparation, ElsewhereError> {
    let layout = Layout::at(place.root());
    let checkout = acquire(home, locator, &request.environment.acquire(), progress)
        .map_err(PrepareError::from)?;
    for note in &checkout.notes {
        progress.note(note.as_str());
    }
    let found = run::inputs(home, &checkout, &request.job.args, request);
    for note in &found.notes {
        progress.note(note.as_str());
    }
    if !request.job.network
        && let Ok(inspection) = run::inspect(&checkout)
    {
        for sentence in downloads(&inspection, &request.job.driver) {
            progress.note(sentence);
        }
    }
    let program = push(place, &layout, progress)?;
    let there = ship::source(place, &layout, run, &checkout, home.root(), progress)?;
    let (mut moved, inputs) = ship::data(place, &layout, run, request, &found.inputs, progress)?;
    moved.job.args.clone_from(&found.args);
    let asked = Request { checkout: there, request: moved, inputs };
    let mut local = request.clone();
    local.job.args = found.args;
    let work = Work { home, run, layout: &layout, checkout: &checkout, request: &local };
    let plan = match build_place(&work, place)? {
        BuildPlace::Here => here(&work, place, &asked, progress)?,
        BuildPlace::There => plan(place, &layout, run, &program, &asked, progress)?,
        BuildPlace::Auto => match plan(place, &layout, run, &program, &asked, progress) {
            Err(ElsewhereError::Environment { message, .. }) => {
                let name = &place.name;
                progress.note(format!("on {name}: {message}; it is made here and sent"));
                here(&work, place, &asked, progress)?
            }
            made => made?,
        },
    };
    if request.rehearsal {
        rehearsal(place, &layout, run, &program, progress)?;
    }
    Ok(Preparation { plan, program })
}

/// Has the driver started there, and ended when it has read its arguments.
fn rehearsal(
    place: &mut Place,
    layout: &Layout,
    run: &RunId,
    program: &camino::Utf8Path,
    progress: &dyn Progress,
) -> Result<(), ElsewhereError> {
    progress.begin("rehearsing the driver");
    let mut teller = Forward::to(progress);
    let step = Step::program(program.as_str(), [REHEARSE, layout.root().as_str(), run.as_str()])
        .limit(REHEARSAL);
    place.transport.drain(&step, &mut teller, progress)?;
    let name = &place.name;
    match teller.rehearsed {
        Some(Rehearsed::Well { words }) => {
            progress.end(format!("rehearsed the driver on {name}: {words}"));
            Ok(())
        }
        Some(Rehearsed::Fails { words }) => Err(ElsewhereError::Rehearsal { words }),
        Some(Rehearsed::Unknown { words }) => {
            progress.note(format!("the driver was rehearsed on {name} as far as it goes: {words}"));
            Ok(())
        }
        // what is not known stops nobody
        None => {
            progress.note(format!("the driver could not be rehearsed on {name}"));
            Ok(())
        }
    }
}

/// What a preparation works with.
struct Work<'a> {
    home: &'a Home,
    run: &'a RunId,
    layout: &'a Layout,
    /// As it is here.
    checkout: &'a Checkout,
    request: &'a RunRequest,
}

/// Decides where the environment is made, as far as that is known beforehand.
fn build_place(work: &Work<'_>, place: &mut Place) -> Result<BuildPlace, ElsewhereError> {
    if work.request.build != BuildPlace::Auto {
        return Ok(work.request.build);
    }
    if place.profile.machine.internet == Some(false) {
        return Ok(BuildPlace::Here);
    }
    // what was made here and sent before needs no second try there
    let Some(plan) = run::remembered_plan(work.home, work.checkout, work.request) else {
        return Ok(BuildPlace::Auto);
    };
    let python = sent::folder(work.layout.root(), &plan).join("env/bin/python");
    let answers = place.transport.run(&[Step::program("test", ["-e", python.as_str()])])?;
    let sent = answers.first().is_some_and(Answer::is_success);
    Ok(if sent { BuildPlace::Here } else { BuildPlace::Auto })
}

/// Makes the environment here, sends it, and writes the plan there.
fn here(
    work: &Work<'_>,
    place: &mut Place,
    asked: &Request,
    progress: &dyn Progress,
) -> Result<RunPlan, ElsewhereError> {
    let local = run::plan_for(work.home, work.checkout, work.request, progress)?;
    let mut plan = sent::send(place, &local, progress)?;
    plan.checkout = asked.checkout.clone();
    plan.job = asked.request.job.clone();
    plan.inputs.clone_from(&asked.inputs);
    put(place, &work.layout.plan(work.run), plan.to_json()?, "write the plan")?;
    Ok(plan)
}

/// Writes a small file there that only the account reads; an error calls that `step`.
pub(super) fn put(
    place: &mut Place,
    path: &camino::Utf8Path,
    text: impl Into<Vec<u8>>,
    step: &'static str,
) -> Result<(), ElsewhereError> {
    let answers = place.transport.run(&[Step::put_file(path.as_str(), text, 0o600)])?;
    match answers.first().filter(|answer| !answer.is_success()) {
        Some(failed) => {
            let message = String::from_utf8_lossy(&failed.stderr).trim().to_owned();
            Err(ElsewhereError::Step { step, message })
        }
        None => Ok(()),
    }
}

/// Has the plan made there, and reads it.
fn plan(
    place: &mut Place,
    layout: &Layout,
    run: &RunId,
    program: &camino::Utf8Path,
    asked: &Request,
    progress: &dyn Progress,
) -> Result<RunPlan, ElsewhereError> {
    let json = |source| ElsewhereError::Json { what: "request", source };
    let text = serde_json::to_vec(asked).map_err(json)?;
    put(place, &layout.request(run), text, "write the request")?;
    let mut teller = Forward::to(progress);
    let step = Step::program(program.as_str(), [PREPARE, layout.root().as_str(), run.as_str()])
        .limit(PATIENCE);
    let answer = place.transport.drain(&step, &mut teller, progress)?;
    if let Some((message, hints)) = teller.failure {
        return Err(ElsewhereError::Environment { message, hints });
    }
    if !teller.done {
        let said = String::from_utf8_lossy(&answer.stderr).trim().to_owned();
        let message = match answer.end {
            End::TimedOut => "it took more than three hours".to_owned(),
            _ if said.is_empty() => "it ended without saying why".to_owned(),
            _ => said,
        };
        return Err(ElsewhereError::Environment { message, hints: Vec::new() });
    }
    let answers = place.transport.run(&[Step::get_file(layout.plan(run).as_str(), PLAN)])?;
    let text = answers.first().map(|answer| answer.text().into_owned()).unwrap_or_default();
    Ok(RunPlan::from_json(&text)?)
}

/// Passes on what the sizar there says, as if it were said here.
struct Forward<'a> {
    progress: &'a dyn Progress,
    /// The beginning of a line that has not ended.
    rest: Vec<u8>,
    failure: Option<(String, Vec<String>)>,
    rehearsed: Option<Rehearsed>,
    done: bool,
}

/// The longest line that is waited for.
const LONGEST: usize = 1 << 20;

impl<'a> Forward<'a> {
    fn to(progress: &'a dyn Progress) -> Self {
        Self { progress, rest: Vec::new(), failure: None, rehearsed: None, done: false }
    }

    fn line(&mut self, line: &[u8]) {
        let Ok(said) = serde_json::from_slice::<Said>(line) else { return };
        match said {
            Said::Began { what } => self.progress.report(Activity::Began { what }),
            Said::Ended { what } => self.progress.report(Activity::Ended { what }),
            Said::Line { text } => self.progress.report(Activity::Line { text }),
            Said::Note { text } => self.progress.report(Activity::Note { text }),
            Said::Warning { text } => self.progress.report(Activity::Warning { text }),
            Said::Done => self.done = true,
            Said::Rehearsed { rehearsed } => self.rehearsed = Some(rehearsed),
            Said::Failed { message, hints } => self.failure = Some((message, hints)),
        }
    }
}

impl Write for Forward<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.rest.extend_from_slice(bytes);
        while let Some(end) = self.rest.iter().position(|&byte| byte == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=end).collect();
            self.line(&line);
        }
        if self.rest.len() > LONGEST {
            self.rest.clear();
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
