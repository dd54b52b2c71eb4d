//! The yardstick of a setup: uv alone, told exactly what to install.
//!
//! What uv needs to install the final lock into an empty environment is the least that a setup can
//! cost. sizar found that lock; the ratio of the two is what the finding costs. Both start without
//! cached packages, one right after the other, so that a slow network slows both.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use camino::{Utf8Path, Utf8PathBuf};

/// What a trial's environment is, for the peer.
pub struct Made<'a> {
    pub program: &'a Utf8Path,
    pub home: &'a Utf8Path,
    /// The environment's prefix.
    pub prefix: &'a Utf8Path,
    /// The trial's own folder.
    pub folder: &'a Utf8Path,
}

/// Empties the caches of packages, so that the setup to come downloads what the peer will download.
pub fn forget_packages(home: &Utf8Path) -> anyhow::Result<()> {
    // what wheels there are, and what each source built and fetched to build
    for cache in ["cache/uv", "cache/builds"] {
        let cache = home.join(cache);
        if cache.exists() {
            fs_err::remove_dir_all(cache)?;
        }
    }
    Ok(())
}

/// Returns how long uv takes for the same packages; nothing where uv alone cannot install them.
///
/// # Errors
///
/// The environment's requirements cannot be exported, or a file cannot be written.
pub fn time(made: &Made<'_>) -> anyhow::Result<Option<Duration>> {
    let name = made.prefix.file_name().context("a prefix without a name")?;
    let export = Command::new(made.program)
        .args(["env", "export", name, "--format", "requirements"])
        .env("SIZAR_HOME", made.home)
        .output()?;
    anyhow::ensure!(export.status.success(), "`sizar env export` failed");
    let requirements = made.folder.join("peer.txt");
    fs_err::write(&requirements, export.stdout)?;
    let (environment, cache) = (made.folder.join("peer-env"), made.folder.join("peer-cache"));
    let uv = uv(made.home);
    let python = made.prefix.join("bin/python");
    let run = |args: &[&str]| -> anyhow::Result<bool> {
        let output = Command::new(&uv)
            .args(args)
            .args(["--quiet", "--no-config", "--cache-dir", cache.as_str()])
            .output()
            .context("uv")?;
        Ok(output.status.success())
    };
    let interpreter = environment.join("bin/python");
    let began = Instant::now();
    let installed = run(&["venv", "--python", python.as_str(), environment.as_str()])?
        && run(&[
            "pip",
            "install",
            "--python",
            interpreter.as_str(),
            "--no-deps",
            "--requirement",
            requirements.as_str(),
        ])?;
    let took = began.elapsed();
    for folder in [environment, cache] {
        let _ = fs_err::remove_dir_all(folder);
    }
    Ok(installed.then_some(took))
}

/// Returns the uv that sizar fetched, else that of the `PATH`.
fn uv(home: &Utf8Path) -> Utf8PathBuf {
    let tools = home.join("tools");
    let fetched = tools.read_dir_utf8().ok().and_then(|entries| {
        let mut entries = entries.flatten().filter(|entry| entry.file_name().starts_with("uv-"));
        entries.next().map(|entry| entry.path().to_owned())
    });
    let program = |folder: Utf8PathBuf| {
        [folder.join("bin/uv"), folder.join("uv")].into_iter().find(|path| path.is_file())
    };
    fetched.and_then(program).unwrap_or_else(|| Utf8PathBuf::from("uv"))
}
