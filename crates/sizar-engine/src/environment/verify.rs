//! Verified or said: the driver's imports, then the driver itself, then a little of its work, in
//! the sandbox, offline.

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use sizar_env::diagnosis;
use sizar_env::knowledge::Stage;
use sizar_model::{Checkout, EnvLock, Inspection, VerificationLevel};

use super::SetupError;
use super::answer::{self, Asked};
use super::build::{Step, StepFailed};
use super::bytecode;
use super::closure::{self, Imported};
use super::driver::Chosen;
use super::error::io;
use super::interpreters::Interpreter;
use super::ledger;
use super::offline;
use super::scratch::copy_tree;
use super::smoke::{self, Bounds};
use super::workshop::{View, Workshop, is_system};
use crate::run::{inside, start_of_script};

/// What was seen to work.
#[derive(Debug)]
pub struct Verified {
    pub level: VerificationLevel,
    /// Whether that is as far as this driver can be seen to work without running it.
    pub complete: bool,
    /// One line a check.
    pub checks: Vec<String>,
    /// What did not work, and does not make the environment a failed one: a repair of it is worth
    /// an attempt.
    pub unmet: Option<StepFailed>,
}

/// What is verified.
pub struct Subject<'a> {
    pub checkout: &'a Checkout,
    pub inspection: &'a Inspection,
    pub chosen: &'a Chosen,
    pub prefix: &'a Utf8Path,
    pub lock: &'a EnvLock,
    pub package: Option<&'a str>,
    pub interpreter: &'a Interpreter,
    /// How much of its own work is done; nothing where it is not wanted.
    pub smoke: Option<Bounds>,
    /// Where the user wants the driver to start, below the root.
    pub folder: Option<&'a Utf8Path>,
}

impl Subject<'_> {
    /// Returns what is seen of the machine while the subject is asked.
    pub fn view(&self, scratch: &Utf8Path) -> View {
        let mut readable = vec![self.prefix.to_owned()];
        if !is_system(&self.interpreter.prefix) {
            readable.push(self.interpreter.prefix.clone());
        }
        View { readable, writable: vec![scratch.to_owned()], ..View::default() }
    }

    /// Returns the driver's file in the tree at `root`, where it is a script that lies there.
    pub fn script(&self, root: &Utf8Path) -> Option<&str> {
        let chosen = self.chosen;
        let path = match &chosen.driver {
            Some(driver) if driver.name.is_some() => return None,
            Some(driver) => driver.path.as_str(),
            None => chosen.name.as_deref()?,
        };
        (path.ends_with(".py") && root.join(path).is_file()).then_some(path)
    }

    /// Returns the folder in which a run would start the driver, in the tree at `root`.
    pub fn starts_in(&self, root: &Utf8Path) -> Utf8PathBuf {
        let wished = self.folder.map(|folder| inside(folder).unwrap_or_default());
        // one that only the user's data bring is not there yet
        let wished = wished.filter(|folder| root.join(folder).is_dir());
        let start = wished.or_else(|| {
            let start = start_of_script(root, self.script(root)?)?;
            Some(start.folder)
        });
        start.map_or_else(|| root.to_owned(), |folder| root.join(folder))
    }
}

/// Verifies an environment for its driver, and says what its shims took over meanwhile.
pub fn verify(workshop: &Workshop<'_>, subject: &Subject<'_>) -> Step<Verified> {
    workshop.fresh_home()?;
    let scratch = scratch(workshop, subject)?;
    let noted = workshop.ledger();
    if noted.exists() {
        fs::remove_file(&noted).map_err(io(&noted))?;
    }
    let mut verified = check(workshop, subject, &scratch)?;
    if let Ok(verified) = &mut verified {
        let ledger = ledger::read(&noted, &[&scratch, subject.prefix]);
        verified.checks.extend(ledger.sentences());
    }
    Ok(verified)
}

fn check(workshop: &Workshop<'_>, subject: &Subject<'_>, scratch: &Utf8Path) -> Step<Verified> {
    let imported = match closure::imports(workshop, subject, scratch)? {
        Ok(imported) => imported,
        Err(failed) => return Ok(offline::asked_in_vain(&failed.output).ok_or(failed)),
    };
    bytecode::compile(workshop, subject, &imported.loaded)?;
    let importable = imported.driver_whole;
    let mut verified = match asked(workshop, subject, scratch, imported)? {
        Ok(verified) => verified,
        Err(failed) => return Ok(Err(failed)),
    };
    if let Some(bounds) = subject.smoke
        && verified.complete
        && verified.level >= VerificationLevel::Imports
    {
        let outcome = smoke::smoke(workshop, subject, scratch, bounds, importable)?;
        if outcome.computes {
            verified.level = VerificationLevel::Smoke;
        }
        verified.checks.extend(outcome.check);
        verified.unmet = verified.unmet.or(outcome.unmet);
    }
    Ok(Ok(verified))
}

fn asked(
    workshop: &Workshop<'_>,
    subject: &Subject<'_>,
    scratch: &Utf8Path,
    imported: Imported,
) -> Step<Verified> {
    let Imported { mut checks, absent, driver_shown, unmet, lacking, wants, .. } = imported;
    let complete = !checks.is_empty();
    let (level, complete, check, unmet) = match answer::ask(workshop, subject, scratch)? {
        Asked::NoDriver => {
            // where nothing was imported either, nothing was seen to work
            let level =
                if complete { VerificationLevel::Imports } else { VerificationLevel::Installed };
            let check = "the source has no driver that could be asked".to_owned();
            (level, complete, check, unmet)
        }
        Asked::Answers { check } => {
            for absent in &absent {
                checks.push(format!(
                    "{} cannot be imported, and it answers without it",
                    absent.module
                ));
            }
            (VerificationLevel::Answers, true, check, unmet)
        }
        Asked::Silent { check } => {
            // without an answer, or its own module's import, nothing shows that it can do without
            if !driver_shown && let Some(absent) = absent.into_iter().next() {
                return Ok(Err(StepFailed { stage: Stage::Import, output: absent.output }));
            }
            (VerificationLevel::Imports, true, check, unmet)
        }
        Asked::Mute { check } => (VerificationLevel::Imports, false, check, unmet),
        Asked::Stopped { check, failed } => {
            // of what only the user can give nothing else would be seen
            (
                VerificationLevel::Imports,
                driver_shown,
                check,
                Some(failed).filter(|_| wants.is_none()),
            )
        }
        Asked::Unclear { check, failed } => {
            (VerificationLevel::Imports, false, check, Some(failed).filter(|_| wants.is_none()))
        }
        // what it stopped for while it was imported: no other environment has that
        Asked::Failed(failed) if wants.as_deref().is_some_and(|said| says(&failed, said)) => {
            let check = "it does not answer without that".to_owned();
            (VerificationLevel::Imports, driver_shown, check, unmet)
        }
        Asked::Failed(failed) => {
            return Ok(offline::asked_in_vain(&failed.output).ok_or(failed));
        }
    };
    // what was asked for comes before what was seen beside it
    let beside = checks.iter().position(|line| line.starts_with("also "));
    checks.insert(beside.unwrap_or(checks.len()), check);
    // a driver that answers without the source's own package does not speak for it
    let complete = complete && lacking.is_none();
    Ok(Ok(Verified { level, complete, checks, unmet }))
}

/// Whether an exception, as its last line says it, ended a step.
fn says(failed: &StepFailed, line: &str) -> bool {
    diagnosis::error_line(&failed.output).starts_with(line)
}

/// Copies the source, for drivers that write when they start.
fn scratch(workshop: &Workshop<'_>, subject: &Subject<'_>) -> Result<Utf8PathBuf, SetupError> {
    let path = workshop.path("scratch");
    if path.exists() {
        fs::remove_dir_all(&path).map_err(io(&path))?;
    }
    copy_tree(&subject.checkout.path, &path)?;
    Ok(path)
}
