//! Where the socket of a shared connection lies.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use crate::home::Home;

/// The longest path of a socket, less what ssh appends while it makes one.
const LONGEST: usize = 107 - 18;

/// Returns a path for the socket of the connection `key`; `None` where no folder takes sockets.
///
/// It is in sizar's home, or, where that path is too long or its file system has no sockets, in
/// a folder of this user alone for temporary files.
pub(super) fn control_path(home: &Home, key: &str) -> Option<Utf8PathBuf> {
    let name = &key[..key.len().min(16)];
    let folders = [
        home.folder("ssh").ok(),
        std::env::var("XDG_RUNTIME_DIR").ok().map(|folder| Utf8PathBuf::from(folder).join("sizar")),
        Some(Utf8PathBuf::from(format!(
            "/tmp/sizar-{}-{}",
            rustix::process::getuid().as_raw(),
            &blake3::hash(home.root().as_str().as_bytes()).to_hex()[..8]
        ))),
    ];
    folders.into_iter().flatten().find_map(|folder| {
        let path = folder.join(name);
        (path.as_str().len() <= LONGEST && is_private(&folder) && takes_sockets(&path))
            .then_some(path)
    })
}

/// Returns whether a process listens at the socket `path`: one that ended leaves it behind.
pub(super) fn is_open(path: &Utf8Path) -> bool {
    UnixStream::connect(path).is_ok()
}

/// Makes the folder, and returns whether it is this user's alone.
fn is_private(folder: &Utf8Path) -> bool {
    let _ = fs::create_dir_all(folder);
    let Ok(metadata) = fs::symlink_metadata(folder) else { return false };
    let is_mine = metadata.is_dir() && metadata.uid() == rustix::process::getuid().as_raw();
    is_mine
        && (metadata.permissions().mode() % 0o100 == 0
            || fs::set_permissions(folder, PermissionsExt::from_mode(0o700)).is_ok())
}

fn takes_sockets(path: &Utf8Path) -> bool {
    if path.exists() {
        return true;
    }
    let trial = format!("{path}.{}", std::process::id());
    let made = UnixListener::bind(&trial).is_ok();
    let _ = fs::remove_file(&trial);
    made
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_home_with_a_long_path_gets_a_short_socket() {
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(folder.path()).unwrap();
        let near = Home::at(root.join("h"));
        assert!(control_path(&near, "0123456789abcdef").unwrap().starts_with(near.root()));
        let far = Home::at(root.join("x".repeat(120)));
        let path = control_path(&far, "0123456789abcdef").unwrap();
        assert!(path.as_str().len() <= LONGEST && !path.starts_with(far.root()), "{path}");
    }
}
