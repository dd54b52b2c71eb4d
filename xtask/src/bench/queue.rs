//! The local queue: durable acceptance against pueue, and none lost or doubled over a `kill -9`.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use camino::{Utf8Path, Utf8PathBuf};

use super::Bench;
use super::timing::{line, show};
use crate::shell::{command, output, root, run};

/// How many tasks the peer is given: each is a process and a message.
const PEER_TASKS: usize = 200;
/// The runs before the clock starts.
const WARM: usize = 1;

pub fn measure(bench: &Bench) -> anyhow::Result<()> {
    let ours = accepted_by_sizar(bench)?;
    let theirs = accepted_by_pueue(bench)?;
    line(&format!("ratio: {:.0} ×", ours / theirs));
    survive_kill(bench)
}

fn sizar(bench: &Bench, args: &[&str]) -> Command {
    let mut command = Command::new(&bench.sizar);
    command.args(args).env("SIZAR_HOME", bench.folder.join("home"));
    command
}

fn source(bench: &Bench) -> anyhow::Result<Utf8PathBuf> {
    let source = bench.folder.join("source");
    fs_err::create_dir_all(&source)?;
    fs_err::write(source.join("noop.sh"), "#!/bin/sh\nexit 0\n")?;
    Ok(source)
}

/// Returns runs accepted per second.
fn accepted_by_sizar(bench: &Bench) -> anyhow::Result<f64> {
    let source = source(bench)?;
    let batch = bench.folder.join("batch.txt");
    fs_err::write(&batch, "--noop\n".repeat(bench.runs))?;
    // what the first run of a source needs is there before the clock starts
    output(sizar(bench, &["run", "-q", source.as_str(), "--", "noop.sh"]))?;
    let submit =
        sizar(bench, &["run", "-q", source.as_str(), "--batch", batch.as_str(), "--", "noop.sh"]);
    let began = Instant::now();
    output(submit)?;
    let took = began.elapsed();
    let rate = bench.runs as f64 / took.as_secs_f64();
    line(&format!("sizar: {} runs accepted in {} ({rate:.0}/s)", bench.runs, show(took)));
    Ok(rate)
}

fn accepted_by_pueue(bench: &Bench) -> anyhow::Result<f64> {
    let bin = if let Some(folder) = &bench.pueue {
        folder.clone()
    } else {
        let place = root().join("target/pueue");
        run(command(
            "cargo",
            &["install", "--quiet", "--locked", "--root", place.as_str(), "pueue"],
        ))?;
        place.join("bin")
    };
    let state = bench.folder.join("pueue");
    fs_err::create_dir_all(&state)?;
    let peer = |program: &str, args: &[&str]| {
        let mut command = Command::new(bin.join(program));
        command.args(args).env("HOME", &state);
        for name in ["XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR"] {
            command.env(name, &state);
        }
        command
    };
    let mut daemon = peer("pueued", &[]).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let result = (|| -> anyhow::Result<Duration> {
        wait_until("pueued answers", || Ok(peer("pueue", &["status"]).output()?.status.success()))?;
        output(peer("pueue", &["pause"]))?;
        let began = Instant::now();
        for _ in 0..PEER_TASKS {
            output(peer("pueue", &["add", "--", "true"]))?;
        }
        Ok(began.elapsed())
    })();
    daemon.kill()?;
    daemon.wait()?;
    let took = result?;
    let rate = PEER_TASKS as f64 / took.as_secs_f64();
    line(&format!("pueue: {PEER_TASKS} tasks accepted in {} ({rate:.0}/s)", show(took)));
    Ok(rate)
}

/// Kills the supervisor in the middle and counts what was executed.
fn survive_kill(bench: &Bench) -> anyhow::Result<()> {
    let began = Instant::now();
    output(sizar(bench, &["resume"]))?;
    let half = bench.runs / 2;
    wait_until("half of the runs have ended", || Ok(ended(bench)?.0 >= half))?;
    let supervisor = supervisor(&bench.folder.join("home"))?;
    run(command("kill", &["-9", &supervisor.to_string()]))?;
    let (at_kill, _) = ended(bench)?;
    output(sizar(bench, &["resume"]))?;
    wait_until("all runs have ended", || Ok(ended(bench)?.0 >= bench.runs + WARM))?;
    let (completed, attempts) = ended(bench)?;
    line(&format!(
        "killed the supervisor after {at_kill}; {completed} of {} completed, {attempts} executions, {}",
        bench.runs + WARM,
        show(began.elapsed())
    ));
    let all = bench.runs + WARM;
    ensure!(completed == all && attempts == all, "a run was lost or done twice");
    Ok(())
}

/// Returns how many runs completed, and how many receipts there are in all attempts' folders.
fn ended(bench: &Bench) -> anyhow::Result<(usize, usize)> {
    let text = output(sizar(bench, &["runs", "--json", "--state", "completed"]))?;
    let runs: Vec<serde_json::Value> = serde_json::from_str(&text)?;
    let mut receipts = 0;
    for run in bench.folder.join("home/runs").read_dir_utf8()? {
        for attempt in run?.path().read_dir_utf8()? {
            receipts += usize::from(attempt?.path().join("receipt.json").exists());
        }
    }
    Ok((runs.len(), receipts))
}

/// Finds the supervisor of this home by its command line and environment.
fn supervisor(home: &Utf8Path) -> anyhow::Result<u32> {
    for process in Utf8Path::new("/proc").read_dir_utf8()? {
        let process = process?;
        let Ok(pid) = process.file_name().parse::<u32>() else { continue };
        let read = |name| fs_err::read(process.path().join(name)).unwrap_or_default();
        let supervises = read("cmdline").split(|&b| b == 0).nth(1) == Some(b"__supervise");
        let variable = format!("SIZAR_HOME={home}");
        if supervises && read("environ").split(|&b| b == 0).any(|v| v == variable.as_bytes()) {
            return Ok(pid);
        }
    }
    None.context("no supervisor is running")
}

/// Waits for a condition, an hour at most.
fn wait_until(what: &str, condition: impl Fn() -> anyhow::Result<bool>) -> anyhow::Result<()> {
    let deadline = Instant::now() + Duration::from_hours(1);
    while !condition()? {
        ensure!(Instant::now() < deadline, "waited an hour until {what}");
        std::thread::sleep(Duration::from_millis(200));
    }
    Ok(())
}
