//! How programs are run, limited and stopped.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod process_world;

use std::cell::Cell;
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::Stdio;
use std::time::Duration;

use process_world::{World, as_process, python, role, shell};
use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat, open};
use sizar_engine::process::ProcessError;
use sizar_engine::sandbox::SandboxKind;
use sizar_model::Invocation;
use sizar_model::artifact::Ending;
use sizar_model::resources::{ByteSize, Walltime};

for_each_kind!(bubblewrap Bubblewrap, landlock Landlock, none None: {
    slow_exit_codes_pass_through exit_codes_pass_through,
    slow_what_cannot_be_started_is_said what_cannot_be_started_is_said,
    slow_lines_are_shown_and_kept lines_are_shown_and_kept,
    slow_a_polite_stop_lets_a_program_clean_up a_polite_stop_lets_a_program_clean_up,
    slow_ctrl_c_reaches_the_program_and_not_its_watchers ctrl_c_reaches_the_program_and_not_its_watchers,
    slow_a_second_stop_kills a_second_stop_kills,
    slow_a_program_that_ignores_everything_is_killed a_program_that_ignores_everything_is_killed,
    slow_what_is_stopped_before_does_not_start what_is_stopped_before_does_not_start,
    slow_nothing_outlives_the_program nothing_outlives_the_program,
    slow_nothing_outlives_sizar nothing_outlives_sizar,
    slow_walltime_first_warns walltime_first_warns,
    slow_memory_is_limited memory_is_limited,
    slow_processes_are_limited processes_are_limited,
    slow_a_program_that_hangs_is_ended a_program_that_hangs_is_ended,
    slow_cores_are_limited cores_are_limited,
    slow_usage_is_measured usage_is_measured,
    slow_much_output_is_kept much_output_is_kept,
    slow_a_log_has_a_limit_and_an_end a_log_has_a_limit_and_an_end,
    slow_a_reader_that_goes_away_stops_nothing a_reader_that_goes_away_stops_nothing,
});

fn exit_codes_pass_through(kind: SandboxKind) {
    let world = World::new(kind);
    assert_eq!(world.shell("exit 0").ending, Ending::Exited { code: 0 });
    assert_eq!(world.shell("exit 7").ending, Ending::Exited { code: 7 });
    for signal in [9, 15, 11, 6] {
        let ending = world.shell(&format!("kill -{signal} $$")).ending;
        assert_eq!(ending, Ending::Signalled { signal });
    }
}

fn what_cannot_be_started_is_said(kind: SandboxKind) {
    let world = World::new(kind);
    let of = |invocation| world.run(invocation).unwrap_err();
    let error = of(Invocation::new("no-such-program"));
    assert!(
        matches!(&error, ProcessError::ProgramNotFound { program, .. } if program == "no-such-program")
    );
    fs_err::write(world.work.join("plain"), "text").unwrap();
    let error = of(Invocation::new("./plain"));
    assert!(matches!(error, ProcessError::NotExecutable { .. }), "{error:?}");
    let error = of(Invocation::new("true").cwd(world.root.join("nowhere")));
    assert!(matches!(error, ProcessError::Unusable { .. }), "{error:?}");
    // A program that prints the same is not mistaken for it.
    let done = world.shell("echo; echo 'bwrap: execvp x: No such file or directory' >&2; exit 1");
    assert_eq!(done.ending, Ending::Exited { code: 1 });
}

fn lines_are_shown_and_kept(kind: SandboxKind) {
    let world = World::new(kind);
    let seen = std::cell::RefCell::new(Vec::new());
    let show = |line: &str| seen.borrow_mut().push(line.to_owned());
    let done = world.watch(shell("printf 'a\\nb'; printf '\\377\\n'; printf c"), &show).unwrap();
    assert_eq!(*seen.borrow(), ["a", "b\u{fffd}", "c"]);
    assert_eq!((&*done.stdout, &*done.stderr), ("a\nb\u{fffd}\nc", ""));
    assert_eq!(world.shell("cat; echo e >&2").stderr, "e\n");
}

const PATIENT: &str = "
import signal, sys, time
def again(*_): print('again')
signal.signal(signal.SIGINT, again)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print('ready')
while True: time.sleep(1000)
";

const CLEANS_UP: &str = "
import time
try:
    print('ready'); time.sleep(1000)
except KeyboardInterrupt:
    print('cleaned up'); raise SystemExit(3)
";

fn a_polite_stop_lets_a_program_clean_up(kind: SandboxKind) {
    let world = World::new(kind);
    let show = |line: &str| {
        if line == "ready" {
            world.control.stop();
        }
    };
    let done = world.watch(python(CLEANS_UP), &show).unwrap();
    assert_eq!(done.ending, Ending::Cancelled);
    assert_eq!(done.stdout, "ready\ncleaned up\n");
}

#[test]
fn slow_role_terminal() {
    let Some((kind, _)) = role() else { return };
    let world = World::new(kind);
    let mut signals = signal_hook::iterator::Signals::new([signal_hook::consts::SIGINT]).unwrap();
    let control = world.control.clone();
    std::thread::spawn(move || signals.forever().for_each(|_| control.stop()));
    let done = world.watch(python(CLEANS_UP), &|line| println!("{line}")).unwrap();
    println!("{:?}", done.ending);
}

/// As a terminal does: the signal goes to everything in the foreground's process group.
fn ctrl_c_reaches_the_program_and_not_its_watchers(kind: SandboxKind) {
    use std::os::unix::process::CommandExt as _;
    let world = World::new(kind);
    let mut parent = as_process("slow_role_terminal", kind, &world.root)
        .process_group(0)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(parent.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line.ends_with("ready")));
    let group = rustix::process::Pid::from_raw(parent.id() as i32).unwrap();
    rustix::process::kill_process_group(group, rustix::process::Signal::INT).unwrap();
    assert!(lines.any(|line| line == "cleaned up"));
    assert!(lines.any(|line| line == "Cancelled"));
    parent.wait().unwrap();
}

fn a_second_stop_kills(kind: SandboxKind) {
    let mut world = World::new(kind);
    world.limits.grace = Duration::from_secs(1000);
    let show = |_: &str| world.control.stop();
    let done = world.watch(python(PATIENT), &show).unwrap();
    assert_eq!(done.ending, Ending::Cancelled);
    assert_eq!(done.stdout, "ready\nagain\n");
}

fn a_program_that_ignores_everything_is_killed(kind: SandboxKind) {
    let mut world = World::new(kind);
    world.limits.grace = Duration::from_millis(50);
    let told = Cell::new(false);
    let show = |_: &str| {
        if !told.replace(true) {
            world.control.stop();
        }
    };
    let done = world.watch(python(PATIENT), &show).unwrap();
    assert_eq!(done.ending, Ending::Cancelled);
}

fn what_is_stopped_before_does_not_start(kind: SandboxKind) {
    let world = World::new(kind);
    world.control.stop();
    let done = world.shell("touch here");
    assert_eq!(done.ending, Ending::Cancelled);
    assert!(!world.work.join("here").exists());
}

/// Leaves a process behind that has left its session, and holds the pipe `held` open.
const LEAVES_A_DAEMON: &str = "
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        pipe = open('held', 'wb', buffering=0)
        pipe.write(b'x')
        os.close(1); os.close(2)
        time.sleep(1000)
    os._exit(0)
os.wait()
while not os.path.exists('go'): time.sleep(0.01)
";

fn nothing_outlives_the_program(kind: SandboxKind) {
    let world = World::new(kind);
    let held = world.work.join("held");
    mknodat(CWD, held.as_str(), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let pipe = open(held.as_str(), OFlags::RDWR | OFlags::CLOEXEC, Mode::empty()).unwrap();
    let go = world.work.join("go");
    let waiting = std::thread::spawn(move || {
        let mut byte = [0];
        rustix::io::read(&pipe, &mut byte).unwrap();
        let reader = open(held.as_str(), OFlags::RDONLY | OFlags::NONBLOCK, Mode::empty()).unwrap();
        drop(pipe);
        fs_err::write(go, "").unwrap();
        reader
    });
    assert_eq!(world.python(LEAVES_A_DAEMON).ending, Ending::Exited { code: 0 });
    let reader = waiting.join().unwrap();
    // The end of the file at once, not `EAGAIN`: nobody holds the other end any more.
    assert_eq!(rustix::io::read(&reader, &mut [0; 1]), Ok(0));
}

#[test]
fn slow_role_daemon() {
    let Some((kind, work)) = role() else { return };
    let mut world = World::new(kind);
    world.confinement.writable.push(work.clone());
    world.work = work;
    world.python(LEAVES_A_DAEMON);
}

fn nothing_outlives_sizar(kind: SandboxKind) {
    let world = World::new(kind);
    let held = world.work.join("held");
    mknodat(CWD, held.as_str(), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let mut parent =
        as_process("slow_role_daemon", kind, &world.work).stdout(Stdio::null()).spawn().unwrap();
    let mut reader = fs_err::File::open(&held).unwrap();
    let mut byte = [0];
    reader.read_exact(&mut byte).unwrap();
    parent.kill().unwrap();
    parent.wait().unwrap();
    // Blocks for ever if the daemon lives on.
    assert_eq!(reader.read(&mut byte).unwrap(), 0);
}

fn walltime_first_warns(kind: SandboxKind) {
    let mut world = World::new(kind);
    world.limits.walltime = Some(Walltime(1));
    let script = "
import signal, time
def save(*_): print('saved'); raise SystemExit(0)
signal.signal(signal.SIGTERM, save)
time.sleep(1000)
";
    let done = world.python(script);
    assert_eq!((done.ending, &*done.stdout), (Ending::TimedOut, "saved\n"));
    world.limits.grace = Duration::from_millis(50);
    assert_eq!(world.python(PATIENT).ending, Ending::TimedOut);
}

fn memory_is_limited(kind: SandboxKind) {
    let mut world = World::new(kind);
    world.limits.memory = Some(ByteSize(100 << 20));
    let done = world.python("import time; a = bytearray(b'x' * (300 << 20)); time.sleep(1000)");
    assert_eq!(done.ending, Ending::OutOfMemory);
    assert!(done.usage.peak_memory > 100 << 20, "{:?}", done.usage);
    // Shared pages count once: four processes, one array.
    let script = "
import os, time
a = b'x' * (60 << 20)
for _ in range(3):
    if os.fork() == 0: time.sleep(0.5); os._exit(0)
for _ in range(3): os.wait()
";
    assert_eq!(world.python(script).ending, Ending::Exited { code: 0 });
}

fn processes_are_limited(kind: SandboxKind) {
    let mut world = World::new(kind);
    world.limits.processes = Some(20);
    // bounded, should the limit not hold
    let script = "
import os, time
for _ in range(200):
    if os.fork() == 0: time.sleep(1000); os._exit(0)
time.sleep(1000)
";
    let done = world.python(script);
    assert_eq!(done.ending, Ending::TooManyProcesses);
    assert!(!done.places.is_empty());
}

fn a_program_that_hangs_is_ended(kind: SandboxKind) {
    let mut world = World::new(kind);
    world.limits.idle = Some(Duration::from_millis(1500));
    let done = world.python("print('begun', flush=True)\nimport time; time.sleep(1000)");
    assert_eq!((done.ending, &*done.stdout), (Ending::Idle, "begun\n"));
    let busy = "
import time
end = time.monotonic() + 3
while time.monotonic() < end: pass
";
    assert_eq!(world.python(busy).ending, Ending::Exited { code: 0 });
}

fn cores_are_limited(kind: SandboxKind) {
    let mut world = World::new(kind);
    world.limits.cpus = Some(1);
    let script = "import os; print(len(os.sched_getaffinity(0)), os.environ['OMP_NUM_THREADS'])";
    assert_eq!(world.python(script).stdout, "1 1\n");
    let all = std::thread::available_parallelism().unwrap().get();
    assert!(all > 1, "this test needs two cores");
    world.limits.cpus = Some(4096);
    let done = world.python(script);
    assert_eq!(done.stdout, format!("{all} 4096\n"));
    assert_eq!(done.notes.iter().filter(|note| note.starts_with("4096 processor")).count(), 1);
}

fn usage_is_measured(kind: SandboxKind) {
    let world = World::new(kind);
    let script = "
import os, time
a = b'x' * (50 << 20)
pid = os.fork()
while time.process_time() < 0.2: pass
if pid: os.wait(); time.sleep(0.2)
";
    let script = script.replace("0.2", "0.7");
    let python = Invocation::new("python3").args(["-c", script.as_str()]);
    let usage = world.live(python, &world.root.join("log"), false).usage;
    assert!(usage.cpu_seconds >= 1.35, "{usage:?}");
    assert!(usage.wall_seconds >= 1.4, "{usage:?}");
    assert!(usage.peak_memory >= 50 << 20, "{usage:?}");
    assert!(usage.mean_memory >= 10 << 20 && usage.mean_memory <= usage.peak_memory, "{usage:?}");
    assert!(usage.peak_cores > 0.1, "{usage:?}");
    let table = fs_err::read_to_string(world.root.join("log.csv")).unwrap();
    assert!(table.lines().count() >= 3, "{table}");
}

fn much_output_is_kept(kind: SandboxKind) {
    let world = World::new(kind);
    let log = world.root.join("log");
    let done = world.live(shell("head -c 200000000 /dev/zero; echo end >&2"), &log, false);
    assert_eq!(done.ending, Ending::Exited { code: 0 });
    assert_eq!(fs_err::metadata(&log).unwrap().len(), 200_000_004);
    assert!(done.stdout.len() < 1 << 20);
    assert_eq!(done.stderr, "end\n");
}

fn a_log_has_a_limit_and_an_end(kind: SandboxKind) {
    let mut world = World::new(kind);
    world.limits.output = 1 << 20;
    let log = world.root.join("log");
    let done = world.live(shell("head -c 5000000 /dev/zero; echo the end"), &log, false);
    let text = fs_err::read(&log).unwrap();
    assert!(text.len() < 1200 << 10, "{}", text.len());
    assert!(text.ends_with(b"the end\n"));
    assert!(done.notes.iter().any(|note| note.contains("left out of the log")), "{:?}", done.notes);
}

#[test]
fn slow_role_echo() {
    let Some((kind, folder)) = role() else { return };
    let world = World::new(kind);
    let done = world.live(shell("seq 1000000"), &folder.join("log"), true);
    assert_eq!(done.ending, Ending::Exited { code: 0 });
}

fn a_reader_that_goes_away_stops_nothing(kind: SandboxKind) {
    let world = World::new(kind);
    let mut parent = as_process("slow_role_echo", kind, &world.root)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(parent.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap() == "2"));
    drop(lines);
    parent.wait().unwrap();
    let log = fs_err::read_to_string(world.root.join("log")).unwrap();
    assert!(log.ends_with("\n1000000\n"), "{}", log.len());
}
