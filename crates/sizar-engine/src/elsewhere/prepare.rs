//! Gets a run ready on its target: code and data there, the environment made there.

use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use sizar_model::{Checkout, Locator, Progress, RunId};

use super::beforehand::Beforehand;
use super::carry::{Carrier, Look};
use super::forward::Forward;
use super::manifest::Manifest;
use super::push::push_and_look;
use super::remembered::{self, Remembered};
use super::sent::Form;
use super::ship::Freight;
use super::there::{PREPARE, REHEARSE, Request, SETTLE};
use super::tree::Source;
use super::{ElsewhereError, Layout, plain, push, sent, ship};
use crate::acquire::acquire;
use crate::home::Home;
use crate::run::{self, BuildPlace, Found, PrepareError, Rehearsed, RunPlan, RunRequest};
use crate::target::{Place, Profile};
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
    /// What is still to be done there, in the round trip that hands the job over.
    pub first: Vec<Step>,
}

/// What is to be prepared.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The source with its secrets.
    pub locator: &'a Locator,
    pub request: &'a RunRequest,
    pub trust: Trust,
}

/// How much of what was sent before is believed to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// All of it: the round trip that hands the job over finds out.
    Remembered,
    /// Nothing: it is looked at.
    Nothing,
}

/// Brings a run's code and data to its target, and has its environment made there.
///
/// What is there already is used again: the program once for each build, a source's files once for
/// each content, an environment once for each lock. Where a source was sent before and no change
/// in it asks for another environment, nothing is done yet: see [`Preparation::first`].
///
/// # Errors
///
/// [`ElsewhereError`] of the step that failed; a later try goes on from there.
pub fn prepare(
    home: &Home,
    place: &mut Place,
    run: &RunId,
    wanted: &Wanted<'_>,
    progress: &dyn Progress,
) -> Result<Preparation, ElsewhereError> {
    let Wanted { locator, request, trust } = *wanted;
    let layout = Layout::at(place.root());
    let (connected, read) = std::thread::scope(|scope| {
        // logging in takes as long as reading what is here
        let transport = &mut place.transport;
        let connecting = scope.spawn(|| transport.run(&[]));
        let read = read(home, locator, request, progress);
        (connecting.join(), read)
    });
    let Read { checkout, found, mut manifest, freight, notes } = read?;
    connected.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
    let source = Source { checkout: &checkout, manifest: &manifest };
    let known = Remembered::read(home, place, &checkout);
    if let Some(known) = known.as_ref().filter(|_| trust == Trust::Remembered) {
        let profile = &place.profile;
        let warm = Warm { home, profile, layout: &layout, run, known, source: &source };
        if let Some((ready, bytes)) = warm.ready(request, &found)? {
            place.payload.sent += bytes;
            return Ok(ready);
        }
    }
    for note in found.notes.iter().chain(&notes) {
        progress.note(note.as_str());
    }
    let beforehand = Beforehand::of(&checkout, request, &place.profile);
    for sentence in &beforehand.sentences {
        progress.note(sentence.as_str());
    }
    let run_there = layout.run(run);
    let names = std::iter::once(manifest.name()).chain(freight.names()).collect();
    let look = Look { folder: &run_there, names };
    let (worker, seen) = match push_and_look(home, place, &layout, &look, progress) {
        Ok((program, seen)) => (Some(program), Some(seen)),
        Err(ElsewhereError::NotExecutable { message }) => {
            let name = &place.name;
            progress.note(format!(
                "sizar does not execute on {name} ({message}): a plain script does its work there, \
                 without a sandbox"
            ));
            (None, None)
        }
        Err(error) => return Err(error),
    };
    let carrier = Carrier { home, layout: &layout, program: worker.as_deref(), progress };
    let seen = match seen {
        Some(seen) => seen,
        None => carrier.look(place, &look)?,
    };
    if !seen.contains(&manifest.name()) {
        source.send(place, &carrier)?;
    }
    let there = source.there(&layout);
    let (mut moved, inputs) =
        ship::data(place, &carrier, request, &found.inputs, (freight, &seen))?;
    moved.job.args.clone_from(&found.args);
    let fetched = beforehand.fetch(place, &carrier);
    let asked = Request { checkout: there, request: moved, inputs, fetched };
    let mut local = request.clone();
    local.job.args = found.args;
    let work = Work { home, run, layout: &layout, checkout: &checkout, request: &local };
    let Some(program) = worker else {
        let plan = without_worker(&work, place, &asked, progress)?;
        return Ok(Preparation { plan, program: layout.plain(run), first: Vec::new() });
    };
    let made = plan_of(&work, place, &program, &asked, progress);
    manifest.read_code(&checkout.path);
    let question = remembered::question(&checkout, request);
    let plan = made.as_ref().ok();
    Remembered::new(&program, manifest, question, plan).write(home, place, &checkout);
    let plan = made?;
    if request.rehearsal {
        rehearsal(place, &layout, run, &program, progress)?;
    }
    Ok(Preparation { plan, program, first: Vec::new() })
}

/// Has the environment and the plan made, where that is best.
fn plan_of(
    work: &Work<'_>,
    place: &mut Place,
    program: &Utf8Path,
    asked: &Request,
    progress: &dyn Progress,
) -> Result<RunPlan, ElsewhereError> {
    let (layout, run) = (work.layout, work.run);
    Ok(match build_place(work, place)? {
        BuildPlace::Here => here(work, place, program, asked, progress)?,
        BuildPlace::There => plan(place, layout, run, program, asked, progress)?,
        BuildPlace::Auto => match plan(place, layout, run, program, asked, progress) {
            Err(ElsewhereError::Environment { message, .. }) => {
                let name = &place.name;
                progress.note(format!("on {name}: {message}; it is made here and sent"));
                here(work, place, program, asked, progress)?
            }
            made => made?,
        },
    })
}

/// What a run needs of this machine.
struct Read {
    checkout: Checkout,
    found: Found,
    manifest: Manifest,
    /// The user's data.
    freight: Freight,
    /// What the user should know of what goes.
    notes: Vec<String>,
}

fn read(
    home: &Home,
    locator: &Locator,
    request: &RunRequest,
    progress: &dyn Progress,
) -> Result<Read, ElsewhereError> {
    let checkout = acquire(home, locator, &request.environment.acquire(), progress)
        .map_err(PrepareError::from)?;
    for note in &checkout.notes {
        progress.note(note.as_str());
    }
    let found = run::inputs(home, &checkout, &request.job.args, request);
    let (manifest, notes) = Manifest::of(home, &checkout.path, &request.job.args, progress)?;
    let freight = Freight::of(home, request, &found.inputs, progress)?;
    Ok(Read { checkout, found, manifest, freight, notes })
}

/// A run of a source that was sent before.
struct Warm<'a> {
    home: &'a Home,
    profile: &'a Profile,
    layout: &'a Layout,
    run: &'a RunId,
    known: &'a Remembered,
    source: &'a Source<'a>,
}

impl Warm<'_> {
    /// Returns the preparation whose steps go along with the job, where all that it needs is known
    /// to have been there, and little has changed; and how many bytes of it are the user's.
    fn ready(
        &self,
        request: &RunRequest,
        found: &Found,
    ) -> Result<Option<(Preparation, u64)>, ElsewhereError> {
        let Self { home, layout, run, known, source, .. } = self;
        let program = known.program.clone();
        if push::path_there(home, layout, self.profile).as_ref() != Some(&program)
            || !found.inputs.is_empty()
        {
            return Ok(None);
        }
        let change = source.manifest.since(&known.tree);
        if !change.is_nothing() && !change.asks_the_same(&known.tree, &source.checkout.path) {
            return Ok(None);
        }
        let there = source.there(layout);
        let Some(plan) = known.plan_for(source.checkout, there.clone(), request) else {
            return Ok(None);
        };
        let mut needed = vec![program.clone(), sent::evidence_there(layout.root(), &plan)];
        needed.extend(plan.fetched.iter().map(|binding| binding.here.clone()));
        let Some((take, bytes)) = source.along(layout, &change, &needed)? else { return Ok(None) };
        let path = layout.plan(run);
        let folder = Step::program("mkdir", ["-p", layout.run(run).as_str()]).stop_on_failure();
        let put = Step::put_file(path.as_str(), plan.to_json()?, 0o600).stop_on_failure();
        Ok(Some((Preparation { plan, program, first: vec![take, folder, put] }, bytes)))
    }
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
    judge_rehearsal(place.name.as_str(), teller.rehearsed, progress)
}

/// Says what a rehearsal came to; an error where the run would fail as the rehearsal did.
fn judge_rehearsal(
    name: &str,
    rehearsed: Option<Rehearsed>,
    progress: &dyn Progress,
) -> Result<(), ElsewhereError> {
    match rehearsed {
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
    let evidence = sent::evidence(work.layout.root(), &plan, Form::OneFile);
    let answers = place.transport.run(&[Step::program("test", ["-e", evidence.as_str()])])?;
    let sent = answers.first().is_some_and(Answer::is_success);
    Ok(if sent { BuildPlace::Here } else { BuildPlace::Auto })
}

/// Makes the environment here, sends it, and writes the plan there.
fn here(
    work: &Work<'_>,
    place: &mut Place,
    program: &Utf8Path,
    asked: &Request,
    progress: &dyn Progress,
) -> Result<RunPlan, ElsewhereError> {
    let local = run::plan_for(work.home, work.checkout, work.request, progress)?;
    let (plan, sent) = moved_plan((work.home, place), &local, asked, Form::OneFile, progress)?;
    put(place, &work.layout.plan(work.run), plan.to_json()?, "write the plan")?;
    if sent {
        let arguments = [SETTLE, work.layout.root().as_str(), work.run.as_str()];
        let step = Step::program(program.as_str(), arguments).limit(PATIENCE);
        let mut teller = Forward::to(progress);
        let answer = place.transport.drain(&step, &mut teller, progress)?;
        judge_making(&answer, teller)?;
    }
    Ok(plan)
}

/// Sends the environment of a plan of this machine's, and returns the plan as it is there.
fn moved_plan(
    (home, place): (&Home, &mut Place),
    local: &RunPlan,
    asked: &Request,
    form: Form,
    progress: &dyn Progress,
) -> Result<(RunPlan, bool), ElsewhereError> {
    let (mut plan, sent) = sent::send(home, place, local, form, progress)?;
    plan.checkout = asked.checkout.clone();
    plan.job = asked.request.job.clone();
    plan.inputs.clone_from(&asked.inputs);
    plan.fetched.clone_from(&asked.fetched);
    Ok((plan, sent))
}

/// As [`here`], with the script that stands for sizar there; the driver is rehearsed here.
fn without_worker(
    work: &Work<'_>,
    place: &mut Place,
    asked: &Request,
    progress: &dyn Progress,
) -> Result<RunPlan, ElsewhereError> {
    let Work { home, run, layout, checkout, request } = *work;
    let local = run::plan_for(home, checkout, request, progress)?;
    if request.rehearsal {
        let inspection = run::inspect(checkout).map_err(PrepareError::from)?;
        progress.begin("rehearsing the driver");
        let rehearsed = run::rehearse(home, run, &local, &inspection);
        let unknown = |words| Rehearsed::Unknown { words };
        let rehearsed = rehearsed.unwrap_or_else(|error| unknown(run::chain(&error)));
        judge_rehearsal("this machine", Some(rehearsed), progress)?;
    }
    let (plan, _) = moved_plan((work.home, place), &local, asked, Form::Folder, progress)?;
    let text = plain::script(&plan, run, layout)?;
    put(place, &layout.plain(run), text, "write the script that executes the run")?;
    // the plan is what is written last
    put(place, &layout.plan(run), plan.to_json()?, "write the plan")?;
    Ok(plan)
}

/// Writes a small file there that only the account reads; an error calls that `step`.
pub(super) fn put(
    place: &mut Place,
    path: &Utf8Path,
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
    program: &Utf8Path,
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
    judge_making(&answer, teller)?;
    let answers = place.transport.run(&[Step::get_file(layout.plan(run).as_str(), PLAN)])?;
    let text = answers.first().map(|answer| answer.text().into_owned()).unwrap_or_default();
    Ok(RunPlan::from_json(&text)?)
}

/// Says what became of something that the sizar there was to do.
fn judge_making(answer: &Answer, teller: Forward<'_>) -> Result<(), ElsewhereError> {
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
    Ok(())
}
