//! What a setup does where conda is asked.

use sizar_env::plan::Plan;
use sizar_model::{Deviation, EnvLock, EnvSpec};

use super::{Refusal, Request, platform, stage};
use crate::environment::SetupError;
use crate::environment::attempts::{Made, Shortfall};
use crate::environment::build;
use crate::environment::folder;
use crate::environment::interpreters::{Interpreter, Interpreters};
use crate::environment::setup::{Way, interpreters_for};
use crate::failpoint;

/// The rule of what conda was asked for and the package index gives.
pub const TRANSLATED: &str = "conda-translated";

/// Returns whether the source's own file asks conda for something.
pub fn is_asked(spec: &EnvSpec) -> bool {
    spec.conda.as_ref().is_some_and(|conda| conda.path.is_some())
}

/// Returns why wheels are tried in the place of what conda was asked.
pub fn refusal(shortfall: &Shortfall, cause: &str) -> Refusal {
    match shortfall {
        Shortfall::Conda(refusal) => refusal.clone(),
        _ => Refusal(format!("what conda gave was not seen to work ({cause})")),
    }
}

fn translated(refusal: &Refusal) -> String {
    format!("{}: translated to wheels", refusal.0)
}

impl Way<'_> {
    /// Plans with conda, where the source asks for it and its channels answer.
    pub fn plan(&self) -> Result<Plan, SetupError> {
        let Some(wish) = self.conda.wish() else {
            return self.plan_for(&self.interpreters().versions());
        };
        let channels = match self.conda.channels()? {
            Ok(channels) => channels,
            Err(refusal) => {
                self.workshop.progress().note(translated(refusal));
                return self.plan_wheels(refusal);
            }
        };
        let mut available = channels.pythons();
        // a list that cannot be read is said by the first attempt
        if available.is_empty() {
            available = self.interpreters().versions();
        }
        let mut plan = match self.plan_for(&available) {
            Ok(plan) => plan,
            Err(SetupError::NoPython(_)) => {
                let refusal = Refusal("no conda channel has a Python that fits".to_owned());
                self.workshop.progress().note(translated(&refusal));
                return self.plan_wheels(&refusal);
            }
            Err(error) => return Err(error),
        };
        wish.apply(&mut plan.spec);
        if !channels.silent().is_empty() {
            plan.spec.deviations.push(Deviation {
                rule: "conda-silent".into(),
                reason: format!(
                    "these conda channels do not answer: {}",
                    channels.silent().join(", ")
                ),
            });
        }
        Ok(plan)
    }

    /// Plans with the package index alone what conda cannot give.
    pub fn plan_wheels(&self, refusal: &Refusal) -> Result<Plan, SetupError> {
        self.look_for_python()?;
        let mut plan = self.plan_for(&self.interpreters().versions())?;
        plan.spec
            .deviations
            .push(Deviation { rule: TRANSLATED.into(), reason: translated(refusal) });
        Ok(plan)
    }

    /// Has conda give the interpreter and what else it was asked, and installs the rest over it.
    pub fn attempt_with_conda(
        &self,
        spec: &mut EnvSpec,
        package: Option<&str>,
    ) -> Result<Result<Made, Shortfall>, SetupError> {
        let channels = match self.conda.channels()? {
            Ok(channels) => channels,
            Err(refusal) => return Ok(Err(Shortfall::Conda(refusal.clone()))),
        };
        let (workshop, checkout) = (&self.workshop, self.checkout);
        let request = Request { home: self.home, workshop, channels, wish: self.conda.wish() };
        let base = match stage(&request, spec)? {
            Ok(base) => base,
            Err(refusal) => return Ok(Err(Shortfall::Conda(refusal))),
        };
        let mut kept = spec.clone();
        kept.constraints
            .extend(base.distributions.iter().map(|(name, version)| format!("{name}=={version}")));
        let resolved = build::resolve(workshop, checkout, &mut kept, package, &base.interpreter)?;
        let resolved = match resolved {
            // pip would put its own over conda's too
            Err(_) if !base.distributions.is_empty() => {
                build::resolve(workshop, checkout, spec, package, &base.interpreter)?
            }
            other => other,
        };
        let mut lock = match resolved {
            Ok(lock) => lock,
            Err(failed) => return Ok(Err(Shortfall::Failed(failed))),
        };
        failpoint::hit("setup:after-resolve");
        lock.packages
            .retain(|package| base.distributions.get(&package.name) != Some(&package.version));
        lock.conda = base.packages;
        let (conda, index) = (lock.conda.len(), lock.packages.len());
        let what = format!("installing {conda} packages of conda, {index} of the index");
        workshop.progress().begin(what);
        let interpreter = self.interpreter_of(&lock)?;
        self.carry_out(lock, (package, &[]), &interpreter)
    }

    /// Returns the interpreter that a lock's environment has: for one of conda's, its own.
    pub fn interpreter_of(&self, lock: &EnvLock) -> Result<Interpreter, SetupError> {
        if lock.conda.is_empty() {
            return self.interpreter(lock.python).cloned();
        }
        let prefix = folder::prefix(self.home, lock)?;
        Ok(Interpreter::of_prefix(&prefix, lock.python, platform()))
    }

    /// Returns the Pythons of this machine.
    pub fn interpreters(&self) -> &Interpreters {
        self.fetched.get().unwrap_or(&self.found)
    }

    /// Looks for the Python that is missing, which nobody did while conda was to give it.
    fn look_for_python(&self) -> Result<(), SetupError> {
        if self.fetched.get().is_some() || !self.conda.gives_python(self.request)? {
            return Ok(());
        }
        let (uv_program, progress) = (self.workshop.uv_program(), self.workshop.progress());
        let (home, inspection, request) = (self.home, self.inspection, self.request);
        let found =
            interpreters_for(home, inspection, request, &self.chosen, uv_program, progress)?;
        // nobody else can have set it in between
        let _ = self.fetched.set(found);
        Ok(())
    }
}
