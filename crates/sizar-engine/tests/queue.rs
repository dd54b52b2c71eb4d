//! Detached runs: none lost, none twice, never more than the machine has.

#![allow(clippy::unwrap_used, reason = "a test that fails here says where")]

mod run_world;

use std::process::{Child, Command};
use std::time::Duration;

use camino::Utf8PathBuf;
use fs_err as fs;
use run_world::{World, read};
use sizar_engine::queue::{
    Cancellation, QueueError, Resumption, TooLarge, Watcher, cancel, logs, recover, resume,
    resume_all, wait,
};
use sizar_engine::run::Attempt;
use sizar_engine::store::{Filter, Journal, NewRun};
use sizar_model::resources::Walltime;
use sizar_model::{Ending, EventKind, Resources, RunId, RunState};

/// A supervisor that a test started; its end is the test's.
struct Supervisor(Child);

impl Drop for Supervisor {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn supervise(world: &World, cpus: u32) -> Supervisor {
    Supervisor(world.supervisor(cpus))
}

fn until(what: &str, holds: impl FnMut() -> bool) {
    sizar_testkit::until(what, Duration::from_mins(1), holds);
}

fn states(journal: &Journal, runs: &[RunId]) -> Vec<RunState> {
    runs.iter().map(|run| journal.state(run).unwrap()).collect()
}

fn all_final(journal: &Journal, runs: &[RunId]) -> bool {
    states(journal, runs).iter().all(RunState::is_final)
}

/// A run without a sandbox that appends a line to a file of the test's.
fn trace(world: &World, program: &str) -> NewRun {
    world.write("a.sh", program);
    let mut job = world.job("a.sh", &[]);
    job.sandbox = false;
    job.env = vec![("TRACE".to_owned(), world.root.join("trace").into_string())];
    world.prepared(job)
}

fn traced(world: &World) -> Vec<String> {
    let path = world.root.join("trace");
    if !path.exists() {
        return Vec::new();
    }
    read(path).lines().map(str::to_owned).collect()
}

#[test]
fn detached_runs_are_executed_and_the_supervisor_ends() {
    let world = World::new();
    let mut journal = world.journal();
    let new = trace(&world, "#!/bin/sh\necho $PWD >> $TRACE; echo hello; exit 3\n");
    let runs = journal.create_many(&vec![new; 3]).unwrap();
    let mut supervisor = supervise(&world, 2);
    until("all runs ended", || all_final(&journal, &runs));
    assert!(supervisor.0.wait().unwrap().success());
    assert_eq!(states(&journal, &runs), [RunState::Failed, RunState::Failed, RunState::Failed]);
    let mut lines = traced(&world);
    lines.sort();
    lines.dedup();
    assert_eq!(lines.len(), 3);
    let mut printed = Vec::new();
    logs(&world.home, &runs[0], true, &mut printed).unwrap();
    assert_eq!(printed, b"hello\n");
    assert_eq!(journal.get(runs[0].as_str()).unwrap().exit_code, Some(3));
}

#[test]
fn fifty_runs_never_take_more_than_there_is() {
    let world = World::new();
    let mut journal = world.journal();
    // each counts who is inside, with itself, while it is inside
    let program = "#!/bin/sh
mkdir -p $TRACE.d; me=$TRACE.d/$$; : > $me; ls $TRACE.d | wc -l >> $TRACE; sleep 0.02
ls $TRACE.d | wc -l >> $TRACE; rm $me
";
    let one = trace(&world, program);
    let mut two = one.clone();
    two.job.resources = Resources { cpus: Some(2), ..Resources::default() };
    let new: Vec<NewRun> =
        (0..50).map(|number| if number % 7 == 0 { two.clone() } else { one.clone() }).collect();
    let runs = journal.create_many(&new).unwrap();
    let _supervisor = supervise(&world, 3);
    until("all runs ended", || all_final(&journal, &runs));
    assert!(states(&journal, &runs).iter().all(|state| *state == RunState::Completed));
    let counts: Vec<u32> = traced(&world).iter().map(|line| line.trim().parse().unwrap()).collect();
    assert_eq!(counts.len(), 100);
    assert!(counts.iter().all(|count| *count <= 3), "{counts:?}");
    // and by the journal: at every moment, what runs fits into three processors
    let mut changes: Vec<(jiff::Timestamp, i64)> = Vec::new();
    for (run, new) in runs.iter().zip(&new) {
        let shown = journal.get(run.as_str()).unwrap();
        let cpus = i64::from(new.job.resources.cpus.unwrap_or(1));
        changes.push((shown.started.unwrap(), cpus));
        changes.push((shown.ended.unwrap(), -cpus));
    }
    changes.sort();
    let mut taken = 0;
    for (_, change) in changes {
        taken += change;
        assert!(taken <= 3);
    }
}

#[test]
fn runs_start_in_the_order_of_their_coming() {
    let world = World::new();
    let mut journal = world.journal();
    let new = trace(&world, "#!/bin/sh\n");
    let runs = journal.create_many(&vec![new; 8]).unwrap();
    let _supervisor = supervise(&world, 1);
    until("all runs ended", || all_final(&journal, &runs));
    let mut started: Vec<_> =
        runs.iter().map(|run| journal.get(run.as_str()).unwrap().started.unwrap()).collect();
    let as_they_came = started.clone();
    started.sort();
    assert_eq!(started, as_they_came);
}

#[test]
fn a_run_that_is_too_large_is_refused_with_what_there_is() {
    let machine = sizar_engine::queue::Capacity { cpus: 2, memory: 4 << 30, gpus: 0 };
    let asked = |cpus, memory: &str, gpus| Resources {
        cpus: Some(cpus),
        memory: Some(memory.parse().unwrap()),
        gpus: Some(gpus),
        walltime: None,
        ..Resources::default()
    };
    assert_eq!(machine.check(&asked(2, "4G", 0)), Ok(()));
    let error = machine.check(&asked(3, "1G", 0)).unwrap_err();
    assert_eq!(error, TooLarge::Cpus { wanted: 3, there_are: 2 });
    let error = machine.check(&asked(1, "5G", 0)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the run asks for 5.0 GiB of memory, and this machine has 4.0 GiB"
    );
    let error = machine.check(&asked(1, "1G", 1)).unwrap_err();
    assert_eq!(error, TooLarge::Gpus { wanted: 1, there_are: 0 });
}

#[test]
fn a_waiting_run_is_cancelled_at_once() {
    let world = World::new();
    let mut journal = world.journal();
    let run = journal.create(&trace(&world, "#!/bin/sh\necho x >> $TRACE\n")).unwrap();
    assert_eq!(cancel(&world.home, &mut journal, &run).unwrap(), Cancellation::Done);
    let mut supervisor = supervise(&world, 1);
    assert!(supervisor.0.wait().unwrap().success());
    assert_eq!(journal.state(&run).unwrap(), RunState::Cancelled);
    assert!(traced(&world).is_empty());
    let error = cancel(&world.home, &mut journal, &run).unwrap_err();
    assert!(matches!(error, QueueError::NothingToCancel { state: RunState::Cancelled, .. }));
    let error = logs(&world.home, &run, true, &mut Vec::new()).unwrap_err();
    assert!(matches!(error, QueueError::NoLog { .. }));
}

#[test]
fn a_running_run_is_asked_to_stop() {
    let world = World::new();
    let mut journal = world.journal();
    let program = "#!/bin/sh
trap 'echo stopped politely >> $TRACE; exit 1' INT TERM
echo on >> $TRACE
while :; do sleep 0.01; done
";
    let run = journal.create(&trace(&world, program)).unwrap();
    let _supervisor = supervise(&world, 1);
    until("it runs", || traced(&world) == ["on"]);
    assert_eq!(cancel(&world.home, &mut journal, &run).unwrap(), Cancellation::Asked);
    assert_eq!(wait(&world.home, std::slice::from_ref(&run)).unwrap(), [RunState::Cancelled]);
    assert_eq!(traced(&world), ["on", "stopped politely"]);
}

#[test]
fn a_run_at_its_walltime_is_neither_failed_nor_completed() {
    let world = World::new();
    let mut journal = world.journal();
    world.write("a.sh", "#!/bin/sh\nsleep 600\n");
    let mut job = world.job("a.sh", &[]);
    job.sandbox = false;
    job.resources.walltime = Some(Walltime(1));
    let run = journal.create(&world.prepared(job)).unwrap();
    let _supervisor = supervise(&world, 1);
    assert_eq!(wait(&world.home, std::slice::from_ref(&run)).unwrap(), [RunState::Timeout]);
    assert!(journal.get(run.as_str()).unwrap().reason.unwrap().contains("walltime"));
}

#[test]
fn killing_the_supervisor_leaves_runs_alone_and_the_next_takes_over() {
    let world = World::new();
    let mut journal = world.journal();
    let gate = world.root.join("gate");
    let program = format!(
        "#!/bin/sh\necho on >> $TRACE; while ! [ -e {gate} ]; do sleep 0.01; done; echo off >> $TRACE\n"
    );
    let runs = journal.create_many(&vec![trace(&world, &program); 4]).unwrap();
    let supervisor = supervise(&world, 2);
    until("two run", || traced(&world).len() == 2);
    drop(supervisor);
    // the next one finds its places taken
    let _supervisor = supervise(&world, 2);
    let generation = || {
        let file = rusqlite::Connection::open(world.home.journal()).unwrap();
        file.query_row("SELECT generation FROM supervisor", [], |row| row.get::<_, i64>(0)).unwrap()
    };
    until("it took over", || generation() == 2);
    let running = states(&journal, &runs).iter().filter(|s| **s == RunState::Running).count();
    assert_eq!(running, 2);
    fs::write(&gate, "").unwrap();
    until("all runs ended", || all_final(&journal, &runs));
    assert!(states(&journal, &runs).iter().all(|state| *state == RunState::Completed));
    let lines = traced(&world);
    assert_eq!(lines.iter().filter(|line| *line == "on").count(), 4, "{lines:?}");
    assert_eq!(lines.iter().filter(|line| *line == "off").count(), 4);
}

#[test]
fn two_supervisors_are_one_too_many() {
    let world = World::new();
    let mut journal = world.journal();
    let gate = world.root.join("gate");
    let program = format!("#!/bin/sh\nwhile ! [ -e {gate} ]; do sleep 0.01; done\n");
    let run = journal.create(&trace(&world, &program)).unwrap();
    let _first = supervise(&world, 1);
    until("it runs", || journal.state(&run).unwrap() == RunState::Running);
    let mut second = supervise(&world, 1);
    assert!(second.0.wait().unwrap().success());
    fs::write(&gate, "").unwrap();
    until("it ended", || journal.state(&run).unwrap() == RunState::Completed);
}

#[test]
fn what_a_killed_supervisor_left_open_is_not_taken_for_it() {
    let world = World::new();
    let mut journal = world.journal();
    // one that says who it is, and is killed
    let supervisor = supervise(&world, 2);
    until("it says who it is", || world.home.root().join("supervisor").exists());
    drop(supervisor);
    let runs =
        journal.create_many(&vec![trace(&world, "#!/bin/sh\necho x >> $TRACE\n"); 2]).unwrap();
    // as a process does that was being started when its supervisor was killed: it has copies of the
    // lock and of the socket, and reads nothing
    let lock = world.home.try_lock("supervisor").unwrap().unwrap();
    let socket = world.home.root().join("queue.sock");
    let _ = fs::remove_file(&socket);
    let socket = std::os::unix::net::UnixDatagram::bind(socket).unwrap();
    let mut supervisor = supervise(&world, 2);
    // it comes back again and again, each time after a sleep
    until("it waits", || {
        assert!(supervisor.0.try_wait().unwrap().is_none(), "it took the socket for a supervisor");
        sleeps(supervisor.0.id()) > 20
    });
    drop((lock, socket));
    until("all runs ended", || all_final(&journal, &runs));
    assert_eq!(traced(&world).len(), 2);
}

/// Returns how often a process has given up the processor by itself.
fn sleeps(pid: u32) -> u32 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let count = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
    count.unwrap().trim().parse().unwrap()
}

#[test]
fn who_waits_outlives_the_supervisor() {
    let world = World::new();
    let mut journal = world.journal();
    let gate = world.root.join("gate");
    let program =
        format!("#!/bin/sh\necho on >> $TRACE; while ! [ -e {gate} ]; do sleep 0.01; done\n");
    let runs = journal.create_many(&vec![trace(&world, &program); 3]).unwrap();
    let supervisor = supervise(&world, 1);
    until("one runs", || traced(&world).len() == 1);
    // the one that runs, and goes on running, is waited for first
    let (home, waited) = (world.home.clone(), runs.clone());
    let (end, ended) = std::sync::mpsc::channel();
    let (tell, told) = std::sync::mpsc::channel();
    let waiter = std::thread::spawn(move || {
        let thread = rustix::thread::gettid().as_raw_nonzero().get().unsigned_abs();
        tell.send((thread, sleeps(thread))).unwrap();
        end.send(wait(&home, &waited).unwrap()).unwrap();
    });
    let (thread, before) = told.recv().unwrap();
    // it has looked more than once, and found a supervisor
    until("it waits", || sleeps(thread) > before + 20);
    drop(supervisor);
    // nobody else starts the two that are left
    until("another supervisor", || world.home.try_lock("supervisor").unwrap().is_none());
    fs::write(&gate, "").unwrap();
    let states = ended.recv_timeout(Duration::from_mins(1)).unwrap();
    assert_eq!(states, vec![RunState::Completed; 3]);
    waiter.join().unwrap();
    assert_eq!(traced(&world).len(), 3);
}

#[test]
fn many_submitters_start_one_supervisor() {
    let world = World::new();
    let mut journal = world.journal();
    let runs =
        journal.create_many(&vec![trace(&world, "#!/bin/sh\necho $PWD >> $TRACE\n"); 6]).unwrap();
    let submitters: Vec<Child> = (0..6).map(|_| world.worker().spawn().unwrap()).collect();
    for mut submitter in submitters {
        assert!(submitter.wait().unwrap().success());
    }
    until("all runs ended", || all_final(&journal, &runs));
    assert_eq!(traced(&world).len(), runs.len());
    // it was in nobody's way, and ends by itself
    until("the supervisor ended", || world.home.try_lock("supervisor").unwrap().is_some());
    let late = journal.create(&trace(&world, "#!/bin/sh\necho late >> $TRACE\n")).unwrap();
    assert!(world.worker().status().unwrap().success());
    until("the late run ended", || all_final(&journal, std::slice::from_ref(&late)));
}

#[test]
fn a_runner_that_is_killed_leaves_a_lost_run_that_is_resumed() {
    let world = World::new();
    let mut journal = world.journal();
    let gate = world.root.join("gate");
    let program = format!(
        "#!/bin/sh\necho on >> $TRACE; while ! [ -e {gate} ]; do sleep 0.01; done; echo off >> $TRACE\n"
    );
    let run = journal.create(&trace(&world, &program)).unwrap();
    let supervisor = supervise(&world, 1);
    until("it runs", || traced(&world) == ["on"]);
    let watcher = journal.active().unwrap()[0].watcher.unwrap();
    kill(watcher);
    until("it is lost", || journal.state(&run).unwrap() == RunState::Lost);
    let shown = journal.get(run.as_str()).unwrap();
    assert!(shown.reason.unwrap().contains("without leaving a receipt"));
    drop(supervisor);
    // without a sandbox nothing ends the program with its watcher; it must not be in the way
    fs::write(&gate, "").unwrap();
    let resumed = resume(&world.home, &mut journal, &run).unwrap();
    assert_eq!(resumed, Resumption::Queued(run.clone()));
    let _supervisor = supervise(&world, 1);
    until("it completed", || journal.state(&run).unwrap() == RunState::Completed);
    assert_eq!(journal.attempts(&run).unwrap(), 2);
    assert!(Attempt::of(&world.home, &run, 2).receipt().is_some());
    assert!(Attempt::of(&world.home, &run, 1).receipt().is_none());
    let error = resume(&world.home, &mut journal, &run).unwrap_err();
    assert!(matches!(error, QueueError::NotResumable { state: RunState::Completed, .. }));
}

fn kill(watcher: Watcher) {
    let status = Command::new("kill").args(["-9", &watcher.pid.to_string()]).status().unwrap();
    assert!(status.success());
}

#[test]
fn a_preparation_that_was_killed_is_lost_and_prepared_again() {
    let world = World::new();
    let mut journal = world.journal();
    world.write("a.sh", "#!/bin/sh\n");
    let wish = NewRun {
        request: Some(serde_json::json!({"locator": "./source"})),
        ..world.wish(world.job("a.sh", &[]))
    };
    let run = journal.create(&wish).unwrap();
    // this process lives, so nothing is wrong
    assert_eq!(recover(&world.home).unwrap().lost, []);
    let mut gone = Command::new("true").spawn().unwrap();
    let began = EventKind::PreparationBegan { pid: gone.id(), pid_started: 1 };
    journal.append(&run, &began).unwrap();
    gone.wait().unwrap();
    assert_eq!(recover(&world.home).unwrap().lost, std::slice::from_ref(&run));
    assert_eq!(journal.state(&run).unwrap(), RunState::Lost);
    let resumed = resume_all(&world.home, &mut journal).unwrap();
    assert_eq!(resumed, [Resumption::NeedsPreparation(run.clone())]);
    assert_eq!(journal.state(&run).unwrap(), RunState::Preparing);
    assert_eq!(journal.request(&run).unwrap().unwrap()["locator"], "./source");
    // it is this process's now
    assert_eq!(recover(&world.home).unwrap().lost, []);
}

#[test]
fn what_nobody_wants_back_is_left_alone() {
    let world = World::new();
    let mut journal = world.journal();
    let run = journal.create(&world.wish(world.job("a.sh", &[]))).unwrap();
    journal.append(&run, &EventKind::Lost { reason: "killed".into() }).unwrap();
    assert_eq!(cancel(&world.home, &mut journal, &run).unwrap(), Cancellation::Done);
    assert_eq!(resume_all(&world.home, &mut journal).unwrap(), []);
}

#[test]
fn a_kill_at_any_place_is_resumed_to_the_same_end() {
    let places = [
        // the program ran to its end where a receipt is found, and before that it is run again
        ("run:after-copy", 1, RunState::Queued),
        ("run:before-started", 1, RunState::Queued),
        ("run:after-started", 2, RunState::Lost),
        ("run:after-program", 2, RunState::Lost),
        ("run:before-receipt", 2, RunState::Lost),
        ("run:after-receipt", 1, RunState::Completed),
    ];
    for (place, attempts, found) in places {
        let world = World::new();
        let mut journal = world.journal();
        let new = trace(&world, "#!/bin/sh\necho x >> $TRACE; echo made > result\n");
        let run = journal.create(&new).unwrap();
        let status = world
            .worker()
            .arg(run.as_str())
            .env("SIZAR_FAILPOINT", place)
            .stderr(std::process::Stdio::null())
            .status()
            .unwrap();
        assert_eq!(status.code(), None, "{place}");
        recover(&world.home).unwrap();
        assert_eq!(journal.state(&run).unwrap(), found, "{place}");
        if found == RunState::Lost {
            resume(&world.home, &mut journal, &run).unwrap();
        }
        let _supervisor = supervise(&world, 1);
        until("it ended", || journal.state(&run).unwrap().is_final());
        let shown = journal.get(run.as_str()).unwrap();
        assert_eq!((shown.state, shown.attempts), (RunState::Completed, attempts), "{place}");
        let names: Vec<&str> = shown.results.iter().map(|one| one.path.as_str()).collect();
        assert_eq!(names, ["result"], "{place}");
        // nothing half-made is left, whoever was killed
        let folder = world.home.root().join("runs").join(run.as_str());
        for entry in folder.read_dir_utf8().unwrap() {
            let name = entry.unwrap().file_name().to_owned();
            assert!(name.starts_with("attempt-"), "{place}: {name}");
        }
    }
}

#[test]
fn a_runner_that_cannot_start_fails_its_run_with_the_reason() {
    let world = World::new();
    let mut journal = world.journal();
    let mut new = trace(&world, "#!/bin/sh\n");
    if let Some(prepared) = &mut new.prepared {
        prepared.plan = r#"{"version": 99}"#.to_owned();
    }
    let run = journal.create(&new).unwrap();
    let _supervisor = supervise(&world, 1);
    until("it failed", || journal.state(&run).unwrap() == RunState::Failed);
    assert!(journal.get(run.as_str()).unwrap().reason.unwrap().contains("newer sizar"));
}

#[test]
fn logs_are_followed_to_the_end() {
    let world = World::new();
    let mut journal = world.journal();
    let gate = world.root.join("gate");
    let program =
        format!("#!/bin/sh\necho one; while ! [ -e {gate} ]; do sleep 0.01; done; echo two\n");
    let run = journal.create(&trace(&world, &program)).unwrap();
    let (reader, mut writer) = std::io::pipe().unwrap();
    let home = world.home.clone();
    let followed = run.clone();
    let follower = std::thread::spawn(move || {
        logs(&home, &followed, true, &mut writer).map_err(|e| e.to_string())
    });
    let _supervisor = supervise(&world, 1);
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(reader));
    assert_eq!(lines.next().unwrap().unwrap(), "one");
    fs::write(&gate, "").unwrap();
    assert_eq!(lines.next().unwrap().unwrap(), "two");
    assert!(lines.next().is_none());
    follower.join().unwrap().unwrap();
}

/// Runs `count` no-ops, kills the supervisor in the middle, and counts what happened.
fn none_lost_none_twice(count: usize, program: NewRun, world: &World) -> Vec<RunId> {
    let mut journal = world.journal();
    let runs = journal.create_many(&vec![program; count]).unwrap();
    let supervisor = supervise(world, 4);
    let completed = |journal: &Journal| {
        let filter = Filter { states: vec![RunState::Completed], ..Filter::default() };
        journal.list(&filter).unwrap().len()
    };
    until("some are done", || completed(&journal) >= count / 3);
    drop(supervisor);
    assert!(completed(&journal) < count, "the kill came too late");
    resume_all(&world.home, &mut journal).unwrap();
    let _supervisor = supervise(world, 4);
    let states = wait(&world.home, &runs).unwrap();
    assert!(states.iter().all(|state| *state == RunState::Completed), "{states:?}");
    for run in &runs {
        let starts = journal
            .events(run)
            .unwrap()
            .iter()
            .filter(|event| matches!(event.kind, EventKind::Started { .. }))
            .count();
        assert_eq!(starts, 1);
        let receipt = Attempt::of(&world.home, run, 1).receipt().unwrap();
        assert_eq!(receipt.ending, Ending::Exited { code: 0 });
    }
    runs
}

#[test]
fn sixty_runs_survive_their_supervisor() {
    let world = World::new();
    let program = trace(&world, "#!/bin/sh\necho $PWD >> $TRACE\n");
    let runs = none_lost_none_twice(60, program, &world);
    let mut lines = traced(&world);
    assert_eq!(lines.len(), runs.len());
    lines.sort();
    lines.dedup();
    assert_eq!(lines.len(), runs.len());
}

#[test]
fn slow_sixty_runs_in_sandboxes_survive_their_supervisor() {
    let world = World::new();
    world.write("a.sh", "#!/bin/sh\necho made > result\n");
    let program = world.prepared(world.job("a.sh", &[]));
    for run in none_lost_none_twice(60, program, &world) {
        let shown = world.journal().get(run.as_str()).unwrap();
        assert_eq!(shown.results.len(), 1);
    }
}

#[test]
fn slow_a_killed_foreground_takes_its_program_along() {
    let world = World::new();
    let mut journal = world.journal();
    world.write("a.sh", "#!/bin/sh\necho on > started; while :; do sleep 0.05; done\n");
    let run = journal.create(&world.prepared(world.job("a.sh", &[]))).unwrap();
    let mut foreground = world.worker().arg(run.as_str()).spawn().unwrap();
    let attempt = Attempt::of(&world.home, &run, 1);
    until("it runs", || attempt.work().join("started").exists());
    foreground.kill().unwrap();
    foreground.wait().unwrap();
    let marker: Utf8PathBuf = attempt.work();
    until("the program is gone", || !somebody_is_in(&marker));
    assert_eq!(recover(&world.home).unwrap().lost, std::slice::from_ref(&run));
    fs::write(world.source().join("a.sh"), "#!/bin/sh\n").unwrap();
    resume(&world.home, &mut journal, &run).unwrap();
    let _supervisor = supervise(&world, 1);
    until("it completed", || journal.state(&run).unwrap() == RunState::Completed);
}

/// Returns whether a process names this path on its command line.
fn somebody_is_in(path: &Utf8PathBuf) -> bool {
    fs::read_dir("/proc").unwrap().flatten().any(|entry| {
        fs::read(entry.path().join("cmdline"))
            .is_ok_and(|line| String::from_utf8_lossy(&line).contains(path.as_str()))
    })
}
