//! The parts of the operating system that foreign code is shown.

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use sizar_model::NetworkAccess;

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

/// What of `/etc` programs need. Nothing in it is secret: configuration files that can carry
/// passwords (`pip.conf`, `gitconfig`, `netrc`, `environment`) are left out, and accounts and host
/// names are made up.
pub const ETC: [&str; 37] = [
    "OpenCL",
    "alternatives",
    "ca-certificates",
    "ca-certificates.conf",
    "crypto-policies",
    "debian_version",
    "fonts",
    "gai.conf",
    "glvnd",
    "host.conf",
    "java-11-openjdk",
    "java-17-openjdk",
    "java-21-openjdk",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "locale.alias",
    "localtime",
    "lsb-release",
    "magic",
    "magic.mime",
    "mime.types",
    "networks",
    "nsswitch.conf",
    "nvidia",
    "os-release",
    "perl",
    "pki/ca-trust",
    "pki/tls/cert.pem",
    "pki/tls/certs",
    "protocols",
    "R",
    "services",
    "ssl/certs",
    "ssl/openssl.cnf",
    "timezone",
    "vulkan",
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

/// Returns made-up files of `/etc`: one user, and no names of this machine's network.
pub fn etc_files(home: &Utf8Path, network: NetworkAccess) -> Vec<(&'static str, String)> {
    let passwd = format!(
        "researcher:x:1000:1000:researcher:{home}:/bin/sh\n\
         nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
    );
    let group = "researcher:x:1000:\nnogroup:x:65534:\n".to_owned();
    let mut hosts = "127.0.0.1 localhost sizar\n::1 localhost ip6-localhost\n".to_owned();
    if network == NetworkAccess::Full {
        hosts.push_str(&fs::read_to_string("/etc/hosts").unwrap_or_default());
    }
    vec![("passwd", passwd), ("group", group), ("hosts", hosts), ("hostname", "sizar\n".into())]
}
