//! The language of Landlock: from a [`Confinement`] to what the kernel lets a program do.

use std::process::{Command, Stdio};
use std::sync::OnceLock;

use camino::{Utf8Path, Utf8PathBuf};
use landlock::{
    ABI, Access as _, AccessFs, AccessNet, CompatLevel, Compatible as _, Ruleset, RulesetAttr as _,
    Scope,
};
use sizar_model::NetworkAccess;

use super::order::Fence;
use super::{Binding, Confinement, system};

/// Returns the version of Landlock that this kernel enforces, up to 6; 0 where it does not.
pub fn abi() -> u8 {
    static FOUND: OnceLock<u8> = OnceLock::new();
    *FOUND.get_or_init(|| {
        let strict = || Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
        let files = |abi| strict().handle_access(AccessFs::from_all(abi)).and_then(Ruleset::create);
        let network =
            || strict().handle_access(AccessNet::from_all(ABI::V4)).and_then(Ruleset::create);
        let scope = || strict().scope(Scope::from_all(ABI::V6)).and_then(Ruleset::create);
        let levels = [
            files(ABI::V1).is_ok(),
            files(ABI::V2).is_ok(),
            files(ABI::V3).is_ok(),
            network().is_ok(),
            files(ABI::V5).is_ok(),
            scope().is_ok(),
        ];
        levels.iter().take_while(|works| **works).count() as u8
    })
}

/// Returns whether this kernel refuses connections to socket files.
fn closes_sockets() -> bool {
    let strict = Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
    strict.handle_access(AccessFs::from_all(ABI::V9)).and_then(Ruleset::create).is_ok()
}

/// Returns whether `unshare` gives a program a network namespace of its own here.
pub fn network_namespaces() -> bool {
    static FOUND: OnceLock<bool> = OnceLock::new();
    *FOUND.get_or_init(|| {
        Command::new("unshare")
            .args(["--user", "--map-current-user", "--keep-caps", "--net", "--", "true"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    })
}

/// Returns what Landlock leaves open here, one sentence each.
pub fn openings(network: NetworkAccess, own_network: bool, gpus: bool) -> Vec<String> {
    let abi = abi();
    let mut open = vec![
        "Landlock: names, sizes and dates of files, and the list of processes, stayed visible"
            .to_owned(),
    ];
    if gpus {
        open.push(
            "Landlock: with GPUs, what the kernel lets the user set in `/proc` stayed open to it"
                .to_owned(),
        );
    }
    if abi < 3 {
        open.push("Landlock: this kernel cannot keep files from being truncated".to_owned());
    }
    if abi < 6 {
        open.push("Landlock: signals to the user's other processes stayed possible".to_owned());
    }
    if !closes_sockets() {
        open.push(
            "Landlock: socket files of the user's other programs stayed reachable".to_owned(),
        );
    }
    if network != NetworkAccess::Full && !own_network {
        open.push(if abi < 4 {
            "Landlock: the network stayed open, because this kernel neither gives network \
             namespaces nor refuses connections"
                .to_owned()
        } else {
            "Landlock: TCP, also to itself, was refused, but UDP stayed open".to_owned()
        });
    }
    open
}

/// Where CUDA names its threads (`/proc/PID/task/TID/comm`): it takes a refusal for a failure of the
/// operating system, and finds no GPU (`cuInit` returns 304; seen with driver 580). Processes that
/// the program starts have folders of their own there, so all of it has to be open.
const NAMES_OF_THREADS: &str = "/proc";

/// Returns what the kernel should let the program do.
pub fn fence(confinement: &Confinement, network: NetworkAccess, ports: Option<Vec<u16>>) -> Fence {
    let etc = Utf8Path::new("/etc");
    let mut read: Vec<Utf8PathBuf> = system::FOLDERS.map(Utf8PathBuf::from).into();
    read.extend(system::ETC_FILES.iter().chain(&system::ETC_FOLDERS).map(|name| etc.join(name)));
    // Without other names for files, the real ones are seen; they hold no secret.
    read.extend(["passwd", "group", "hosts", "hostname", "mtab"].map(|name| etc.join(name)));
    if network == NetworkAccess::Full {
        read.push(etc.join("resolv.conf"));
    }
    // Of other programs' `/proc` folders, Landlock itself closes what is private.
    read.extend(["/proc", "/sys"].map(Utf8PathBuf::from));
    read.extend(confinement.readable.iter().cloned());
    let mut write: Vec<Utf8PathBuf> = confinement.writable.clone();
    write.extend([confinement.home.clone(), confinement.tmp.clone(), "/dev/shm".into()]);
    for binding in &confinement.bindings {
        let list = if binding.writable { &mut write } else { &mut read };
        list.push(binding.here.clone());
    }
    let mut devices: Vec<Utf8PathBuf> = system::DEVICES.map(Utf8PathBuf::from).into();
    let (mut listed, mut altered) = (Vec::new(), Vec::new());
    if confinement.gpus {
        devices.extend(system::gpu_devices());
        listed.push("/dev".into());
        altered.push(NAMES_OF_THREADS.into());
    }
    Fence { read, write, devices, listed, altered, ports }
}

/// Returns the first binding whose other name does not lead to it on the real file system.
pub fn missing_binding(confinement: &Confinement) -> Option<&Binding> {
    confinement.bindings.iter().find(|binding| {
        let real = |path: &Utf8Path| path.canonicalize_utf8().ok();
        real(&binding.there).is_none() || real(&binding.there) != real(&binding.here)
    })
}
