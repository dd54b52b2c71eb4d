//! `sizar run --on TARGET`.

use std::time::Duration;

use sizar_engine::elsewhere::{self, ElsewhereError, Next, NextAttempt, Ready, Trust, Wanted};
use sizar_engine::failpoint;
use sizar_engine::queue::{self, Watcher};
use sizar_engine::run::{Attempt, RunPlan, RunRequest};
use sizar_engine::store::{Journal, Prepared};
use sizar_engine::target::{Place, TargetName, connect};
use sizar_engine::transport::Step;
use sizar_model::resources::ByteSize;
use sizar_model::{Ending, EventKind, Locator, Resources, RunId, RunState};

use crate::commands::repaired;
use crate::commands::resume::request_of;
use crate::commands::run::wish_on;
use crate::commands::run_report::report;
use crate::elsewhere::{Group, account, connecting, follow, targets};
use crate::error::{CommandResult, Failure};
use crate::exit_code::ExitCode;
use crate::interrupt::Interrupt;
use crate::output;
use crate::session::Session;
use crate::sweeps::check_after;

/// What was typed, without its target.
pub struct Wish<'a> {
    pub source: &'a Locator,
    pub request: RunRequest,
    pub detach: bool,
    pub dry_run: bool,
    /// The most bytes in a second.
    pub bwlimit: Option<ByteSize>,
}

pub fn run(session: &Session, target: &str, wish: Wish<'_>) -> CommandResult<u8> {
    let name: TargetName = target.parse()?;
    let profile = targets(session).profile(&name)?;
    let mut request = wish.request;
    request.job.resources = profile.resources(&request.job.resources);
    elsewhere::check_request(&request.job.resources, &profile)?;
    let mut place = connect(&name, profile, &connecting(session))?;
    place.pace = wish.bwlimit.map(|limit| limit.0).or(place.pace);
    if wish.dry_run {
        let resources = &request.job.resources;
        let root = place.root();
        let scratch = &request.job.scratch;
        let script =
            elsewhere::script(resources, scratch, &place.profile, &root, &*place.scheduler)?;
        output::print(&script)?;
        let goes = elsewhere::preview(
            &session.home,
            wish.source,
            &request,
            &place.profile,
            &session.reporter,
        )?;
        for sentence in goes {
            session.say(&sentence);
        }
        return Ok(0);
    }
    let mut journal = session.journal()?;
    check_after(session, &mut journal, target, &request.job.after)?;
    let id = journal.create(&wish_on(target, &request, None)?)?;
    let interrupt = Interrupt::watch(&session.home)?;
    let mut sending =
        Sending { session, journal: &mut journal, place: &mut place, interrupt: &interrupt };
    sending.start(&id, wish.source, &request)?;
    if wish.detach {
        interrupt.idle();
        output::print(&format!("{id}\n"))?;
        session.say(&format!("`sizar wait {id}` follows it"));
        return Ok(0);
    }
    let state = follow_to_the_end(session, &mut journal, &mut place, &id, true)?;
    interrupt.idle();
    finish(session, &journal, &id, &state)
}

/// Follows a run until it has ended and gets no further attempt.
pub fn follow_to_the_end(
    session: &Session,
    journal: &mut Journal,
    place: &mut Place,
    id: &RunId,
    echo: bool,
) -> CommandResult<RunState> {
    loop {
        let state = follow(session, journal, place, id, echo)?;
        if !restart(session, journal, place, id)? {
            return Ok(state);
        }
    }
}

/// Follows several runs of a target until all have ended and get no further attempt.
pub fn follow_all_to_the_end(
    session: &Session,
    journal: &mut Journal,
    place: &mut Place,
    ids: &[RunId],
) -> CommandResult<()> {
    if let [id] = ids {
        follow_to_the_end(session, journal, place, id, false)?;
        return Ok(());
    }
    let mut open = ids.to_vec();
    let mut group = Group::of(open.len());
    while !open.is_empty() {
        for id in group.ended(session, journal, place, &open)? {
            if !restart(session, journal, place, &id)? {
                open.retain(|one| *one != id);
            }
        }
    }
    Ok(())
}

/// Gives a run another attempt if it ended before its work was done and may have one.
fn restart(
    session: &Session,
    journal: &mut Journal,
    place: &mut Place,
    id: &RunId,
) -> CommandResult<bool> {
    let run = journal.get(id.as_str())?;
    let last = run.attempts;
    let Some(ending) = last_ending(journal, id)?.filter(elsewhere::is_unfinished) else {
        return Ok(false);
    };
    if last > run.job.restart {
        return Ok(false);
    }
    let request = request_of(journal, id)?;
    let receipt = Attempt::of(&session.home, id, last).receipt();
    let asked = &request.job.resources;
    let now = jiff::Timestamp::now();
    let raised = match elsewhere::next(asked, &ending, receipt.as_ref(), &place.profile.site, now) {
        Next::Same => None,
        Next::Raised { resources, words } => Some((resources, words)),
        Next::Stop { words } => {
            session.say(&format!("{id} gets no other attempt: {words}"));
            return Ok(false);
        }
    };
    let left = run.job.restart - last;
    session.say(&format!("{id} is {}; it gets another attempt ({left} more after it)", run.state));
    if let Some((_, words)) = &raised {
        session.say(&format!("{id}: {words}"));
    }
    go_on_from(session, journal, place, Onward { run: id, last, resume: true, raised })?;
    Ok(true)
}

/// Another attempt of a run, which goes on from what an earlier one made.
pub struct Onward<'a> {
    pub run: &'a RunId,
    /// The earlier attempt.
    pub last: u32,
    /// Whether the journal does not know yet that there is to be another.
    pub resume: bool,
    /// What it asks for instead of what the earlier one had, and why.
    pub raised: Option<(Box<Resources>, String)>,
}

/// Gives a run another attempt that goes on from an earlier one.
pub fn go_on_from(
    session: &Session,
    journal: &mut Journal,
    place: &mut Place,
    onward: Onward<'_>,
) -> CommandResult<()> {
    let Onward { run: id, last, resume, raised } = onward;
    let mut request = request_of(journal, id)?;
    if let Some((resources, _)) = &raised {
        request.job.resources = (**resources).clone();
    }
    let interrupt = Interrupt::watch(&session.home)?;
    let home = &session.home;
    let program = elsewhere::program(home, place, id, &session.reporter)?;
    let resources = &request.job.resources;
    let there = elsewhere::is_still_there(home, journal, place, (id, &program), &session.reporter)?;
    let anew = if there { None } else { Some(sent_anew(session, journal, place, id, &request)?) };
    let next = NextAttempt { run: id, last, resources, program: &program, anew: anew.as_ref() };
    let plan = elsewhere::again(home, journal, place, &next, &session.reporter)?;
    if resume {
        // only now: a connection that breaks before leaves the run as it ended
        journal.resume_with(id, raised)?;
    }
    interrupt.preparing(id);
    let environment = plan.prefix.file_name().unwrap_or_default().to_owned();
    journal.prepared(id, &Prepared { environment, plan: plan.to_json()? })?;
    let mut sending = Sending { session, journal, place, interrupt: &interrupt };
    sending.submit(id, &request, &program, &[])?;
    account(journal, place, id);
    interrupt.idle();
    Ok(())
}

/// Sends what an ended run built on anew, because `target gc` or the site took it.
fn sent_anew(
    session: &Session,
    journal: &Journal,
    place: &mut Place,
    id: &RunId,
    request: &RunRequest,
) -> CommandResult<RunPlan> {
    session.say(&format!("what {id} built on is not on {} any more: it is sent anew", place.name));
    let before = journal.plan(id)?.map(|plan| RunPlan::from_json(&plan)).transpose()?;
    let source: Locator = request.source.parse()?;
    let wanted = Wanted { locator: &source, request, trust: Trust::Nothing };
    let prepared = elsewhere::prepare(&session.home, place, id, &wanted, &session.reporter)?;
    let tree = |plan: &RunPlan| plan.checkout.path.clone();
    if before.is_some_and(|before| tree(&before) != tree(&prepared.plan)) {
        session.warn(&format!(
            "the source has changed since {id} began: its next attempt runs the code as it is now"
        ));
    }
    Ok(prepared.plan)
}

/// Returns whether a run's last ending is one that another attempt may mend.
pub fn ended_unfinished(journal: &Journal, id: &RunId) -> CommandResult<bool> {
    Ok(last_ending(journal, id)?.is_some_and(|ending| elsewhere::is_unfinished(&ending)))
}

/// Returns how a run's last attempt ended.
pub fn last_ending(journal: &Journal, id: &RunId) -> CommandResult<Option<Ending>> {
    Ok(journal.events(id)?.into_iter().rev().find_map(|event| match event.kind {
        EventKind::Ended { receipt } => Some(receipt.ending),
        EventKind::Judged { ending, .. } => Some(ending),
        _ => None,
    }))
}

/// A run on its way to its target.
pub struct Sending<'a> {
    pub session: &'a Session,
    pub journal: &'a mut Journal,
    pub place: &'a mut Place,
    pub interrupt: &'a Interrupt,
}

impl Sending<'_> {
    /// Gets a run of the journal ready on its target and hands it to the scheduler; what goes wrong
    /// is written to the journal too.
    pub fn start(
        &mut self,
        id: &RunId,
        source: &Locator,
        request: &RunRequest,
    ) -> CommandResult<()> {
        self.interrupt.preparing(id);
        let me = Watcher::current();
        if self.journal.state(id)? == RunState::Created {
            let began = EventKind::PreparationBegan { pid: me.pid, pid_started: me.started };
            self.journal.append(id, &began)?;
        }
        let handed = self.hand_over(id, source, request, Trust::Remembered);
        account(self.journal, self.place, id);
        handed
    }

    /// Prepares a run there and hands it over.
    ///
    /// What is believed to be there may be gone: it is then prepared once more from nothing.
    fn hand_over(
        &mut self,
        id: &RunId,
        source: &Locator,
        request: &RunRequest,
        trust: Trust,
    ) -> CommandResult<()> {
        let Session { home, reporter, .. } = self.session;
        let wanted = Wanted { locator: source, request, trust };
        let prepared =
            elsewhere::prepare(home, self.place, id, &wanted, reporter).map_err(|error| {
                let reason = error.to_string();
                let failure = Failure::from(error);
                // the message is what matters now; the journal's copy is a courtesy
                let _ = self.journal.append(id, &EventKind::Failed { reason });
                failure
            })?;
        let environment = prepared.plan.prefix.file_name().unwrap_or_default().to_owned();
        self.journal.prepared(id, &Prepared { environment, plan: prepared.plan.to_json()? })?;
        failpoint::hit("elsewhere:after-prepared");
        match self.submit(id, request, &prepared.program, &prepared.first) {
            Err(ElsewhereError::NotThere { message }) if trust == Trust::Remembered => {
                self.session.say(&format!("{message}: it is sent anew"));
                self.interrupt.preparing(id);
                self.hand_over(id, source, request, Trust::Nothing)
            }
            submitted => Ok(submitted?),
        }
    }

    /// Hands a prepared run to the scheduler.
    fn submit(
        &mut self,
        id: &RunId,
        request: &RunRequest,
        program: &camino::Utf8Path,
        first: &[Step],
    ) -> Result<(), ElsewhereError> {
        let resources = &request.job.resources;
        let after = &request.job.after;
        let after = elsewhere::dependencies(self.journal, self.place.name.as_str(), after)?;
        self.interrupt.elsewhere(id);
        let ready = Ready { program, first };
        let submitted = elsewhere::submit(self.journal, self.place, id, resources, ready, &after)?;
        let how = if submitted.found { "was found as" } else { "is" };
        self.session.say(&format!("{id} {how} job {} on {}", submitted.job, self.place.name));
        Ok(())
    }
}

/// Goes on with a run that was to be handed to its scheduler by a process that is gone.
///
/// One that another process works on is waited for; one that a process left while it was being
/// prepared is lost, and nothing more.
pub fn go_on(
    session: &Session,
    journal: &mut Journal,
    place: &mut Place,
    id: &RunId,
) -> CommandResult<()> {
    loop {
        queue::recover(&session.home)?;
        let known = elsewhere::known(journal, id)?;
        if known.state.is_final() || known.job.is_some() {
            return Ok(());
        }
        if !journal.watcher(id)?.is_some_and(Watcher::is_alive) {
            let request = request_of(journal, id)?;
            return submit_again(session, journal, place, id, &request);
        }
        std::thread::sleep(LOOK);
    }
}

/// How often it is looked whether another process is done with a run.
const LOOK: Duration = Duration::from_millis(500);

/// Goes on with a run whose submission was announced, and of which nothing more is known.
pub fn submit_again(
    session: &Session,
    journal: &mut Journal,
    place: &mut Place,
    id: &RunId,
    request: &RunRequest,
) -> CommandResult<()> {
    let interrupt = Interrupt::watch(&session.home)?;
    let program = elsewhere::program(&session.home, place, id, &session.reporter)?;
    let mut sending = Sending { session, journal, place, interrupt: &interrupt };
    match sending.submit(id, request, &program, &[]) {
        // nothing left before the process was gone
        Err(ElsewhereError::NotThere { .. }) => {
            let source: Locator = request.source.parse()?;
            sending.hand_over(id, &source, request, Trust::Nothing)?;
        }
        submitted => submitted?,
    }
    interrupt.idle();
    Ok(())
}

/// Says how it went, and returns the program's exit code.
pub fn finish(
    session: &Session,
    journal: &Journal,
    id: &RunId,
    state: &RunState,
) -> CommandResult<u8> {
    let run = journal.get(id.as_str())?;
    let receipt = Attempt::of(&session.home, id, run.attempts).receipt();
    let Some(receipt) = receipt else {
        let reason = run.reason.unwrap_or_default();
        let error = anyhow::anyhow!("{id} is {state}: {reason}");
        return Err(Failure::new(ExitCode::Run, error)
            .hint(format!("`sizar logs {id}` shows what it printed"))
            .hint(format!("`sizar resume {id}` gives it another attempt")));
    };
    let why = repaired::known(session, journal, &run)?.map(|(_, why)| why);
    report(session, &run, &receipt, why.as_ref());
    Ok(u8::try_from(receipt.ending.exit_code()).unwrap_or(1))
}
