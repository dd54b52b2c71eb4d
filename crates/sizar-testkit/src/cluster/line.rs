//! A line between this machine and a host of a cluster: slow, silent or cut, as a test wants it.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};

/// A relay of TCP before the `sshd` of one host; made by [`Cluster::line`](super::Cluster::line).
///
/// It adds the delay of a long line, not its bandwidth. When it is dropped, the line is dead.
pub struct Line {
    ssh_config: Utf8PathBuf,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    one_way: AtomicU64,
    answers_held: AtomicBool,
    questions_held: AtomicBool,
    dead: AtomicBool,
    /// After how many bytes both ways are held.
    held_from: AtomicU64,
    streams: Mutex<Vec<TcpStream>>,
    logins: AtomicU64,
    passed: AtomicU64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Question,
    Answer,
}

impl Line {
    pub(super) fn to(port: u16, round_trip: Duration) -> std::io::Result<(TcpListener, Self)> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let line = Self { ssh_config: Utf8PathBuf::new(), state: Arc::default() };
        line.set_round_trip(round_trip);
        line.hold_from(u64::MAX);
        let (accepting, state) = (listener.try_clone()?, Arc::clone(&line.state));
        std::thread::spawn(move || {
            for near in accepting.incoming().filter_map(Result::ok) {
                if state.dead.load(Ordering::Relaxed) {
                    return;
                }
                if let Ok(far) = TcpStream::connect(("127.0.0.1", port)) {
                    state.logins.fetch_add(1, Ordering::Relaxed);
                    let _ = relay(&near, &far, &state);
                }
            }
        });
        Ok((listener, line))
    }

    pub(super) fn with_config(mut self, path: &Utf8Path) -> Self {
        path.clone_into(&mut self.ssh_config);
        self
    }

    /// Returns the configuration for `ssh -F` in which the host is at the other end of this line.
    pub fn ssh_config(&self) -> &Utf8Path {
        &self.ssh_config
    }

    /// Sets what the line adds to a question and its answer together.
    pub fn set_round_trip(&self, round_trip: Duration) {
        self.state.one_way.store(round_trip.as_micros() as u64 / 2, Ordering::Relaxed);
    }

    /// Holds back what the host says; what is said to it still arrives.
    pub fn hold_answers(&self) {
        self.state.answers_held.store(true, Ordering::Relaxed);
    }

    /// Holds back everything, as a laptop that sleeps does.
    pub fn hold(&self) {
        self.state.questions_held.store(true, Ordering::Relaxed);
        self.hold_answers();
    }

    /// Holds back everything once so many bytes have passed, both ways together.
    pub fn hold_from(&self, passed: u64) {
        self.state.held_from.store(passed, Ordering::Relaxed);
    }

    /// Lets through what was held back, and what comes.
    pub fn release(&self) {
        self.hold_from(u64::MAX);
        self.state.questions_held.store(false, Ordering::Relaxed);
        self.state.answers_held.store(false, Ordering::Relaxed);
    }

    /// Cuts the connections there are; what was held back is lost. New ones are taken.
    pub fn cut(&self) {
        for stream in self.state.streams.lock().expect("no thread panics").drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Returns how many bytes have passed, both ways together.
    pub fn passed(&self) -> u64 {
        self.state.passed.load(Ordering::Relaxed)
    }

    /// Returns how many connections were made.
    pub fn connections(&self) -> u64 {
        self.state.logins.load(Ordering::Relaxed)
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.state.dead.store(true, Ordering::Relaxed);
        self.cut();
    }
}

fn relay(near: &TcpStream, far: &TcpStream, state: &Arc<State>) -> std::io::Result<()> {
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    state.streams.lock().expect("no thread panics").extend([near.try_clone()?, far.try_clone()?]);
    one_way(near.try_clone()?, far.try_clone()?, Way::Question, Arc::clone(state));
    one_way(far.try_clone()?, near.try_clone()?, Way::Answer, Arc::clone(state));
    Ok(())
}

fn one_way(mut from: TcpStream, to: TcpStream, way: Way, state: Arc<State>) {
    // bounded: a line holds only so much
    let (sender, receiver) = sync_channel(1024);
    let writing = Arc::clone(&state);
    std::thread::spawn(move || write_when_due(&receiver, to, way, &writing));
    std::thread::spawn(move || {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            let due = Instant::now() + Duration::from_micros(state.one_way.load(Ordering::Relaxed));
            if sender.send((due, buffer[..length].to_vec())).is_err() {
                return;
            }
        }
    });
}

fn write_when_due(
    receiver: &Receiver<(Instant, Vec<u8>)>,
    mut to: TcpStream,
    way: Way,
    state: &State,
) {
    let held = match way {
        Way::Question => &state.questions_held,
        Way::Answer => &state.answers_held,
    };
    while let Ok((due, bytes)) = receiver.recv() {
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let is_held = || {
            held.load(Ordering::Relaxed)
                || state.passed.load(Ordering::Relaxed) >= state.held_from.load(Ordering::Relaxed)
        };
        while is_held() && !state.dead.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(5));
        }
        if to.write_all(&bytes).is_err() {
            break;
        }
        state.passed.fetch_add(bytes.len() as u64, Ordering::Relaxed);
    }
    let _ = to.shutdown(Shutdown::Write);
}
