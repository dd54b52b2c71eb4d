//! The Python wheel of the program, so that researchers can `pip install` it.

use anyhow::{Context as _, ensure};
use camino::{Utf8Path, Utf8PathBuf};

use crate::shell::{command, output, root, run, say};

/// What the program in the wheel is optimised for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Build {
    /// What is given to people.
    Release,
    /// What the tests have built already: a trial of the packaging that costs a link.
    Debug,
}

/// Builds the wheel, installs it into a new environment and starts it.
pub fn build_and_try(build: Build) -> anyhow::Result<()> {
    let work = root().join("target/wheel-trial");
    if work.exists() {
        fs_err::remove_dir_all(&work)?;
    }
    fs_err::create_dir_all(&work)?;
    let tools = environment(&work.join("tools"))?;
    pip(&tools, &["maturin>=1.9,<2"])?;
    let wheels = work.join("dist");
    let mut maturin = command(
        tools.join("bin/maturin").as_str(),
        &["build", "--locked", "--quiet", "--compatibility", "linux", "--out", wheels.as_str()],
    );
    if build == Build::Release {
        maturin.arg("--release");
    }
    run(maturin)?;
    let wheel = only_file(&wheels)?;

    let trial = environment(&work.join("trial"))?;
    pip(&trial, &["--no-index", wheel.as_str()])?;
    let sizar = trial.join("bin/sizar");
    let version = output(command(sizar.as_str(), &["--version"]))?;
    ensure!(
        version.trim() == format!("sizar {}", env!("CARGO_PKG_VERSION")),
        "the installed program says `{version}`"
    );
    let mut inspect = command(sizar.as_str(), &["inspect", "examples", "--json"]);
    inspect.env("SIZAR_HOME", work.join("home"));
    let inspection: serde_json::Value = serde_json::from_str(&output(inspect)?)?;
    ensure!(
        inspection["drivers"][0]["path"] == "make_clicks.py",
        "the installed program does not find the driver of `examples`"
    );
    let size = fs_err::metadata(&wheel)?.len() / 1024;
    say(&format!("{wheel} ({size} KiB) installs and works"));
    Ok(())
}

/// Makes a virtual environment with the Python that is here.
fn environment(path: &Utf8Path) -> anyhow::Result<Utf8PathBuf> {
    run(command("python3", &["-m", "venv", path.as_str()]))
        .context("building the wheel needs `python3` with `venv` and `pip`")?;
    Ok(path.to_owned())
}

fn pip(environment: &Utf8Path, args: &[&str]) -> anyhow::Result<()> {
    let mut pip = command(environment.join("bin/python").as_str(), &["-m", "pip", "install"]);
    pip.args(["--quiet", "--disable-pip-version-check"]).args(args);
    run(pip)
}

fn only_file(folder: &Utf8Path) -> anyhow::Result<Utf8PathBuf> {
    let entry = folder.read_dir_utf8()?.next().context("maturin left no wheel")??;
    Ok(entry.into_path())
}
