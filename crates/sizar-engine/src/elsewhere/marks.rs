//! Which tasks of a sweep have begun and ended, as one listing of a folder tells.
//!
//! A task leaves an empty file there whose name says it all: the run, the attempt, `began` or
//! `ended`, its job and its node. So a thousand tasks are looked at for the price of one `ls`. A
//! mark is a hint: that a receipt is there is believed, since it is written before its mark; that
//! one is missing is not, and what lies in the run's own folder decides.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use camino::Utf8Path;
use fs_err as fs;
use sizar_model::{JobHandle, RunId, SweepId};

use super::watch::Traces;
use super::{ElsewhereError, Layout};
use crate::target::Place;
use crate::transport::Step;

/// Lists the marks, and tells what [`AWAIT`] compares with.
const LIST: &str = r#"cd "$1" 2>/dev/null || exit 0; ls | cksum; ls"#;

/// Waits until the marks are others than those that were seen, for `$1` seconds at most.
const AWAIT: &str = r#"
left=$1
cd "$2" 2>/dev/null || { sleep 1; exit 0; }
while [ "$left" -gt 0 ] && [ "$(ls | cksum)" = "$3" ]; do
    sleep 1
    left=$((left - 1))
done
"#;

/// What one listing told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Marks {
    /// Stands for the whole listing.
    pub seen: String,
    of: HashMap<(RunId, u32), Traces>,
}

impl Marks {
    /// Asks for the marks of a sweep.
    pub fn ask(layout: &Layout, sweep: &SweepId) -> Step {
        Step::script(LIST).arg(layout.marks(sweep).as_str()).keep(Step::MOST_OUTPUT)
    }

    /// Reads a listing; a name of another form is nothing of ours.
    pub fn read(text: &str) -> Self {
        let mut lines = text.lines();
        let seen = lines.next().unwrap_or_default().to_owned();
        let mut of: HashMap<(RunId, u32), Traces> = HashMap::new();
        for line in lines {
            let Some((key, traces)) = read_mark(line) else { continue };
            let known = of.entry(key).or_default();
            if !known.receipt {
                *known = traces;
            }
        }
        Self { seen, of }
    }

    /// Returns what is known of an attempt.
    pub fn of(&self, run: &RunId, attempt: u32) -> Traces {
        self.of.get(&(run.clone(), attempt)).cloned().unwrap_or_default()
    }
}

/// Reads `RUN-ATTEMPT-began-JOB-NODE`; the node's name may hold hyphens.
fn read_mark(line: &str) -> Option<((RunId, u32), Traces)> {
    let mut words = line.splitn(5, '-');
    let run = words.next()?.parse().ok()?;
    let attempt = words.next()?.parse().ok()?;
    let receipt = match words.next()? {
        "began" => false,
        "ended" => true,
        _ => return None,
    };
    let job: Option<JobHandle> = words.next().and_then(|job| job.parse().ok());
    let node = words.next().filter(|node| !node.is_empty()).map(str::to_owned);
    Some(((run, attempt), Traces { claimed: true, receipt, job, node }))
}

/// Says that the receipt of an attempt lies there: its mark gets another name.
pub(super) fn ended(layout: &Layout, sweep: &SweepId, run: &RunId, attempt: u32) {
    let folder = layout.marks(sweep);
    let began = format!("{run}-{attempt}-began-");
    let names = folder.read_dir_utf8().into_iter().flatten().flatten();
    let mark = names.map(|entry| entry.file_name().to_owned()).find(|n| n.starts_with(&began));
    let Some(mark) = mark else { return };
    let now = mark.replacen("-began-", "-ended-", 1);
    // without its mark the receipt is found where it lies, only later
    let _ = fs::rename(folder.join(&mark), folder.join(now));
}

/// Returns whether every attempt of an array has begun, that is of those whose lines are `tasks`.
pub(super) fn have_all_begun(layout: &Layout, sweep: &SweepId, tasks: &str) -> bool {
    let names = layout.marks(sweep).read_dir_utf8().into_iter().flatten().flatten();
    let begun: HashSet<(RunId, u32)> =
        names.filter_map(|entry| Some(read_mark(entry.file_name())?.0)).collect();
    let attempt = |line: &str| {
        let mut words = line.split(' ');
        Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?))
    };
    tasks.lines().filter_map(attempt).all(|attempt| begun.contains(&attempt))
}

/// Returns the sweep whose folder a file of ours lies in.
pub(super) fn sweep_of(tasks: &Utf8Path) -> Option<SweepId> {
    format!("s-{}", tasks.parent()?.file_name()?).parse().ok()
}

/// Waits until the marks of a sweep are others than those that were `seen`, for `most` at most.
///
/// # Errors
///
/// [`ElsewhereError::Transport`] where the connection broke.
pub fn await_marks(
    place: &mut Place,
    sweep: &SweepId,
    seen: &str,
    most: Duration,
) -> Result<(), ElsewhereError> {
    let layout = Layout::at(place.root());
    let step = Step::script(AWAIT)
        .arg(most.as_secs().max(1).to_string())
        .arg(layout.marks(sweep).as_str())
        .arg(seen)
        .limit(most + Duration::from_secs(30));
    place.transport.run(&[step])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_tell_what_lies_in_the_folders_of_runs() {
        let (one, two) = (RunId::from_bits(1), RunId::from_bits(2));
        let text = format!(
            "12 34\n{one}-1-began-11_0-node-7.site\n{two}-2-ended-11_1-cpu01\nlost+found\n"
        );
        let marks = Marks::read(&text);
        assert_eq!(marks.seen, "12 34");
        let began = marks.of(&one, 1);
        assert!(began.claimed && !began.receipt);
        assert_eq!(began.node.as_deref(), Some("node-7.site"));
        assert_eq!(began.job, Some("11_0".parse().unwrap()));
        assert!(marks.of(&two, 2).receipt);
        assert_eq!(marks.of(&two, 1), Traces::default());
    }

    #[test]
    fn a_mark_gets_another_name_when_the_receipt_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::at(Utf8Path::from_path(folder.path()).unwrap());
        let (sweep, run) = (SweepId::from_bits(7), RunId::from_bits(1));
        fs::create_dir_all(layout.marks(&sweep)).unwrap();
        fs::write(layout.marks(&sweep).join(format!("{run}-1-began-5-n")), "").unwrap();
        ended(&layout, &sweep, &run, 1);
        let other = RunId::from_bits(2);
        assert!(have_all_begun(&layout, &sweep, &format!("{run} 1 []\n")));
        assert!(!have_all_begun(&layout, &sweep, &format!("{run} 1 []\n{other} 1 [\"x\"]\n")));
        assert!(layout.marks(&sweep).join(format!("{run}-1-ended-5-n")).exists());
        assert_eq!(sweep_of(&layout.sweep(&sweep).join("x.tasks")), Some(sweep));
    }
}
