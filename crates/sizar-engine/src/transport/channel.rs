//! One process with a shell behind it: bytes in, bytes out, and what it complains of.

use std::io::{Read, Write};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use sizar_model::{Activity, Progress};

/// How much of what it complained of is kept.
const COMPLAINTS: usize = 64 << 10;

/// A process that is talked to.
pub(super) struct Channel {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Receiver<Vec<u8>>,
    complaints: Arc<Mutex<Vec<u8>>>,
    /// Closed when standard error ended.
    silent: Receiver<()>,
    pub sent: u64,
    pub received: u64,
}

/// What came out of it.
#[derive(Debug)]
pub(super) enum Came {
    Bytes(Vec<u8>),
    Nothing,
    End,
}

impl Channel {
    /// Starts `command`; each line of its standard error is shown to `progress`.
    pub fn start(mut command: Command, progress: Arc<dyn Progress>) -> std::io::Result<Self> {
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let stdin = child.stdin.take();
        let (bytes, stdout) = channel();
        if let Some(stream) = child.stdout.take() {
            thread::spawn(move || pass_on(stream, &bytes));
        }
        let complaints = Arc::new(Mutex::new(Vec::new()));
        let (ended, silent) = channel();
        if let Some(stream) = child.stderr.take() {
            let complaints = Arc::clone(&complaints);
            thread::spawn(move || {
                listen(stream, &complaints, &*progress);
                drop(ended);
            });
        }
        Ok(Self { child, stdin, stdout, complaints, silent, sent: 0, received: 0 })
    }

    /// Writes all of `bytes`.
    pub fn send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        let broken = || std::io::Error::from(std::io::ErrorKind::BrokenPipe);
        self.stdin.as_mut().ok_or_else(broken)?.write_all(bytes)?;
        self.sent += bytes.len() as u64;
        Ok(())
    }

    /// Waits for what comes, for `time` at most.
    pub fn receive(&mut self, time: Duration) -> Came {
        match self.stdout.recv_timeout(time) {
            Ok(bytes) => {
                self.received += bytes.len() as u64;
                Came::Bytes(bytes)
            }
            Err(RecvTimeoutError::Timeout) => Came::Nothing,
            Err(RecvTimeoutError::Disconnected) => Came::End,
        }
    }

    /// Returns whether the process has ended, without waiting.
    pub fn is_over(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// Returns the process.
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// Closes its input, gives it `patience` to end, and ends it; returns how it ended.
    pub fn close(&mut self, patience: Duration) -> Option<ExitStatus> {
        self.stdin = None;
        let until = Instant::now() + patience;
        let mut pause = Duration::from_millis(1);
        loop {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Some(status);
            }
            if Instant::now() >= until {
                break;
            }
            thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(50));
        }
        let _ = self.child.kill();
        self.child.wait().ok()
    }

    /// Returns what it complained of; called when it has ended.
    pub fn complaints(&self) -> String {
        // a master that ssh leaves behind may hold standard error open
        let _ = self.silent.recv_timeout(Duration::from_millis(500));
        let complaints = self.complaints.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&complaints).into_owned()
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        self.close(Duration::from_millis(200));
    }
}

/// Passes a stream on until it ends or nobody listens.
fn pass_on(mut stream: impl Read, to: &Sender<Vec<u8>>) {
    let mut buffer = vec![0; 64 << 10];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return,
            Ok(count) => {
                if to.send(buffer[..count].to_vec()).is_err() {
                    return;
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

/// Keeps the end of a stream, and shows its lines.
fn listen(mut stream: impl Read, kept: &Mutex<Vec<u8>>, progress: &dyn Progress) {
    let mut buffer = [0; 4096];
    let mut line = Vec::new();
    loop {
        let count = match stream.read(&mut buffer) {
            Ok(0) => return,
            Ok(count) => count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(_) => return,
        };
        for &byte in &buffer[..count] {
            if byte == b'\n' || line.len() > 4096 {
                let text = String::from_utf8_lossy(&line).trim_end().to_owned();
                progress.report(Activity::Line { text });
                line.clear();
            } else {
                line.push(byte);
            }
        }
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend_from_slice(&buffer[..count]);
        let too_much = kept.len().saturating_sub(COMPLAINTS);
        kept.drain(..too_much);
    }
}
