//! The node's own disk: a run works there, and what it made comes back to the shared file system.
//!
//! Working copy, home and temporary files of the run lie there, and a copy of its environment, which
//! the sandbox shows at its own place. The first job that copies an environment leaves it packed, as
//! one file, for those after it. Where there is no room, or no sandbox that can do so, the run
//! works in place, and a note says why.

use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use rayon::prelude::*;
use sizar_model::resources::ByteSize;
use sizar_model::{Receipt, RunId, Scratch};

use super::packed::{self, Packed};
use crate::file_system;
use crate::home::{Home, free_bytes};
use crate::queue::Watcher;
use crate::run::{Attempt, RunPlan};
use crate::sandbox::{self, SandboxKind};
use crate::sparse;
use crate::transfer::is_full;

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
}

impl Drop for Place {
    fn drop(&mut self) {
        // what cannot be removed now is by the next job of this account on this node
        if let Err(error) = fs::remove_dir_all(&self.folder) {
            tracing::debug!(%error, "the node's scratch was not cleaned");
        }
    }
}

/// Where a run works.
#[derive(Debug)]
pub(super) enum Chosen {
    /// In the shared file system; for a reason that is worth a note, where it was to be elsewhere.
    InPlace {
        note: Option<String>,
    },
    OnNode {
        place: Place,
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

/// Chooses where a run works, and copies its environment there.
pub(super) fn choose(shared: &Home, run: &RunId, plan: &RunPlan, given: Option<&str>) -> Chosen {
    let in_place = |note: Option<String>| Chosen::InPlace { note };
    let forced = match &plan.job.scratch {
        Scratch::No => return in_place(None),
        Scratch::Auto if !is_network(shared.root()) => return in_place(None),
        Scratch::Auto => false,
        Scratch::At(_) => true,
    };
    let kind = if plan.job.sandbox { sandbox::detect() } else { SandboxKind::None };
    let environment = if kind == SandboxKind::Bubblewrap { environment(plan) } else { Vec::new() };
    let part = |from: Utf8PathBuf| Part { packed: Packed::find(shared, &from), from };
    let mut parts: Vec<Part> = environment.into_iter().map(part).collect();
    let mut need = Need::of(&plan.checkout.path);
    let loose = parts.iter().filter(|part| part.packed.is_none());
    let loose = loose.map(Part::need).fold(Need::default(), Need::and);
    let packed = parts.iter().filter(|part| part.packed.is_some());
    let packed = packed.map(Part::need).fold(Need::default(), Need::and);
    if forced || (loose.bytes <= ENVIRONMENT_MOST && packed.bytes <= PACKED_MOST) {
        need = need.and(loose).and(packed);
    } else {
        parts.clear();
    }
    let how = match packed.files {
        count if count > 0 && !parts.is_empty() => format!("; {count} of them as one file"),
        _ => String::new(),
    };
    let mut why = Vec::new();
    let own = given.map(Utf8PathBuf::from).into_iter();
    let memory = (!forced && need.bytes <= SHM_MOST).then(|| Utf8PathBuf::from(SHM));
    for folder in own.chain(memory) {
        clear_dead(&folder);
        match fits(&folder, &need, forced) {
            Ok(()) => match begin(&folder, run, shared, &parts) {
                Ok(place) => {
                    let note = format!("it worked in `{folder}` of the node ({need}{how})");
                    return Chosen::OnNode { place, note };
                }
                Err(error) => why.push(format!("`{folder}`: {error}")),
            },
            Err(reason) => why.push(format!("`{folder}` {reason}")),
        }
    }
    if why.is_empty() {
        why.push("the node names none".to_owned());
    }
    in_place(Some(format!(
        "it worked in the shared file system, for want of scratch: {}",
        why.join("; ")
    )))
}

/// A folder of the environment.
#[derive(Debug)]
struct Part {
    from: Utf8PathBuf,
    packed: Option<Packed>,
}

impl Part {
    fn need(&self) -> Need {
        match &self.packed {
            Some(packed) => Need { bytes: packed.bytes(), files: packed.files() },
            None => Need::of(&self.from),
        }
    }

    /// Brings it to `to`; who copies it file by file leaves it packed for the next one.
    fn bring(&self, shared: &Home, to: &Utf8Path) -> std::io::Result<()> {
        if let Some(packed) = &self.packed {
            match packed.unpack(to) {
                Err(error) if !is_full(&error) => {
                    tracing::warn!(%error, "a packed environment is not whole");
                    packed.remove();
                    fs::remove_dir_all(to)?;
                }
                unpacked => return unpacked,
            }
        }
        copy_whole(&self.from, to)?;
        if let Err(error) = packed::leave(shared, &self.from, to) {
            tracing::debug!(%error, "the environment was not packed");
        }
        Ok(())
    }
}

/// What is copied to the node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Need {
    bytes: u64,
    files: u64,
}

impl std::fmt::Display for Need {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} in {} files were copied", ByteSize(self.bytes), self.files)
    }
}

impl Need {
    fn of(folder: &Utf8Path) -> Self {
        let mut need = Self::default();
        let walk = ignore::WalkBuilder::new(folder).standard_filters(false).build();
        for metadata in walk.flatten().filter_map(|entry| entry.metadata().ok()) {
            need.files += 1;
            need.bytes += if metadata.is_file() { metadata.len() } else { 0 };
        }
        need
    }

    fn and(self, other: Self) -> Self {
        Self { bytes: self.bytes + other.bytes, files: self.files + other.files }
    }
}

/// Returns the folders that an environment consists of, each once.
fn environment(plan: &RunPlan) -> Vec<Utf8PathBuf> {
    let mut folders = vec![plan.prefix.clone()];
    for root in &plan.python_roots {
        // an interpreter of the node's system stays where it is
        let known = folders.iter().any(|folder| root.starts_with(folder));
        if !known && is_network_or_home(root, &plan.prefix) {
            folders.push(root.clone());
        }
    }
    folders
}

/// Returns whether a folder lies where sizar keeps things, too.
fn is_network_or_home(folder: &Utf8Path, prefix: &Utf8Path) -> bool {
    let device = |path: &Utf8Path| {
        use std::os::unix::fs::MetadataExt as _;
        fs::metadata(path).map(|metadata| metadata.dev()).ok()
    };
    is_network(folder) || device(folder) == device(prefix)
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

/// Makes a place in `folder`, that only this account reads, with the environment in it.
fn begin(folder: &Utf8Path, run: &RunId, shared: &Home, parts: &[Part]) -> std::io::Result<Place> {
    let me = Watcher::current();
    let own = tempfile::Builder::new()
        .prefix(&format!("{PREFIX}{run}-{}-{}-", me.pid, me.started))
        .tempdir_in(folder)?;
    let own = Utf8PathBuf::try_from(own.keep()).map_err(std::io::Error::other)?;
    let mut place = Place { folder: own, instead: Vec::new() };
    for (number, part) in parts.iter().enumerate() {
        let to = place.folder.join(format!("environment-{number}"));
        part.bring(shared, &to)?;
        place.instead.push((to, part.from.clone()));
    }
    Ok(place)
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
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// How often a result is copied before it is given up.
const TRIES: u32 = 3;

/// Copies what an attempt made on the node to where it belongs, the receipt last.
///
/// # Errors
///
/// What the operating system says: a quota that is used up, above all. There is no receipt then.
pub(super) fn bring_back(from: &Attempt, to: &Attempt, receipt: &Receipt) -> std::io::Result<()> {
    fs::create_dir_all(to.work())?;
    // the small ones first: if not all of them fit, these do
    let mut results: Vec<_> = receipt.results.iter().collect();
    results.sort_by_key(|result| result.size);
    let one = |path: &str| -> std::io::Result<()> {
        let (source, target) = (from.result(path), to.result(path));
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent)?;
        }
        again(|| sparse::copy(source.as_ref(), target.as_ref()).map(drop))
    };
    results.par_iter().try_for_each(|result| one(&result.path))?;
    for (source, target) in [(from.log(), to.log()), (from.usage(), to.usage())] {
        if source.exists() {
            again(|| sparse::copy(source.as_ref(), target.as_ref()).map(drop))?;
        }
    }
    again(|| to.leave_receipt(receipt))
}

/// Copies a tree with all that is in it, links and times too: bytecode counts by the times of its
/// sources.
fn copy_whole(from: &Utf8Path, to: &Utf8Path) -> std::io::Result<()> {
    let mut files = Vec::new();
    for entry in ignore::WalkBuilder::new(from).standard_filters(false).build() {
        let entry = entry.map_err(std::io::Error::other)?;
        let below = entry.path().strip_prefix(from).map_err(std::io::Error::other)?;
        let target = to.as_std_path().join(below);
        match entry.file_type() {
            Some(kind) if kind.is_dir() => fs::create_dir_all(&target)?,
            Some(kind) if kind.is_symlink() => {
                fs_err::os::unix::fs::symlink(fs::read_link(entry.path())?, &target)?;
            }
            Some(kind) if kind.is_file() => files.push((entry.into_path(), target)),
            _ => {}
        }
    }
    files.par_iter().try_for_each(|(source, target)| {
        sparse::copy(source.as_ref(), target.as_ref())?;
        let modified = fs::metadata(source)?.modified()?;
        // a file that only its owner may read cannot be opened for writing everywhere
        match fs::File::open(target)?.file().set_modified(modified) {
            Err(error) if error.kind() != std::io::ErrorKind::PermissionDenied => Err(error),
            _ => Ok(()),
        }
    })
}

fn again(mut act: impl FnMut() -> std::io::Result<()>) -> std::io::Result<()> {
    let mut tried = 0;
    loop {
        match act() {
            Err(error) if tried + 1 >= TRIES => return Err(error),
            // a file server that is busy for a moment tells nobody when it is not
            Err(_) => std::thread::sleep(Duration::from_secs(1 << tried)),
            Ok(()) => return Ok(()),
        }
        tried += 1;
    }
}

fn is_network(path: &Utf8Path) -> bool {
    let known = path.ancestors().find(|path| path.exists());
    let system = known.and_then(|path| rustix::fs::statfs(path.as_std_path()).ok());
    system.is_some_and(|system| file_system::is_network(&system))
}

#[cfg(test)]
mod tests {
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

    #[test]
    fn results_come_back_and_the_receipt_last() {
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(folder.path()).unwrap();
        let run = RunId::from_bits(7);
        let node = Attempt::of(&Home::at(root.join("node")), &run, 1);
        let shared = Attempt::of(&Home::at(root.join("shared")), &run, 1);
        fs::create_dir_all(node.work().join("out")).unwrap();
        fs::create_dir_all(node.home()).unwrap();
        fs::write(node.work().join("out/a.txt"), "a").unwrap();
        fs::write(node.home().join("b.txt"), "b").unwrap();
        fs::write(node.log(), "said").unwrap();
        let artifact = |path: &str, text: &str| sizar_model::Artifact {
            path: path.to_owned(),
            size: 1,
            blake3: sizar_model::Digest::of(text.as_bytes()),
        };
        let mut receipt = Receipt {
            version: 1,
            attempt: 1,
            ending: sizar_model::Ending::TimedOut,
            started: jiff::Timestamp::UNIX_EPOCH,
            ended: jiff::Timestamp::UNIX_EPOCH,
            node: "n".into(),
            usage: sizar_model::Usage::default(),
            sandbox: "none".into(),
            notes: Vec::new(),
            results: vec![artifact("out/a.txt", "a"), artifact("~/b.txt", "b")],
        };
        bring_back(&node, &shared, &receipt).unwrap();
        assert_eq!(shared.receipt(), Some(receipt.clone()));
        assert_eq!(fs::read_to_string(shared.result("~/b.txt")).unwrap(), "b");
        assert_eq!(fs::read_to_string(shared.log()).unwrap(), "said");
        // what cannot be brought leaves no receipt that says it was
        let shared = Attempt::of(&Home::at(root.join("shared")), &run, 2);
        receipt.results.push(artifact("gone.txt", "g"));
        assert!(bring_back(&node, &shared, &receipt).is_err());
        assert_eq!(shared.receipt(), None);
    }
}
