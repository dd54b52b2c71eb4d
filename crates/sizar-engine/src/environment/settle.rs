//! Mends a lock before anything is installed, where it would fail only when it comes to work.

use sizar_env::latent::{Latent, latent};
use sizar_env::plan::Plan;
use sizar_model::{EnvLock, EnvSpec};

use super::SetupError;
use super::build;
use super::setup::Way;

/// How often versions are chosen anew for it; with pip, whose every choice may take half a minute,
/// once.
const RESOLUTIONS: usize = 4;

impl Way<'_> {
    /// Returns the lock without what is known to fail late, as far as that can be had, and brings
    /// `spec` to it.
    ///
    /// # Errors
    ///
    /// [`SetupError`] where a resolution cannot be carried out; that it has no result is none.
    pub(super) fn settled(
        &self,
        spec: &mut EnvSpec,
        mut lock: EnvLock,
        plan: &Plan,
    ) -> Result<EnvLock, SetupError> {
        let driver = self.chosen.driver.as_ref().filter(|_| self.chosen.named);
        let package = plan.package.as_deref();
        let available = self.interpreters().versions();
        let available = if self.request.python.is_some() { &plan.pythons } else { &available };
        let most = if spec.installer == sizar_model::Installer::Pip { 1 } else { RESOLUTIONS };
        let mut left = most;
        let mut refused: Vec<Latent> = Vec::new();
        loop {
            let found = latent(&lock, self.inspection, driver);
            let Some(next) = found
                .iter()
                .find(|latent| latent.shim().is_none() && left > 0 && !refused.contains(latent))
            else {
                for latent in &found {
                    with_shim(spec, &mut lock, latent);
                }
                return Ok(lock);
            };
            let mut mended = None;
            for mut other in next.ways(spec, &plan.pythons, available) {
                if left == 0 {
                    break;
                }
                left -= 1;
                let interpreter = self.interpreter(other.python)?;
                let resolved = build::resolve(
                    &self.workshop,
                    self.checkout,
                    &mut other,
                    package,
                    interpreter,
                )?;
                let still = |lock: &EnvLock| {
                    latent(lock, self.inspection, driver)
                        .iter()
                        .any(|latent| latent.deviation.reason == next.deviation.reason)
                };
                if let Ok(better) = resolved
                    && !still(&better)
                {
                    mended = Some((other, better));
                    break;
                }
            }
            match mended {
                Some((other, better)) => {
                    self.workshop.progress().note(next.deviation.reason.clone());
                    (*spec, lock) = (other, better);
                }
                None => refused.push(next.clone()),
            }
        }
    }
}

/// Adds the shim that brings a name back, where there is one.
fn with_shim(spec: &mut EnvSpec, lock: &mut EnvLock, latent: &Latent) {
    let Some(shim) = latent.shim() else { return };
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
