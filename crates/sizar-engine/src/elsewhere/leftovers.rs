//! What lies on a target beside trees, and goes by age: fetched data, environments, old programs.
//!
//! Each is moved out of sight before it goes, and looked at again: whoever wants it has said so before
//! looking for it, by its time, or by the plan of a run. Then it comes back instead.

use std::time::{Duration, SystemTime};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use serde::{Deserialize, Serialize};

use super::node::packed;
use super::store_sweep::is_open;
use super::{Layout, sent};
use crate::dataset;
use crate::home::Home;

/// How long something stays that was wanted last, whatever else is said.
const JUST_NOW: Duration = Duration::from_mins(10);
/// After how long what did not come whole is left behind.
const LEFT: Duration = Duration::from_hours(24 * 7);
/// How the names of what is moved out of sight begin.
const GONE: &str = ".gone-";

/// What went and what stays of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    pub removed: u64,
    pub kept: u64,
    /// Of those kept, how many runs use.
    pub used: u64,
    pub bytes_removed: u64,
    pub bytes_kept: u64,
}

impl Group {
    fn and(self, other: Self) -> Self {
        Self {
            removed: self.removed + other.removed,
            kept: self.kept + other.kept,
            used: self.used + other.used,
            bytes_removed: self.bytes_removed + other.bytes_removed,
            bytes_kept: self.bytes_kept + other.bytes_kept,
        }
    }
}

/// What went and what stays beside trees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leftovers {
    /// What was fetched from addresses.
    pub fetched: Group,
    pub environments: Group,
    /// Builds of sizar.
    pub programs: Group,
}

/// A kind of thing: where it lies, and which file's time says when it was last wanted.
struct Kind {
    folder: &'static str,
    mark: &'static str,
    /// What of it is locked while it is made.
    lock: &'static str,
}

const FETCHED: Kind = Kind { folder: dataset::FOLDER, mark: "", lock: "data-" };
const ENVIRONMENTS: Kind = Kind { folder: "envs", mark: "ready.json", lock: "env-" };
const SENT: Kind = Kind { folder: sent::FOLDER, mark: packed::SENT, lock: sent::LOCK };
const PROGRAMS: Kind = Kind { folder: "bin", mark: "sizar", lock: "program-" };

/// What is to stay.
#[derive(Clone, Copy, Debug)]
pub(super) struct Staying {
    pub wanted_within: Duration,
    pub only_look: bool,
}

/// Removes what nobody uses and nobody wanted for long.
pub(super) fn sweep(layout: &Layout, staying: Staying, now: SystemTime) -> Leftovers {
    let of = |kind: &Kind| group(layout, kind, staying, now);
    let mut environments = of(&ENVIRONMENTS);
    environments = environments.and(of(&SENT));
    packed_forms(layout, staying, now, &mut environments);
    Leftovers { fetched: of(&FETCHED), environments, programs: of(&PROGRAMS) }
}

/// Removes packed forms of environments: without one, a job copies the environment itself.
fn packed_forms(layout: &Layout, staying: Staying, now: SystemTime, environments: &mut Group) {
    let folder = layout.root().join(packed::FOLDER);
    for entry in folder.read_dir_utf8().into_iter().flatten().flatten() {
        let Ok(metadata) = entry.metadata() else { continue };
        let age = now.duration_since(modified(entry.path())).unwrap_or_default();
        if !metadata.is_file() || age < staying.wanted_within.max(JUST_NOW) {
            environments.bytes_kept += metadata.len();
        } else if staying.only_look || fs::remove_file(entry.path()).is_ok() {
            environments.bytes_removed += metadata.len();
        }
    }
}

fn group(layout: &Layout, kind: &Kind, staying: Staying, now: SystemTime) -> Group {
    let mut group = Group::default();
    let folder = layout.root().join(kind.folder);
    let mentions = Mentions::read(layout, now, None);
    let since = |time: SystemTime| now.duration_since(time).unwrap_or_default();
    for name in names(&folder) {
        let path = folder.join(&name);
        let bytes = size_of(&path);
        if name.starts_with(GONE) {
            // of a process that was killed
            if !staying.only_look {
                remove(&path);
            }
            group.bytes_removed += bytes;
            continue;
        }
        let is_coming = name.ends_with(dataset::COMING);
        let (used, mentioned) = mentions.of(&path);
        let own = std::env::current_exe().is_ok_and(|program| program.starts_with(&path));
        let wanted = wanted(&path, kind);
        let age = since(mentioned.map_or(wanted, |mentioned| wanted.max(mentioned)));
        let least = if is_coming { LEFT.max(staying.wanted_within) } else { staying.wanted_within };
        let goes = !used && !own && age >= least && age > JUST_NOW;
        let gone = goes
            && (staying.only_look
                || let_go(layout, kind, (&folder, &name), (wanted, now - JUST_NOW)));
        if gone {
            group.removed += 1;
            group.bytes_removed += bytes;
        } else {
            group.kept += 1;
            group.used += u64::from(used || own);
            group.bytes_kept += bytes;
        }
    }
    group
}

/// Takes something away, unless somebody wants it just now.
fn let_go(
    layout: &Layout,
    kind: &Kind,
    (folder, name): (&Utf8Path, &str),
    (seen, since): (SystemTime, SystemTime),
) -> bool {
    let key = name.trim_end_matches(dataset::COMING);
    // whoever makes it holds its lock
    let Ok(_lock) = Home::at(layout.root()).lock(&format!("{}{key}", kind.lock), || {}) else {
        return false;
    };
    let path = folder.join(name);
    let away = folder.join(format!("{GONE}{name}"));
    if wanted(&path, kind) != seen || fs::rename(&path, &away).is_err() {
        return false;
    }
    let is_wanted = wanted(&away, kind) != seen
        || Mentions::read(layout, SystemTime::now(), Some(since)).of(&path).0;
    if is_wanted && fs::rename(&away, &path).is_ok() {
        return false;
    }
    remove(&away);
    true
}

/// Which paths the runs there name.
struct Mentions {
    /// What a run's files say, when, and whether it goes on.
    texts: Vec<(String, SystemTime, bool)>,
}

impl Mentions {
    /// Reads what runs say, or those alone whose folders changed `since` then.
    fn read(layout: &Layout, now: SystemTime, since: Option<SystemTime>) -> Self {
        let mut texts = Vec::new();
        for entry in layout.runs().read_dir_utf8().into_iter().flatten().flatten() {
            if since.is_some_and(|since| modified(entry.path()) < since) {
                continue;
            }
            let open = is_open(layout, entry.path(), now);
            let files = entry.path().read_dir_utf8().into_iter().flatten().flatten();
            for file in files {
                let name = file.file_name();
                let tells = ["plan.json", "request.json", "plain.sh"].contains(&name)
                    || (name.starts_with("batch-") && name.ends_with(".sh"));
                if let (true, Ok(text)) = (tells, fs::read_to_string(file.path())) {
                    texts.push((text, modified(file.path()), open));
                }
            }
        }
        Self { texts }
    }

    /// Returns whether a run that goes on names a path, and when any run last did.
    fn of(&self, path: &Utf8Path) -> (bool, Option<SystemTime>) {
        let naming = || self.texts.iter().filter(|(text, _, _)| names_path(text, path.as_str()));
        let used = naming().any(|(_, _, open)| *open);
        (used, naming().map(|(_, time, _)| *time).max())
    }
}

/// Returns whether a text names a path, or something below it.
fn names_path(text: &str, path: &str) -> bool {
    text.match_indices(path).any(|(at, _)| {
        let next = text.get(at + path.len()..).and_then(|rest| rest.chars().next());
        next.is_none_or(|next| !next.is_ascii_alphanumeric() && next != '-' && next != '_')
    })
}

fn names(folder: &Utf8Path) -> Vec<String> {
    let entries = folder.read_dir_utf8().into_iter().flatten().flatten();
    let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    folders.map(|entry| entry.file_name().to_owned()).collect()
}

fn modified(path: &Utf8Path) -> SystemTime {
    let time = fs::symlink_metadata(path).and_then(|metadata| metadata.modified());
    time.unwrap_or(SystemTime::UNIX_EPOCH)
}

/// Returns when something was last wanted, as far as it tells itself.
fn wanted(path: &Utf8Path, kind: &Kind) -> SystemTime {
    let mark = path.join(kind.mark);
    let mark = if !kind.mark.is_empty() && mark.exists() { mark } else { path.to_owned() };
    if path.as_str().ends_with(dataset::COMING) {
        // what comes changes the files in it
        let inner = path.read_dir_utf8().into_iter().flatten().flatten();
        return inner.map(|entry| modified(entry.path())).fold(modified(path), SystemTime::max);
    }
    modified(&mark)
}

/// Returns how many bytes a folder takes on the disk; of links of one file each counts.
fn size_of(folder: &Utf8Path) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    let mut bytes = 0;
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let Ok(metadata) = entry.metadata() else { continue };
        bytes += if metadata.is_dir() {
            Utf8PathBuf::from_path_buf(entry.path()).map_or(0, |path| size_of(&path))
        } else {
            // what links share stays where another has it
            if metadata.nlink() > 1 { 0 } else { metadata.blocks() * 512 }
        };
    }
    bytes
}

/// Removes a folder, also one whose folders are read only.
fn remove(path: &Utf8Path) {
    use std::os::unix::fs::PermissionsExt as _;
    fn open(folder: &Utf8Path) {
        let _ = fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700));
        for entry in folder.read_dir_utf8().into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                open(entry.path());
            }
        }
    }
    if fs::remove_dir_all(path).is_err() {
        open(path);
        if let Err(error) = fs::remove_dir_all(path) {
            tracing::debug!(%error, "something was not removed");
        }
    }
}

#[cfg(test)]
mod tests {
    use sizar_model::RunId;

    use super::*;

    const DAY: Duration = Duration::from_hours(24);

    #[test]
    fn what_a_run_uses_or_wanted_of_late_stays_and_the_rest_goes_by_age() {
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8PathBuf::from_path_buf(folder.path().join("there")).unwrap();
        let layout = Layout::at(&root);
        let old = SystemTime::now() - 40 * DAY;
        let make = |path: &str, file: &str| {
            let path = root.join(path);
            fs::create_dir_all(&path).unwrap();
            fs::write(path.join(file), vec![1; 8192]).unwrap();
            for path in [path.join(file), path.clone()] {
                fs::File::open(&path).unwrap().file().set_modified(old).unwrap();
            }
            path
        };
        let [packed, packed_of_late] = ["old", "young"].map(|name| {
            let path = root.join("cache/packed").join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, "packed").unwrap();
            path
        });
        fs::File::open(&packed).unwrap().file().set_modified(old).unwrap();
        let [live, ended, free] = ["live", "ended", "free"].map(|name| {
            let fetched = make(&format!("cache/data/{name}"), "x.zip");
            let environment = make(&format!("envs/{name}"), "ready.json");
            let program = make(&format!("bin/{name}"), "sizar");
            [fetched, environment, program]
        });
        // not the same as `live`, though it begins so
        let other = make("envs/live2", "ready.json");
        let coming = make("cache/data/late.coming", "y.part");
        let run = |bits, [fetched, environment, program]: &[Utf8PathBuf; 3], receipt: bool| {
            let run = RunId::from_bits(bits);
            fs::create_dir_all(layout.attempt(&run, 1)).unwrap();
            let plan = format!("{{\"here\":\"{fetched}/x.zip\",\"prefix\":\"{environment}\"}}");
            fs::write(layout.plan(&run), plan).unwrap();
            fs::write(layout.script(&run, 1), format!("exec '{program}/sizar'\n")).unwrap();
            if receipt {
                fs::write(layout.receipt(&run, 1), "{}").unwrap();
                for path in [layout.plan(&run), layout.script(&run, 1)] {
                    fs::File::open(path).unwrap().file().set_modified(old + 20 * DAY).unwrap();
                }
            }
        };
        run(1, &live, false);
        run(2, &ended, true);
        let swept = |days: u32, only_look| {
            sweep(&layout, Staying { wanted_within: days * DAY, only_look }, SystemTime::now())
        };
        let all = |paths: &[Utf8PathBuf]| paths.iter().all(|path| path.exists());
        // what an ended run named twenty days ago was wanted then
        let looked = swept(30, true);
        assert!(all(&live) && all(&ended) && all(&free) && coming.exists());
        assert_eq!(swept(30, false), looked);
        assert!(all(&live) && all(&ended) && !free.iter().any(|path| path.exists()));
        assert!(!other.exists() && !coming.exists());
        assert!(!packed.exists() && packed_of_late.exists());
        let Leftovers { fetched, environments, programs } = looked;
        assert_eq!((fetched.removed, fetched.kept, fetched.used), (2, 2, 1));
        assert_eq!((environments.removed, environments.kept, environments.used), (2, 2, 1));
        assert_eq!((programs.removed, programs.kept, programs.used), (1, 2, 1));
        assert!(programs.bytes_removed >= 8192 && programs.bytes_kept >= 16384, "{programs:?}");
        let swept = swept(10, false);
        assert!(all(&live) && !ended.iter().any(|path| path.exists()), "{swept:?}");
        // wanted a moment ago, however little is to stay
        let young = make("cache/data/young", "z");
        fs::File::open(&young).unwrap().file().set_modified(SystemTime::now()).unwrap();
        sweep(
            &layout,
            Staying { wanted_within: Duration::ZERO, only_look: false },
            SystemTime::now(),
        );
        assert!(young.exists());
    }

    #[test]
    fn a_path_is_named_as_a_whole() {
        assert!(names_path("\"/r/envs/ab/bin/python\"", "/r/envs/ab"));
        assert!(
            names_path("x '/r/envs/ab'", "/r/envs/ab") && names_path("/r/envs/ab", "/r/envs/ab")
        );
        assert!(
            !names_path("/r/envs/abc", "/r/envs/ab") && !names_path("/r/envs/ab-1", "/r/envs/ab")
        );
    }
}
