//! Finds a file of a tree by the end of its path.

use std::collections::VecDeque;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

/// How many entries of a tree are looked at for a file.
const MOST_ENTRIES: u32 = 20_000;

/// Finds what lies below `root` at a path that ends with `wanted`; returns the path below `root`.
///
/// A large tree is not looked through to its end.
pub(crate) fn find_below(root: &Utf8Path, wanted: &Utf8Path) -> Option<Utf8PathBuf> {
    let mut left = MOST_ENTRIES;
    let mut folders = VecDeque::from([root.to_owned()]);
    while let Some(folder) = folders.pop_front() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            left = left.checked_sub(1)?;
            let Ok(path) = Utf8PathBuf::from_path_buf(entry.path()) else { continue };
            let below = path.strip_prefix(root).ok()?;
            if below.ends_with(wanted) {
                return Some(below.to_owned());
            }
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) && path.file_name() != Some(".git")
            {
                folders.push_back(path);
            }
        }
    }
    None
}
