//! A run that its `sizar run` has not let go of: it may have failed, and be repaired all the same.

use camino::Utf8PathBuf;
use fs_err as fs;
use sizar_engine::home::{Home, Lock};
use sizar_model::RunId;

use crate::error::CommandResult;

/// The mark of a process that may yet give a run another attempt, until dropped.
///
/// It is a lock, which a process that is killed loses too; only its file is then left.
#[derive(Debug)]
pub struct InHand {
    _lock: Lock,
    path: Utf8PathBuf,
}

impl InHand {
    /// Takes a run in hand.
    ///
    /// # Errors
    ///
    /// Where the file system has no locks.
    pub fn take(home: &Home, run: &RunId) -> CommandResult<Self> {
        let lock = home.lock(&name(run), || {})?;
        Ok(Self { _lock: lock, path: path(home, run) })
    }
}

impl Drop for InHand {
    fn drop(&mut self) {
        // a file that is left means nothing: it is the lock that counts
        let _ = fs::remove_file(&self.path);
    }
}

/// Waits until nobody has a run in hand any more; returns whether somebody had.
///
/// # Errors
///
/// Where the file system has no locks.
pub fn outlast(home: &Home, run: &RunId, waiting: impl FnOnce()) -> CommandResult<bool> {
    // looked for first, so that waiting makes no file
    if !path(home, run).exists() {
        return Ok(false);
    }
    let lock = home.lock(&name(run), waiting)?;
    drop(InHand { _lock: lock, path: path(home, run) });
    Ok(true)
}

fn name(run: &RunId) -> String {
    format!("run-{run}")
}

fn path(home: &Home, run: &RunId) -> Utf8PathBuf {
    home.root().join("locks").join(name(run))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_is_let_go_with_the_run() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(camino::Utf8Path::from_path(folder.path()).unwrap());
        let run = RunId::from_bits(7);
        assert!(!outlast(&home, &run, || panic!("nobody has it")).unwrap());
        let mine = InHand::take(&home, &run).unwrap();
        let (tell, told) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| outlast(&home, &run, || tell.send(()).unwrap()).unwrap());
            told.recv().unwrap();
            assert!(!waiter.is_finished());
            drop(mine);
            assert!(waiter.join().unwrap());
        });
        assert!(!path(&home, &run).exists());
        // what a kill left: a file that nobody holds
        fs::write(path(&home, &run), "").unwrap();
        assert!(outlast(&home, &run, || panic!("nobody has it")).unwrap());
        assert!(!outlast(&home, &run, || {}).unwrap());
    }
}
