//! `sizar doctor`.

use std::fmt::Write as _;

use serde::Serialize;
use sizar_engine::environment::{gpus, interpreters};
use sizar_engine::sandbox::{self, SandboxKind};
use sizar_model::{Installer, PythonVersion};

use crate::error::CommandResult;
use crate::exit_code::ExitCode;
use crate::output;
use crate::session::Session;

/// Say what on this machine helps or hinders, and what mends it
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sizar doctor
  sizar doctor --json | jq '.pythons'")]
pub struct DoctorArgs {
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

/// One thing that was looked at.
#[derive(Debug, Serialize)]
struct Check {
    name: &'static str,
    /// `good`, `poor`, or `missing`.
    verdict: &'static str,
    found: String,
    /// The command that mends it.
    #[serde(skip_serializing_if = "Option::is_none")]
    mend: Option<String>,
}

/// What `sizar doctor --json` prints.
#[derive(Debug, Serialize)]
struct Report {
    version: &'static str,
    home: String,
    checks: Vec<Check>,
    pythons: Vec<serde_json::Value>,
    broken: Vec<serde_json::Value>,
}

pub fn doctor(session: &Session, args: &DoctorArgs) -> CommandResult {
    let found = interpreters::find(&session.home)?;
    let checks = vec![
        home(session),
        sandbox_check(),
        program("git", "sources at git addresses", "sudo apt install git"),
        program("cc", "packages that have to be compiled", "sudo apt install build-essential"),
        uv(session),
        virtualenv(session, &found),
        pythons(&found),
        gpu(),
        disk(session),
    ];
    let report = Report {
        version: env!("CARGO_PKG_VERSION"),
        home: session.home.root().to_string(),
        checks,
        pythons: found.usable.iter().map(|one| described(&found, one)).collect::<Result<_, _>>()?,
        broken: found.broken.iter().map(serde_json::to_value).collect::<Result<_, _>>()?,
    };
    if args.json {
        output::print_json(&report)?;
    } else {
        output::print(&page(&report))?;
    }
    Ok(ExitCode::Success)
}

fn good(name: &'static str, found: impl Into<String>) -> Check {
    Check { name, verdict: "good", found: found.into(), mend: None }
}

fn lacking(name: &'static str, verdict: &'static str, found: &str, mend: &str) -> Check {
    Check { name, verdict, found: found.to_owned(), mend: Some(mend.to_owned()) }
}

fn home(session: &Session) -> Check {
    match session.home.staging() {
        Ok(_) => good("home", session.home.root().as_str()),
        Err(error) => lacking(
            "home",
            "missing",
            &error.to_string(),
            "export SIZAR_HOME=/a/folder/you/may/write",
        ),
    }
}

fn sandbox_check() -> Check {
    let install = "sudo apt install bubblewrap";
    match sandbox::detect() {
        SandboxKind::Bubblewrap => good("sandbox", "bubblewrap"),
        SandboxKind::Landlock => lacking(
            "sandbox",
            "poor",
            "Landlock: data cannot be shown under absolute paths",
            install,
        ),
        SandboxKind::None => {
            lacking("sandbox", "missing", "foreign code could read all your files", install)
        }
    }
}

fn gpu() -> Check {
    let found = gpus::gpus();
    if found.is_empty() {
        return good("gpu", "none: code that asks for CUDA runs on the CPU");
    }
    let names: Vec<String> = found
        .iter()
        .map(|gpu| match gpu.capability {
            Some((major, minor)) => format!("{} ({major}.{minor})", gpu.name),
            None => gpu.name.clone(),
        })
        .collect();
    good("gpu", names.join(", "))
}

fn program(name: &'static str, what_for: &str, mend: &str) -> Check {
    let output = std::process::Command::new(name).arg("--version").output();
    match output {
        Ok(output) if output.status.success() => {
            let text = String::from_utf8_lossy(&output.stdout);
            good(name, text.lines().next().unwrap_or_default())
        }
        _ => lacking(name, "missing", &format!("not here: needed for {what_for}"), mend),
    }
}

fn uv(session: &Session) -> Check {
    match sizar_engine::tools::uv::find(&session.home) {
        Some(path) => good("uv", path.as_str()),
        None => good("uv", "not here yet; sizar installs it for itself when it needs it"),
    }
}

/// Describes an interpreter, and the engine that makes environments for it (`null` for none).
fn described(
    found: &interpreters::Interpreters,
    interpreter: &interpreters::Interpreter,
) -> serde_json::Result<serde_json::Value> {
    let mut value = serde_json::to_value(interpreter)?;
    value["engine"] = serde_json::to_value(found.engine(interpreter))?;
    Ok(value)
}

fn virtualenv(session: &Session, found: &interpreters::Interpreters) -> Check {
    if found.host().is_none() {
        let found = "no Python from 3.8 on to run it: needed for Python 2.7 and 3.5";
        return lacking("virtualenv", "poor", found, "uv python install 3.11");
    }
    match sizar_engine::tools::virtualenv::find(&session.home) {
        Some(path) => good("virtualenv", path.as_str()),
        None => good("virtualenv", "not here yet; sizar fetches it for Python 2.7 and 3.5"),
    }
}

fn pythons(found: &interpreters::Interpreters) -> Check {
    let of = |engine: Option<Installer>| {
        let matching = found.usable.iter().filter(|one| found.engine(one) == engine);
        let mut versions: Vec<_> = matching.map(|one| one.version.without_patch()).collect();
        versions.sort_unstable();
        versions.dedup();
        versions
    };
    let listed = |versions: &[PythonVersion]| {
        versions.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    };
    let (uv, pip, none) = (of(Some(Installer::Uv)), of(Some(Installer::Pip)), of(None));
    let engines =
        [("with uv", &uv), ("with virtualenv and pip", &pip), ("which nothing drives", &none)];
    let parts: Vec<_> = engines
        .iter()
        .filter(|(_, versions)| !versions.is_empty())
        .map(|(how, versions)| format!("{} {how}", listed(versions)))
        .collect();
    let list = parts.join("; ");
    let versions = uv;
    let old = versions.iter().any(|&version| version < PythonVersion::minor(3, 9));
    if versions.is_empty() {
        lacking("pythons", "missing", "none found", "uv python install 3.8 3.11")
    } else if old {
        good("pythons", list)
    } else {
        let found = format!("{list}; code from before 2021 wants an older one");
        lacking("pythons", "poor", &found, "uv python install 3.8")
    }
}

fn disk(session: &Session) -> Check {
    let free = sizar_engine::home::free_bytes(session.home.root());
    match free {
        Some(free) if free.0 >= 10 << 30 => good("disk", format!("{free} free")),
        Some(free) => lacking(
            "disk",
            "poor",
            &format!("{free} free; an environment can take several GiB"),
            "sizar env remove ENVIRONMENT",
        ),
        None => good("disk", "unknown"),
    }
}

fn page(report: &Report) -> String {
    let bold = anstyle::Style::new().bold();
    let mut page = format!("{bold}sizar {}{bold:#}\n", report.version);
    for check in &report.checks {
        let _ = writeln!(page, "  {:<8} {:<10} {}", check.verdict, check.name, check.found);
        if let Some(mend) = &check.mend {
            let _ = writeln!(page, "  {:<8} {:<10} mend it with `{mend}`", "", "");
        }
    }
    for broken in &report.broken {
        let field = |name: &str| broken[name].as_str().unwrap_or_default().to_owned();
        let _ = writeln!(
            page,
            "  {:<8} {:<10} {}: {}",
            "broken",
            "python",
            field("path"),
            field("reason")
        );
    }
    page
}
