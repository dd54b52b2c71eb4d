//! How submitters and runners wake the supervisor: a datagram socket under `SIZAR_HOME`.
//!
//! A message only saves time. Whoever misses one finds everything in the journal.
//!
//! A socket that takes messages does not prove that a supervisor is there to read them. One that is
//! killed while it starts a process leaves its open files, the socket and its lock among them, to
//! that process until it has become another program (`vfork(2)`). So a supervisor writes down which
//! process it is, and where that can be seen from here, the process must be alive.

use std::io::Write as _;
use std::os::fd::AsRawFd as _;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use fs_err as fs;
use sizar_model::RunId;

use super::Watcher;
use crate::home::{Home, machine};

const NAME: &str = "queue.sock";

/// The file that says which process the supervisor is: its number and when it started.
const HOLDER: &str = "supervisor";

/// Something that the supervisor can know at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Message {
    /// There is something to do.
    Wake,
    /// A runner is done with this run, and about to exit.
    Ended(RunId),
}

/// Sends a message; returns whether a supervisor is there to take it.
pub(crate) fn send(home: &Home, message: &Message) -> bool {
    if holder(home).is_some_and(|holder| !holder.is_alive()) {
        return false;
    }
    let text = match message {
        Message::Wake => "wake".to_owned(),
        Message::Ended(run) => format!("ended {run}"),
    };
    let Ok(folder) = fs::File::open(home.root()) else { return false };
    let Ok(socket) = UnixDatagram::unbound() else { return false };
    // a supervisor that reads too slowly is busy, and will look at the journal anyway
    let _ = socket.set_nonblocking(true);
    match socket.send_to(text.as_bytes(), short(&folder)) {
        Ok(_) => true,
        Err(error) => error.kind() == std::io::ErrorKind::WouldBlock,
    }
}

/// Returns the process that said last that it is the supervisor; none where nobody could say it, or
/// where it is not among the processes that this one sees.
fn holder(home: &Home) -> Option<Watcher> {
    let text = fs::read_to_string(home.root().join(HOLDER)).ok()?;
    let mut words = text.trim_end().splitn(3, ' ');
    let (pid, started) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    (words.next() == Some(&machine())).then_some(Watcher { pid, started })
}

/// Writes down that this process is the supervisor.
fn hold(home: &Home) -> std::io::Result<()> {
    let me = Watcher::current();
    let mut part = tempfile::NamedTempFile::new_in(home.root())?;
    writeln!(part, "{} {} {}", me.pid, me.started, machine())?;
    part.persist(home.root().join(HOLDER)).map_err(|error| error.error)?;
    Ok(())
}

/// Returns a name of the socket that is short enough for the kernel (108 bytes), wherever the
/// folder is.
fn short(folder: &fs::File) -> String {
    format!("/proc/self/fd/{}/{NAME}", folder.file().as_raw_fd())
}

/// The supervisor's end.
#[derive(Debug)]
pub(super) struct Ear {
    socket: Option<UnixDatagram>,
    path: camino::Utf8PathBuf,
}

impl Ear {
    /// Begins to listen; without a socket (some file systems have none), waiting is all it does.
    pub fn new(home: &Home) -> Self {
        let path = home.root().join(NAME);
        // only one supervisor is here at a time, so the old one's socket is nobody's
        let _ = fs::remove_file(&path);
        if hold(home).is_err() {
            // on a full disk: then the socket alone speaks for this process
            let _ = fs::remove_file(home.root().join(HOLDER));
        }
        let bound =
            fs::File::open(home.root()).and_then(|folder| UnixDatagram::bind(short(&folder)));
        Self { socket: bound.ok(), path }
    }

    /// Waits for a message, at most for `time`.
    pub fn listen(&self, time: Duration) -> Option<Message> {
        let Some(socket) = &self.socket else {
            std::thread::sleep(time);
            return None;
        };
        let mut buffer = [0u8; 64];
        let received = if time.is_zero() {
            socket.set_nonblocking(true).and_then(|()| socket.recv(&mut buffer))
        } else {
            socket
                .set_nonblocking(false)
                .and_then(|()| socket.set_read_timeout(Some(time)))
                .and_then(|()| socket.recv(&mut buffer))
        };
        let text = std::str::from_utf8(buffer.get(..received.ok()?)?).ok()?;
        match text.strip_prefix("ended ") {
            Some(run) => run.parse().ok().map(Message::Ended),
            None => Some(Message::Wake),
        }
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_arrive_however_long_the_path_is() {
        let folder = tempfile::tempdir().unwrap();
        let root = camino::Utf8Path::from_path(folder.path()).unwrap().join("x".repeat(150));
        fs::create_dir(&root).unwrap();
        let home = Home::at(root);
        assert!(!send(&home, &Message::Wake));
        let ear = Ear::new(&home);
        let run = RunId::from_bits(7);
        assert!(send(&home, &Message::Wake) && send(&home, &Message::Ended(run.clone())));
        assert_eq!(ear.listen(Duration::from_mins(1)), Some(Message::Wake));
        assert_eq!(ear.listen(Duration::ZERO), Some(Message::Ended(run)));
        assert_eq!(ear.listen(Duration::ZERO), None);
        drop(ear);
        assert!(!send(&home, &Message::Wake));
    }

    #[test]
    fn a_socket_that_outlives_its_supervisor_is_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(camino::Utf8Path::from_path(folder.path()).unwrap());
        let ear = Ear::new(&home);
        let mut gone = std::process::Command::new("true").spawn().unwrap();
        fs::write(home.root().join(HOLDER), format!("{} 1 {}\n", gone.id(), machine())).unwrap();
        gone.wait().unwrap();
        assert!(!send(&home, &Message::Wake));
        assert_eq!(ear.listen(Duration::ZERO), None);
        // of an older sizar, and in another container: nothing is known of the process
        for text in ["", "1 1 elsewhere"] {
            fs::write(home.root().join(HOLDER), text).unwrap();
            assert!(send(&home, &Message::Wake), "{text}");
        }
    }
}
