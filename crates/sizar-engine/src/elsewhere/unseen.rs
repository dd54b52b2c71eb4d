//! Since when a job that has ended has left no receipt to be seen.
//!
//! It is kept on this machine, so that short commands such as `sizar runs` come to a verdict, too:
//! an empty file for each such attempt, whose time of change is by the clock that it is compared
//! with.

use std::time::Duration;

use camino::Utf8PathBuf;
use fs_err as fs;
use sizar_model::RunId;

use crate::home::Home;

/// One attempt.
pub(super) struct Unseen<'a> {
    pub home: &'a Home,
    pub run: &'a RunId,
    pub attempt: u32,
}

impl Unseen<'_> {
    /// Returns for how long it has been so, from now on if it was not so before.
    pub fn duration(&self) -> Duration {
        let path = self.path();
        match fs::metadata(&path).and_then(|metadata| metadata.modified()) {
            Ok(since) => since.elapsed().unwrap_or_default(),
            Err(_) => {
                // where it cannot be kept nothing is judged
                let _ = self.home.folder("unseen").map(|_| fs::write(&path, ""));
                Duration::ZERO
            }
        }
    }

    /// Forgets it: the receipt is there, the job has not ended after all, or all is judged.
    pub fn forget(&self) {
        // mostly there is nothing to forget
        let _ = fs::remove_file(self.path());
    }

    fn path(&self) -> Utf8PathBuf {
        self.home.root().join("unseen").join(format!("{}-{}", self.run, self.attempt))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_begins_once_and_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(Utf8PathBuf::from_path_buf(folder.path().to_owned()).unwrap());
        let run = RunId::from_bits(7);
        let unseen = Unseen { home: &home, run: &run, attempt: 1 };
        assert_eq!(unseen.duration(), Duration::ZERO);
        std::thread::sleep(Duration::from_millis(20));
        assert!(unseen.duration() >= Duration::from_millis(10));
        unseen.forget();
        assert_eq!(unseen.duration(), Duration::ZERO);
    }
}
