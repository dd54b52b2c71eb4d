//! Checks and tests, with what they need installed first.

use anyhow::Context as _;
use camino::Utf8Path;

use crate::shell::{command, exists, output, run, say};

/// Format, lint, licences, generated files, links of the guide.
pub fn check() -> anyhow::Result<()> {
    run(command("cargo", &["fmt", "--all", "--check"]))?;
    let mut program = command("cargo", &["clippy", "--workspace", "--locked", "--quiet"]);
    program.args(["--", "-D", "warnings"]);
    run(program)?;
    // tests may unwrap, and read better without some of what pedantry asks of a library
    let mut tests = command("cargo", &["clippy", "--workspace", "--tests", "--locked", "--quiet"]);
    tests.args(["--", "-D", "warnings", "-A", "clippy::unwrap_used", "-A", "clippy::pedantic"]);
    run(tests)?;
    tool("cargo-deny")?;
    run(command(
        "cargo",
        &["deny", "--log-level", "error", "check", "licenses", "bans", "sources"],
    ))?;
    crate::generate::check()
}

/// Sets up what the tests need and runs them all.
pub fn test() -> anyhow::Result<()> {
    set_up()?;
    check()?;
    run(command("cargo", &["build", "--workspace", "--all-targets", "--locked", "--quiet"]))?;
    run(command("cargo", &["nextest", "run", "--workspace", "--locked"]))?;
    run(command("cargo", &["test", "--workspace", "--doc", "--locked", "--quiet"]))?;
    run(command("cargo", &["nextest", "run", "--workspace", "--locked", "--profile", "slow"]))?;
    crate::wheel::build_and_try()
}

/// Installs what the tests need; each step is skipped where the thing is there.
fn set_up() -> anyhow::Result<()> {
    tool("cargo-nextest")?;
    if !exists("bwrap") {
        apt(&["bubblewrap"]).context("the tests of the sandbox need bubblewrap")?;
    }
    let shells = ["tcsh", "fish", "zsh"];
    if !Utf8Path::new("/usr/sbin/sshd").exists() || !shells.into_iter().all(exists) {
        apt(&[&["openssh-server"], &shells[..]].concat())
            .context("the tests over SSH need sshd, and the login shells that people have")?;
    }
    Ok(())
}

/// Installs a cargo subcommand from its registry.
fn tool(name: &str) -> anyhow::Result<()> {
    if exists(name) {
        return Ok(());
    }
    say(&format!("`{name}` is not here yet"));
    run(command("cargo", &["install", "--locked", "--quiet", name]))
}

/// Installs packages of the operating system where this user may.
fn apt(packages: &[&str]) -> anyhow::Result<()> {
    let root = output(command("id", &["-u"]))?.trim() == "0";
    let (program, first): (&str, &[&str]) =
        if root { ("apt-get", &[]) } else { ("sudo", &["-n", "apt-get"]) };
    let mut update = command(program, first);
    run({
        update.args(["update", "-qq"]);
        update
    })?;
    let mut install = command(program, first);
    install.args(["install", "-y", "-qq", "--no-install-recommends"]).args(packages);
    install.env("DEBIAN_FRONTEND", "noninteractive");
    run(install)
}
