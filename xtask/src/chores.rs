//! Checks and tests, with what they need installed first.

use anyhow::Context as _;
use camino::{Utf8Path, Utf8PathBuf};

use crate::shell::{command, exists, output, root, run, say};

/// Format, lint, licences, generated files, links of the guide.
pub fn check() -> anyhow::Result<()> {
    lint()?;
    crate::generate::check()?;
    deny()
}

/// What is looked at without running anything of ours.
fn lint() -> anyhow::Result<()> {
    run(command("cargo", &["fmt", "--all", "--check"]))?;
    let mut program = command("cargo", &["clippy", "--workspace", "--locked", "--quiet"]);
    program.args(["--", "-D", "warnings"]);
    run(program)?;
    // tests may unwrap, and read better without some of what pedantry asks of a library
    let mut tests = command("cargo", &["clippy", "--workspace", "--tests", "--locked", "--quiet"]);
    tests.args(["--", "-D", "warnings", "-A", "clippy::unwrap_used", "-A", "clippy::pedantic"]);
    run(tests)
}

/// Licences, duplicates and sources of what is used.
fn deny() -> anyhow::Result<()> {
    // it takes a second either way, and its build without optimisation some minutes less
    tool("cargo-deny", &["--debug"])?;
    let check = ["deny", "--log-level", "error", "check", "licenses", "bans", "sources"];
    run(command("cargo", &check))
}

/// Sets up what the tests need and runs them all.
pub fn test() -> anyhow::Result<()> {
    set_up()?;
    run(command("cargo", &["fmt", "--all", "--check"]))?;
    run(command("cargo", &["build", "--workspace", "--all-targets", "--locked", "--quiet"]))?;
    crate::generate::check()?;
    run(command("cargo", &["nextest", "run", "--workspace", "--locked"]))?;
    run(command("cargo", &["test", "--workspace", "--doc", "--locked", "--quiet"]))?;
    let built = Built::list()?;
    // the slow tests do not ask cargo, which has one lock for all that builds
    beside(|| lint().and_then(|()| deny()), || run(built.nextest("slow")))?;
    // last, for it links another program where the tests look for theirs
    crate::wheel::build_and_try(crate::wheel::Build::Debug)
}

/// The tests that are built, as nextest lists them.
struct Built {
    binaries: Utf8PathBuf,
    packages: Utf8PathBuf,
}

impl Built {
    fn list() -> anyhow::Result<Self> {
        let folder = root().join("target/nextest");
        fs_err::create_dir_all(&folder)?;
        let write = |name: &str, listed: String| -> anyhow::Result<Utf8PathBuf> {
            let path = folder.join(name);
            fs_err::write(&path, listed)?;
            Ok(path)
        };
        let list = ["nextest", "list", "--workspace", "--locked", "--list-type", "binaries-only"];
        let mut binaries = command("cargo", &list);
        binaries.args(["--message-format", "json"]);
        let packages = command("cargo", &["metadata", "--format-version", "1", "--locked"]);
        Ok(Self {
            binaries: write("binaries.json", output(binaries)?)?,
            packages: write("packages.json", output(packages)?)?,
        })
    }

    /// Makes the command that runs those of a profile.
    fn nextest(&self, profile: &str) -> std::process::Command {
        let mut run = command("cargo", &["nextest", "run", "--profile", profile]);
        run.args(["--binaries-metadata", self.binaries.as_str()]);
        run.args(["--cargo-metadata", self.packages.as_str()]);
        run
    }
}

/// Does `quiet` in a thread of its own while `main` is done, and returns the first error of both.
///
/// The slow tests wait for daemons and downloads most of the time; a compiler uses what they leave.
fn beside(
    quiet: impl FnOnce() -> anyhow::Result<()> + Send,
    main: impl FnOnce() -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    std::thread::scope(|scope| {
        let quiet = scope.spawn(quiet);
        let done = main();
        let quiet = quiet.join().map_err(|_| anyhow::anyhow!("the thread beside it broke off"))?;
        done.and(quiet)
    })
}

/// Installs what the tests need; each step is skipped where the thing is there.
fn set_up() -> anyhow::Result<()> {
    tool("cargo-nextest", &[])?;
    if !exists("bwrap") {
        apt(&["bubblewrap"]).context("the tests of the sandbox need bubblewrap")?;
    }
    let missing = sizar_testkit::Cluster::missing_packages();
    if !missing.is_empty() {
        // the tests of the clusters fail by themselves, and the others need not wait for them
        if let Err(error) = without_services(|| apt(&missing)) {
            say(&format!("the tests of the clusters will fail: {error:#}"));
        }
    }
    let shells = ["tcsh", "fish", "zsh"];
    if !Utf8Path::new("/usr/sbin/sshd").exists() || !shells.into_iter().all(exists) {
        apt(&[&["openssh-server"], &shells[..]].concat())
            .context("the tests over SSH need sshd, and the login shells that people have")?;
    }
    Ok(())
}

/// Does something while no package may start a service when it is installed.
///
/// The clusters start their own daemons, and a database of the machine would take its port.
fn without_services(install: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<()> {
    const POLICY: &str = "/usr/sbin/policy-rc.d";
    if std::path::Path::new(POLICY).exists() {
        return install();
    }
    let forbid = format!("printf '#!/bin/sh\\nexit 101\\n' >{POLICY} && chmod 755 {POLICY}");
    run(as_root("sh", &["-c", &forbid])?)?;
    let installed = install();
    run(as_root("rm", &[POLICY])?)?;
    installed
}

/// Installs a cargo subcommand from its registry.
fn tool(name: &str, args: &[&str]) -> anyhow::Result<()> {
    if exists(name) {
        return Ok(());
    }
    say(&format!("`{name}` is not here yet"));
    let mut install = command("nice", &["cargo", "install", "--locked", "--quiet", name]);
    install.args(args);
    run(install)
}

/// Installs packages of the operating system where this user may.
fn apt(packages: &[&str]) -> anyhow::Result<()> {
    run(as_root("apt-get", &["update", "-qq"])?)?;
    let mut install =
        as_root("env", &["DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "-y", "-qq"])?;
    install.arg("--no-install-recommends").args(packages);
    run(install)
}

/// Makes a command that root runs.
fn as_root(program: &str, args: &[&str]) -> anyhow::Result<std::process::Command> {
    if output(command("id", &["-u"]))?.trim() == "0" {
        return Ok(command(program, args));
    }
    let mut sudo = command("sudo", &["-n", program]);
    sudo.args(args);
    Ok(sudo)
}
