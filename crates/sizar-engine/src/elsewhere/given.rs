//! What a batch scheduler gave a job, and what it means when it asks it to end.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use camino::Utf8PathBuf;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook::iterator::Signals;
use sizar_model::Ending;
use sizar_model::resources::Walltime;

use crate::process::{Control, environment};
use crate::run::Allotment;

/// How long the news that this process was asked to end may come after the program's own end: a
/// scheduler signals all processes of a job, one after the other.
const NEWS: Duration = Duration::from_millis(500);

/// Whether this process was asked to end.
#[derive(Default)]
pub(super) struct Told {
    so_far: Mutex<bool>,
    changed: Condvar,
}

impl Told {
    fn note(&self) {
        *self.so_far.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_all();
    }

    /// Returns whether it was, or is within [`NEWS`].
    pub fn by_now(&self) -> bool {
        let so_far = self.so_far.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.changed.wait_timeout_while(so_far, NEWS, |told| !*told);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

/// Says what an ending means where the scheduler may have asked for it: it cancels a job by the
/// same signals by which it announces that the time is over.
pub(super) fn meaning(ending: Ending, told: impl FnOnce() -> bool, over: bool) -> Ending {
    let asked = match ending {
        Ending::Cancelled => true,
        Ending::Signalled { signal } => [SIGTERM, SIGINT, SIGUSR1, SIGUSR2].contains(&signal),
        _ => false,
    };
    match asked && told() {
        true if over => Ending::TimedOut,
        true => Ending::Cancelled,
        false => ending,
    }
}

/// Returns the time that the scheduler gave this job, where it says so: a site's default, too.
pub(super) fn granted(variables: &BTreeMap<String, String>) -> Option<Walltime> {
    let seconds = |name: &str| variables.get(name)?.parse::<u64>().ok();
    let of_slurm = || seconds("SLURM_JOB_END_TIME")?.checked_sub(seconds("SLURM_JOB_START_TIME")?);
    let seconds = seconds("OAR_JOB_WALLTIME_SECONDS").or_else(of_slurm)?;
    Some(Walltime(seconds)).filter(|walltime| walltime.0 > 0)
}

/// Returns how many seconds of a job's walltime are kept for what comes after the program: a
/// twentieth, from 5 seconds to a minute.
pub(super) fn kept(walltime: Walltime) -> u64 {
    (walltime.0 / 20).clamp(5, 60)
}

/// Returns how long the program may run so that its results are sealed before the scheduler ends
/// the job.
pub(super) fn ahead_of(walltime: Walltime, kept: u64, began: Instant) -> Walltime {
    let kept = kept + began.elapsed().as_secs();
    Walltime(walltime.0.saturating_sub(kept).max(1))
}

/// Turns signals into wishes, in a thread of their own.
pub(super) fn obey_signals(control: &Control, told: &Arc<Told>) {
    let (control, told) = (control.clone(), Arc::clone(told));
    let signals = Signals::new([SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2]);
    let Ok(mut signals) = signals else { return };
    std::thread::spawn(move || {
        for signal in signals.forever() {
            if matches!(signal, SIGTERM | SIGINT | SIGUSR1 | SIGUSR2) {
                told.note();
                control.stop();
            }
        }
    });
}

/// What a batch scheduler tells its jobs by variables that begin so.
const TOLD: [&str; 5] = ["SLURM_", "SLURMD_NODENAME", "OAR_", "PMI_", "PMIX_"];
/// How GPUs are named.
const GPUS: [&str; 4] =
    ["CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "GPU_DEVICE_ORDINAL"];

/// Reads what the scheduler gave this job.
pub(super) fn allotment(cpus: Option<u32>, variables: &BTreeMap<String, String>) -> Allotment {
    let mut given = Allotment::default();
    for (name, value) in variables {
        let gpu = GPUS.contains(&name.as_str());
        given.gpus |= gpu && !value.is_empty() && value != "NoDevFiles";
        // a token of Slurm's is a password
        let secret = name.contains("JWT") || name.contains("TOKEN") || name.contains("PASSWORD");
        if gpu || (!secret && TOLD.iter().any(|told| name.starts_with(told))) {
            given.variables.insert(name.clone(), value.clone());
        }
    }
    add_modules(&mut given, variables);
    if let Some(cpus) = cpus {
        for name in environment::THREADS {
            given.variables.insert(name.to_owned(), cpus.to_string());
        }
    }
    given
}

/// Lists of folders that modules set, beside `PATH`.
const LISTS: [&str; 6] = [
    "LD_LIBRARY_PATH",
    "LIBRARY_PATH",
    "CPATH",
    "C_INCLUDE_PATH",
    "PKG_CONFIG_PATH",
    "LOADEDMODULES",
];

/// Adds what loaded modules set: where their programs and libraries are.
fn add_modules(given: &mut Allotment, variables: &BTreeMap<String, String>) {
    if variables.get("LOADEDMODULES").is_none_or(String::is_empty) {
        return;
    }
    let home = variables.get("HOME").map_or("/", String::as_str);
    let roots = ["_HOME", "_ROOT"];
    for (name, value) in variables {
        let list = LISTS.contains(&name.as_str());
        // the module system's own, and the login's, are of no use to a program
        let own = ["MODULES", "LMOD", "XDG", "SSH"].iter().any(|own| name.starts_with(own));
        let root = !own && value.starts_with('/') && roots.iter().any(|end| name.ends_with(end));
        if list || root {
            given.variables.insert(name.clone(), value.clone());
        }
        if name == "PATH" {
            given.path = Some(value.clone());
        }
        if list || root || name == "PATH" {
            let folders = value.split(':').map(Utf8PathBuf::from);
            given.readable.extend(folders.filter(|folder| {
                // never the account's whole home, nor what is above it
                folder.is_absolute() && !camino::Utf8Path::new(home).starts_with(folder)
            }));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_passes_on_what_the_scheduler_gave_and_no_secret() {
        let variables = [
            ("CUDA_VISIBLE_DEVICES", "0,1"),
            ("SLURM_JOB_ID", "12"),
            ("SLURM_JWT", "secret"),
            ("AWS_SECRET_ACCESS_KEY", "secret"),
            ("OAR_NODE_FILE", "/x"),
        ];
        let variables =
            variables.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let given = allotment(Some(2), &variables);
        assert!(given.gpus);
        assert!(!given.variables.values().any(|value| value == "secret"));
        assert_eq!(given.variables["SLURM_JOB_ID"], "12");
        assert_eq!(given.variables["OMP_NUM_THREADS"], "2");
        assert!(!allotment(None, &BTreeMap::new()).gpus);
    }

    #[test]
    fn what_modules_set_reaches_the_program() {
        let of = |loaded: &str| {
            let pairs = [
                ("LOADEDMODULES", loaded),
                ("PATH", "/sw/cuda/bin:/usr/bin:/home/a"),
                ("LD_LIBRARY_PATH", "/sw/cuda/lib64"),
                ("CUDA_HOME", "/sw/cuda"),
                ("MODULESHOME", "/usr/share/modules"),
                ("HOME", "/home/a"),
                ("MY_TOKEN", "secret"),
            ];
            let pairs = pairs.iter().map(|(name, value)| ((*name).into(), (*value).into()));
            allotment(None, &pairs.collect())
        };
        assert_eq!(of(""), Allotment::default());
        let given = of("cuda/11.8");
        let names: Vec<_> = given.variables.keys().map(String::as_str).collect();
        assert_eq!(names, ["CUDA_HOME", "LD_LIBRARY_PATH", "LOADEDMODULES"]);
        assert!(given.path.is_some_and(|path| path.starts_with("/sw/cuda/bin")));
        assert!(given.readable.contains(&"/sw/cuda/lib64".into()));
        assert!(!given.readable.contains(&"/home/a".into()));
    }

    #[test]
    fn what_the_scheduler_asked_for_is_no_failure_of_the_program() {
        let signalled = Ending::Signalled { signal: SIGTERM };
        assert_eq!(meaning(signalled.clone(), || true, false), Ending::Cancelled);
        assert_eq!(meaning(signalled.clone(), || true, true), Ending::TimedOut);
        assert_eq!(meaning(signalled.clone(), || false, true), signalled);
        assert_eq!(meaning(Ending::Cancelled, || true, true), Ending::TimedOut);
        let failed = Ending::Exited { code: 3 };
        assert_eq!(meaning(failed.clone(), || true, true), failed);
    }

    #[test]
    fn a_job_knows_the_time_that_it_was_given() {
        let of = |pairs: &[(&str, &str)]| {
            granted(&pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect())
        };
        let slurm = [("SLURM_JOB_START_TIME", "1700000000"), ("SLURM_JOB_END_TIME", "1700000300")];
        assert_eq!(of(&slurm), Some(Walltime(300)));
        assert_eq!(of(&[("OAR_JOB_WALLTIME_SECONDS", "7200")]), Some(Walltime(7200)));
        assert_eq!(of(&slurm[..1]), None);
    }

    #[test]
    fn the_program_ends_before_the_job_does() {
        let now = Instant::now();
        let of = |seconds| ahead_of(Walltime(seconds), kept(Walltime(seconds)), now);
        assert_eq!(of(60), Walltime(55));
        assert_eq!(of(3600), Walltime(3540));
        assert_eq!(of(4), Walltime(1));
    }
}
