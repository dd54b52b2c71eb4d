//! Holds together a program and all it starts, where no namespace does.
//!
//! It leads a process group, so that the terminal's Ctrl-C does not meet it, and adopts orphans, so a process that forked twice is still below
//! it. When the program ends, or sizar dies, it ends everything else.

use std::io::Write as _;
use std::process::{Command, ExitCode, ExitStatus, Stdio};

use rustix::process::{
    Pid, Signal, WaitOptions, getpid, set_child_subreaper, set_parent_process_death_signal, wait,
};
use signal_hook::consts::{SIGCHLD, SIGTERM};
use signal_hook::iterator::Signals;

use super::helper::{RESTRICT, complain, complain_of, end_like};
use super::order::Order;
use crate::process::tree;

/// The first helper: starts the second and stays.
pub fn main() -> ExitCode {
    let order = match Order::read() {
        Ok(order) => order,
        Err(error) => return complain(&format!("no order: {error}")),
    };
    match watch(&order) {
        Ok(status) => end_like(status),
        Err(error) => complain_of(&order.program, &error),
    }
}

fn watch(order: &Order) -> std::io::Result<ExitStatus> {
    let mut signals = Signals::new([SIGCHLD, SIGTERM])?;
    set_child_subreaper(Some(getpid()))?;
    set_parent_process_death_signal(Some(Signal::TERM))?;
    let orphaned = || {
        rustix::process::getppid()
            .is_none_or(|ppid| ppid.as_raw_nonzero().get() as u32 != order.parent)
    };
    if orphaned() {
        return Err(std::io::Error::other("sizar has ended"));
    }
    let program = start(order)?;
    let mut ended = None;
    let mut doomed = false;
    loop {
        // All that can be waited for: the program, and orphans.
        loop {
            match wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) if pid == program => {
                    use std::os::unix::process::ExitStatusExt as _;
                    ended = Some(ExitStatus::from_raw(status.as_raw()));
                }
                Ok(Some(_)) => {}
                Ok(None) => break,
                // No child is left.
                Err(_) => return ended.ok_or_else(|| std::io::Error::other("the program is lost")),
            }
        }
        if ended.is_some() || doomed || orphaned() {
            for pid in tree::descendants(getpid().as_raw_nonzero().get()) {
                tree::signal(pid, Signal::KILL);
            }
        }
        // A SIGCHLD that came before this was stored, and returns at once.
        doomed |= signals.wait().any(|signal| signal == SIGTERM);
    }
}

/// Starts the second helper, in a network namespace of its own if asked for.
fn start(order: &Order) -> std::io::Result<Pid> {
    let me = std::env::current_exe()?;
    let mut command = if order.own_network {
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-current-user", "--keep-caps", "--net", "--"]).arg(me);
        command.env("PATH", crate::process::environment::PATH);
        command
    } else {
        Command::new(me)
    };
    let told = Order { parent: std::process::id(), ..order.clone() };
    let text = serde_json::to_string(&told)?;
    let mut child = command.arg(RESTRICT).stdin(Stdio::piped()).spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(text.as_bytes())?;
    }
    Pid::from_raw(child.id() as i32).ok_or_else(|| std::io::Error::other("no process id"))
}
