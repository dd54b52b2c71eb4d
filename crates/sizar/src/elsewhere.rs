//! Runs on targets, as the commands see them: connecting, refreshing, following.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{IsTerminal as _, Write as _};
use std::sync::Arc;
use std::time::{Duration, Instant};

use camino::Utf8PathBuf;
use sizar_engine::elsewhere::{self, ElsewhereError, Grace, Known, Settled};
use sizar_engine::looking::{Answered, Own};
use sizar_engine::process::Control;
use sizar_engine::scheduler::why_pending;
use sizar_engine::store::{Filter, Journal};
use sizar_engine::target::{Connecting, Place, TargetError, TargetName, Targets, connect};
use sizar_model::{Activity, Contact, EventKind, Progress as _, Run, RunId, RunState, counted};

use crate::error::CommandResult;
use crate::progress::{Reporter, Verbosity};
use crate::session::Session;

/// How long one wait for news lasts.
const WAIT: Duration = Duration::from_secs(20);
/// How long a broken connection is tried again before the shell is given back.
const PATIENCE: Duration = Duration::from_mins(10);
/// Between two tries.
const AGAIN: Duration = Duration::from_secs(15);

/// Finds the targets, those of the project that the user is in too.
pub fn targets(session: &Session) -> Targets {
    let cwd = std::env::current_dir().ok().and_then(|cwd| Utf8PathBuf::try_from(cwd).ok());
    Targets::of(&session.home, cwd.as_deref())
}

/// Says how connections of this command are made.
pub fn connecting(session: &Session) -> Connecting {
    Connecting {
        home: session.home.clone(),
        interactive: std::io::stdin().is_terminal() && std::io::stderr().is_terminal(),
        progress: Arc::new(Reporter::new(session.verbosity)),
        control: Control::default(),
    }
}

/// Makes a place of the target `name`; nothing is connected before it is used.
pub fn place(session: &Session, name: &str) -> CommandResult<Place> {
    let name: TargetName = name.parse()?;
    let profile = targets(session).profile(&name)?;
    Ok(connect(&name, profile, &connecting(session))?)
}

/// Finds out what is the user's own at a place.
pub fn own(session: &Session, place: &Place) -> CommandResult<Own> {
    let user = place.profile.machine.user.as_deref().unwrap_or_default();
    let Some(journal) = session.journal_to_read()? else {
        return Ok(Own { user: user.to_owned(), runs: Vec::new() });
    };
    let under_way = elsewhere::under_way(&journal, place.name.as_str())?;
    Ok(Own::of(user, &journal, under_way)?)
}

/// Looks at a place, and says what that cost where much is to be said.
pub fn looked<T>(
    session: &Session,
    place: &mut Place,
    look: impl FnOnce(&mut Place) -> Result<Answered<T>, TargetError>,
) -> CommandResult<T> {
    let name = place.name.clone();
    session.reporter.report(Activity::Began { what: format!("asking {name}") });
    let answered = look(place);
    session.reporter.report(Activity::Ended { what: format!("asked {name}") });
    let Answered { answer, questions } = answered?;
    if session.verbosity == Verbosity::Verbose {
        let counters = place.transport.counters();
        session.say(&format!(
            "this took {}, {} and {}",
            counted(counters.logins, "login", "logins"),
            counted(counters.round_trips, "round trip", "round trips"),
            counted(questions as u64, "question to the scheduler", "questions to the scheduler"),
        ));
    }
    Ok(answer)
}

/// Returns whether a run is on another machine than this one.
pub fn is_elsewhere(run: &Run) -> bool {
    run.target != "local"
}

/// Finds out what became of the runs on `target`, and brings home those that have ended.
pub fn refresh(session: &Session, journal: &mut Journal, target: &str) -> CommandResult<()> {
    let runs = elsewhere::under_way(journal, target)?;
    if runs.iter().all(|known| known.job.is_none()) {
        return Ok(());
    }
    let mut place = place(session, target)?;
    let mut settled = Settled::with(Grace::from_environment());
    let (home, reporter) = (&session.home, &session.reporter);
    let looked = elsewhere::settle(home, journal, &mut place, &runs, &mut settled, reporter);
    // what a look at several runs costs is no single run's
    if let [known] = &runs[..] {
        account(journal, &mut place, &known.run);
    }
    looked?;
    if let Some(why) = settled.unheard {
        session.say(&format!("{target}: {why}"));
    }
    Ok(())
}

/// Refreshes all targets on which something is under way; what cannot be reached is said.
pub fn refresh_all(session: &Session) -> CommandResult<()> {
    let Some(reading) = session.journal_to_read()? else { return Ok(()) };
    let states = vec![RunState::Queued, RunState::Running];
    let mut names: Vec<String> = reading
        .list(&Filter { states, ..Filter::default() })?
        .into_iter()
        .map(|run| run.target)
        .filter(|target| target != "local")
        .collect();
    drop(reading);
    names.sort();
    names.dedup();
    if names.is_empty() {
        return Ok(());
    }
    let mut journal = session.journal()?;
    for name in names {
        if let Err(failure) = refresh(session, &mut journal, &name) {
            session.say(&format!("{name} could not be asked: {}", failure.error));
        }
    }
    Ok(())
}

/// Writes down what talking to a target about `run` has used since this was last done.
///
/// The journal's copy is a courtesy: without it nothing is lost but a number.
pub fn account(journal: &mut Journal, place: &mut Place, run: &RunId) {
    let contact = place.contact();
    if contact != Contact::default() {
        let _ = journal.append(run, &EventKind::Contacted { contact });
    }
}

/// Returns what talking to its target about a run has used.
pub fn contact(journal: &Journal, run: &RunId) -> CommandResult<Contact> {
    let contacts = journal.events(run)?.into_iter().filter_map(|event| match event.kind {
        EventKind::Contacted { contact } => Some(contact),
        _ => None,
    });
    Ok(contacts.fold(Contact::default(), Contact::plus))
}

/// When the scheduler is asked: at once, then ever more rarely.
///
/// Jobs tell of themselves by what they leave; it is asked for those that could not, and why a job
/// waits. Of many jobs some always wait, and a question is larger: it is asked more rarely.
pub struct Pace {
    asked: Option<Instant>,
    between: Duration,
    most: Duration,
}

impl Pace {
    /// The pace for so many jobs.
    pub fn of(jobs: usize) -> Self {
        let (first, most) = if jobs < MANY {
            (Duration::from_secs(5), Duration::from_mins(1))
        } else {
            (Duration::from_mins(2), Duration::from_mins(4))
        };
        Self { asked: None, between: first, most }
    }

    /// Returns whether it is time to ask; then it was asked.
    pub fn is_due(&mut self) -> bool {
        let due = self.asked.is_none_or(|asked| asked.elapsed() >= self.between);
        if due {
            if self.asked.is_some() {
                self.between = (self.between * 2).min(self.most);
            }
            self.asked = Some(Instant::now());
        }
        due
    }

    /// Has it asked soon, where a job has ended without a receipt to be seen: that is judged when the
    /// grace is over.
    pub fn hurry(&mut self, settled: &Settled) {
        if settled.doubt {
            self.between = self.between.min(settled.grace.0 + Duration::from_secs(1));
        }
    }

    /// Returns how long to wait for news now.
    pub fn wait(&self) -> Duration {
        let since = self.asked.map_or(Duration::ZERO, |asked| asked.elapsed());
        WAIT.min(self.between.saturating_sub(since).max(Duration::from_secs(1)))
    }
}

/// From how many jobs on the scheduler is asked more rarely.
const MANY: usize = 50;

/// Several runs of a target that are followed together: one look and one question for all.
pub struct Group {
    settled: Settled,
    pace: Pace,
    /// The runs that something is new of.
    news: Vec<RunId>,
}

impl Group {
    pub fn of(runs: usize) -> Self {
        let settled = Settled::with(Grace::from_environment());
        Self { settled, pace: Pace::of(runs), news: Vec::new() }
    }

    /// Waits until one of `open` has ended, or more; returns those.
    pub fn ended(
        &mut self,
        session: &Session,
        journal: &mut Journal,
        place: &mut Place,
        open: &[RunId],
    ) -> CommandResult<Vec<RunId>> {
        let mut line = Persistence::new("the jobs go on; `sizar wait` follows them again");
        loop {
            let ended = self.step(session, journal, place, open);
            if let Some(ended) = line.outlast(session, place, ended)?
                && !ended.is_empty()
            {
                return Ok(ended);
            }
        }
    }

    fn step(
        &mut self,
        session: &Session,
        journal: &mut Journal,
        place: &mut Place,
        open: &[RunId],
    ) -> Result<Vec<RunId>, ElsewhereError> {
        let mut waited: BTreeSet<&RunId> = open.iter().collect();
        self.settled.ask = self.pace.is_due();
        let mut runs = elsewhere::under_way(journal, place.name.as_str())?;
        if !self.settled.ask {
            runs.retain(|known| self.news.contains(&known.run));
        }
        self.news.clear();
        // what others come after is judged with them
        elsewhere::settle(
            &session.home,
            journal,
            place,
            &runs,
            &mut self.settled,
            &session.reporter,
        )?;
        self.pace.hurry(&self.settled);
        if let Some(why) = self.settled.unheard.take().filter(|_| self.settled.ask) {
            session.say(&format!("{}: {why}; the jobs' receipts will tell", place.name));
        }
        let runs = elsewhere::under_way(journal, place.name.as_str())?;
        for known in &runs {
            waited.remove(&known.run);
        }
        if waited.is_empty() {
            let runs: Vec<Known> =
                runs.into_iter().filter(|known| open.contains(&known.run)).collect();
            let most = self.pace.wait();
            self.news = elsewhere::await_news(place, &runs, &self.settled, None, most)?;
        }
        Ok(waited.into_iter().cloned().collect())
    }
}

/// Goes on over a line that breaks, for a while.
struct Persistence {
    broken: Option<Instant>,
    /// What to do when it is given up.
    hint: String,
}

impl Persistence {
    fn new(hint: impl Into<String>) -> Self {
        Self { broken: None, hint: hint.into() }
    }

    /// Returns what came of a step; nothing where the line broke, and it is time to try again.
    fn outlast<T>(
        &mut self,
        session: &Session,
        place: &Place,
        step: Result<T, ElsewhereError>,
    ) -> CommandResult<Option<T>> {
        match step {
            Ok(done) => {
                self.broken = None;
                Ok(Some(done))
            }
            Err(error) if error.is_connection() => {
                let since = *self.broken.get_or_insert_with(|| {
                    let name = &place.name;
                    session.say(&format!(
                        "the connection to {name} broke; the job goes on, and it is tried again"
                    ));
                    Instant::now()
                });
                if since.elapsed() > PATIENCE {
                    return Err(crate::error::Failure::from(error).hint(self.hint.clone()));
                }
                // nothing tells when a line is back
                std::thread::sleep(AGAIN);
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// Follows a run until it has ended; with `echo`, what its program prints is shown.
///
/// A broken connection does the job no harm: it is tried again for ten minutes.
pub fn follow(
    session: &Session,
    journal: &mut Journal,
    place: &mut Place,
    run: &RunId,
    echo: bool,
) -> CommandResult<RunState> {
    let followed = follow_it(session, journal, place, run, echo);
    account(journal, place, run);
    followed
}

fn follow_it(
    session: &Session,
    journal: &mut Journal,
    place: &mut Place,
    run: &RunId,
    echo: bool,
) -> CommandResult<RunState> {
    let mut following = Following {
        settled: Settled::with(Grace::from_environment()),
        printed: BTreeMap::new(),
        pace: Pace::of(1),
        said: None,
        unheard: None,
    };
    let mut line =
        Persistence::new(format!("the job goes on; `sizar wait {run}` follows it again"));
    loop {
        let state = following.step(session, journal, place, run, echo);
        if let Some(state) = line.outlast(session, place, state)?
            && state.is_final()
        {
            return Ok(state);
        }
    }
}

/// Returns what is known of the runs that `run` comes after, and that have not ended.
fn before(journal: &Journal, run: &RunId) -> Result<Vec<Known>, ElsewhereError> {
    let open = journal.predecessors(run)?.into_iter().filter(|(_, state)| !state.is_final());
    open.map(|(run, _)| elsewhere::known(journal, &run)).collect()
}

/// What is remembered while a run is followed.
struct Following {
    settled: Settled,
    printed: BTreeMap<RunId, u64>,
    pace: Pace,
    said: Option<String>,
    unheard: Option<String>,
}

impl Following {
    fn step(
        &mut self,
        session: &Session,
        journal: &mut Journal,
        place: &mut Place,
        run: &RunId,
        echo: bool,
    ) -> Result<RunState, ElsewhereError> {
        let known = elsewhere::known(journal, run)?;
        if known.state.is_final() {
            return Ok(known.state);
        }
        let runs = [known];
        let due = self.pace.is_due();
        if echo {
            self.echo(place, &runs)?;
        }
        self.settled.ask = due;
        // a run that comes after others is judged by what became of those
        let mut all = before(journal, run)?;
        all.extend(runs.iter().cloned());
        elsewhere::settle(
            &session.home,
            journal,
            place,
            &all,
            &mut self.settled,
            &session.reporter,
        )?;
        self.say_why(session, place, run);
        self.say_unheard(session, place);
        let known = elsewhere::known(journal, run)?;
        if known.state.is_final() {
            if echo {
                self.echo(place, &runs)?;
            }
            return Ok(known.state);
        }
        let most = self.pace.wait();
        let printed = echo.then_some(&self.printed);
        elsewhere::await_news(place, &runs, &self.settled, printed, most)?;
        Ok(known.state)
    }

    /// Shows what the program printed since the last time.
    fn echo(&mut self, place: &mut Place, runs: &[Known]) -> Result<(), ElsewhereError> {
        for known in runs.iter().filter(|known| known.job.is_some()) {
            let printed = self.printed.entry(known.run.clone()).or_insert(0);
            loop {
                let piece = elsewhere::log(place, known, *printed)?;
                if piece.is_empty() {
                    break;
                }
                *printed += piece.len() as u64;
                let mut out = std::io::stdout().lock();
                // a reader that went away does the job no harm
                let _ = out.write_all(&piece).and_then(|()| out.flush());
            }
        }
        Ok(())
    }

    /// Says why the job waits, once for each reason.
    fn say_why(&mut self, session: &Session, place: &Place, run: &RunId) {
        let Some(reason) = self.settled.waiting.get(run) else { return };
        if self.said.as_ref() == Some(reason) {
            return;
        }
        self.said = Some(reason.clone());
        session.say(&waits(place, reason));
    }

    /// Says that the scheduler cannot be asked, once for each reason.
    fn say_unheard(&mut self, session: &Session, place: &Place) {
        let Some(why) = &self.settled.unheard else { return };
        if self.unheard.as_ref() != Some(why) {
            session.say(&format!("{}: {why}; the job's receipt will tell", place.name));
            self.unheard = Some(why.clone());
        }
    }
}

/// Says in a sentence why a job waits.
pub fn waits(place: &Place, reason: &str) -> String {
    let why = why_pending(place.scheduler.kind(), reason, None);
    format!("it waits: {}; {}", why.cause, why.advice)
}
