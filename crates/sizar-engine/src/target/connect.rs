//! From a profile to a connection.

use std::sync::Arc;

use camino::Utf8PathBuf;
use sizar_model::{Output, Progress};

use super::probe::output;
use super::{Profile, TargetError, TargetName};
use crate::home::Home;
use crate::process::Control;
use crate::scheduler::{Scheduler, for_site};
use crate::transport::{Local, Ssh, SshOptions, Step, Transport, WithTransferHost};

/// A target that is connected to, with the language of its scheduler.
pub struct Place {
    pub name: TargetName,
    pub profile: Profile,
    pub transport: Box<dyn Transport>,
    pub scheduler: Box<dyn Scheduler>,
}

/// How a connection is made.
#[derive(Clone)]
pub struct Connecting {
    pub home: Home,
    /// Whether somebody sits at the terminal and may be asked.
    pub interactive: bool,
    pub progress: Arc<dyn Progress>,
    pub control: Control,
}

/// Returns the way to a target; nothing is connected before it is used.
///
/// # Errors
///
/// [`TargetError::Address`] where the profile's address is none.
pub fn transport(
    profile: &Profile,
    connecting: &Connecting,
) -> Result<Box<dyn Transport>, TargetError> {
    if profile.address == Profile::HERE {
        return Ok(Box::new(Local::new().control(connecting.control.clone())));
    }
    let to = |address: &str| -> Result<Ssh, TargetError> {
        let mut options = SshOptions::new(address.parse()?, connecting.home.clone());
        options.config_file.clone_from(&profile.ssh_config);
        options.interactive = connecting.interactive;
        options.progress = Arc::clone(&connecting.progress);
        options.control = connecting.control.clone();
        Ok(Ssh::new(options))
    };
    let login = to(&profile.address)?;
    Ok(match &profile.transfer {
        Some(host) => Box::new(WithTransferHost::new(login, to(host)?)),
        None => Box::new(login),
    })
}

/// Makes a place of a target; nothing is connected before it is used.
///
/// # Errors
///
/// [`TargetError::NotProbed`] where it was never looked at, and [`TargetError::NoScheduler`].
pub fn connect(
    name: &TargetName,
    profile: Profile,
    connecting: &Connecting,
) -> Result<Place, TargetError> {
    if profile.probed.is_none() {
        return Err(TargetError::NotProbed { name: name.to_string() });
    }
    let user = profile.machine.user.clone().unwrap_or_default();
    let scheduler = for_site(&profile.site, &user)
        .ok_or_else(|| TargetError::NoScheduler { name: name.to_string() })?;
    let transport = transport(&profile, connecting)?;
    Ok(Place { name: name.clone(), profile, transport, scheduler })
}

impl Place {
    /// Returns the folder there in which sizar keeps everything.
    pub fn root(&self) -> Utf8PathBuf {
        let home = || self.profile.machine.home.clone().unwrap_or_else(|| "/".into());
        match &self.profile.root {
            Some(root) if root.is_absolute() => root.clone(),
            Some(root) => home().join(root.strip_prefix("~").unwrap_or(root)),
            None => home().join(".sizar"),
        }
    }

    /// Asks the scheduler: all `questions` in one round trip.
    ///
    /// # Errors
    ///
    /// [`TargetError::Transport`] where the connection broke.
    pub fn ask(
        &mut self,
        questions: &[sizar_model::Invocation],
    ) -> Result<Vec<Output>, TargetError> {
        let steps: Vec<Step> =
            questions.iter().map(|question| Step::from(question).keep(Step::MOST_OUTPUT)).collect();
        Ok(self.transport.run(&steps)?.iter().map(output).collect())
    }
}
