//! A lock that is a folder: for file systems that several machines share, where `flock` may reach
//! no further than one of them.
//!
//! `mkdir` gives it to one. Its holder counts in a file there. Who waits and sees the count stand
//! still for [`EXPIRY`], by its own clock, or knows the holder for a dead process of its own
//! machine, takes the lease over: it moves the folder away, which
//! succeeds for one, and makes it anew with the next number. A holder that comes back sees another
//! token and writes nothing any more ([`Lease::is_held`]). No clocks of two machines are compared.

use std::io;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use crate::queue::Watcher;
use crate::stale;
use crate::tree_digest::write_by_rename;

/// After how long without a sign of life a holder is taken for dead.
const EXPIRY: Duration = Duration::from_mins(2);
/// How often a holder shows that it is alive.
const BEAT: Duration = Duration::from_secs(10);
/// How often is looked whether it has become free.
const LOOK: Duration = Duration::from_millis(250);

/// Returns how often a holder shows that it is alive, and after how long it is taken for dead.
///
/// `SIZAR_TEST_LEASE` is the latter in seconds, for tests.
fn times() -> (Duration, Duration) {
    let asked = std::env::var("SIZAR_TEST_LEASE").ok().and_then(|text| text.parse().ok());
    match asked.map(Duration::from_secs) {
        Some(expiry) => (expiry / 12, expiry),
        None => (BEAT, EXPIRY),
    }
}

/// A lease that is held until it is dropped.
#[derive(Debug)]
pub(super) struct Lease {
    folder: Utf8PathBuf,
    token: String,
    stop: Option<Sender<()>>,
    beating: Option<JoinHandle<()>>,
}

impl Lease {
    /// Takes the lease `name` in `folder`, waiting for whoever holds it.
    pub fn take(folder: &Utf8Path, name: &str, waiting: impl FnOnce()) -> io::Result<Self> {
        Self::take_within(folder, name, waiting, times())
    }

    fn take_within(
        folder: &Utf8Path,
        name: &str,
        waiting: impl FnOnce(),
        (beat, expiry): (Duration, Duration),
    ) -> io::Result<Self> {
        let path = folder.join(format!("{name}.lease"));
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(io::Error::other)?;
        let token = format!("{}-{:016x}", std::process::id(), u64::from_be_bytes(random));
        let mut waiting = Some(waiting);
        let mut signs = Signs::default();
        let mut number = 1;
        loop {
            match fs::create_dir(&path) {
                Ok(()) => {
                    let owner = format!("{token} {number} {}", here());
                    write_by_rename(&path.join("owner"), owner.as_bytes())?;
                    return Ok(Self::begin(path, token, beat));
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
            if let Some(waiting) = waiting.take() {
                waiting();
            }
            let owner = stale::read_to_string(&path.join("owner")).unwrap_or_default();
            let beats = stale::read_to_string(&path.join("beat")).unwrap_or_default();
            let life = format!("{owner} {beats}");
            let still = signs.still_for(life, Instant::now());
            if still.is_some_and(|still| still > expiry || is_dead_here(&owner)) {
                number = next_number(&owner);
                let away = folder.join(format!(".{name}.{token}.dead"));
                // one of those that wait succeeds
                if fs::rename(&path, &away).is_ok() {
                    let moved = stale::read_to_string(&away.join("owner")).unwrap_or_default();
                    // another took it over meanwhile, and it is its own that was moved
                    if moved == owner || fs::rename(&away, &path).is_err() {
                        let _ = fs::remove_dir_all(&away);
                    }
                }
                signs = Signs::default();
            }
            // no notification reaches the other machines of a shared file system
            std::thread::sleep(LOOK.min(expiry / 4));
        }
    }

    fn begin(folder: Utf8PathBuf, token: String, beat: Duration) -> Self {
        let (stop, stopped) = channel::<()>();
        let (path, own) = (folder.clone(), token.clone());
        let beating = std::thread::spawn(move || {
            let mut count = 0_u64;
            while stopped.recv_timeout(beat) == Err(RecvTimeoutError::Timeout) {
                match is_of(&path, &own) {
                    Ok(true) => {}
                    Ok(false) => return,
                    // not to be seen is not to be lost
                    Err(_) => continue,
                }
                count += 1;
                // a disk that is full for a moment is no death
                let _ = write_by_rename(&path.join("beat"), count.to_string().as_bytes());
            }
        });
        Self { folder, token, stop: Some(stop), beating: Some(beating) }
    }

    /// Returns whether nobody took it over.
    pub fn is_held(&self) -> bool {
        // who cannot tell writes nothing
        is_of(&self.folder, &self.token).unwrap_or(false)
    }
}

/// The signs of life that who waits has seen of a holder.
#[derive(Debug, Default)]
struct Signs(Option<(String, Instant)>);

impl Signs {
    /// Returns for how long the holder has shown `life` without a change; nothing where it has
    /// just been seen for the first time.
    fn still_for(&mut self, life: String, now: Instant) -> Option<Duration> {
        match &self.0 {
            Some((known, since)) if *known == life => Some(now.saturating_duration_since(*since)),
            _ => {
                self.0 = Some((life, now));
                None
            }
        }
    }
}

/// Returns the number of the lease after that of `owner`.
fn next_number(owner: &str) -> u64 {
    let number = owner.split(' ').nth(1).and_then(|number| number.parse::<u64>().ok());
    number.map_or(1, |number| number + 1)
}

/// Names this process: its machine, as long as that is up, its place for processes, and itself.
fn here() -> String {
    let me = Watcher::current();
    format!("{} {} {}", machine(), me.pid, me.started)
}

pub(crate) fn machine() -> String {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let space = fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    format!("{}{}", boot.trim(), space.to_string_lossy())
}

/// Returns whether the holder was a process of this machine, and is no more.
fn is_dead_here(owner: &str) -> bool {
    let mut words = owner.split(' ').skip(2);
    let same = words.next() == Some(&machine());
    let mut number = || words.next()?.parse::<u64>().ok();
    let (Some(pid), Some(started)) = (number(), number()) else { return false };
    same && u32::try_from(pid).is_ok_and(|pid| !Watcher { pid, started }.is_alive())
}

fn is_of(folder: &Utf8Path, token: &str) -> io::Result<bool> {
    match stale::read_to_string(&folder.join("owner")) {
        Ok(owner) => Ok(owner.split(' ').next() == Some(token)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(beating) = self.beating.take() {
            let _ = beating.join();
        }
        if self.is_held() {
            // under another name first: nobody sees it without its owner
            let away = self.folder.with_extension(format!("{}.done", self.token));
            if fs::rename(&self.folder, &away).is_ok() {
                let _ = fs::remove_dir_all(&away);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    const FAST: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(400));

    fn folder() -> (tempfile::TempDir, Utf8PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::from_path_buf(folder.path().to_owned()).unwrap();
        (folder, path)
    }

    #[test]
    fn it_is_held_by_one_at_a_time() {
        let (_folder, path) = folder();
        let inside = AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let lease = Lease::take_within(&path, "x", || {}, (BEAT, EXPIRY)).unwrap();
                    assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                    std::thread::yield_now();
                    inside.fetch_sub(1, Ordering::SeqCst);
                    assert!(lease.is_held());
                });
            }
        });
        assert!(!path.join("x.lease").exists());
    }

    #[test]
    fn one_whose_holder_died_is_taken_over_and_the_dead_may_not_write() {
        let (_folder, path) = folder();
        let mut dead = Lease::take_within(&path, "x", || {}, FAST).unwrap();
        // it shows no sign of life any more
        drop(dead.stop.take());
        dead.beating.take().unwrap().join().unwrap();
        let mut waited = false;
        let heir = Lease::take_within(&path, "x", || waited = true, FAST).unwrap();
        assert!(waited && heir.is_held() && !dead.is_held());
        let owner = fs::read_to_string(path.join("x.lease/owner")).unwrap();
        assert_eq!(owner.split(' ').nth(1), Some("2"), "{owner}");
        drop(dead);
        // what the dead one does late changes nothing
        assert!(heir.is_held());
    }

    #[test]
    fn only_a_holder_that_stands_still_is_counted_out() {
        let began = Instant::now();
        let after = |seconds| began + Duration::from_secs(seconds);
        let mut signs = Signs::default();
        assert_eq!(signs.still_for("a 1".into(), after(0)), None);
        assert_eq!(signs.still_for("a 1".into(), after(90)), Some(Duration::from_secs(90)));
        // a beat, and another holder, begin anew
        assert_eq!(signs.still_for("a 2".into(), after(100)), None);
        assert_eq!(signs.still_for("b 2".into(), after(130)), None);
        assert_eq!(signs.still_for("b 2".into(), after(260)), Some(Duration::from_secs(130)));
    }

    #[test]
    fn a_holder_beats_and_who_waits_has_it_only_afterwards() {
        let (_folder, path) = folder();
        let times = (FAST.0, EXPIRY);
        let alive = Lease::take_within(&path, "x", || {}, times).unwrap();
        let (waits, waited) = channel();
        std::thread::scope(|scope| {
            let path = &path;
            let waiting = scope.spawn(move || {
                let told = || waits.send(()).unwrap();
                Lease::take_within(path, "x", told, times).unwrap()
            });
            waited.recv().unwrap();
            let beats = || fs::read_to_string(path.join("x.lease/beat")).unwrap_or_default();
            while beats().parse::<u64>().unwrap_or_default() < 3 {
                std::thread::yield_now();
            }
            assert!(!waiting.is_finished() && alive.is_held());
            drop(alive);
            assert!(waiting.join().unwrap().is_held());
        });
    }
}
