//! The node's own disk: a run works there, and what it made comes back to the shared file system.
//!
//! Working copy, home and temporary files of the run lie there, and copies of its environment and
//! of its data, which the jobs of one account on one node share ([`shelf`]). The sandbox shows the
//! environment at its own place; where it cannot, what names that place is rewritten ([`relocate`]).
//! The first job that copies an environment leaves it packed, as one file, for those on other
//! nodes ([`packed`]). Where there is no room the run works in place, and a note says why.

mod copy;
mod moment;
pub(super) mod packed;
mod part;
pub(super) mod relocate;
mod results;
mod shelf;

use std::io;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use sizar_model::resources::ByteSize;
use sizar_model::{RunId, Scratch};

pub(super) use self::moment::{for_a_moment, unpack_in_place};
use self::part::{Need, Part};
use self::relocate::{Move, place_of, plan_moved};
pub(super) use self::results::bring_back;
use self::shelf::{Held, Shelf};
use crate::file_system;
use crate::home::{Home, free_bytes};
use crate::queue::Watcher;
use crate::run::RunPlan;
use crate::sandbox::{self, SandboxKind};
use crate::transfer::Store;

/// Names the folder of the node's own, in the environment of a job.
pub(super) const VARIABLE: &str = "SIZAR_NODE_SCRATCH";

/// Memory that looks like a disk: for what is small.
const SHM: &str = "/dev/shm";
/// The largest working place that is put into memory: it counts as the job's own.
const SHM_MOST: u64 = 512 << 20;
/// The largest environment that is copied unasked: of a larger one a job reads a part, and that is
/// sooner done than copying the whole.
const ENVIRONMENT_MOST: u64 = 2 << 30;
/// The same of one that is there as one file.
const PACKED_MOST: u64 = 16 << 30;
/// The same of data: the jobs on one node share a copy.
const DATA_MOST: u64 = 16 << 30;
/// How long a copy stays that nobody uses.
const KEPT: Duration = Duration::from_hours(24);
/// What is kept free beside what is copied: for results, and for others.
const SPARE: u64 = 1 << 30;

/// How the folders of this module begin.
const PREFIX: &str = "sizar-";

/// A place on the node's own disk; removed when dropped.
#[derive(Debug)]
pub(super) struct Place {
    folder: Utf8PathBuf,
    /// Folders of the environment: what lies where, and where it is shown.
    pub instead: Vec<(Utf8PathBuf, Utf8PathBuf)>,
    /// What it shares with other jobs.
    held: Vec<Held>,
    /// Whether that is left for those to come.
    stays: bool,
}

impl Place {
    /// Leaves its copies on the node, for jobs to come.
    pub fn leave_copies(&mut self) {
        self.stays = true;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // what cannot be removed now is by the next job of this account on this node
        if let Err(error) = shelf::remove(&self.folder) {
            tracing::debug!(%error, "the node's scratch was not cleaned");
        }
        for held in self.held.drain(..) {
            held.let_go(self.stays);
        }
    }
}

/// Where a run works.
#[derive(Debug)]
pub(super) enum Chosen {
    /// In the shared file system; for a reason that is worth a note, where it was to be elsewhere.
    InPlace { note: Option<String> },
    OnNode {
        place: Place,
        /// As it is there.
        plan: Box<RunPlan>,
        note: String,
    },
}

impl Chosen {
    /// Returns the home in which the run is executed.
    pub fn home(&self, shared: &Home) -> Home {
        match self {
            Self::InPlace { .. } => shared.clone(),
            Self::OnNode { place, .. } => Home::at(place.folder.clone()),
        }
    }
}

/// What is asked of a node.
struct Wish<'a> {
    shared: &'a Home,
    run: &'a RunId,
    plan: &'a RunPlan,
    /// Whether the user named the folder.
    forced: bool,
    kind: SandboxKind,
}

/// Chooses where a run works, and copies its environment and its data there.
pub(super) fn choose(shared: &Home, run: &RunId, plan: &RunPlan, given: Option<&str>) -> Chosen {
    let in_place = |note: Option<String>| Chosen::InPlace { note };
    let forced = match &plan.job.scratch {
        Scratch::No => return in_place(None),
        Scratch::Auto if !is_network(shared.root()) => return in_place(None),
        Scratch::Auto => false,
        Scratch::At(_) => true,
    };
    let kind = if plan.job.sandbox { sandbox::detect() } else { SandboxKind::None };
    let wish = Wish { shared, run, plan, forced, kind };
    let parts = wish.parts();
    let code = Need::of(&plan.checkout.path);
    let mut why = Vec::new();
    let own = given.map(Utf8PathBuf::from).into_iter();
    let memory = (!forced).then(|| Utf8PathBuf::from(SHM));
    for folder in own.chain(memory) {
        clear_dead(&folder);
        let shelf = if folder.starts_with(SHM) || is_network(&folder) {
            None
        } else {
            Shelf::below(&folder).ok()
        };
        if let Some(shelf) = &shelf {
            shelf.clear(KEPT);
        }
        // data can also be read where they are
        let mut left = None;
        for with_data in [true, false] {
            let some: Vec<&Part> = parts.iter().filter(|p| with_data || !p.is_data()).collect();
            if !with_data && some.len() == parts.len() {
                continue;
            }
            match wish.try_in(&folder, shelf.as_ref(), code, &some) {
                Ok((place, plan, note)) => {
                    let left = left.map(|why| format!("; data stayed where they are: {why}"));
                    let note = format!("{note}{}", left.unwrap_or_default());
                    return Chosen::OnNode { place, plan: Box::new(plan), note };
                }
                Err(Some(reason)) => left = Some(format!("`{folder}` {reason}")),
                Err(None) => {}
            }
        }
        why.extend(left);
    }
    if why.is_empty() {
        why.push("the node names none".to_owned());
    }
    in_place(Some(format!(
        "it worked in the shared file system, for want of scratch: {}",
        why.join("; ")
    )))
}

impl Wish<'_> {
    /// Lists what is worth a copy.
    fn parts(&self) -> Vec<Part> {
        let folder = |from| Part::folder(self.shared, from);
        let mut parts: Vec<Part> =
            part::units(self.shared, self.plan).into_iter().map(folder).collect();
        let bytes = |parts: &[Part], packed: bool| -> u64 {
            let those = parts.iter().filter(|part| part.is_packed() == packed);
            those.map(|part| part.need.bytes).sum()
        };
        let small = bytes(&parts, false) <= ENVIRONMENT_MOST && bytes(&parts, true) <= PACKED_MOST;
        if !self.forced && !small {
            parts.clear();
        }
        let store = Store::at(self.shared.root());
        let data = Part::data(&store, self.plan, self.kind == SandboxKind::Bubblewrap);
        if self.forced || bytes(&data, false) <= DATA_MOST {
            parts.extend(data);
        }
        parts
    }

    /// Makes a place in `folder`, with `parts`; says why it cannot, where that is worth a word.
    fn try_in(
        &self,
        folder: &Utf8Path,
        shelf: Option<&Shelf>,
        code: Need,
        parts: &[&Part],
    ) -> Result<(Place, RunPlan, String), Option<String>> {
        let is_there = |part: &Part| shelf.is_some_and(|shelf| shelf.has(&self.key(part)));
        let new: Vec<&&Part> = parts.iter().filter(|part| !is_there(part)).collect();
        let need = new.iter().map(|part| part.need).fold(code, Need::and);
        if folder.starts_with(SHM) && need.bytes > SHM_MOST {
            return Err(None);
        }
        let room = || fits(folder, &need, self.forced);
        if let (Err(_), Some(shelf)) = (room(), shelf) {
            shelf.make_room(|| room().is_ok());
        }
        room().map_err(Some)?;
        let begun = self.begin(folder, shelf, parts);
        let begun = begun.map_err(|error| Some(format!("does not take it: {error}")))?;
        let note = format!("it worked in `{folder}` of the node ({})", begun.told(code, parts));
        Ok((begun.place, begun.plan, note))
    }

    /// Returns whether an environment is shown in its own place, or else knows where it lies.
    fn shows(&self) -> bool {
        self.kind == SandboxKind::Bubblewrap
    }

    fn key(&self, part: &Part) -> String {
        // one that knows where it lies is another
        let moved = if part.is_data() || self.shows() { "" } else { "-moved" };
        format!("{}{moved}", part.key)
    }

    /// Makes a place in `folder` that only this account reads, with what it needs.
    fn begin(
        &self,
        folder: &Utf8Path,
        shelf: Option<&Shelf>,
        parts: &[&Part],
    ) -> io::Result<Begun> {
        let folder = own_folder(folder, self.run.as_str())?;
        let mut place = Place { folder, instead: Vec::new(), held: Vec::new(), stays: false };
        let to = |part: &Part| match shelf {
            Some(shelf) => shelf.path(&self.key(part)),
            None => place.folder.join(self.key(part)),
        };
        let moves = |data: bool| -> Vec<Move> {
            let those = parts.iter().filter(|part| part.is_data() == data);
            those.map(|part| (part.from.clone(), to(part))).collect()
        };
        let (environment, data) = (moves(false), moves(true));
        let renamed: &[Move] = if self.shows() { &[] } else { &environment };
        let mut made = Vec::new();
        for part in parts {
            let bring = |to: &Utf8Path| part.bring(self.shared, to, renamed);
            made.push(match shelf {
                Some(shelf) => {
                    let (held, made) = shelf.take(&self.key(part), bring)?;
                    place.held.push(held);
                    made
                }
                None => bring(&place.folder.join(self.key(part))).map(|()| true)?,
            });
        }
        let mut plan = self.plan.clone();
        for binding in plan.bindings_mut() {
            binding.here = place_of(&binding.here, &data);
        }
        if self.shows() {
            let shown = part::folders(&plan).into_iter();
            let copies = shown.map(|folder| (place_of(&folder, &environment), folder));
            place.instead = copies.filter(|(copy, folder)| copy != folder).collect();
        } else {
            plan = plan_moved(&plan, &environment);
        }
        Ok(Begun { place, plan, made })
    }
}

/// A place with all that a run needs.
struct Begun {
    place: Place,
    plan: RunPlan,
    /// For each part, whether this job copied it.
    made: Vec<bool>,
}

impl Begun {
    /// Says what was copied for the run.
    fn told(&self, code: Need, parts: &[&Part]) -> String {
        let those = |made: bool| {
            let pairs = parts.iter().zip(&self.made);
            pairs.filter(move |(_, was)| **was == made).map(|(part, _)| part)
        };
        let mut told = those(true).map(|part| part.need).fold(code, Need::and).to_string();
        let packed: u64 = those(true).filter(|p| p.is_packed()).map(|part| part.need.files).sum();
        if packed > 0 {
            told += &format!("; {packed} of them as one file");
        }
        let there: u64 = those(false).map(|part| part.need.files).sum();
        if there > 0 {
            told += &format!("; {there} more were there");
        }
        told
    }
}

/// Returns whether there is room.
fn fits(folder: &Utf8Path, need: &Need, forced: bool) -> Result<(), String> {
    if !folder.is_absolute() || !folder.is_dir() {
        return Err("is not there".to_owned());
    }
    if !forced && is_network(folder) {
        return Err("is on a network file system, too".to_owned());
    }
    // the source is copied once more by what the program makes of it
    let wanted = need.bytes.saturating_add(if folder.starts_with(SHM) { SHM_MOST } else { SPARE });
    if let Some(free) = free_bytes(folder).filter(|free| free.0 < wanted) {
        return Err(format!("has {free} free, and {} are wanted", ByteSize(wanted)));
    }
    let inodes =
        rustix::fs::statvfs(folder.as_std_path()).map(|disk| (disk.f_files, disk.f_favail));
    if let Ok((all, free)) = inodes
        && all > 0
        && free < need.files.saturating_mul(2)
    {
        return Err(format!("has room for {free} more files, and {} are copied", need.files));
    }
    Ok(())
}

/// Makes a folder that only this account reads, and that [`clear_dead`] knows as this process's.
fn own_folder(parent: &Utf8Path, what: &str) -> io::Result<Utf8PathBuf> {
    let me = Watcher::current();
    let folder = tempfile::Builder::new()
        .prefix(&format!("{PREFIX}{what}-{}-{}-", me.pid, me.started))
        .tempdir_in(parent)?;
    Utf8PathBuf::try_from(folder.keep()).map_err(io::Error::other)
}

/// Removes what jobs of this account left in `folder` that were killed.
fn clear_dead(folder: &Utf8Path) {
    for entry in folder.read_dir_utf8().into_iter().flatten().flatten() {
        let name = entry.file_name();
        let mut parts = name.strip_prefix(PREFIX).unwrap_or_default().split('-').skip(1);
        let mut number = || parts.next().and_then(|part| part.parse::<u64>().ok());
        let (Some(pid), Some(started)) = (number(), number()) else { continue };
        let Ok(pid) = u32::try_from(pid) else { continue };
        if !(Watcher { pid, started }).is_alive() {
            let _ = shelf::remove(entry.path());
        }
    }
}

pub(super) fn is_network(path: &Utf8Path) -> bool {
    let known = path.ancestors().find(|path| path.exists());
    let system = known.and_then(|path| rustix::fs::statfs(path.as_std_path()).ok());
    system.is_some_and(|system| file_system::is_network(&system))
}

#[cfg(test)]
mod tests {
    use fs_err as fs;

    use super::*;

    #[test]
    fn a_place_needs_room_and_is_cleaned_up() {
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(folder.path()).unwrap();
        let small = Need { bytes: 10, files: 1 };
        assert_eq!(fits(root, &small, true), Ok(()));
        let huge = Need { bytes: 1 << 60, files: 1 };
        assert!(fits(root, &huge, true).unwrap_err().contains("are wanted"));
        assert!(fits(Utf8Path::new("/nowhere"), &small, true).is_err());
        // of a process that is gone, of this one, of somebody else
        let me = Watcher::current();
        let alive = format!("sizar-aaaa-{}-{}-x", me.pid, me.started);
        for name in ["sizar-aaaa-1-1-x", &alive, "sizar-data", "other"] {
            fs::create_dir(root.join(name)).unwrap();
        }
        clear_dead(root);
        let mut left: Vec<_> =
            root.read_dir_utf8().unwrap().flatten().map(|e| e.file_name().to_owned()).collect();
        left.sort();
        let mut expected = vec!["other".to_owned(), "sizar-data".to_owned(), alive];
        expected.sort();
        assert_eq!(left, expected);
    }
}
