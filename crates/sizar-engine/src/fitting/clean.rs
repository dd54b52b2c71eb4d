//! Laid-out data sets that nobody wanted for long go.

use std::time::{Duration, SystemTime};

use camino::Utf8Path;
use fs_err as fs;

use super::lay_out::{FOLDER, RECORD};
use crate::home::Home;

/// How long a data set that was laid out stays after it was wanted last.
pub const KEPT_FOR: Duration = Duration::from_hours(24 * 30);

/// How the names of what is moved out of sight begin.
const GONE: &str = ".gone-";

/// Removes what was laid out and not wanted since `older_than`, unless `in_use`; returns how many.
///
/// It is made again when it is wanted. What cannot be removed stays.
pub fn clean(
    home: &Home,
    older_than: Duration,
    now: SystemTime,
    in_use: &dyn Fn(&Utf8Path) -> bool,
) -> u64 {
    let folder = home.root().join(FOLDER);
    let is_old = |path: &Utf8Path| {
        wanted(path).is_some_and(|at| now.duration_since(at).unwrap_or_default() >= older_than)
    };
    let mut removed = 0;
    for entry in folder.read_dir_utf8().into_iter().flatten().flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        if name.starts_with(GONE) {
            // of a process that was killed
            let _ = fs::remove_dir_all(path);
        } else if path.extension() == Some("outside") {
            // without it, the data are laid out anew
            if is_old(path) {
                let _ = fs::remove_file(path);
            }
        } else if is_old(&path.join(RECORD)) && !in_use(path) {
            // who wants it says so by its time before looking whether it is there
            let away = folder.join(format!("{GONE}{name}"));
            if fs::rename(path, &away).is_err() {
                continue;
            }
            if !is_old(&away.join(RECORD)) && fs::rename(&away, path).is_ok() {
                continue;
            }
            let _ = fs::remove_dir_all(&away);
            removed += 1;
        }
    }
    removed
}

/// Returns when something was last wanted; nothing where it isn't there.
fn wanted(path: &Utf8Path) -> Option<SystemTime> {
    fs::metadata(path).ok()?.modified().ok()
}

/// Notes that something is wanted now.
pub(super) fn want(path: &Utf8Path) {
    // a disk that can't be written loses nothing either
    if let Ok(file) = fs::OpenOptions::new().append(true).open(path) {
        let _ = file.file().set_modified(SystemTime::now());
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use camino::Utf8PathBuf;

    use super::*;

    #[test]
    fn what_nobody_wanted_for_long_goes_unless_it_is_used() {
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8PathBuf::from_path_buf(folder.path().to_owned()).unwrap();
        let home = Home::at(&root);
        let now = SystemTime::now();
        let make = |name: &str, age: Duration| {
            let path = root.join(FOLDER).join(name);
            fs::create_dir_all(path.join("data")).unwrap();
            fs::write(path.join("data/x"), "x").unwrap();
            fs::write(path.join(RECORD), "{}").unwrap();
            let file = fs::File::options().append(true).open(path.join(RECORD)).unwrap();
            file.set_modified(now - age).unwrap();
            path
        };
        let day = Duration::from_hours(24);
        let (young, old) = (make("young", day), make("old", 40 * day));
        let (used, again) = (make("used", 40 * day), make("again", 40 * day));
        let killed = make(".gone-x", day);
        want(&again.join(RECORD));
        let asked = RefCell::new(Vec::new());
        let in_use = |path: &Utf8Path| {
            asked.borrow_mut().push(path.to_owned());
            path == used
        };
        assert_eq!(clean(&home, KEPT_FOR, now, &in_use), 1);
        assert!(young.exists() && used.join("data/x").exists() && again.exists());
        assert!(!old.exists() && !killed.exists());
        // who lists the runs does so for what would go only
        assert_eq!(asked.borrow().len(), 2);
        assert_eq!(clean(&Home::at(root.join("none")), KEPT_FOR, now, &in_use), 0);
    }
}
