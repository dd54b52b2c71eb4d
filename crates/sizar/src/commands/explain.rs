//! `sizar explain`.

use std::fmt::Write as _;

use anyhow::anyhow;
use sizar_engine::acquire::{AcquireOptions, acquire};
use sizar_engine::environment::explain::{self, Explanation, Subject};
use sizar_engine::run::inspect;
use sizar_env::mend;
use sizar_model::Locator;

use crate::error::{CommandResult, Failure};
use crate::exit_code::ExitCode;
use crate::output;
use crate::session::Session;

/// Explain what was wrong with a source, what was changed and why, and what would make it right
///
/// Where a setup failed: its cause, what was tried, and what you could do.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sizar explain 3fa9                          an environment, or a run
  sizar explain github:owner/name             the newest setup of a source
  sizar explain ./code --patch > fix.patch    for the authors, as a pull request")]
pub struct ExplainArgs {
    /// An environment's or a run's name, or its beginning; or a source
    #[arg(value_name = "RUN|ENV|SOURCE")]
    what: String,
    /// Print only the patch to the source's packaging
    #[arg(long)]
    patch: bool,
    /// Print one JSON document
    #[arg(long, conflicts_with = "patch")]
    json: bool,
}

pub fn explain(session: &Session, args: &ExplainArgs) -> CommandResult {
    let subject = find(session, &args.what)?;
    let explanation = match &subject {
        Subject::Failed(_) => explain::explain(subject, Err(String::new())),
        Subject::Made(made) => {
            let locator: Locator = made.1.source.locator.parse()?;
            let options = AcquireOptions { refresh: false, offline: true };
            match acquire(&session.home, &locator, &options, &session.reporter) {
                Ok(checkout) => {
                    let inspection = inspect(&checkout)?;
                    explain::explain(subject, Ok((&checkout.path, &inspection)))
                }
                Err(error) => explain::explain(subject, Err(error.to_string())),
            }
        }
    };
    if args.patch {
        let Explanation::Made { changes, .. } = &explanation else {
            let error = anyhow!("there is no patch: the setup failed");
            let hint = format!("`sizar explain {}` says why", shell_words::quote(&args.what));
            return Err(Failure::new(ExitCode::Request, error).hint(hint));
        };
        output::print_bytes(mend::patch(changes).as_bytes())?;
    } else if args.json {
        output::print_json(&document(&explanation)?)?;
    } else {
        output::print(&page(&explanation, &args.what))?;
    }
    Ok(ExitCode::Success)
}

/// Finds an environment, a run's environment, or the newest setup of a source.
fn find(session: &Session, what: &str) -> CommandResult<Subject> {
    if let Ok(subject) = explain::environment(&session.home, what) {
        return Ok(subject);
    }
    if let Some(journal) = session.journal_to_read()?
        && let Ok(run) = journal.get(what)
    {
        let name = run.environment.as_deref().and_then(|path| path.rsplit('/').next());
        if let Some(name) = name.filter(|name| !name.is_empty()) {
            return Ok(explain::environment(&session.home, name)?);
        }
        return of_source(session, &run.source, what);
    }
    let locator: Locator = what.parse()?;
    let name = match &locator {
        // folders are remembered by their full path
        Locator::Folder(path) | Locator::ArchiveFile(path) => {
            path.canonicalize_utf8().unwrap_or_else(|_| path.clone()).into_string()
        }
        other => other.to_string(),
    };
    of_source(session, &name, what)
}

fn of_source(session: &Session, locator: &str, what: &str) -> CommandResult<Subject> {
    explain::source(&session.home, locator)?.ok_or_else(|| {
        Failure::new(ExitCode::NotFound, anyhow!("nothing was set up for `{what}`"))
            .hint(format!("`sizar setup {}` makes its environment", shell_words::quote(what)))
    })
}

/// The documented JSON of `sizar explain --json`.
fn document(explanation: &Explanation) -> CommandResult<serde_json::Value> {
    let mut document = serde_json::to_value(explanation)?;
    if let Explanation::Made { changes, .. } = explanation {
        document["patch"] = mend::patch(changes).into();
    }
    Ok(document)
}

fn page(explanation: &Explanation, what: &str) -> String {
    let bold = anstyle::Style::new().bold();
    let mut page = String::new();
    let groups = match explanation {
        Explanation::Made { source, python, as_of, verification, groups, .. } => {
            let _ = writeln!(page, "{bold}{source}{bold:#}");
            let date = as_of.map(|date| format!(", as of {}", date.strftime("%Y-%m-%d")));
            let _ = writeln!(page, "  made with Python {python}{}", date.unwrap_or_default());
            for check in verification.iter().flat_map(|v| &v.checks) {
                let _ = writeln!(page, "  checked: {check}");
            }
            groups
        }
        Explanation::Failed { source, cause, first_unexplained, attempts, groups, .. } => {
            let _ = writeln!(page, "{bold}{source}{bold:#}");
            let _ = writeln!(page, "  no environment could be made for it: {cause}");
            if let Some(first) = first_unexplained {
                let _ = writeln!(page, "  the first failure that no rule explains was: {first}");
            }
            let _ = writeln!(page, "{bold}What was tried{bold:#}");
            for attempt in attempts {
                let cause = attempt.cause.as_deref().unwrap_or("it worked");
                let python = attempt.python.without_patch();
                let _ = writeln!(
                    page,
                    "  {}. Python {python}, up to `{}`: {cause}",
                    attempt.number, attempt.stage
                );
            }
            groups
        }
    };
    for group in groups {
        let _ = writeln!(page, "{bold}{}{bold:#}", group.title);
        for deviation in &group.deviations {
            let _ = writeln!(page, "  - {} ({})", deviation.reason, deviation.rule);
        }
    }
    match explanation {
        Explanation::Made { changes, unread, .. } => {
            let _ = writeln!(page, "{bold}What would make it right{bold:#}");
            if let Some(reason) = unread {
                let _ = writeln!(page, "  not known: its files are not here ({reason})");
            } else if changes.is_empty() {
                let _ = writeln!(page, "  nothing: its packaging says all that is needed");
            }
            for change in changes {
                let _ = writeln!(page, "  - `{}`: {}", change.path, change.reason);
            }
            if !changes.is_empty() {
                let _ = writeln!(
                    page,
                    "  `sizar explain {} --patch` prints it for the authors",
                    shell_words::quote(what)
                );
            }
        }
        Explanation::Failed { advice, .. } => {
            let _ = writeln!(page, "{bold}What you could do{bold:#}");
            for line in advice {
                let _ = writeln!(page, "  - {line}");
            }
        }
    }
    page
}
