//! The parts of the operating system that foreign code is shown.

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

/// Folders with programs and libraries. Some are symbolic links into `/usr` on most systems.
pub const FOLDERS: [&str; 10] = [
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/opt",
    "/nix/store",
    "/gnu/store",
];

/// Files of `/etc` that programs need. Nothing in them is secret: configuration that can carry
/// passwords (`pip.conf`, `gitconfig`, `netrc`, `environment`) is left out.
pub const ETC_FILES: [&str; 17] = [
    "debian_version",
    "gai.conf",
    "host.conf",
    "ld.so.cache",
    "ld.so.conf",
    "locale.alias",
    "localtime",
    "lsb-release",
    "magic",
    "mime.types",
    "networks",
    "nsswitch.conf",
    "os-release",
    "protocols",
    "services",
    "ssl/openssl.cnf",
    "timezone",
];

/// Folders of `/etc` that programs need.
pub const ETC_FOLDERS: [&str; 14] = [
    "OpenCL",
    "R",
    "alternatives",
    "crypto-policies",
    "fonts",
    "glvnd",
    "java-11-openjdk",
    "java-17-openjdk",
    "java-21-openjdk",
    "nvidia",
    "pki/ca-trust",
    "pki/tls/certs",
    "ssl/certs",
    "vulkan",
];

/// Devices that every program may use; bubblewrap makes its own.
pub const DEVICES: [&str; 8] = [
    "/dev/null",
    "/dev/zero",
    "/dev/full",
    "/dev/random",
    "/dev/urandom",
    "/dev/tty",
    "/dev/ptmx",
    "/dev/pts",
];

/// Returns the GPUs' device files that this machine has.
pub fn gpu_devices() -> Vec<Utf8PathBuf> {
    let Ok(entries) = fs::read_dir("/dev") else { return Vec::new() };
    let mut found: Vec<Utf8PathBuf> = entries
        .filter_map(|entry| Utf8PathBuf::from_path_buf(entry.ok()?.path()).ok())
        .filter(|path| {
            path.file_name().is_some_and(|name| {
                name.starts_with("nvidia") || matches!(name, "dri" | "kfd" | "dxg")
            })
        })
        .collect();
    found.sort();
    found
}

/// Returns where the link `path` points to, if it is one.
pub fn link_target(path: &Utf8Path) -> Option<Utf8PathBuf> {
    Utf8PathBuf::from_path_buf(fs::read_link(path).ok()?).ok()
}
