//! A shell over SSH, by the program `ssh`.

use std::io::{Read, Write};
use std::sync::{Arc, Mutex, PoisonError};

use camino::Utf8PathBuf;
use sizar_model::Progress;

use super::beside::{Beside, Channels};
use super::budget::{Budget, Outcome};
use super::reach::{SshOptions, Way};
use super::remote_config::{Asking, RemoteConfig};
use super::session::Session;
use super::{Answer, Counters, Step, Talk, Transport, TransportError};
use crate::tree_digest::write_by_rename;

/// Runs steps over SSH: one login, one channel, one shell.
///
/// It connects when it is first used, and again when it is used after the connection broke.
pub struct Ssh {
    options: SshOptions,
    config: Option<RemoteConfig>,
    session: Option<Session>,
    past: Counters,
    /// What channels beside the session used.
    beside: Arc<Mutex<Counters>>,
}

impl Ssh {
    /// Prepares; connects to nothing.
    pub fn new(options: SshOptions) -> Self {
        Self {
            options,
            config: None,
            session: None,
            past: Counters::default(),
            beside: Arc::default(),
        }
    }

    /// Returns the process of `ssh`, while it is connected.
    pub fn process(&self) -> Option<u32> {
        self.session.as_ref().map(Session::process)
    }

    /// Connects, if it is not connected.
    pub fn connect(&mut self) -> Result<(), TransportError> {
        self.run(&[]).map(drop)
    }

    /// Ends the shared connection; the next sizar has to log in again.
    pub fn log_out(&mut self) -> Result<(), TransportError> {
        self.leave();
        let config = self.config()?;
        if let Some(path) = self.options.socket(&config) {
            self.options.master("exit", path.as_str());
        }
        Ok(())
    }

    /// Ends the session, and keeps what it used.
    fn leave(&mut self) {
        if let Some(session) = self.session.take() {
            self.past = self.past.plus(session.counters());
        }
    }

    fn with<T>(
        &mut self,
        work: impl FnOnce(&mut Session) -> Result<T, TransportError>,
    ) -> Result<T, TransportError> {
        if self.session.as_mut().is_some_and(Session::is_over) {
            self.leave();
        }
        let mut session = match self.session.take() {
            Some(session) => session,
            None => self.open()?,
        };
        let result = work(&mut session);
        match &result {
            Err(error) if error.ends_session() => self.past = self.past.plus(session.counters()),
            _ => self.session = Some(session),
        }
        result
    }

    /// Opens a session, with one attempt to log in at most.
    fn open(&mut self) -> Result<Session, TransportError> {
        let early = self.early()?;
        let config = self.config()?;
        let socket = self.options.socket(&config);
        let mut way = Way::LogIn;
        match early.or_else(|| self.options.shared(&config)) {
            None => {}
            Some(Ok(session)) => return Ok(session),
            // the connection is in use, and the site allows one session in it
            Some(Err(TransportError::SessionRefused { .. })) => way = Way::LogInAlone,
            Some(Err(error @ TransportError::Stopped { .. })) => return Err(error),
            // it was about to end
            Some(Err(_)) => {}
        }
        let key = self.options.key(&config);
        let target = self.options.name();
        let home = self.options.home.clone();
        let clock = Arc::clone(&self.options.clock);
        let budget = Budget { home: &home, clock: &*clock, key: &key, target: &target };
        budget.take(self.options.interactive)?;
        self.past.logins += 1;
        let socket = socket.as_ref().map(|path| path.as_str()).filter(|_| way == Way::LogIn);
        let result = self.options.open_by(way, &config, socket);
        budget.record(match &result {
            Ok(_) | Err(TransportError::NoShell { .. } | TransportError::SftpOnly { .. }) => {
                Outcome::LoggedIn
            }
            Err(TransportError::WouldAskForPassword { .. }) => Outcome::NeedsPerson,
            Err(_) => Outcome::Failed,
        })?;
        result
    }

    /// Opens a session in the shared connection that the settings led to the last time, while `ssh`
    /// reads them: it takes longer than the connection does. A session that they do not lead to any
    /// more is left again, before it was given anything to do.
    fn early(&mut self) -> Result<Option<Result<Session, TransportError>>, TransportError> {
        if self.config.is_some() {
            return Ok(None);
        }
        let asking = Asking::begin(&self.options.arguments())?;
        let known = self.remembered();
        let opened = known.as_ref().and_then(|known| self.options.shared(known));
        let config = asking.answer()?;
        let is_same = known.as_ref() == Some(&config);
        if !is_same {
            self.remember(&config);
        }
        self.config = Some(config);
        Ok(opened.filter(|_| is_same))
    }

    /// Returns the file with what the settings made of this address.
    fn remembered_at(&self) -> Utf8PathBuf {
        let text = self.options.arguments().join("\0");
        let name = &blake3::hash(text.as_bytes()).to_hex()[..16];
        self.options.home.root().join("cache/ssh").join(format!("{name}.json"))
    }

    fn remembered(&self) -> Option<RemoteConfig> {
        serde_json::from_slice(&fs_err::read(self.remembered_at()).ok()?).ok()
    }

    fn remember(&self, config: &RemoteConfig) {
        let path = self.remembered_at();
        let write = || -> std::io::Result<()> {
            self.options.home.folder("cache/ssh").map_err(std::io::Error::other)?;
            write_by_rename(&path, &serde_json::to_vec(config)?)
        };
        // without it the next connection takes a moment longer
        if let Err(error) = write() {
            tracing::debug!(%path, %error, "what ssh's settings say is not remembered");
        }
    }

    fn config(&mut self) -> Result<RemoteConfig, TransportError> {
        if self.config.is_none() {
            self.config = Some(Asking::begin(&self.options.arguments())?.answer()?);
        }
        Ok(self.config.clone().unwrap_or_default())
    }
}

impl Transport for Ssh {
    fn run(&mut self, steps: &[Step]) -> Result<Vec<Answer>, TransportError> {
        let was_open = self.session.is_some();
        match self.with(|session| session.run(steps)) {
            // it broke while nobody looked, and nothing of the batch left
            Err(TransportError::Lost { step, .. }) if was_open && !step.sent => {
                self.with(|session| session.run(steps))
            }
            result => result,
        }
    }

    fn feed(
        &mut self,
        step: &Step,
        data: &mut dyn Read,
        length: u64,
        progress: &dyn Progress,
    ) -> Result<Answer, TransportError> {
        self.with(|session| session.feed(step, data, length, progress))
    }

    fn drain(
        &mut self,
        step: &Step,
        sink: &mut dyn Write,
        progress: &dyn Progress,
    ) -> Result<Answer, TransportError> {
        self.with(|session| session.drain(step, sink, progress))
    }

    fn talk(&mut self, step: &Step, talk: &mut Talk<'_>) -> Result<Answer, TransportError> {
        self.with(|session| session.talk(step, talk))
    }

    fn counters(&self) -> Counters {
        let beside = *self.beside.lock().unwrap_or_else(PoisonError::into_inner);
        let session = self.session.as_ref().map(Session::counters).unwrap_or_default();
        self.past.plus(beside).plus(session)
    }

    fn beside(&mut self) -> Option<Box<dyn Beside>> {
        let session = self.session.as_ref().filter(|_| self.options.share)?;
        Some(Box::new(Channels {
            options: self.options.clone(),
            config: self.config.clone()?,
            round_trip: session.round_trip(),
            used: Arc::clone(&self.beside),
        }))
    }

    fn name(&self) -> String {
        self.options.name()
    }
}
