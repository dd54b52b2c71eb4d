//! The language of bubblewrap: from a [`Confinement`] to its command line.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
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
    pub etc: &'a Etc,
    /// More paths to show, read only, under other names: (there, here).
    pub extra: Vec<(&'static str, Utf8PathBuf)>,
    /// Where the program starts.
    pub cwd: &'a Utf8Path,
}

/// A folder that stands for `/etc`.
///
/// Each mount costs bubblewrap a third of a millisecond, so small files are copied, and one folder
/// is mounted. Accounts and host names are made up.
pub struct Etc(Utf8PathBuf);

impl Etc {
    /// Makes the folder at `path`.
    pub fn make(
        path: Utf8PathBuf,
        home: &Utf8Path,
        network: NetworkAccess,
    ) -> std::io::Result<Self> {
        let real = Utf8Path::new("/etc");
        for folder in system::ETC_FOLDERS {
            if real.join(folder).is_dir() {
                fs::create_dir_all(path.join(folder))?;
            }
        }
        fs::create_dir_all(path.join("ssl"))?;
        for name in system::ETC_FILES {
            // What this system does not have, or not let us read, is not shown.
            let _ = fs::copy(real.join(name), path.join(name));
        }
        if network == NetworkAccess::Full {
            let _ = fs::copy(real.join("resolv.conf"), path.join("resolv.conf"));
        }
        let passwd = format!(
            "researcher:x:1000:1000:researcher:{home}:/bin/sh\n\
             nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
        );
        fs::write(path.join("passwd"), passwd)?;
        fs::write(path.join("group"), "researcher:x:1000:\nnogroup:x:65534:\n")?;
        let mut hosts = "127.0.0.1 localhost sizar\n::1 localhost ip6-localhost\n".to_owned();
        if network == NetworkAccess::Full {
            hosts.push_str(&fs::read_to_string("/etc/hosts").unwrap_or_default());
        }
        fs::write(path.join("hosts"), hosts)?;
        fs::write(path.join("hostname"), "sizar\n")?;
        fs::os::unix::fs::symlink("/proc/self/mounts", path.join("mtab"))?;
        Ok(Self(path))
    }

    /// Makes a place to mount something at `there`, below `/etc`.
    fn place(&self, there: &Utf8Path, is_folder: bool) -> std::io::Result<()> {
        let Ok(below) = there.strip_prefix("/etc") else { return Ok(()) };
        let path = self.0.join(below);
        if path.exists() || below.as_str().is_empty() {
            return Ok(());
        }
        if is_folder {
            return fs::create_dir_all(path);
        }
        fs::create_dir_all(path.parent().unwrap_or(&self.0))?;
        fs::write(path, "")
    }
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
pub fn arguments(confinement: &Confinement, setup: &Setup<'_>) -> std::io::Result<Vec<String>> {
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
        if let Mount::ReadOnly(here) | Mount::Writable(here) = &mount {
            setup.etc.place(&there, here.is_dir())?;
        }
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
    Ok(args)
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
    mounts.insert("/etc".into(), Mount::ReadOnly(setup.etc.0.clone()));
    for path in system::ETC_FOLDERS.map(|name| Utf8Path::new("/etc").join(name)) {
        if path.is_dir() {
            mounts.insert(path.clone(), Mount::ReadOnly(path));
        }
    }
    mounts.insert("/proc".into(), Mount::Proc);
    mounts.insert("/dev".into(), Mount::Dev);
    // Without GPUs, processors and memory are all that programs look up there; the rest names the
    // machine's parts, and its many mounts take time.
    let sys = if confinement.gpus { "/sys" } else { "/sys/devices/system" };
    mounts.insert(sys.into(), Mount::ReadOnly(sys.into()));
    if confinement.gpus {
        for device in system::gpu_devices() {
            mounts.insert(device.clone(), Mount::Device(device));
        }
    }
    for path in &confinement.readable {
        mounts.insert(path.clone(), Mount::ReadOnly(path.clone()));
    }
    // Code that writes to `/tmp` without asking for `TMPDIR` is common.
    mounts.insert("/tmp".into(), Mount::Writable(confinement.tmp.clone()));
    mounts.insert("/var/tmp".into(), Mount::Link("/tmp".into()));
    for path in confinement.writable.iter().chain([&confinement.home, &confinement.tmp]) {
        mounts.insert(path.clone(), Mount::Writable(path.clone()));
    }
    for binding in &confinement.bindings {
        let mount = if binding.writable { Mount::Writable } else { Mount::ReadOnly };
        mounts.insert(binding.there.clone(), mount(binding.here.clone()));
    }
    for (there, here) in &setup.extra {
        mounts.insert((*there).into(), Mount::ReadOnly(here.clone()));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_by_a_folder_above_is_not_mounted_again() {
        let own = |path: &str| (Utf8PathBuf::from(path), Mount::ReadOnly(path.into()));
        let other = (Utf8PathBuf::from("/usr/a/b"), Mount::ReadOnly("/data".into()));
        let written = (Utf8PathBuf::from("/usr/w"), Mount::Writable("/usr/w".into()));
        let all = [own("/usr"), own("/usr/a"), other, own("/usr/a/b/c"), written, own("/usr/w/r")];
        let kept: Vec<_> = without_redundant(all.into()).into_keys().collect();
        // Below another name, or below a folder that may be written to, it has to be.
        assert_eq!(kept, ["/usr", "/usr/a/b", "/usr/a/b/c", "/usr/w", "/usr/w/r"]);
    }
}
