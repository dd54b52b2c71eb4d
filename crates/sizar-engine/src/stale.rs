//! Reading what another machine of a shared file system wrote, or is replacing now.
//!
//! NFS answers `ESTALE` for a file that was replaced while it was open, and may not show for a minute
//! what is there (nfs(5), "Data and metadata coherence"): both pass when it is asked anew.

use std::io;
use std::time::{Duration, Instant};

use camino::Utf8Path;
use fs_err as fs;
use rustix::io::Errno;

use crate::failpoint;

/// How often a file is opened anew that was replaced.
const TRIES: u32 = 6;
/// Before the second try; then twice as long each time.
const FIRST: Duration = Duration::from_millis(20);
/// How long a file that has to be there may take to be seen.
const UNSEEN: Duration = Duration::from_mins(1);
/// Between two looks for it.
const LOOK: Duration = Duration::from_millis(500);

/// Reads a file; one that is replaced meanwhile is opened anew.
pub(crate) fn read(path: &Utf8Path) -> io::Result<Vec<u8>> {
    let mut wait = FIRST;
    for _ in 1..TRIES {
        match once(path) {
            Err(error) if is_stale(&error) => std::thread::sleep(wait),
            done => return done,
        }
        wait *= 2;
    }
    once(path)
}

/// As [`read`], for text.
pub(crate) fn read_to_string(path: &Utf8Path) -> io::Result<String> {
    String::from_utf8(read(path)?).map_err(io::Error::other)
}

/// Reads a file that has to be there, since who named it had written it: what is not seen yet is
/// waited for, for a minute.
pub(crate) fn read_expected(path: &Utf8Path) -> io::Result<String> {
    read_within(path, UNSEEN)
}

fn read_within(path: &Utf8Path, patience: Duration) -> io::Result<String> {
    let began = Instant::now();
    loop {
        match read_to_string(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && began.elapsed() < patience => {
            }
            done => return done,
        }
        // opening the folder has its list fetched anew
        let listed = path.parent().map(|folder| folder.read_dir_utf8().map(Iterator::count));
        tracing::debug!(%path, ?listed, "it is not seen yet");
        std::thread::sleep(LOOK.min(patience / 4));
    }
}

fn once(path: &Utf8Path) -> io::Result<Vec<u8>> {
    // no server here forgets a file that is open: tests ask for it
    if failpoint::fails("read:stale") {
        return Err(Errno::STALE.into());
    }
    fs::read(path)
}

fn is_stale(error: &io::Error) -> bool {
    // fs_err wraps what the system said
    error.kind() == io::ErrorKind::StaleNetworkFileHandle
        || error.raw_os_error() == Some(Errno::STALE.raw_os_error())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_late_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(folder.path()).unwrap().join("a");
        assert_eq!(
            read_within(&path, Duration::from_millis(40)).unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| read_within(&path, Duration::from_mins(1)));
            fs::write(path.with_extension("new"), "x").unwrap();
            fs::rename(path.with_extension("new"), &path).unwrap();
            assert_eq!(waiting.join().unwrap().unwrap(), "x");
        });
    }

    #[test]
    fn a_stale_handle_is_known_however_it_is_wrapped() {
        let plain = io::Error::from_raw_os_error(Errno::STALE.raw_os_error());
        let kind = plain.kind();
        assert!(is_stale(&plain) && is_stale(&io::Error::new(kind, "wrapped")));
        assert!(!is_stale(&io::ErrorKind::NotFound.into()));
    }
}
