//! The worlds of these tests.

use camino::Utf8PathBuf;
pub use sizar_testkit::{Said, World};

/// Makes an empty world.
pub fn world() -> World {
    World::new(env!("CARGO_BIN_EXE_sizar"))
}

/// Makes a world that shares downloads, uv and interpreters' descriptions with the other tests, and
/// nothing else: environments are gigabytes, and the package index is asked once.
pub fn world_with_shared_cache() -> World {
    let shared = Utf8PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("shared-cache");
    let world = world();
    for folder in ["cache/uv", "cache/downloads", "tools"] {
        let there = shared.join(folder);
        fs_err::create_dir_all(&there).expect("a folder");
        let here = world.sizar_home().join(folder);
        fs_err::create_dir_all(here.parent().expect("a parent")).expect("a folder");
        std::os::unix::fs::symlink(&there, &here).expect("a link");
    }
    world
}

/// Makes a small source of one script without requirements, and returns its path.
pub fn script(world: &World, name: &str, text: &str) -> String {
    world.write(&format!("code/{name}"), text);
    world.here().join("code").into_string()
}
