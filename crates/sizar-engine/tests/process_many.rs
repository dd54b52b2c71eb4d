//! Many programs at once, and what one of them costs.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod process_world;

use std::time::Instant;

use process_world::{World, as_process, role, shell};
use sizar_engine::sandbox::SandboxKind;
use sizar_model::artifact::Ending;

fn threads() -> usize {
    fs_err::read_dir("/proc/self/task").unwrap().count()
}

fn descriptors() -> usize {
    fs_err::read_dir("/proc/self/fd").unwrap().count()
}

/// In a process of its own, so that other tests' threads are not counted.
#[test]
fn slow_many_at_once_do_not_mix_and_leave_nothing() {
    let kind = SandboxKind::None;
    let status = as_process("slow_role_many", kind, "/".into()).status().unwrap();
    assert!(status.success());
}

#[test]
fn slow_role_many() {
    if role().is_none() {
        return;
    }
    for kind in [SandboxKind::Bubblewrap, SandboxKind::Landlock, SandboxKind::None] {
        let (before, open) = (threads(), descriptors());
        let run = move |number| {
            let world = World::new(kind);
            for round in 0..4 {
                let script = format!("echo {number} {round}; exit {number}");
                let done = world.shell(&script);
                assert_eq!(done.ending, Ending::Exited { code: number });
                assert_eq!(done.stdout, format!("{number} {round}\n"));
            }
        };
        let running: Vec<_> =
            (0..8).map(|number| std::thread::spawn(move || run(number))).collect();
        for thread in running {
            thread.join().unwrap();
        }
        assert_eq!((threads(), descriptors()), (before, open), "{kind}");
        let me = std::process::id();
        let children = fs_err::read_to_string(format!("/proc/{me}/task/{me}/children")).unwrap();
        assert_eq!(children, "", "{kind}");
    }
}

/// Not a limit: prints what starting a program costs (`--no-capture`).
#[test]
fn slow_measure_the_cost_of_starting() {
    for kind in [SandboxKind::Bubblewrap, SandboxKind::Landlock, SandboxKind::None] {
        let world = World::new(kind);
        let mut times: Vec<_> = (0..30)
            .map(|_| {
                let begin = Instant::now();
                assert_eq!(world.run(shell("exit 0")).unwrap().ending, Ending::Exited { code: 0 });
                begin.elapsed()
            })
            .collect();
        times.sort();
        println!("{kind}: {:?} median, {:?} least", times[15], times[0]);
    }
}
