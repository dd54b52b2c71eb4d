//! Why a run's program stopped, read from the end of its log.

use std::io::{Read as _, Seek as _, SeekFrom};

use camino::{Utf8Component, Utf8Path, Utf8PathBuf};
use fs_err as fs;
use sizar_env::stopped::{self, Stopped, Why};
use sizar_inspect::python::distributions::distribution_of;
use sizar_model::artifact::Ending;
use sizar_model::{Receipt, Run};

use super::Attempt;
use crate::environment::{self, StoppedIn};
use crate::find_below::find_below;
use crate::home::Home;

/// How much of the end of a log is read, in bytes.
const END: u64 = 256 << 10;

/// Says why the program of a run stopped, where it ended with an error of its own that is known.
///
/// `receipt` is that of the run's newest attempt, whose log is here.
pub fn why(home: &Home, run: &Run, receipt: &Receipt) -> Option<Why> {
    let Ending::Exited { code: 1.. } = receipt.ending else { return None };
    let attempt = Attempt::of(home, &run.id, receipt.attempt);
    let output = end_of(&attempt.log())?;
    let lock = run.environment.as_deref().and_then(|name| environment::show(home, name).ok());
    let stopped = Stopped {
        output: &output,
        python: lock.map(|(_, lock)| lock.python),
        network: run.job.network,
    };
    let mut why = stopped::why(stopped, &distribution_of)?;
    if let Some(folder) = why.missing.as_deref().and_then(|path| start_for(&attempt.work(), path)) {
        why.advice = Some(format!(
            "the source has it below `{folder}`: `--in {}` starts the program there, which is then \
             named as it is called from there",
            shell_words::quote(folder.as_str())
        ));
    }
    Some(why)
}

/// Returns the folder of the source from which a path leads to a file of its own.
fn start_for(work: &Utf8Path, wanted: &str) -> Option<Utf8PathBuf> {
    let wanted = Utf8Path::new(wanted);
    let plain = wanted
        .components()
        .all(|part| matches!(part, Utf8Component::Normal(_) | Utf8Component::CurDir));
    // one name alone is found in many places that are not meant
    let parts = wanted.components().filter(|part| matches!(part, Utf8Component::Normal(_)));
    let count = parts.count();
    if !plain || count < 2 {
        return None;
    }
    let wanted: Utf8PathBuf =
        wanted.components().filter(|part| *part != Utf8Component::CurDir).collect();
    let found = find_below(work, &wanted)?;
    let above = found.components().count().checked_sub(count)?;
    let folder: Utf8PathBuf = found.components().take(above).collect();
    (above > 0).then_some(folder)
}

/// Returns what another setup is told of the environment in which a run stopped.
pub fn stopped_in(home: &Home, run: &Run, receipt: &Receipt) -> Option<StoppedIn> {
    let output = end_of(&Attempt::of(home, &run.id, receipt.attempt).log())?;
    let output = stopped::telling(&output).to_owned();
    Some(StoppedIn { environment: run.environment.clone()?, output })
}

/// Reads the end of a log, which is as long as the program made it.
fn end_of(log: &Utf8Path) -> Option<String> {
    let mut file = fs::File::open(log).ok()?;
    let length = file.metadata().ok()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(END))).ok()?;
    let mut bytes = Vec::new();
    file.take(END).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_the_source_says_where_to_start() {
        let folder = tempfile::tempdir().unwrap();
        let work = Utf8Path::from_path(folder.path()).unwrap();
        fs::create_dir_all(work.join("code/net/data")).unwrap();
        fs::write(work.join("code/net/data/words.txt"), "").unwrap();
        let start = |path: &str| start_for(work, path);
        assert_eq!(start("data/words.txt").as_deref(), Some(Utf8Path::new("code/net")));
        assert_eq!(start("./net/data/words.txt").as_deref(), Some(Utf8Path::new("code")));
        for other in ["words.txt", "data/other.txt", "../data/words.txt", "/data/words.txt"] {
            assert_eq!(start(other), None, "{other}");
        }
        // from where the program starts already it is there
        assert_eq!(start("code/net/data/words.txt"), None);
    }
}
