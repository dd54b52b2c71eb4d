//! What may go of a store: trees that nobody wants any more, and contents that no tree has.

use std::collections::{BTreeMap, HashSet};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::time::{Duration, SystemTime};

use camino::Utf8Path;
use fs_err as fs;
use serde::{Deserialize, Serialize};

use super::store::Store;

/// After how long what no tree has, and what did not arrive whole, is left behind.
const LEFT: Duration = Duration::from_hours(24);

/// What is to stay.
#[derive(Clone, Debug, Default)]
pub struct Kept {
    /// Trees that runs use.
    pub used: HashSet<String>,
    /// All that was wanted within this time.
    pub wanted_within: Duration,
    /// The most bytes that stay of what nobody uses: what was wanted last stays longest.
    pub most: Option<u64>,
    /// Whether nothing is removed.
    pub only_look: bool,
}

/// What a sweep found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Swept {
    pub trees_removed: u64,
    /// The sizes of the trees that went; of what two of them have each counts.
    pub trees_bytes: u64,
    pub trees_kept: u64,
    /// Of those kept, how many runs use.
    pub trees_used: u64,
    pub bytes_freed: u64,
    pub bytes_kept: u64,
}

/// Removes from the store what nobody uses.
///
/// # Errors
///
/// What the file system says of the store's own folders; single files that cannot be removed stay.
pub fn sweep(store: &Store, kept: &Kept, now: SystemTime) -> io::Result<Swept> {
    let mut swept = Swept::default();
    let mut trees: Vec<(SystemTime, String, u64)> = Vec::new();
    for name in names(&store.trees()) {
        if let Some(rest) = name.strip_prefix('.') {
            // of a process that was killed
            let path = store.trees().join(&name);
            if rest.starts_with("gone-") || age(&path, now) > LEFT {
                remove(kept, || fs::remove_dir_all(&path));
            }
            continue;
        }
        let wanted = wanted(store, &name);
        let bytes = store.read_manifest(&name).map_or(0, |manifest| manifest.bytes());
        trees.push((wanted, name, bytes));
    }
    trees.sort_by(|one, other| other.cmp(one));
    let mut unused = 0;
    for (time, name, bytes) in trees {
        let used = kept.used.contains(&name);
        let young = now.duration_since(time).unwrap_or_default() < kept.wanted_within;
        unused += if used { 0 } else { bytes };
        let over = kept.most.is_some_and(|most| unused > most);
        // what was wanted a moment ago may be about to be used
        let just_now = now.duration_since(time).unwrap_or_default() < JUST_NOW;
        if used || just_now || (young && !over) {
            swept.trees_kept += 1;
            swept.trees_used += u64::from(used);
            continue;
        }
        if kept.only_look || let_go(store, &name, time)? {
            swept.trees_removed += 1;
            swept.trees_bytes += bytes;
        } else {
            swept.trees_kept += 1;
        }
    }
    contents(store, kept, now, &mut swept);
    for part in names(&store.parts()) {
        let path = store.parts().join(part);
        if age(&path, now) > LEFT.max(kept.wanted_within.min(7 * LEFT)) {
            swept.bytes_freed += fs::metadata(&path).map_or(0, |metadata| metadata.len());
            remove(kept, || fs::remove_file(&path));
        }
    }
    Ok(swept)
}

/// How long a tree stays that was wanted last, whatever else is said.
const JUST_NOW: Duration = Duration::from_mins(10);

/// Takes a tree away, unless somebody wants it just now.
fn let_go(store: &Store, name: &str, seen: SystemTime) -> io::Result<bool> {
    let tree = store.tree(name);
    let away = store.trees().join(format!(".gone-{name}-{}", super::store::token()));
    fs::rename(&tree, &away)?;
    // who wants it says so before looking for it
    if wanted(store, name) != seen && fs::rename(&away, &tree).is_ok() {
        return Ok(false);
    }
    let _ = fs::remove_dir_all(&away);
    let _ = fs::remove_file(store.manifest(name));
    let _ = fs::remove_file(store.mark(name));
    Ok(true)
}

/// Removes contents that no tree has: nothing else is linked to them.
fn contents(store: &Store, kept: &Kept, now: SystemTime, swept: &mut Swept) {
    let linked = links_work(store);
    let mut left: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for folder in names(&store.blobs()) {
        let blobs = names(&store.blobs().join(&folder));
        left.insert(folder, blobs);
    }
    for (folder, blobs) in left {
        for name in blobs {
            let path = store.blobs().join(&folder).join(&name);
            let Ok(metadata) = fs::symlink_metadata(&path) else { continue };
            let changed = SystemTime::UNIX_EPOCH
                + Duration::from_secs(u64::try_from(metadata.ctime()).unwrap_or(0));
            let age = now.duration_since(changed).unwrap_or_default();
            let lonely = metadata.nlink() == 1 && (linked || age > kept.wanted_within);
            if lonely && age > if kept.wanted_within.is_zero() { JUST_NOW } else { LEFT } {
                swept.bytes_freed += metadata.len();
                remove(kept, || fs::remove_file(&path));
            } else {
                swept.bytes_kept += metadata.len();
            }
        }
    }
}

/// Returns whether trees are links of contents here.
fn links_work(store: &Store) -> bool {
    let folder = store.parts();
    let (one, other) =
        (folder.join(".one"), folder.join(format!(".other-{}", super::store::token())));
    let made = fs::create_dir_all(&folder)
        .and_then(|()| fs::write(&one, ""))
        .and_then(|()| fs::hard_link(&one, &other))
        .is_ok();
    let _ = fs::remove_file(&other);
    made
}

fn remove(kept: &Kept, act: impl FnOnce() -> io::Result<()>) {
    if !kept.only_look
        && let Err(error) = act()
    {
        tracing::debug!(%error, "something was not removed");
    }
}

fn names(folder: &Utf8Path) -> Vec<String> {
    let entries = folder.read_dir_utf8().into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_owned()).collect()
}

fn wanted(store: &Store, name: &str) -> SystemTime {
    let time = |path: &Utf8Path| fs::metadata(path).and_then(|metadata| metadata.modified());
    time(&store.mark(name)).or_else(|_| time(&store.tree(name))).unwrap_or(SystemTime::UNIX_EPOCH)
}

fn age(path: &Utf8Path, now: SystemTime) -> Duration {
    let modified = fs::metadata(path).and_then(|metadata| metadata.modified());
    modified.ok().and_then(|time| now.duration_since(time).ok()).unwrap_or_default()
}
