//! Watches one program until it and everything it started has ended.

use std::process::Child;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, pidfd_open, waitid};
use sizar_model::Usage;
use sizar_model::artifact::Ending;

use super::adopted::{self, Claim};
use super::control::Wish;
use super::meter::Meter;
use super::output::{Output, Stream};
use super::{Control, Limits, tree};
use crate::sandbox::helper;

/// How often memory is looked at, at most.
const SAMPLE: Duration = Duration::from_millis(100);
/// How much of the time looking may take: one part in this many.
const SAMPLE_SHARE: u32 = 50;

/// What is known when everything has ended.
pub struct Watched {
    pub ending: Ending,
    pub usage: Usage,
    /// The folders in which its processes were when a limit ended it.
    pub places: Vec<String>,
}

/// What stands between this process and the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chain {
    /// bubblewrap, which watches its own child, which is the first process of a namespace.
    Bubblewrap,
    /// Our own helper, which watches its child and adopts what that leaves behind.
    Warden,
}

/// What is watched.
pub struct Started {
    pub child: Child,
    pub claim: Claim,
    pub chain: Chain,
}

/// When the processor time last grew.
#[derive(Clone, Copy, Debug)]
struct Activity {
    cpu_seconds: f64,
    since: Instant,
}

/// Processor time that is no work: what waking up now and then takes, in seconds.
const NOTHING: f64 = 0.05;

struct Watch<'a> {
    root: i32,
    claim: Claim,
    chain: Chain,
    /// The first process of the namespace; with its end everything in it has ended.
    init: Option<i32>,
    limits: &'a Limits,
    started: Instant,
    /// Why the program is being ended; it decides the verdict.
    cause: Option<Ending>,
    places: Vec<String>,
    activity: Activity,
    /// The last signal, and when the next harder one is due.
    sent: Option<Signal>,
    next: Option<Instant>,
    sample_at: Instant,
    interval: Duration,
    usage: Usage,
    meter: Meter,
}

/// Watches a program, feeds `output`, keeps to `limits` and obeys `control`.
pub fn supervise(
    started_as: Started,
    limits: &Limits,
    meter: Meter,
    output: &mut Output<'_>,
    control: &Control,
) -> std::io::Result<Watched> {
    let Started { mut child, claim, chain } = started_as;
    let started = Instant::now();
    let mut watch = Watch {
        root: child.id() as i32,
        claim,
        chain,
        init: None,
        limits,
        started,
        cause: None,
        places: Vec::new(),
        activity: Activity { cpu_seconds: 0.0, since: started },
        sent: None,
        next: None,
        sample_at: started,
        interval: Duration::from_millis(5),
        usage: Usage::default(),
        meter,
    };
    let watched = watch.until_exit(output, control);
    if watched.is_err() {
        watch.kill();
    }
    watch.usage.wall_seconds = started.elapsed().as_secs_f64();
    // The child is not waited for yet: its `/proc` entry still has the times of all it waited for.
    watch.usage.cpu_seconds = tree::cpu_seconds(watch.root);
    let status = child.wait()?;
    watch.bury_init();
    watch.meter.finish(&mut watch.usage);
    watched?;
    drain(output, control);
    let ending = watch.cause.take().unwrap_or_else(|| ending(status, chain));
    Ok(Watched { ending, usage: watch.usage, places: watch.places })
}

impl Watch<'_> {
    /// Returns when the child has ended, without waiting for it.
    fn until_exit(&mut self, output: &mut Output<'_>, control: &Control) -> std::io::Result<()> {
        let pid = Pid::from_raw(self.root);
        let pidfd = pid.and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
        let mut buffer = vec![0; 64 << 10];
        loop {
            let mut timeout = self.timeout();
            if pidfd.is_none() || control.wake_fd().is_none() {
                timeout = timeout.min(Duration::from_millis(20));
            }
            let others = [pidfd.as_ref().map(std::os::fd::AsFd::as_fd), control.wake_fd()];
            turn(output, others.into_iter().flatten(), Some(timeout), &mut buffer)?;
            control.acknowledge();
            let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
            if let Some(pid) = pid
                && waitid(WaitId::Pid(pid), options)?.is_some()
            {
                return Ok(());
            }
            self.find_init();
            self.sample();
            self.escalate(control.wish());
        }
    }

    /// Returns how long nothing needs to be looked at.
    fn timeout(&self) -> Duration {
        let now = Instant::now();
        let deadline = self.limits.walltime.map(|walltime| self.started + walltime.duration());
        let deadline = deadline.filter(|_| self.cause.is_none());
        let due = [Some(self.sample_at), deadline, self.next].into_iter().flatten().min();
        let timeout = due.map_or(SAMPLE, |due| due.saturating_duration_since(now));
        let seeking = self.chain == Chain::Bubblewrap && self.init.is_none();
        let most = if seeking { Duration::from_millis(1) } else { SAMPLE * 20 };
        timeout.clamp(Duration::from_micros(500), most)
    }

    fn find_init(&mut self) {
        if self.chain == Chain::Bubblewrap && self.init.is_none() {
            self.init = tree::children(self.root).first().copied();
            if let Some(init) = self.init {
                self.claim.add(init);
            }
        }
    }

    /// Returns the processes of the program itself, without those that we put before it.
    fn program(&self) -> Vec<i32> {
        let top = match (self.chain, self.init) {
            (Chain::Warden, _) => self.root,
            (Chain::Bubblewrap, Some(init)) => init,
            (Chain::Bubblewrap, None) => return Vec::new(),
        };
        let mut found = Vec::new();
        for child in tree::children(top) {
            let ours = tree::argument(child, 1)
                .is_some_and(|argument| matches!(&*argument, helper::BRIDGE | helper::RESTRICT));
            if !ours {
                found.push(child);
            }
            found.extend(tree::descendants(child));
        }
        found
    }

    /// Looks at the memory in use, and ends a program that uses too much.
    fn sample(&mut self) {
        let now = Instant::now();
        if now < self.sample_at {
            return;
        }
        let pids = self.program();
        if self.cause.is_none() && self.limits.processes.is_some_and(|most| pids.len() > most) {
            self.end(Ending::TooManyProcesses, &pids);
        }
        self.feel_pulse(&pids);
        let memory = tree::memory(&pids);
        let used = proportional(&pids).unwrap_or(memory.now);
        self.usage.peak_memory = self.usage.peak_memory.max(used).max(memory.highest);
        self.meter.look(&pids, used);
        let over = |used| self.limits.memory.is_some_and(|limit| used > limit.0);
        // Processes are asked one after the other, and what they share may move from one to the
        // next meanwhile: only what is seen twice counts.
        if self.cause.is_none() && over(used) && proportional(&pids).is_none_or(over) {
            self.end(Ending::OutOfMemory, &pids);
        }
        let done = Instant::now();
        self.interval = (self.interval * 2).min(SAMPLE).max((done - now) * SAMPLE_SHARE);
        self.sample_at = done + self.interval;
    }

    /// Ends a program at once that is beyond a limit.
    fn end(&mut self, cause: Ending, pids: &[i32]) {
        self.places = tree::folders(pids);
        self.cause = Some(cause);
        self.sent = Some(Signal::KILL);
        self.kill();
    }

    /// Ends a program that has used no processor for too long.
    fn feel_pulse(&mut self, pids: &[i32]) {
        let Some(idle) = self.limits.idle.filter(|_| self.cause.is_none()) else { return };
        let now = Instant::now();
        let cpu_seconds: f64 = pids.iter().map(|pid| tree::cpu_seconds(*pid)).sum();
        // it shrinks where a process ends that nobody waits for: that is a sign of life too
        if (cpu_seconds - self.activity.cpu_seconds).abs() > NOTHING {
            self.activity = Activity { cpu_seconds, since: now };
        } else if now - self.activity.since >= idle {
            self.end(Ending::Idle, pids);
        }
    }

    /// Sends the signal that is due.
    fn escalate(&mut self, wish: Wish) {
        let now = Instant::now();
        let overdue =
            self.limits.walltime.is_some_and(|most| now - self.started >= most.duration());
        if wish != Wish::GoOn && self.cause.is_none() {
            self.cause = Some(Ending::Cancelled);
        } else if overdue && self.cause.is_none() {
            self.places = tree::folders(&self.program());
            self.cause = Some(Ending::TimedOut);
        }
        let due = self.next.is_none_or(|next| now >= next);
        let signal = match (&self.cause, self.sent) {
            (None, _) => return,
            _ if wish == Wish::Kill => Signal::KILL,
            (_, Some(Signal::KILL)) => Signal::KILL,
            (Some(Ending::Cancelled), None) => Signal::INT,
            (_, None) => Signal::TERM,
            (_, Some(_)) if !due => return,
            (_, Some(Signal::INT)) => Signal::TERM,
            (_, Some(_)) => Signal::KILL,
        };
        if signal == Signal::KILL {
            self.kill();
            // What was forked meanwhile is met in the next round.
            self.next = Some(now + Duration::from_millis(20));
        } else {
            let pids = self.program();
            if pids.is_empty() {
                // It is still being set up; signals would meet nobody.
                self.next = Some(now + Duration::from_millis(1));
                return;
            }
            for pid in pids {
                tree::signal(pid, signal);
            }
            self.next = Some(now + self.limits.grace);
        }
        self.sent = Some(signal);
    }

    /// Ends everything at once.
    fn kill(&self) {
        match self.chain {
            Chain::Bubblewrap => tree::signal(self.init.unwrap_or(self.root), Signal::KILL),
            // The helper ends by itself when nothing is left below it.
            Chain::Warden => {
                for pid in tree::descendants(self.root) {
                    tree::signal(pid, Signal::KILL);
                }
            }
        }
    }

    /// Waits until the namespace's first process, and with it all others, has ended.
    fn bury_init(&mut self) {
        if self.chain == Chain::Warden {
            return;
        }
        // A program can be so short that its init was never met. Then it is one of the orphans;
        // that the others, of programs as short, are buried here too does no harm.
        let inits = self.init.map_or_else(adopted::orphaned_inits, |init| vec![init]);
        let alone = inits.len() == 1;
        for pid in inits.into_iter().filter_map(Pid::from_raw) {
            let ours = |options| waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | options);
            // An error: bubblewrap has waited for it itself, and so has its times.
            if ours(WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG).is_err() {
                continue;
            }
            let raw = pid.as_raw_nonzero().get();
            tree::signal(raw, Signal::KILL);
            let _ = ours(WaitIdOptions::NOWAIT);
            if alone {
                self.usage.cpu_seconds += tree::cpu_seconds(raw);
            }
            let _ = ours(WaitIdOptions::empty());
        }
    }
}

/// Returns the memory of several processes, what they share counted once.
fn proportional(pids: &[i32]) -> Option<u64> {
    (pids.len() > 1).then(|| tree::proportional_memory(pids)).flatten()
}

/// Waits until something can be done, and does what concerns the output.
fn turn<'a>(
    output: &mut Output<'_>,
    others: impl Iterator<Item = std::os::fd::BorrowedFd<'a>>,
    timeout: Option<Duration>,
    buffer: &mut [u8],
) -> std::io::Result<()> {
    let (stdout, stderr) = (std::io::stdout(), std::io::stderr());
    let mut fds = Vec::with_capacity(6);
    let mut streams = Vec::with_capacity(4);
    for (stream, fd) in output.readable() {
        fds.push(PollFd::from_borrowed_fd(fd, PollFlags::IN));
        streams.push((stream, true));
    }
    for stream in output.writable() {
        let poll_fd = match stream {
            Stream::Out => PollFd::new(&stdout, PollFlags::OUT),
            Stream::Err => PollFd::new(&stderr, PollFlags::OUT),
        };
        fds.push(poll_fd);
        streams.push((stream, false));
    }
    fds.extend(others.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)));
    let timeout = timeout.map(|timeout| Timespec {
        tv_sec: timeout.as_secs() as i64,
        tv_nsec: i64::from(timeout.subsec_nanos()),
    });
    match poll(&mut fds, timeout.as_ref()) {
        Ok(_) | Err(rustix::io::Errno::INTR) => {}
        Err(error) => return Err(error.into()),
    }
    let ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
    drop(fds);
    for ((stream, reads), ready) in streams.into_iter().zip(ready) {
        match (ready, reads) {
            (false, _) => {}
            (true, true) => output.read(stream, buffer),
            (true, false) => output.echo(stream),
        }
    }
    Ok(())
}

/// Takes what is left in the pipes, and shows it unless the user has had enough.
fn drain(output: &mut Output<'_>, control: &Control) {
    let mut buffer = vec![0; 64 << 10];
    while !output.is_done() && control.wish() != Wish::Kill {
        if turn(output, control.wake_fd().into_iter(), None, &mut buffer).is_err() {
            return;
        }
        control.acknowledge();
    }
}

/// Reads how the program ended from how its watcher did.
fn ending(status: std::process::ExitStatus, chain: Chain) -> Ending {
    use std::os::unix::process::ExitStatusExt as _;
    match (status.code(), status.signal()) {
        // Like a shell, bubblewrap says 128 + n for a program that the signal n ended; one that says
        // so by itself, as shells do, means the same.
        (Some(code @ 129..=159), _) if chain == Chain::Bubblewrap => {
            Ending::Signalled { signal: code - 128 }
        }
        (Some(code), _) => Ending::Exited { code },
        (None, Some(signal)) => Ending::Signalled { signal },
        (None, None) => Ending::Exited { code: -1 },
    }
}
