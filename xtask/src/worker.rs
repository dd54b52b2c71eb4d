//! The worker: the program, linked statically, so that it runs beside jobs whatever C library is
//! there.

use anyhow::{Context as _, ensure};
use camino::Utf8PathBuf;

use crate::shell::{command, exists, output, root, run, say};

/// Links the C library into the program.
pub const STATIC: &str = "-C target-feature=+crt-static";

/// Builds the worker and puts it beside the program; returns its path.
pub fn build(release: bool) -> anyhow::Result<Utf8PathBuf> {
    let arch = std::env::consts::ARCH;
    let target = target()?;
    let mut cargo = command("cargo", &["build", "--package", "sizar", "--locked", "--quiet"]);
    cargo.args(["--target", &target]).env("RUSTFLAGS", STATIC);
    let profile = if release { "release" } else { "debug" };
    if release {
        cargo.arg("--release");
    }
    run(cargo)?;
    let target_folder = root().join("target");
    let built = target_folder.join(&target).join(profile).join("sizar");
    let worker = target_folder.join(profile).join(format!("sizar-worker-{arch}"));
    fs_err::create_dir_all(target_folder.join(profile))?;
    fs_err::copy(&built, &worker)?;
    ensure_static(&worker)?;
    let size = fs_err::metadata(&worker)?.len() >> 20;
    say(&format!(
        "{worker} ({size} MiB) is static; sizar brings it to targets when it lies beside it"
    ));
    Ok(worker)
}

/// Fails where a program asks for libraries of the system's.
pub fn ensure_static(program: &Utf8PathBuf) -> anyhow::Result<()> {
    let needs = output(command("readelf", &["--dynamic", program.as_str()]))
        .context("`readelf` (binutils) tells what a program asks for")?;
    ensure!(!needs.contains("(NEEDED)"), "`{program}` is not static:\n{needs}");
    Ok(())
}

/// Chooses the target: musl where its parts are installed, else glibc, which links statically too.
pub fn target() -> anyhow::Result<String> {
    let arch = std::env::consts::ARCH;
    let musl = format!("{arch}-unknown-linux-musl");
    let libraries = output(command("rustc", &["--print", "target-libdir", "--target", &musl]))?;
    let is_installed = Utf8PathBuf::from(libraries.trim()).is_dir();
    Ok(if is_installed && exists("musl-gcc") { musl } else { format!("{arch}-unknown-linux-gnu") })
}
