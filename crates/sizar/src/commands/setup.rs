//! `sizar setup`.

use std::fmt::Write as _;

use camino::Utf8PathBuf;
use serde_json::json;
use sizar_engine::acquire::acquire;
use sizar_engine::environment::Setup;
use sizar_engine::run::environment;
use sizar_model::{Checkout, Locator, VerificationLevel};

use crate::commands::environment_options::EnvironmentOptions;
use crate::error::CommandResult;
use crate::exit_code::ExitCode;
use crate::output;
use crate::session::Session;

/// Make a verified environment for a source
///
/// Chooses the Python and the packages of the code's own time, builds them in a sandbox, and checks
/// that the driver answers. The same source gets the same environment again without a second
/// installation.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sizar setup pypi:madmom
  sizar setup github:owner/name@v1.0 --driver train.py
  sizar setup ./code --python 3.8 --with 'numpy<1.24'
  sizar setup ./code --lock sizar.lock          write the lock beside the code
  sizar setup ./code --locked                   rebuild exactly what that lock says")]
pub struct SetupArgs {
    /// A folder, a git address, `github:owner/name`, `pypi:name[==version]`, or an archive
    source: Locator,
    /// The driver that must answer; without it sizar chooses the most telling one
    #[arg(long, value_name = "DRIVER")]
    driver: Option<String>,
    /// Also write the lock to this file
    #[arg(long, value_name = "FILE")]
    lock: Option<Utf8PathBuf>,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    environment: EnvironmentOptions,
}

pub fn setup(session: &Session, args: &SetupArgs) -> CommandResult {
    let wish = args.environment.wish(&args.source)?;
    let checkout = acquire(&session.home, &args.source, &wish.acquire(), &session.reporter)?;
    for note in &checkout.notes {
        session.say(note);
    }
    let request = wish.request(args.driver.clone());
    let setup = environment(&session.home, &checkout, &request, &session.reporter)?;
    if let Some(path) = &args.lock {
        fs_err::write(path, sizar_env::lock::write(&setup.environment.lock)?)?;
    }
    if args.json {
        output::print_json(&document(&setup))?;
    } else {
        output::print(&page(&checkout, &setup, &args.source))?;
    }
    Ok(ExitCode::Success)
}

/// The documented JSON of `sizar setup --json`.
fn document(setup: &Setup) -> serde_json::Value {
    let lock = &setup.environment.lock;
    json!({
        "python": lock.python,
        "path": setup.environment.path,
        "verified": setup.verified,
        "level": lock.verification.as_ref().map(|v| v.level),
        "driver": lock.verification.as_ref().and_then(|v| v.driver.clone()),
        "checks": lock.verification.as_ref().map(|v| v.checks.clone()).unwrap_or_default(),
        "sandbox": lock.verification.as_ref().map(|v| v.sandbox.clone()),
        "deviations": lock.deviations,
        "attempts": setup.attempts,
        "notes": setup.notes,
        "cached": setup.cached,
        "packages": lock.package_count(),
        "exclude_newer": lock.exclude_newer,
        "lock": setup.environment.path.join(sizar_env::lock::FILE_NAME),
    })
}

fn page(checkout: &Checkout, setup: &Setup, source: &Locator) -> String {
    let bold = anstyle::Style::new().bold();
    let lock = &setup.environment.lock;
    let mut page = String::new();
    let level = lock.verification.as_ref().map(|v| v.level);
    let verdict = match level.filter(|_| setup.verified) {
        Some(VerificationLevel::Smoke) => "verified: it computes",
        Some(VerificationLevel::Answers) => "verified: the driver answers",
        Some(VerificationLevel::Imports) => "verified: everything it imports is there",
        _ if level >= Some(VerificationLevel::Imports) => {
            "not verified: what it imports is there, and the driver was not seen to work"
        }
        _ => "not verified: the installer ended well, no more is known",
    };
    let revision = checkout.source.revision.as_deref().unwrap_or_default();
    let _ = writeln!(page, "{bold}{} {revision}{bold:#}", checkout.source.locator);
    let _ = writeln!(page, "  {verdict}");
    let as_of = lock
        .exclude_newer
        .map(|date| format!(", as of {}", date.strftime("%Y-%m-%d")))
        .unwrap_or_default();
    let _ = writeln!(page, "  Python {}, {} packages{as_of}", lock.python, lock.package_count());
    let _ = writeln!(page, "  {}", setup.environment.path);
    if let Some(verification) = &lock.verification {
        for check in &verification.checks {
            let _ = writeln!(page, "  checked: {check}");
        }
    }
    for note in &setup.notes {
        let _ = writeln!(page, "  noted: {note}");
    }
    if !lock.deviations.is_empty() {
        let _ = writeln!(page, "{bold}What sizar decided, and why{bold:#}");
        for deviation in &lock.deviations {
            let _ = writeln!(page, "  - {} ({})", deviation.reason, deviation.rule);
        }
    }
    let driver = lock.verification.as_ref().and_then(|v| v.driver.as_deref()).unwrap_or("DRIVER");
    let source = source.to_string();
    let next = shell_words::join(["sizar", "run", &source, "--", driver]);
    let _ = writeln!(page, "{bold}Next{bold:#}\n  {next} …");
    page
}
