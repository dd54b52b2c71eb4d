//! A shell on this machine.

use std::ffi::OsString;
use std::io::{Read, Write};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use sizar_model::{Progress, Silent};

use super::session::{NoSession, Opening, Session};
use super::{Answer, Counters, Step, Talk, Transport, TransportError, diagnose};
use crate::process::Control;

/// How long a shell here may take to start.
const PATIENCE: Duration = Duration::from_secs(20);

/// Runs steps on this machine, by the protocol that [`Ssh`](super::Ssh) uses.
///
/// For targets that one sits on, such as a login node.
pub struct Local {
    /// Gets the first line as its last argument.
    shell: Vec<OsString>,
    session: Option<Session>,
    /// What sessions that are gone have used.
    past: Counters,
    control: Control,
}

impl Default for Local {
    fn default() -> Self {
        Self::new()
    }
}

impl Local {
    /// Uses `/bin/sh`.
    pub fn new() -> Self {
        Self::through(["/bin/sh", "-c"])
    }

    /// Uses another program to start the shell, as sshd uses a login shell: it gets a command as
    /// its last argument.
    pub fn through<T: Into<OsString>>(shell: impl IntoIterator<Item = T>) -> Self {
        Self {
            shell: shell.into_iter().map(Into::into).collect(),
            session: None,
            past: Counters::default(),
            control: Control::default(),
        }
    }

    /// Lets `control` stop what is waited for.
    pub fn control(mut self, control: Control) -> Self {
        self.control = control;
        self
    }

    fn with<T>(
        &mut self,
        work: impl FnOnce(&mut Session) -> Result<T, TransportError>,
    ) -> Result<T, TransportError> {
        let mut session = match self.session.take() {
            Some(session) => session,
            None => self.open()?,
        };
        if session.is_over() {
            self.past = self.past.plus(session.counters());
            session = self.open()?;
        }
        let result = work(&mut session);
        match &result {
            Err(error) if error.ends_session() => self.past = self.past.plus(session.counters()),
            _ => self.session = Some(session),
        }
        result
    }

    fn open(&self) -> Result<Session, TransportError> {
        let opening = Opening {
            target: self.name(),
            patience: Some(PATIENCE),
            progress: Arc::new(Silent),
            control: self.control.clone(),
        };
        let (program, args) = self.shell.split_first().expect("a shell has a name");
        let start = |boot: &str| {
            let mut command = Command::new(program);
            command.args(args).arg(boot);
            command
        };
        Session::open(start, opening).map_err(|error| match error {
            NoSession::Start(source) => {
                TransportError::Start { program: program.to_string_lossy().into_owned(), source }
            }
            NoSession::Stopped => TransportError::Stopped { target: self.name() },
            NoSession::NoRandom => TransportError::Read(std::io::ErrorKind::Unsupported.into()),
            NoSession::NoHello { said, complaints, .. } => TransportError::NoShell {
                target: self.name(),
                said: diagnose::last_lines(&format!("{said}\n{complaints}")),
            },
        })
    }
}

impl Transport for Local {
    fn run(&mut self, steps: &[Step]) -> Result<Vec<Answer>, TransportError> {
        self.with(|session| session.run(steps))
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
        self.session.as_ref().map_or(self.past, |session| self.past.plus(session.counters()))
    }

    fn name(&self) -> String {
        "this machine".to_owned()
    }
}
