//! The whole way: plan, then build, verify and repair until it works or nothing is left to try.

use std::cell::{OnceCell, RefCell};
use std::time::Instant;

use camino::Utf8Path;
use jiff::Timestamp;
use sizar_env::knowledge::Stage;
use sizar_env::name;
use sizar_env::plan::{Plan, Wishes, plan};
use sizar_env::python;
use sizar_env::repair::Repairer;
use sizar_env::requirements;
use sizar_model::{
    Attempt, Checkout, Deviation, EnvLock, EnvSpec, Environment, Inspection, Progress,
    PythonVersion, Verification, counted,
};

use super::attempts::{Made, Shortfall, is_better, tried};
use super::build::{self, Installed, StepFailed};
use super::conda::{self, Source};
use super::console_scripts;
use super::driver::{self, Chosen};
use super::failure;
use super::folder;
use super::gpus;
use super::index;
use super::interpreters::{self, Interpreter, Interpreters};
use super::memory;
use super::same_files;
use super::source_edits;
use super::tree_build;
use super::verify::{self, Subject};
use super::workshop::{Order, Workshop, is_system};
use super::{Setup, SetupError, SetupRequest, StoppedIn};
use crate::failpoint;
use crate::home::Home;
use crate::tools::find_or_install_uv;

/// How often versions may be chosen anew: that takes a second, where an installation takes minutes.
const MOST_RESOLUTIONS: usize = 30;

/// Makes a verified environment for a checkout.
///
/// # Errors
///
/// [`SetupError`], with what was tried, where none can be made.
pub fn setup(
    home: &Home,
    checkout: &Checkout,
    inspection: &Inspection,
    request: &SetupRequest,
    progress: &dyn Progress,
) -> Result<Setup, SetupError> {
    if let Some(setup) = memory::remembered(home, checkout, request) {
        return Ok(setup);
    }
    let question = memory::question(checkout, request).short();
    let _held = home.lock(&format!("setup-{question}"), || {
        progress.note("waiting for another sizar that sets up the same source");
    })?;
    // whoever held it may have answered our question
    if let Some(setup) = memory::remembered(home, checkout, request) {
        return Ok(setup);
    }
    // an environment that nothing asks for would be called verified without a check
    let tree = &inspection.tree;
    let no_python = tree.python_files + tree.notebooks == 0 && inspection.drivers.is_empty();
    if no_python && inspection.declared.is_empty() && request.driver.is_none() {
        return Err(SetupError::NothingToSetUp { locator: checkout.source.locator.clone() });
    }
    let chosen = driver::choose(inspection, &checkout.path, request.driver.as_deref())?;
    let uv_program = find_or_install_uv(home, progress)?;
    let driver = chosen.driver.as_ref().filter(|_| chosen.named);
    let subject = (checkout, inspection);
    let conda = Source::of(home, subject, driver, request.offline, progress);
    let found = if conda.gives_python(request)? {
        interpreters::find(home)?
    } else {
        interpreters_for(home, inspection, request, &chosen, &uv_program, progress)?
    };
    let workshop = Workshop::open(
        home,
        Order {
            locator: &checkout.source.locator,
            sandbox: request.sandbox,
            uv_program,
            host: found.host().cloned(),
            offline: request.offline,
            time_limit: request.time_limit,
            progress,
        },
    )?;
    let deviations = RefCell::default();
    let stopped = memory::stopped(home, checkout, request);
    let way = Way {
        home,
        checkout,
        inspection,
        request,
        chosen,
        found,
        fetched: OnceCell::new(),
        conda,
        workshop,
        stopped,
        deviations,
    };
    let setup = match &request.locked {
        Some(lock) => way.rebuild(lock),
        None => way.search(),
    };
    let setup = match setup {
        Ok(setup) => setup,
        Err(error) => {
            // what was made before works as far as it did
            if request.stopped.is_empty() {
                let deviations = way.deviations.take();
                failure::keep(home, checkout, request, &error, deviations)?;
            }
            return Err(error);
        }
    };
    memory::remember(home, checkout, request, &setup)?;
    failure::forget(home, checkout, request)?;
    Ok(setup)
}

/// Finds the Pythons, and fetches the one that is asked for if it can be had.
pub(super) fn interpreters_for(
    home: &Home,
    inspection: &Inspection,
    request: &SetupRequest,
    chosen: &Chosen,
    uv_program: &Utf8Path,
    progress: &dyn Progress,
) -> Result<Interpreters, SetupError> {
    let found = interpreters::find(home)?;
    if request.offline {
        return Ok(found);
    }
    let driver = chosen.driver.as_ref().filter(|_| chosen.named);
    let evidence = python::evidence(inspection, driver);
    let date = request.date.or(inspection.code_date).or(inspection.commit_date);
    let requested = request.locked.as_ref().map(|lock| lock.python).or(request.python);
    let versions = found.versions();
    let by_uv = python::worth_fetching(&evidence, date, &versions, requested);
    let missing = python::missing(&evidence, date, &versions, requested);
    let of_conda = request.locked.as_ref().is_some_and(|lock| !lock.conda.is_empty());
    let Some(missing) = missing.filter(|_| !of_conda) else { return Ok(found) };
    let fetched = match by_uv {
        Some(python) => interpreters::fetch(home, uv_program, python, progress)?,
        None => false,
    };
    if fetched || conda::fetch_python(home, missing, progress)? {
        return interpreters::find(home);
    }
    Ok(found)
}

/// One setup under way; [`conda`] goes some of it.
pub(super) struct Way<'a> {
    pub(super) home: &'a Home,
    pub(super) checkout: &'a Checkout,
    pub(super) inspection: &'a Inspection,
    pub(super) request: &'a SetupRequest,
    pub(super) chosen: Chosen,
    pub(super) found: Interpreters,
    /// Those that are there after a search for what conda could not give.
    pub(super) fetched: OnceCell<Interpreters>,
    pub(super) conda: Source<'a>,
    pub(super) workshop: Workshop<'a>,
    /// The environments that were verified, and in which runs stopped.
    stopped: Vec<StoppedIn>,
    /// What the newest attempt does otherwise than the authors declared.
    deviations: RefCell<Vec<Deviation>>,
}

/// How often more is tried for an environment that works.
const IMPROVEMENTS: u32 = 3;

impl Way<'_> {
    /// Plans, and repairs until it works or nothing is left to try.
    fn search(&self) -> Result<Setup, SetupError> {
        let mut plan = self.plan()?;
        let mut spec = plan.spec.clone();
        let mut repairer = Repairer::default();
        let mut attempts: Vec<Attempt> = Vec::new();
        let mut unexplained: Option<String> = None;
        // what failed before a binary of conda's was tried
        let mut before: Option<(EnvSpec, Shortfall)> = None;
        // what works already, while more is tried
        let mut best: Option<Made> = None;
        let mut improvements = 0;
        loop {
            let number = attempts.len() as u32 + 1;
            let began = Instant::now();
            self.say_attempt(number, &spec);
            self.deviations.replace(spec.deviations.clone());
            let mut attempt = Attempt {
                number,
                python: spec.python,
                stage: "done".to_owned(),
                cause: None,
                rule: None,
                seconds: 0.0,
            };
            let outcome = self.attempt(&mut spec, &plan)?;
            // what was chosen anew meanwhile belongs to its record
            attempt.python = spec.python;
            self.deviations.replace(spec.deviations.clone());
            let shortfall = match outcome {
                Ok(mut made) => {
                    attempt.seconds = began.elapsed().as_secs_f64();
                    let unmet = made.verified.unmet.take();
                    let made = match best.take() {
                        Some(best) => {
                            let (better, other) =
                                if is_better(&best, &made) { (best, made) } else { (made, best) };
                            if other.installed.prefix != better.installed.prefix {
                                self.discard(&other.installed)?;
                            }
                            better
                        }
                        None => made,
                    };
                    let may = improvements < IMPROVEMENTS
                        && self.may_try(&attempts)
                        && !self.workshop.is_late();
                    let next = unmet.filter(|_| may).and_then(|unmet| {
                        self.improved(&spec, &plan, unmet, &mut attempt, &mut repairer)
                    });
                    let cause = attempt.cause.clone().unwrap_or_default();
                    attempts.push(attempt);
                    let Some(next) = next else { return self.finished(made, attempts) };
                    self.workshop.progress().note(format!("{cause}: trying for more"));
                    best = Some(made);
                    improvements += 1;
                    spec = next;
                    continue;
                }
                Err(shortfall) => shortfall,
            };
            attempt.seconds = began.elapsed().as_secs_f64();
            let (next, advice) = match (&shortfall, before.take()) {
                (Shortfall::Conda(refusal), Some((spec, shortfall))) => {
                    let next = self.after(&spec, &plan, &shortfall, &mut attempt, &mut repairer);
                    attempt.cause = Some(refusal.0.clone());
                    next
                }
                (Shortfall::Conda(refusal), None) if best.is_none() => {
                    Stage::Resolve.name().clone_into(&mut attempt.stage);
                    attempt.cause = Some(refusal.0.clone());
                    (None, None)
                }
                _ => self.after(&spec, &plan, &shortfall, &mut attempt, &mut repairer),
            };
            // wheels may do what the source's own words do not
            let given_up = next.is_none() || self.is_half_tried(&attempts);
            let next = if given_up && best.is_none() && conda::is_asked(&spec) {
                let cause = attempt.cause.as_deref().unwrap_or_default();
                plan = self.plan_wheels(&conda::refusal(&shortfall, cause))?;
                attempt.rule = Some(conda::TRANSLATED.to_owned());
                Some(plan.spec.clone())
            } else {
                next
            };
            let cause = attempt.cause.clone().unwrap_or_default();
            if attempt.rule.is_none() {
                unexplained.get_or_insert(cause.clone());
            }
            attempts.push(attempt);
            if let Some(made) = best.take() {
                return self.finished(made, attempts);
            }
            let Some(next) = next.filter(|_| self.may_try(&attempts)) else {
                let first_unexplained = unexplained.filter(|first| *first != cause).map(Into::into);
                return Err(SetupError::Failed {
                    cause,
                    advice: advice.map(Into::into),
                    first_unexplained,
                    attempts,
                    locator: self.checkout.source.locator.as_str().into(),
                });
            };
            if self.workshop.is_late() {
                let seconds = self.workshop.time_limit().as_secs();
                return Err(SetupError::OutOfTime { seconds, cause, attempts });
            }
            self.workshop.progress().note(format!("{cause}: trying again"));
            if spec.conda.is_none() && next.conda.is_some() {
                before = Some((spec, shortfall));
            }
            spec = next;
        }
    }

    /// Whether another attempt is within the bounds.
    fn may_try(&self, attempts: &[Attempt]) -> bool {
        tried(attempts, false) < self.request.max_attempts as usize
            && tried(attempts, true) < MOST_RESOLUTIONS
    }

    /// Whether, with the attempt under way, half of the attempts are gone.
    fn is_half_tried(&self, attempts: &[Attempt]) -> bool {
        (tried(attempts, false) + 1) * 2 >= self.request.max_attempts as usize
            || (tried(attempts, true) + 1) * 2 >= MOST_RESOLUTIONS
    }

    /// Plans for one of the Pythons that are `available`.
    pub(super) fn plan_for(&self, available: &[PythonVersion]) -> Result<Plan, SetupError> {
        let driver = self.chosen.driver.as_ref().filter(|_| self.chosen.named);
        let pins = requirements::pins(&requirements::select(self.inspection, driver));
        let wishes = Wishes {
            pins: if self.request.offline { Vec::new() } else { index::facts(&pins) },
            python: self.request.python,
            date: self.request.date,
            extra_requirements: self.request.extra_requirements.clone(),
            device: self.request.device,
            gpus: gpus::gpus(),
        };
        let mut plan = plan(self.inspection, driver, available, &wishes)?;
        let steps = std::mem::take(&mut plan.spec.build_steps);
        let (steps, left_out) = tree_build::feasible(self.checkout, steps);
        plan.spec.build_steps = steps;
        plan.spec.deviations.extend(left_out);
        tree_build::stand_in(self.checkout, &mut plan.spec);
        if plan.package.is_some() {
            for (edit, deviation) in source_edits::needed(self.checkout) {
                plan.spec.source_edits.push(edit);
                plan.spec.deviations.push(deviation);
            }
        }
        if plan.spec.exclude_newer.is_none() {
            plan.spec.exclude_newer = self.checkout.source.code_date.or(self.checkout.source.date);
        }
        Ok(plan)
    }

    fn say_attempt(&self, number: u32, spec: &EnvSpec) {
        let date = spec.exclude_newer.map(|date| format!(", as of {}", date.strftime("%Y-%m-%d")));
        let date = date.unwrap_or_default();
        let again = if number > 1 { format!(" (attempt {number})") } else { String::new() };
        let python = spec.python.without_patch();
        self.workshop
            .progress()
            .begin(format!("making an environment with Python {python}{date}{again}"));
    }

    pub(super) fn interpreter(&self, wanted: PythonVersion) -> Result<&Interpreter, SetupError> {
        self.interpreters().of(wanted).ok_or(SetupError::LockedPython { wanted })
    }

    fn attempt(
        &self,
        spec: &mut EnvSpec,
        plan: &Plan,
    ) -> Result<Result<Made, Shortfall>, SetupError> {
        let package = plan.package.as_deref();
        if spec.conda.is_some() {
            return self.attempt_with_conda(spec, package);
        }
        let interpreter = self.interpreter(spec.python)?;
        let lock = match build::resolve(&self.workshop, self.checkout, spec, package, interpreter)?
        {
            Ok(lock) => self.settled(spec, lock, plan)?,
            Err(failed) => return Ok(Err(Shortfall::Failed(failed))),
        };
        let interpreter = self.interpreter(spec.python)?;
        failpoint::hit("setup:after-resolve");
        let packages = counted(lock.packages.len() as u64, "package", "packages");
        let python = spec.python.without_patch();
        self.workshop.progress().begin(format!("installing {packages} for Python {python}"));
        self.carry_out(lock, (package, &plan.undeclared), interpreter)
    }

    /// Installs a lock and verifies what came of it; of the `undeclared`, that they bring nothing
    /// that is there already.
    pub(super) fn carry_out(
        &self,
        lock: EnvLock,
        (package, undeclared): (Option<&str>, &[String]),
        interpreter: &Interpreter,
    ) -> Result<Result<Made, Shortfall>, SetupError> {
        let (home, workshop) = (self.home, &self.workshop);
        if let Some(stopped) = self.stopped.iter().find(|stopped| stopped.is_in(&lock)) {
            let output = stopped.output.clone();
            return Ok(Err(Shortfall::Failed(StepFailed { stage: Stage::Run, output })));
        }
        let installed =
            match build::install(home, workshop, self.checkout, &lock, package, interpreter)? {
                Ok(installed) => installed,
                Err(failed) => return Ok(Err(Shortfall::Failed(failed))),
            };
        if !installed.missing.is_empty() {
            self.discard(&installed)?;
            return Ok(Err(Shortfall::MoreRequirements(installed.missing)));
        }
        console_scripts::lay_out(&installed.prefix, &lock, &self.inspection.drivers)?;
        if build::installs_nothing(&installed.prefix, &lock, package)? {
            self.discard(&installed)?;
            let output = "Error: the package of the source installs no module\n".to_owned();
            return Ok(Err(Shortfall::Failed(StepFailed { stage: Stage::Install, output })));
        }
        let is_asked = |name: &&String| {
            lock.requirements.iter().any(|asked| name::of_requirement(asked) == **name)
        };
        let added: Vec<String> = undeclared.iter().filter(is_asked).cloned().collect();
        let site = build::site_packages(&installed.prefix, &lock);
        if let Some(output) = same_files::said(&site, &added, &self.inspection.imports)? {
            self.discard(&installed)?;
            return Ok(Err(Shortfall::Failed(StepFailed { stage: Stage::Install, output })));
        }
        let subject = Subject {
            checkout: self.checkout,
            inspection: self.inspection,
            chosen: &self.chosen,
            prefix: &installed.prefix,
            lock: &lock,
            package,
            interpreter,
            smoke: self.request.smoke,
            folder: self.request.folder.as_deref(),
        };
        workshop.progress().begin("trying whether the code starts in it");
        match verify::verify(workshop, &subject)? {
            Ok(verified) => Ok(Ok(Made { lock, installed, verified })),
            Err(failed) => {
                self.discard(&installed)?;
                Ok(Err(Shortfall::Failed(failed)))
            }
        }
    }

    /// Removes what this setup made and nobody will use: environments are gigabytes.
    fn discard(&self, installed: &Installed) -> Result<(), SetupError> {
        if installed.reused { Ok(()) } else { folder::discard(self.home, &installed.prefix) }
    }

    /// Builds exactly what a lock says.
    fn rebuild(&self, lock: &EnvLock) -> Result<Setup, SetupError> {
        let began = Instant::now();
        let interpreter = self.interpreter_of(lock)?;
        if lock.platform != interpreter.platform {
            return Err(SetupError::LockedPlatform {
                locked: lock.platform.clone(),
                here: interpreter.platform.clone(),
            });
        }
        let installs = lock.source.install == sizar_model::ProjectInstall::Install;
        if installs && lock.source.digest != self.checkout.source.digest {
            return Err(SetupError::LockedSource);
        }
        let package = sizar_env::requirements::package_name(self.inspection);
        let python = lock.python.without_patch();
        self.workshop
            .progress()
            .begin(format!("rebuilding the locked environment with Python {python}"));
        let mut attempt = Attempt {
            number: 1,
            python: lock.python,
            stage: "done".to_owned(),
            cause: None,
            rule: None,
            seconds: 0.0,
        };
        let outcome = self.carry_out(lock.clone(), (package.as_deref(), &[]), &interpreter)?;
        attempt.seconds = began.elapsed().as_secs_f64();
        match outcome {
            Ok(made) => self.finished(made, vec![attempt]),
            Err(shortfall) => {
                let (stage, cause) = match shortfall {
                    Shortfall::Failed(failed) => {
                        (failed.stage, sizar_env::diagnosis::error_line(&failed.output))
                    }
                    Shortfall::MoreRequirements(missing) => {
                        (Stage::Install, format!("the lock lacks {}", missing.join(", ")))
                    }
                    Shortfall::Conda(refusal) => (Stage::Install, refusal.0),
                };
                stage.name().clone_into(&mut attempt.stage);
                attempt.cause = Some(cause.clone());
                Err(SetupError::Failed {
                    cause,
                    advice: None,
                    first_unexplained: None,
                    attempts: vec![attempt],
                    locator: self.checkout.source.locator.as_str().into(),
                })
            }
        }
    }

    fn finished(&self, made: Made, attempts: Vec<Attempt>) -> Result<Setup, SetupError> {
        let Made { mut lock, installed, verified } = made;
        let sandbox = self.workshop.sandbox();
        lock.verification = Some(Verification {
            level: verified.level,
            driver: self.chosen.name.clone(),
            at: Timestamp::now(),
            sandbox: sandbox.name().to_owned(),
            checks: verified.checks,
        });
        folder::record(&installed.prefix, &lock)?;
        let outside = self.interpreters().of(lock.python).filter(|_| lock.conda.is_empty());
        let roots = outside.map(|interpreter| interpreter.prefix.clone());
        let what = if installed.reused { "found" } else { "made" };
        let name = installed.prefix.file_name().unwrap_or_default();
        self.workshop.progress().end(format!("{what} the environment {name}"));
        Ok(Setup {
            environment: Environment { path: installed.prefix, lock },
            verified: verified.complete,
            attempts,
            python_roots: roots.into_iter().filter(|root| !is_system(root)).collect(),
            notes: self.workshop.take_notes(),
            cached: false,
        })
    }
}
