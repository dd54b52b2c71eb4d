//! What became of runs on a target: one round trip for all of them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use sizar_model::{EventKind, JobHandle, JobState, Output, Progress, RunId, RunState, SweepId};

use super::ahead::{Left, bring_many};
use super::bring::bring;
use super::marks::Marks;
use super::unseen::Unseen;
use super::verdict::{Grace, Seen, Verdict, decide};
use super::{ElsewhereError, Layout, after};
use crate::failpoint;
use crate::home::Home;
use crate::run::chain;
use crate::scheduler::SchedulerError;
use crate::store::{Journal, StoreError, UnderWay};
use crate::target::{Place, output};
use crate::transport::Step;

/// Tells what lies in the folders of runs: `RUN` is the run's folder, then the attempt.
///
/// The folders are opened anew, so that a shared file system does not answer from memory.
const LOOK: &str = r#"
while [ $# -gt 1 ]; do
    cd "$1" 2>/dev/null && ls -a . "attempt-$2" >/dev/null 2>&1
    if [ -d "claim-$2" ]; then c=1; else c=0; fi
    if [ -f "attempt-$2/receipt.json" ]; then r=1; else r=0; fi
    j= n=
    { read -r j < "claim-$2/job"; read -r n < "claim-$2/node"; } 2>/dev/null
    printf '%s %s %s %s\n' "$c" "$r" "${j:--}" "$n"
    shift 2
done
"#;

/// Waits until something differs from what is known, or until `$1` seconds have passed, and prints
/// the folders of the runs that differ; `$2` are the seconds between two looks. Then come for each run
/// its folder, the attempt, what [`LOOK`] printed last, and the size of its output.
///
/// It costs the login node some hundred `stat`s in a second at most, and the scheduler nothing.
const AWAIT: &str = r#"
left=$1; each=$2; shift 2
while :; do
    n=0 new=
    for word; do
        n=$((n + 1))
        case $((n % 4)) in
        1) folder=$word ;;
        2) attempt=$word ;;
        3) known=$word ;;
        0)
            if [ -d "$folder/claim-$attempt" ]; then c=1; else c=0; fi
            if [ -f "$folder/attempt-$attempt/receipt.json" ]; then r=1; else r=0; fi
            if [ "$word" != - ]; then
                size=$(wc -c 2>/dev/null < "$folder/job-$attempt.out") || size=0
                size=$((${size:-0} + 0))
                [ "$size" = "$word" ] || known=
            fi
            [ "$c$r" = "$known" ] || { new=1; printf '%s\n' "$folder"; }
            ;;
        esac
    done
    if [ -n "$new" ] || [ "$left" -le 0 ]; then exit 0; fi
    left=$((left - each))
    sleep "$each"
done
"#;

/// How many runs are looked at in a second, while news is awaited there.
const LOOKS: usize = 500;
/// How much of a log is asked for at once: 4 MiB.
const LOG_PIECE: u64 = 4 << 20;

/// A run on a target that has not ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    pub run: RunId,
    pub state: RunState,
    pub attempt: u32,
    /// None while it is not known whether the scheduler took it.
    pub job: Option<JobHandle>,
    /// The sweep that it is part of.
    pub sweep: Option<SweepId>,
}

/// What is remembered between two looks.
#[derive(Debug, Default)]
pub struct Settled {
    /// What the last look saw of each run: claim and receipt, as two digits.
    marks: HashMap<RunId, String>,
    /// What stands for the last listing of the marks of each sweep.
    listings: HashMap<SweepId, String>,
    /// How long a receipt may take to be seen after its job has ended.
    pub grace: Grace,
    /// Whether the next look asks the scheduler too.
    pub ask: bool,
    /// Whether a job has ended of which no receipt is seen.
    pub doubt: bool,
    /// Why the scheduler says that a job waits, for people.
    pub waiting: HashMap<RunId, String>,
    /// Why the scheduler could not be asked, where it could not.
    pub unheard: Option<String>,
}

impl Settled {
    /// Remembers nothing yet, asks the scheduler, and waits for receipts as long as `grace` says.
    pub fn with(grace: Grace) -> Self {
        Self { grace, ask: true, ..Self::default() }
    }
}

impl Settled {
    /// Returns what stands for the marks of a sweep as the last look saw them.
    pub fn listing(&self, sweep: &SweepId) -> &str {
        self.listings.get(sweep).map_or("", String::as_str)
    }
}

/// Returns the runs on the target `name` that have not ended.
///
/// # Errors
///
/// [`ElsewhereError::Store`] where the journal cannot be read.
pub fn under_way(journal: &Journal, name: &str) -> Result<Vec<Known>, ElsewhereError> {
    let known = |one: UnderWay| Known {
        run: one.run,
        state: one.state,
        attempt: one.attempt,
        job: one.job,
        sweep: one.sweep,
    };
    Ok(journal.elsewhere(name)?.into_iter().map(known).collect())
}

/// Returns what the journal knows of a run's newest job.
///
/// # Errors
///
/// [`ElsewhereError::Store`] where the journal cannot be read.
pub fn known(journal: &Journal, run: &RunId) -> Result<Known, ElsewhereError> {
    let (mut attempt, mut job, mut sweep) = (0, None, None);
    for event in journal.events(run)? {
        match event.kind {
            EventKind::Created { job, .. } => sweep = job.task.map(|task| task.sweep),
            EventKind::Deferred { attempt: number, .. } => {
                (attempt, job) = (number.saturating_sub(1), None);
            }
            EventKind::Resumed => job = None,
            EventKind::Submitting { attempt: number, .. } => (attempt, job) = (number, None),
            EventKind::Submitted { job: handle, .. } => job = Some(handle),
            _ => {}
        }
    }
    Ok(Known { run: run.clone(), state: journal.state(run)?, attempt, job, sweep })
}

/// Finds out what became of `runs`, writes it down, and brings home what has ended.
///
/// Returns how many have ended by now. A scheduler that cannot be reached changes nothing: the
/// receipts still tell; and with [`Settled::ask`] false it is not asked at all.
///
/// # Errors
///
/// [`ElsewhereError`] where the connection broke, or what came back is not what was sealed.
pub fn settle(
    home: &Home,
    journal: &mut Journal,
    place: &mut Place,
    runs: &[Known],
    settled: &mut Settled,
    progress: &dyn Progress,
) -> Result<usize, ElsewhereError> {
    let runs: Vec<&Known> = runs.iter().filter(|known| known.job.is_some()).collect();
    if runs.is_empty() {
        return Ok(0);
    }
    let layout = Layout::at(place.root());
    let seen = look(home, place, &layout, &runs, settled)?;
    let left = runs.iter().zip(&seen).filter(|(_, seen)| seen.receipt);
    let left = left.map(|(known, _)| Left { run: known.run.clone(), attempt: known.attempt });
    bring_many(home, place, &layout, left.collect(), progress);
    let mut ended = 0;
    for (known, seen) in runs.into_iter().zip(seen) {
        let Known { run, state, attempt, .. } = known;
        if let Some(job) = seen.other {
            // the job that was waited for came second, and does nothing
            add(journal, run, &EventKind::Submitted { attempt: *attempt, job })?;
            Unseen { home, run, attempt: *attempt }.forget();
            continue;
        }
        if !seen.receipt
            && seen.report.as_ref().is_some_and(after::is_not_run)
            && let Some(reason) = after::reason(journal, run)?
        {
            add(journal, run, &EventKind::Failed { reason })?;
            Unseen { home, run, attempt: *attempt }.forget();
            ended += 1;
            continue;
        }
        let event = match decide(state, &seen, settled.grace) {
            Verdict::Wait => continue,
            Verdict::Began { node } => EventKind::JobStarted { attempt: *attempt, node },
            Verdict::Bring => {
                if *state == RunState::Queued {
                    let began = EventKind::JobStarted { attempt: *attempt, node: seen.node };
                    add(journal, run, &began)?;
                }
                let receipt = bring(home, place, &layout, run, *attempt, progress)?;
                failpoint::hit("elsewhere:before-ended");
                ended += 1;
                EventKind::Ended { receipt }
            }
            Verdict::Judge { ending, witness } => {
                ended += 1;
                EventKind::Judged { attempt: *attempt, ending, witness }
            }
            Verdict::Lose { reason } => {
                ended += 1;
                EventKind::Lost { reason }
            }
        };
        add(journal, run, &event)?;
        if matches!(event, EventKind::Judged { .. } | EventKind::Lost { .. }) {
            Unseen { home, run, attempt: *attempt }.forget();
        }
        if matches!(event, EventKind::JobStarted { .. }) {
            failpoint::hit("elsewhere:after-job-started");
        }
    }
    Ok(ended)
}

/// Adds an event, unless another sizar has written what follows already.
fn add(journal: &mut Journal, run: &RunId, event: &EventKind) -> Result<(), ElsewhereError> {
    match journal.append(run, event) {
        Ok(_) | Err(StoreError::Illegal { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn look_at(layout: &Layout, runs: &[&Known]) -> Step {
    let words = runs
        .iter()
        .flat_map(|known| [layout.run(&known.run).into_string(), known.attempt.to_string()]);
    Step::script(LOOK).args(words).keep(Step::MOST_OUTPUT)
}

fn look(
    home: &Home,
    place: &mut Place,
    layout: &Layout,
    runs: &[&Known],
    settled: &mut Settled,
) -> Result<Vec<Seen>, ElsewhereError> {
    let ask = settled.ask;
    let jobs: Vec<JobHandle> = runs.iter().filter_map(|known| known.job.clone()).collect();
    // those of sweeps are many: one listing for each sweep tells of all of them
    let single: Vec<&Known> = runs.iter().filter(|known| known.sweep.is_none()).copied().collect();
    let sweeps: BTreeSet<&SweepId> = runs.iter().filter_map(|known| known.sweep.as_ref()).collect();
    let mut steps = vec![look_at(layout, &single)];
    steps.extend(sweeps.iter().map(|sweep| Marks::ask(layout, sweep)));
    if ask {
        place.questions += 1;
        steps.push(Step::from(&place.scheduler.poll(&jobs)).keep(Step::MOST_OUTPUT));
    }
    let answers = place.transport.run(&steps)?;
    let text = |at: usize| answers.get(at).map(|answer| answer.text().into_owned());
    let mut of_single = text(0).unwrap_or_default().lines().map(Traces::read).collect::<Vec<_>>();
    of_single.resize(single.len(), Traces::default());
    let marks: BTreeMap<&SweepId, Marks> = sweeps
        .iter()
        .enumerate()
        .map(|(at, sweep)| (*sweep, Marks::read(&text(at + 1).unwrap_or_default())))
        .collect();
    let polled =
        answers.get(1 + sweeps.len()).map(|answer| place.scheduler.read_poll(&output(answer)));
    for (sweep, marks) in &marks {
        settled.listings.insert((*sweep).clone(), marks.seen.clone());
    }
    let mut of_single = of_single.into_iter();
    let mut lines: Vec<Traces> = runs
        .iter()
        .map(|known| match known.sweep.as_ref().and_then(|sweep| marks.get(sweep)) {
            Some(marks) => marks.of(&known.run, known.attempt),
            None => of_single.next().unwrap_or_default(),
        })
        .collect();
    settled.unheard = None;
    let (mut reports, heard) = match polled {
        Some(Ok(reports)) => (reports, true),
        Some(Err(error)) => {
            settled.unheard = Some(chain(&error));
            (BTreeMap::new(), false)
        }
        None => (BTreeMap::new(), false),
    };
    let gone: BTreeSet<JobHandle> = jobs
        .iter()
        .filter(|job| reports.get(*job).is_none_or(|report| report.state.is_final()))
        .cloned()
        .collect();
    // a task that was ended between its receipt and its mark
    let doubtful: Vec<usize> = (0..runs.len())
        .filter(|&at| heard && runs[at].sweep.is_some() && !lines[at].receipt)
        .filter(|&at| runs[at].job.as_ref().is_some_and(|job| gone.contains(job)))
        .collect();
    if !doubtful.is_empty() {
        let known: Vec<&Known> = doubtful.iter().map(|&at| runs[at]).collect();
        let answers = place.transport.run(&[look_at(layout, &known)])?;
        let text = answers.first().map(|answer| answer.text().into_owned()).unwrap_or_default();
        for (at, line) in doubtful.into_iter().zip(text.lines()) {
            lines[at] = Traces::read(line);
        }
    }
    let has_receipt = |index: usize| lines.get(index).is_some_and(|line| line.receipt);
    // the accounting knows more, and is asked only where the receipt is missing
    let missing = (0..runs.len()).any(|index| {
        !has_receipt(index) && runs[index].job.as_ref().is_some_and(|job| gone.contains(job))
    });
    if heard {
        settled.doubt = missing;
    }
    if heard && missing {
        let questions = place.scheduler.account(&Vec::from_iter(gone));
        let outputs: Vec<Output> = place.ask(&questions)?;
        match place.scheduler.read_account(&outputs) {
            Ok(accounted) => reports.extend(accounted),
            Err(SchedulerError::NoAccounting) => {}
            Err(error) => settled.unheard = Some(chain(&error)),
        }
    }
    let unheard = settled.unheard.is_some();
    let seen = runs.iter().enumerate().map(|(index, known)| {
        let Traces { claimed, receipt, job, node } = lines.get(index).cloned().unwrap_or_default();
        let mark = format!("{}{}", u8::from(claimed), u8::from(receipt));
        settled.marks.insert(known.run.clone(), mark);
        let report = known.job.as_ref().and_then(|job| reports.get(job)).cloned();
        let over = heard && report.as_ref().is_none_or(|report| report.state.is_final());
        let unseen = Unseen { home, run: &known.run, attempt: known.attempt };
        let without_receipt = if over && !receipt {
            unseen.duration()
        } else {
            if ask || receipt {
                unseen.forget();
            }
            Duration::ZERO
        };
        match report.as_ref().map(|report| &report.state) {
            Some(JobState::Pending { reason }) if !reason.is_empty() => {
                settled.waiting.insert(known.run.clone(), reason.clone());
            }
            None if !ask => {}
            _ => {
                settled.waiting.remove(&known.run);
            }
        }
        // a receipt tells of the attempt, whoever made it
        let other = job.filter(|has| {
            let waited_for = known.job.as_ref();
            !receipt && waited_for.is_some_and(|job| (job.id, job.task) != (has.id, has.task))
        });
        let cluster = known.job.as_ref().and_then(|job| job.cluster.as_deref());
        let other = other.map(|job| job.on(cluster));
        let heard = heard && !unheard;
        Seen { receipt, claimed, node, other, report, heard, without_receipt }
    });
    Ok(seen.collect())
}

/// Waits until something new is to be seen of `runs` there, for `most` at most.
///
/// `printed` says how much of a run's output is known; without it output is no news. Returns the
/// runs that something is new of. Many runs are looked at less often than a few.
///
/// # Errors
///
/// [`ElsewhereError::Transport`] where the connection broke.
pub fn await_news(
    place: &mut Place,
    runs: &[Known],
    settled: &Settled,
    printed: Option<&BTreeMap<RunId, u64>>,
    most: Duration,
) -> Result<Vec<RunId>, ElsewhereError> {
    let layout = Layout::at(place.root());
    let each = 1 + runs.len() / LOOKS;
    let words = runs.iter().flat_map(|known| {
        let mark = settled.marks.get(&known.run).map_or("00", String::as_str);
        [
            layout.run(&known.run).into_string(),
            known.attempt.to_string(),
            mark.to_owned(),
            match printed {
                Some(printed) => printed.get(&known.run).copied().unwrap_or(0).to_string(),
                None => "-".to_owned(),
            },
        ]
    });
    let step = Step::script(AWAIT)
        .arg(most.as_secs().max(1).to_string())
        .arg(each.to_string())
        .args(words)
        .keep(Step::MOST_OUTPUT)
        .limit(most + Duration::from_secs(30));
    let answers = place.transport.run(&[step])?;
    let text = answers.first().map(|answer| answer.text().into_owned()).unwrap_or_default();
    let runs = text.lines().filter_map(|line| line.rsplit('/').next()?.parse().ok());
    Ok(runs.collect())
}

/// What lies in the folder of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Traces {
    pub claimed: bool,
    pub receipt: bool,
    /// The job that has the attempt.
    pub job: Option<JobHandle>,
    pub node: Option<String>,
}

impl Traces {
    /// Reads `CLAIMED RECEIPT JOB NODE`.
    fn read(text: &str) -> Self {
        let mut words = text.splitn(4, ' ');
        let claimed = words.next() == Some("1");
        let receipt = words.next() == Some("1");
        let job = words.next().and_then(|job| job.parse().ok());
        let node = words.next().map(str::trim).filter(|node| !node.is_empty()).map(str::to_owned);
        Self { claimed, receipt, job, node }
    }
}

/// Returns what a job printed from byte `from` on, as much as one piece holds.
///
/// # Errors
///
/// [`ElsewhereError::Transport`] where the connection broke. A job that printed nothing yet is no
/// error.
pub fn log(place: &mut Place, known: &Known, from: u64) -> Result<Vec<u8>, ElsewhereError> {
    let path = Layout::at(place.root()).output(&known.run, known.attempt);
    let step = Step::script("[ -f \"$1\" ] || exit 0; tail -c \"+$2\" \"$1\" | head -c \"$3\"")
        .arg(path.as_str())
        .arg((from + 1).to_string())
        .arg(LOG_PIECE.to_string())
        .keep(LOG_PIECE);
    let answers = place.transport.run(&[step])?;
    Ok(answers.into_iter().next().map(|answer| answer.stdout).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_nothing_is_new_the_whole_time_is_waited_there() {
        let folder = tempfile::tempdir().unwrap();
        let waited = |known: &str| {
            let began = std::time::Instant::now();
            let mut sh = std::process::Command::new("sh");
            sh.args(["-c", AWAIT, "sh", "1", "1"]).arg(folder.path()).args(["1", known, "-"]);
            let said = sh.output().unwrap();
            assert!(said.status.success() && said.stdout.is_empty());
            began.elapsed()
        };
        // a wait that ends at once would be asked for again at once
        assert!(waited("00") >= Duration::from_secs(1));
        fs_err::create_dir(folder.path().join("claim-1")).unwrap();
        assert!(waited("10") >= Duration::from_secs(1));
        let mut sh = std::process::Command::new("sh");
        sh.args(["-c", AWAIT, "sh", "60", "60"]).arg(folder.path()).args(["1", "00", "-"]);
        let said = String::from_utf8(sh.output().unwrap().stdout).unwrap();
        assert_eq!(said.trim_end(), folder.path().to_str().unwrap());
    }

    #[test]
    fn what_lies_in_the_folder_of_a_run_is_read() {
        let read = |text| {
            let Traces { claimed, receipt, job, node } = Traces::read(text);
            (claimed, receipt, job.map(|job| job.to_string()), node)
        };
        assert_eq!(read("0 0 - "), (false, false, None, None));
        assert_eq!(read("1 0 12 cpu01"), (true, false, Some("12".into()), Some("cpu01".into())));
        // a claim whose notes are not written yet
        assert_eq!(read("1 0 - "), (true, false, None, None));
        assert_eq!(read("1 1 12 cpu01"), (true, true, Some("12".into()), Some("cpu01".into())));
    }
}
