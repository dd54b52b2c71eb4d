//! Why a run's program stopped, read from the end of its log.

use std::io::{Read as _, Seek as _, SeekFrom};

use camino::{Utf8Component, Utf8Path, Utf8PathBuf};
use fs_err as fs;
use sizar_env::lock::met_by_programs;
use sizar_env::name;
use sizar_env::stopped::{self, Stopped, Why};
use sizar_inspect::python::distributions::distribution_of;
use sizar_model::artifact::Ending;
use sizar_model::{Receipt, Run};

use super::{Attempt, RunPlan, inside};
use crate::environment::{self, StoppedIn};
use crate::find_below::find_below;
use crate::home::Home;
use crate::sandbox::SandboxKind;

/// How much of the end of a log is read, in bytes.
const END: u64 = 256 << 10;

/// Says why the program of a run stopped, where it ended with an error of its own that is known.
///
/// `receipt` is that of the run's newest attempt, whose log is here, and `plan` what it executed.
pub fn why(home: &Home, run: &Run, receipt: &Receipt, plan: Option<&RunPlan>) -> Option<Why> {
    let Ending::Exited { code: 1.. } = receipt.ending else { return None };
    let attempt = Attempt::of(home, &run.id, receipt.attempt);
    let output = output_of(&attempt)?;
    let lock = run.environment.as_deref().and_then(|name| environment::show(home, name).ok());
    let lock = lock.map(|(_, lock)| lock);
    let installed = lock.as_ref().map(|lock| {
        let conda = lock.conda.iter().map(|package| package.name.as_str());
        let names = lock.packages.iter().map(|package| package.name.as_str()).chain(conda);
        names.map(name::normalise).collect()
    });
    let stopped = Stopped {
        output: &output,
        python: lock.map(|lock| lock.python),
        network: run.job.network || is_open(receipt),
        installed,
    };
    let mut why = stopped::why(&stopped, &distribution_of)?;
    if let Some(missing) = &why.missing
        && why.rule == "run-file-missing"
    {
        let folder = plan.map_or(Utf8Path::new(""), |plan| plan.folder.as_path());
        why.advice = Some(advice(&attempt.work(), folder, missing));
    }
    Some(why)
}

/// Whether a program had no sandbox: the network was open to it, and the disk.
pub fn is_open(receipt: &Receipt) -> bool {
    receipt.sandbox == SandboxKind::None.name()
}

/// Returns what another setup is told of the environment in which a run stopped.
pub fn stopped_in(home: &Home, run: &Run, receipt: &Receipt, plan: &RunPlan) -> Option<StoppedIn> {
    let output = output_of(&Attempt::of(home, &run.id, receipt.attempt))?;
    let (_, mut lock) = environment::show(home, plan.prefix.file_name()?).ok()?;
    // another lock of the same folder may have others
    lock.variables.clone_from(&plan.variables);
    Some(StoppedIn {
        environment: met_by_programs(&lock),
        output: stopped::telling(&output).to_owned(),
    })
}

/// Says what may be done about a file that is not there, for a program that starts in `folder`.
fn advice(work: &Utf8Path, folder: &Utf8Path, missing: &str) -> String {
    if let Some(folder) = start_for(work, missing) {
        return format!(
            "the source has it below `{folder}`: `--in {}` starts the program there, which is then \
             named as it is called from there",
            shell_words::quote(folder.as_str())
        );
    }
    let made = "where the program makes it itself, its folder may be what is missing";
    let place = match missing.starts_with(['/', '~']) {
        true => Some(missing.to_owned()),
        false => inside(&folder.join(missing)).map(Utf8PathBuf::into_string),
    };
    match place.filter(|place| !place.contains(':')) {
        Some(place) => {
            let binding = format!("HERE:{place}");
            let binding = shell_words::quote(&binding);
            format!("`--data {binding}` gives it; {made}")
        }
        None => format!("`--in FOLDER` starts the program in another folder; {made}"),
    }
}

/// Returns the folder of the source from which a path leads to a file of its own.
fn start_for(work: &Utf8Path, wanted: &str) -> Option<Utf8PathBuf> {
    let wanted = Utf8Path::new(wanted);
    let climbs = wanted.components().any(|part| part == Utf8Component::ParentDir);
    let wanted = inside(wanted).filter(|_| !climbs)?;
    let count = wanted.components().count();
    // one name alone is found in many places that are not meant
    if count < 2 {
        return None;
    }
    let found = find_below(work, &wanted)?;
    let above = found.components().count().checked_sub(count)?;
    let folder: Utf8PathBuf = found.components().take(above).collect();
    (above > 0).then_some(folder)
}

/// Reads the end of what an attempt printed, with the paths of its own folders as the program's
/// authors would have them.
fn output_of(attempt: &Attempt) -> Option<String> {
    let text = end_of(&attempt.log())?;
    let text = text.replace(&format!("{}/", attempt.work()), "");
    Some(text.replace(&format!("{}/", attempt.home()), "~/"))
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

    #[test]
    fn data_are_given_where_the_program_looks() {
        let folder = tempfile::tempdir().unwrap();
        let work = Utf8Path::from_path(folder.path()).unwrap();
        let of = |folder: &str, missing: &str| advice(work, Utf8Path::new(folder), missing);
        assert!(of("src", "data/a.txt").contains("`--data HERE:src/data/a.txt`"));
        assert!(of("src", "../data/a.txt").contains("`--data HERE:data/a.txt`"));
        assert!(of("", "/mnt/my data/a").contains("`--data 'HERE:/mnt/my data/a'`"));
        assert!(!of("", "../a.txt").contains("--data"));
        assert!(!of("", "a:b.txt").contains("--data"));
    }
}
