//! From a profile to a connection.

use std::sync::Arc;

use camino::Utf8PathBuf;
use sizar_model::{Contact, Output, Progress};

use super::probe::output;
use super::{Profile, TargetError, TargetName};
use crate::home::Home;
use crate::process::Control;
use crate::scheduler::{Scheduler, for_site};
use crate::transport::{Counters, Local, Ssh, SshOptions, Step, Transport, WithTransferHost};

/// A target that is connected to, with the language of its scheduler.
pub struct Place {
    pub name: TargetName,
    pub profile: Profile,
    pub transport: Box<dyn Transport>,
    pub scheduler: Box<dyn Scheduler>,
    /// How often the scheduler was asked.
    pub questions: u64,
    /// Bytes of code, environment, data and results that went there, and came from there.
    pub payload: Payload,
    /// The most bytes of those in a second.
    pub pace: Option<u64>,
    /// What [`Place::contact`] told of already.
    told: Contact,
}

/// Bytes that were worth the way: without questions, orders and their answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Payload {
    pub sent: u64,
    pub received: u64,
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
    let pace = profile.bwlimit.map(|limit| limit.0);
    Ok(Place {
        name: name.clone(),
        profile,
        transport,
        scheduler,
        questions: 0,
        payload: Payload::default(),
        pace,
        told: Contact::default(),
    })
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

    /// Counts what goes to the target during `send` as payload; returns how much that was.
    pub fn sending<T>(&mut self, send: impl FnOnce(&mut Self) -> T) -> (T, u64) {
        let before = self.transport.counters().bytes_sent;
        let done = send(self);
        let bytes = self.transport.counters().bytes_sent.saturating_sub(before);
        self.payload.sent += bytes;
        (done, bytes)
    }

    /// Counts what comes from the target during `bring` as payload; returns how much that was.
    pub fn bringing<T>(&mut self, bring: impl FnOnce(&mut Self) -> T) -> (T, u64) {
        let before = self.transport.counters().bytes_received;
        let done = bring(self);
        let bytes = self.transport.counters().bytes_received.saturating_sub(before);
        self.payload.received += bytes;
        (done, bytes)
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
        let steps: Vec<Step> = questions.iter().map(step).collect();
        self.put(&steps)
    }

    /// Asks the scheduler all `questions`, of which one alone is of no use: after one that fails
    /// the rest is not asked.
    ///
    /// # Errors
    ///
    /// As [`Place::ask`].
    pub fn ask_all(
        &mut self,
        questions: &[sizar_model::Invocation],
    ) -> Result<Vec<Output>, TargetError> {
        let steps: Vec<Step> =
            questions.iter().map(|question| step(question).stop_on_failure()).collect();
        self.put(&steps)
    }

    fn put(&mut self, steps: &[Step]) -> Result<Vec<Output>, TargetError> {
        self.questions += steps.len() as u64;
        Ok(self.transport.run(steps)?.iter().map(output).collect())
    }

    /// Returns what was used since this was last asked.
    pub fn contact(&mut self) -> Contact {
        let Counters { logins, round_trips, bytes_sent, bytes_received, .. } =
            self.transport.counters();
        let all = Contact {
            logins,
            round_trips,
            scheduler_queries: self.questions,
            bytes_sent: self.payload.sent,
            bytes_received: self.payload.received,
            control_sent: bytes_sent.saturating_sub(self.payload.sent),
            control_received: bytes_received.saturating_sub(self.payload.received),
        };
        let since = all.minus(self.told);
        self.told = all;
        since
    }
}

/// How long a scheduler may take for an answer: its own programs try for a minute and more where
/// it is away.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(20);

fn step(question: &sizar_model::Invocation) -> Step {
    Step::from(question).keep(Step::MOST_OUTPUT).limit(PATIENCE)
}
