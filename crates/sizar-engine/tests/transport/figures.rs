//! Measures what one shell saves. Asserts no time; `--nocapture` shows the figures.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use sizar_engine::transport::{Answer, Step, Transport};
use sizar_testkit::Sshd;

use crate::world::Client;

const OPERATIONS: usize = 100;
const ROUNDS: usize = 3;

fn timed(work: impl FnOnce()) -> Duration {
    let began = Instant::now();
    work();
    began.elapsed()
}

fn median(times: &mut [Duration]) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64() * 1e3
}

/// A hundred control operations, beside `ssh` through a shared connection for each, in turns.
#[test]
fn slow_figures_of_a_hundred_operations() {
    let sshd = Sshd::start(&["MaxSessions 10"]);
    let client = Client::new();
    let socket = sshd.path("master");
    let config = sshd.client_config(&[]);
    let master = ["-F", config.as_str(), "-oBatchMode=yes", "-S", socket.as_str()];
    let ssh = |args: &[&str]| {
        let mut command = Command::new("ssh");
        command.args(master).args(args).stdin(Stdio::null());
        command.stdout(Stdio::null()).stderr(Stdio::null());
        assert!(command.status().unwrap().success());
    };
    ssh(&["-M", "-N", "-f", "login"]);
    let mut ours = client.alone(config.clone());
    ours.connect().unwrap();
    let steps: Vec<_> =
        (0..OPERATIONS).map(|step| Step::program("echo", [step.to_string()])).collect();
    let (mut batched, mut single, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        batched.push(timed(|| {
            let answers = ours.run(&steps).unwrap();
            assert!(answers.iter().all(Answer::is_success));
        }));
        single.push(timed(|| {
            for step in &steps {
                assert!(ours.run(std::slice::from_ref(step)).unwrap()[0].is_success());
            }
        }));
        theirs.push(timed(|| {
            for step in 0..OPERATIONS {
                ssh(&["login", "echo", &step.to_string()]);
            }
        }));
    }
    ssh(&["-O", "exit", "login"]);
    let (batched, single, theirs) =
        (median(&mut batched), median(&mut single), median(&mut theirs));
    println!("{OPERATIONS} operations, medians of {ROUNDS}:");
    println!("  one batch           {batched:>9.1} ms      1.0 ×");
    println!("  one batch each      {single:>9.1} ms {:>8.1} ×", single / batched);
    println!("  ssh through a master{theirs:>9.1} ms {:>8.1} ×", theirs / batched);
    assert_eq!(ours.counters().logins, 1);
}
