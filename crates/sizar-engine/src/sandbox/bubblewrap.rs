//! The language of bubblewrap: from a [`Confinement`] to its command line.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use camino::{Utf8Path, Utf8PathBuf};
use sizar_model::NetworkAccess;

use super::{Confinement, system};

/// Who the program is inside. Programs that refuse to run as root (Open MPI's `mpirun`, browsers)
/// run even where sizar itself is root, and what they record is the same everywhere.
pub const INSIDE_ID: &str = "1000";

/// Something at a path of the sandbox's file system.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Mount {
    ReadOnly(Utf8PathBuf),
    Writable(Utf8PathBuf),
    Device(Utf8PathBuf),
    Link(Utf8PathBuf),
    Proc,
    Dev,
}

/// What the caller prepared outside for one execution.
pub struct Setup<'a> {
    pub network: NetworkAccess,
    /// Made-up files of `/etc`: name there, path here.
    pub etc: Vec<(&'static str, Utf8PathBuf)>,
    /// More paths to show, read only, under other names: the helper, the index's socket.
    pub extra: Vec<(Utf8PathBuf, Utf8PathBuf)>,
    /// Where the program starts.
    pub cwd: &'a Utf8Path,
}

/// Returns the path of bubblewrap on this machine.
pub fn program() -> Option<&'static Utf8Path> {
    static FOUND: OnceLock<Option<Utf8PathBuf>> = OnceLock::new();
    FOUND
        .get_or_init(|| {
            let path = std::env::var("PATH").unwrap_or_default();
            ["/usr/bin", "/bin", "/usr/local/bin"]
                .into_iter()
                .chain(path.split(':').filter(|folder| folder.starts_with('/')))
                .map(|folder| Utf8Path::new(folder).join("bwrap"))
                .find(|candidate| candidate.is_file())
        })
        .as_deref()
}

/// Returns bubblewrap's arguments, up to and without the program's name.
pub fn arguments(confinement: &Confinement, setup: &Setup<'_>) -> Vec<String> {
    let mut args: Vec<String> = ["--unshare-all", "--unshare-user"].map(str::to_owned).into();
    if setup.network == NetworkAccess::Full {
        args.push("--share-net".to_owned());
    }
    args.extend(
        [
            "--uid",
            INSIDE_ID,
            "--gid",
            INSIDE_ID,
            "--hostname",
            "sizar",
            "--cap-drop",
            "ALL",
            "--die-with-parent",
            "--new-session",
        ]
        .map(str::to_owned),
    );
    for (there, mount) in mounts(confinement, setup) {
        let there = there.into_string();
        match mount {
            Mount::ReadOnly(here) => args.extend(["--ro-bind".into(), here.into(), there]),
            Mount::Writable(here) => args.extend(["--bind".into(), here.into(), there]),
            Mount::Device(here) => args.extend(["--dev-bind".into(), here.into(), there]),
            Mount::Link(target) => args.extend(["--symlink".into(), target.into(), there]),
            Mount::Proc => args.extend(["--proc".into(), there]),
            Mount::Dev => args.extend(["--dev".into(), there]),
        }
    }
    // What is written beside the listed folders would be lost: better an error at once.
    args.extend(["--remount-ro", "/", "--chdir", setup.cwd.as_str(), "--"].map(str::to_owned));
    args
}

/// Returns what is where, parents before what lies in them.
fn mounts(confinement: &Confinement, setup: &Setup<'_>) -> BTreeMap<Utf8PathBuf, Mount> {
    let mut mounts = BTreeMap::new();
    for folder in system::FOLDERS.map(Utf8PathBuf::from) {
        match system::link_target(&folder) {
            Some(target) => {
                mounts.insert(folder, Mount::Link(target));
            }
            None if folder.exists() => {
                mounts.insert(folder.clone(), Mount::ReadOnly(folder));
            }
            None => {}
        }
    }
    for path in system::ETC.map(|name| Utf8Path::new("/etc").join(name)) {
        if path.exists() {
            mounts.insert(path.clone(), Mount::ReadOnly(path));
        }
    }
    mounts.insert("/etc/mtab".into(), Mount::Link("/proc/self/mounts".into()));
    if setup.network == NetworkAccess::Full && Utf8Path::new("/etc/resolv.conf").exists() {
        mounts.insert("/etc/resolv.conf".into(), Mount::ReadOnly("/etc/resolv.conf".into()));
    }
    for (name, here) in &setup.etc {
        mounts.insert(Utf8Path::new("/etc").join(name), Mount::ReadOnly(here.clone()));
    }
    mounts.insert("/proc".into(), Mount::Proc);
    mounts.insert("/dev".into(), Mount::Dev);
    mounts.insert("/sys".into(), Mount::ReadOnly("/sys".into()));
    if confinement.gpus {
        for device in system::gpu_devices() {
            mounts.insert(device.clone(), Mount::Device(device));
        }
    }
    for path in &confinement.readable {
        mounts.insert(path.clone(), Mount::ReadOnly(path.clone()));
    }
    // Code that writes to `/tmp` without asking for `TMPDIR` is common.
    for there in ["/tmp", "/var/tmp"] {
        mounts.insert(there.into(), Mount::Writable(confinement.tmp.clone()));
    }
    for path in confinement.writable.iter().chain([&confinement.home, &confinement.tmp]) {
        mounts.insert(path.clone(), Mount::Writable(path.clone()));
    }
    for binding in &confinement.bindings {
        let mount = if binding.writable { Mount::Writable } else { Mount::ReadOnly };
        mounts.insert(binding.there.clone(), mount(binding.here.clone()));
    }
    for (there, here) in &setup.extra {
        mounts.insert(there.clone(), Mount::ReadOnly(here.clone()));
    }
    without_redundant(mounts)
}

/// Leaves out read-only folders under their own names inside others such.
fn without_redundant(all: BTreeMap<Utf8PathBuf, Mount>) -> BTreeMap<Utf8PathBuf, Mount> {
    let own_name =
        |there: &Utf8Path, mount: &Mount| matches!(mount, Mount::ReadOnly(here) if here == there);
    let mut kept: BTreeMap<Utf8PathBuf, Mount> = BTreeMap::new();
    for (there, mount) in all {
        let above = there.ancestors().skip(1).find_map(|above| Some((above, kept.get(above)?)));
        let shown =
            own_name(&there, &mount) && above.is_some_and(|(above, mount)| own_name(above, mount));
        if !shown {
            kept.insert(there, mount);
        }
    }
    kept
}
