//! Why a run's program stopped, read from the end of its log.

use std::io::{Read as _, Seek as _, SeekFrom};

use camino::Utf8Path;
use fs_err as fs;
use sizar_env::stopped::{self, Stopped, Why};
use sizar_inspect::python::distributions::distribution_of;
use sizar_model::artifact::Ending;
use sizar_model::{Receipt, Run};

use super::Attempt;
use crate::environment::{self, StoppedIn};
use crate::home::Home;

/// How much of the end of a log is read, in bytes.
const END: u64 = 256 << 10;

/// Says why the program of a run stopped, where it ended with an error of its own that is known.
///
/// `receipt` is that of the run's newest attempt, whose log is here.
pub fn why(home: &Home, run: &Run, receipt: &Receipt) -> Option<Why> {
    let Ending::Exited { code: 1.. } = receipt.ending else { return None };
    let output = end_of(&Attempt::of(home, &run.id, receipt.attempt).log())?;
    let lock = run.environment.as_deref().and_then(|name| environment::show(home, name).ok());
    let stopped = Stopped {
        output: &output,
        python: lock.map(|(_, lock)| lock.python),
        network: run.job.network,
    };
    stopped::why(stopped, &distribution_of)
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
