//! A cluster and a laptop, as these tests see them.

use std::process::{Child, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use camino::Utf8PathBuf;
use serde_json::Value;
use sizar_testkit::{Cluster, Said, World};

/// A driver that prints, writes and ends as its options say; it needs no package.
const TRAIN: &str = r"
import argparse, os, sys, time

if __name__ == '__main__':
    parser = argparse.ArgumentParser()
    parser.add_argument('--code', type=int, default=0)
    parser.add_argument('--sleep', type=float, default=0)
    parser.add_argument('--read')
    args = parser.parse_args()
    print('epoch 1', flush=True)
    os.makedirs('out', exist_ok=True)
    with open('out/first.txt', 'w') as file:
        file.write('first\n')
    if args.read:
        file = sys.stdin if args.read == '-' else open(args.read)
        with open('out/read.txt', 'w') as copy:
            copy.write(file.read())
    time.sleep(args.sleep)
    print('epoch 2', flush=True)
    with open('out/last.txt', 'w') as file:
        file.write('last\n')
    raise SystemExit(args.code)
";

/// How long a condition may take to come true: the machine may be busy.
const PATIENCE: Duration = Duration::from_mins(2);

/// A laptop that knows the hosts of a cluster as its targets.
pub struct Site {
    pub cluster: Arc<Cluster>,
    pub world: World,
}

/// A job of the scheduler, whatever came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    pub id: String,
    /// The exit code, once it has ended.
    pub code: Option<i32>,
}

/// The exit code of a job that found its attempt claimed by another.
pub const CLAIMED: i32 = 76;

impl Site {
    /// Makes a laptop, and a cluster's hosts its targets.
    pub fn of(cluster: impl Into<Arc<Cluster>>, targets: &[&str]) -> Self {
        let cluster = cluster.into();
        let world = World::new(env!("CARGO_BIN_EXE_sizar"));
        world.write("code/train.py", TRAIN);
        let site = Self { cluster, world };
        for target in targets {
            site.add(target, site.cluster.ssh_config().as_str()).exits(0);
        }
        site
    }

    /// Adds the target that is called as its host and its scheduler.
    pub fn add(&self, target: &str, ssh_config: &str) -> Said {
        self.sizar(&[
            "target",
            "add",
            target,
            &format!("ssh://{target}"),
            "--scheduler",
            target,
            "--ssh-config",
            ssh_config,
        ])
    }

    pub fn sizar(&self, args: &[&str]) -> Said {
        self.forget_logins();
        self.world.sizar(args)
    }

    /// Runs the driver on a target, with options of `run` before `--` and of the driver after it.
    pub fn run(&self, target: &str, args: &[&str]) -> Said {
        self.sizar(&Self::run_line(target, args))
    }

    /// Returns the words of a command that runs the driver.
    pub fn run_line<'a>(target: &'a str, args: &[&'a str]) -> Vec<&'a str> {
        let (options, driver) = match args.iter().position(|arg| *arg == "--") {
            Some(at) => (&args[..at], &args[at + 1..]),
            None => (args, &[][..]),
        };
        let mut line = vec!["run", "./code", "--on", target];
        line.extend(options);
        line.extend(["--", "train.py"]);
        line.extend(driver);
        line
    }

    /// Hands a run to the scheduler and returns its name.
    #[track_caller]
    pub fn detached(&self, target: &str, args: &[&str]) -> String {
        let args = [&["--detach"], args].concat();
        self.run(target, &args).exits(0).stdout.trim().to_owned()
    }

    /// Starts a command of sizar, and does not wait for it.
    pub fn spawn(&self, args: &[&str]) -> Child {
        self.forget_logins();
        let mut command = self.world.command(args);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().expect("sizar starts")
    }

    /// Forgets when the hosts were logged in to: how often that may be is another test's business.
    pub fn forget_logins(&self) {
        let folder = self.world.sizar_home().join("ssh");
        for entry in folder.read_dir_utf8().into_iter().flatten().flatten() {
            if entry.file_name().ends_with(".attempts") {
                let _ = fs_err::remove_file(entry.path());
            }
        }
    }

    /// Runs the driver until sizar ends itself at `point`, as `kill -9` would.
    #[track_caller]
    pub fn dies_at(&self, point: &str, args: &[&str]) {
        self.forget_logins();
        let said = self.world.said(self.world.command(args).env("SIZAR_FAILPOINT", point));
        assert_eq!(said.code, -1, "it did not reach `{point}`: {said}");
    }

    /// Ends the process of sizar on the target whose first word is `verb`, as `kill -9` does.
    pub fn kill_there(&self, verb: &str) {
        let inside = self.cluster.prefix().to_string();
        eventually("the other end", || {
            let found = fs_err::read_dir("/proc").unwrap().flatten().find_map(|entry| {
                let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
                let line = fs_err::read(entry.path().join("cmdline")).ok()?;
                let words: Vec<_> = line.split(|byte| *byte == 0).collect();
                let is_it = words.get(1) == Some(&verb.as_bytes());
                // of this cluster, and not of another test's
                let root = fs_err::read_link(entry.path().join("cwd")).ok()?;
                let own = root.to_string_lossy().starts_with(&inside)
                    || fs_err::metadata(entry.path().join("root/home/alice")).is_ok_and(|there| {
                        use std::os::unix::fs::MetadataExt as _;
                        fs_err::metadata(self.cluster.inside("/home/alice")).is_ok_and(|here| {
                            here.ino() == there.ino() && here.dev() == there.dev()
                        })
                    });
                (is_it && own).then_some(pid)
            });
            found.is_some_and(|pid| {
                std::process::Command::new("kill")
                    .args(["-9", &pid.to_string()])
                    .status()
                    .unwrap()
                    .success()
            })
        });
    }

    /// Returns the name of the newest run.
    #[track_caller]
    pub fn newest(&self) -> String {
        let runs = self.sizar(&["runs", "--json", "--no-refresh"]).exits(0).json();
        runs[0]["id"].as_str().expect("there is a run").to_owned()
    }

    /// Returns what the journal holds of a run.
    #[track_caller]
    pub fn show(&self, run: &str) -> Value {
        self.sizar(&["show", run, "--json"]).exits(0).json()
    }

    /// Returns the state that is on disk, without asking the target.
    #[track_caller]
    pub fn state(&self, run: &str) -> String {
        let runs = self.world.sizar(&["runs", "--json", "--no-refresh"]).exits(0).json();
        let all = runs.as_array().expect("a list");
        let found = all.iter().find(|one| one["id"] == run).expect("the run is listed");
        found["state"].as_str().expect("a state").to_owned()
    }

    /// Fails unless a run ended so, and returns it.
    #[track_caller]
    pub fn ended(&self, run: &str, state: &str) -> Value {
        let shown = self.show(run);
        assert_eq!(shown["state"], state, "{shown}");
        shown
    }

    /// Returns the paths of a run's results.
    pub fn results(run: &Value) -> Vec<&str> {
        let results = run["results"].as_array().map(Vec::as_slice).unwrap_or_default();
        results.iter().filter_map(|result| result["path"].as_str()).collect()
    }

    /// Returns the path here of what a run has on the cluster.
    pub fn there(&self, run: &str, path: &str) -> Utf8PathBuf {
        self.cluster.inside(&format!("/home/alice/.sizar/runs/{run}/{path}"))
    }

    /// Waits until the job of a run's first attempt has printed its first line.
    #[track_caller]
    pub fn until_it_prints(&self, run: &str) {
        let output = self.there(run, "job-1.out");
        eventually(&format!("{run} prints"), || {
            fs_err::read_to_string(&output).is_ok_and(|text| text.contains("epoch 1"))
        });
    }

    /// Returns all jobs that a scheduler ever had of a run's attempt.
    pub fn jobs(&self, target: &str, run: &str, attempt: u32) -> Vec<Job> {
        self.jobs_named(target, &format!("sizar-{run}-{attempt}"))
    }

    /// Returns all jobs of a name, every task of an array by itself.
    pub fn jobs_named(&self, target: &str, name: &str) -> Vec<Job> {
        if target == "oar" {
            return self.jobs_of_oar(name);
        }
        let all = self.cluster.root("scontrol -o show jobs").stdout;
        let word = |line: &str, key: &str| {
            let mut words = line.split(' ').filter_map(|word| word.split_once('='));
            words.find(|(name, _)| *name == key).map(|(_, value)| value.to_owned())
        };
        all.lines()
            .filter(|line| word(line, "JobName").as_deref() == Some(name))
            .map(|line| {
                let state = word(line, "JobState").unwrap_or_default();
                let open = ["PENDING", "RUNNING", "COMPLETING", "CONFIGURING"];
                let code = word(line, "ExitCode").unwrap_or_default();
                let code = code.split(':').next().and_then(|code| code.parse().ok());
                Job {
                    id: word(line, "JobId").unwrap_or_default(),
                    code: code.filter(|_| !open.contains(&state.as_str())),
                }
            })
            .collect()
    }

    fn jobs_of_oar(&self, name: &str) -> Vec<Job> {
        let said = self.cluster.ssh("oar", &format!("oarstat -f -J --sql \"job_name = '{name}'\""));
        let Ok(Value::Object(jobs)) = serde_json::from_str(&said.stdout) else { return Vec::new() };
        let code = |job: &Value| {
            let code = &job["exit_code"];
            let code = code.as_i64().or_else(|| code.as_str()?.parse().ok());
            // as wait(2) has it
            code.filter(|_| job["state"] == "Terminated" || job["state"] == "Error")
                .map(|code| i32::try_from(code >> 8).unwrap_or(-1))
        };
        jobs.iter().map(|(id, job)| Job { id: id.clone(), code: code(job) }).collect()
    }

    /// Fails unless exactly one job of a run's attempt did work; returns how many others there
    /// were that did none.
    #[track_caller]
    pub fn one_did_work(&self, target: &str, run: &str, attempt: u32) -> usize {
        let mut jobs = Vec::new();
        eventually(&format!("all jobs of {run} have ended"), || {
            jobs = self.jobs(target, run, attempt);
            !jobs.is_empty() && jobs.iter().all(|job| job.code.is_some())
        });
        let worked = jobs.iter().filter(|job| job.code != Some(CLAIMED)).count();
        assert_eq!(worked, 1, "{run}: {jobs:?}");
        assert!(self.there(run, &format!("attempt-{attempt}/receipt.json")).exists(), "{run}");
        jobs.len() - worked
    }
}

/// Does `test` for each target of one cluster at once, each with a laptop of its own.
pub fn on_each(
    cluster: Cluster,
    targets: &[&'static str],
    test: impl Fn(&Site, &'static str) + Sync,
) {
    let cluster = Arc::new(cluster);
    std::thread::scope(|scope| {
        for &target in targets {
            let (cluster, test) = (Arc::clone(&cluster), &test);
            scope.spawn(move || test(&Site::of(cluster, &[target]), target));
        }
    });
}

/// Waits for a condition.
#[track_caller]
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < end, "never came: {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Waits for the end of a command that was started.
pub fn said(child: Child) -> Said {
    let output = child.wait_with_output().expect("it ends");
    Said {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
