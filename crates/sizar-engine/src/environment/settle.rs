//! Mends a lock before anything is installed, where it would fail only when it comes to work.

use sizar_env::latent::{Latent, latent};
use sizar_env::plan::Plan;
use sizar_model::{EnvLock, EnvSpec, Installer};

use super::SetupError;
use super::build;
use super::setup::Way;

/// How often versions are chosen anew for it; with pip, whose every choice may take half a minute,
/// once.
const RESOLUTIONS: u32 = 4;

/// What has a lock, and what it came from.
type Settled = (EnvSpec, EnvLock);

impl Way<'_> {
    /// Returns the lock without what is known to fail late, as far as that can be had, and brings
    /// `spec` to it. What a repair took back since stays so.
    ///
    /// # Errors
    ///
    /// [`SetupError`] where a resolution cannot be carried out; that it has no result is none.
    pub(super) fn settled(
        &self,
        spec: &mut EnvSpec,
        lock: EnvLock,
        plan: &Plan,
    ) -> Result<EnvLock, SetupError> {
        let mut left = if spec.installer == Installer::Pip { 1 } else { RESOLUTIONS };
        let mut now = (spec.clone(), lock);
        // what is only to be added, all at once
        let additions: Vec<Latent> =
            self.open(&now).into_iter().filter(Latent::is_addition).collect();
        if !additions.is_empty() {
            left -= 1;
            let mut all = now.0.clone();
            for addition in &additions {
                all = addition.ways(&all, &plan.pythons).pop().unwrap_or(all);
            }
            if let Some(better) = self.chosen_anew(all, plan)? {
                for addition in &additions {
                    self.say(addition);
                }
                now = better;
            }
        }
        let mut refused: Vec<Latent> = Vec::new();
        while left > 0 {
            let open = self.open(&now).into_iter();
            let Some(next) =
                open.filter(|one| one.shim().is_none()).find(|one| !refused.contains(one))
            else {
                break;
            };
            match self.mended(&now, &next, plan, &mut left)? {
                Some(better) => {
                    self.say(&next);
                    now = better;
                }
                None => refused.push(next),
            }
        }
        for found in self.open(&now) {
            if let Some(shim) = found.shim() {
                with_shim(&mut now, shim, &found);
            }
        }
        *spec = now.0;
        Ok(now.1)
    }

    /// Returns what would fail late, and was not seen to before.
    fn open(&self, (spec, lock): &Settled) -> Vec<Latent> {
        let driver = self.chosen.driver.as_ref().filter(|_| self.chosen.named);
        let chosen = self.chosen.driver.as_ref();
        let mut found = latent(lock, self.inspection, driver, chosen);
        found.retain(|one| !spec.deviations.iter().any(|known| one.is_said_by(known)));
        found
    }

    /// Tries the ways out of one, as many as are `left`.
    fn mended(
        &self,
        now: &Settled,
        latent: &Latent,
        plan: &Plan,
        left: &mut u32,
    ) -> Result<Option<Settled>, SetupError> {
        for other in latent.ways(&now.0, &plan.pythons) {
            if *left == 0 {
                break;
            }
            *left -= 1;
            let deviations = now.0.deviations.clone();
            if let Some(better) = self.chosen_anew(other, plan)? {
                let seen = (EnvSpec { deviations, ..better.0.clone() }, better.1.clone());
                if !self.open(&seen).iter().any(|one| one.is_said_by(&latent.deviation)) {
                    return Ok(Some(better));
                }
            }
        }
        Ok(None)
    }

    /// Chooses versions for another specification; nothing where there are none.
    fn chosen_anew(&self, mut spec: EnvSpec, plan: &Plan) -> Result<Option<Settled>, SetupError> {
        let package = plan.package.as_deref();
        let interpreter = self.interpreter(spec.python)?;
        let lock = build::resolve(&self.workshop, self.checkout, &mut spec, package, interpreter)?;
        Ok(lock.ok().map(|lock| (spec, lock)))
    }

    fn say(&self, latent: &Latent) {
        self.workshop.progress().note(latent.deviation.reason.clone());
    }
}

/// Adds the shim that brings a name back.
fn with_shim((spec, lock): &mut Settled, shim: &str, latent: &Latent) {
    if spec.shims.iter().any(|known| known == shim) {
        return;
    }
    for shims in [&mut spec.shims, &mut lock.shims] {
        shims.push(shim.to_owned());
    }
    for deviations in [&mut spec.deviations, &mut lock.deviations] {
        deviations.push(latent.deviation.clone());
    }
}
