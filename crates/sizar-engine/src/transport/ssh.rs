//! A shell over SSH, by the program `ssh`.

use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use camino::Utf8PathBuf;
use sizar_model::{Progress, Silent};

use super::budget::{Budget, Outcome};
use super::control_path::{control_path, is_open};
use super::diagnose::{Failed, diagnose};
use super::remote_config::{Asking, RemoteConfig};
use super::session::{NoSession, Opening, Session};
use super::{
    Answer, Clock, Counters, SshAddress, Step, SystemClock, Talk, Transport, TransportError,
};
use crate::home::Home;
use crate::process::Control;
use crate::tree_digest::write_by_rename;

/// How long a connection may take where the user's settings say nothing.
const CONNECT_TIMEOUT: u64 = 20;
/// How long a shell may take to say hello after that: start-up files load whole module systems.
const PATIENCE: Duration = Duration::from_mins(1);
/// How long a login stays open for the next sizar.
const PERSIST: &str = "15m";

/// How a site is reached.
#[derive(Clone)]
pub struct SshOptions {
    pub address: SshAddress,
    /// A file to read instead of `~/.ssh/config`.
    pub config_file: Option<Utf8PathBuf>,
    /// Whether somebody sits at the terminal and may be asked.
    pub interactive: bool,
    /// Whether a login is kept open for the next sizar.
    pub share: bool,
    pub home: Home,
    pub clock: Arc<dyn Clock>,
    /// Gets what ssh prints: banners, and warnings.
    pub progress: Arc<dyn Progress>,
    pub control: Control,
}

impl SshOptions {
    /// Reaches `address` in the background: nobody is asked.
    pub fn new(address: SshAddress, home: Home) -> Self {
        Self {
            address,
            config_file: None,
            interactive: false,
            share: true,
            home,
            clock: Arc::new(SystemClock),
            progress: Arc::new(Silent),
            control: Control::default(),
        }
    }
}

/// Runs steps over SSH: one login, one channel, one shell.
///
/// It connects when it is first used, and again when it is used after the connection broke.
pub struct Ssh {
    options: SshOptions,
    config: Option<RemoteConfig>,
    session: Option<Session>,
    past: Counters,
}

/// Which connection a session goes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// One that is already open.
    Shared,
    /// A new one, which others may share.
    LogIn,
    /// A new one for itself.
    LogInAlone,
}

impl Ssh {
    /// Prepares; connects to nothing.
    pub fn new(options: SshOptions) -> Self {
        Self { options, config: None, session: None, past: Counters::default() }
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
        if let Some(path) = self.socket(&config) {
            self.master("exit", path.as_str());
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
        let socket = self.socket(&config);
        let mut way = Way::LogIn;
        match early.or_else(|| self.shared(&config)) {
            None => {}
            Some(Ok(session)) => return Ok(session),
            // the connection is in use, and the site allows one session in it
            Some(Err(TransportError::SessionRefused { .. })) => way = Way::LogInAlone,
            Some(Err(error @ TransportError::Stopped { .. })) => return Err(error),
            // it was about to end
            Some(Err(_)) => {}
        }
        let key = self.key(&config);
        let target = self.name();
        let home = self.options.home.clone();
        let clock = Arc::clone(&self.options.clock);
        let budget = Budget { home: &home, clock: &*clock, key: &key, target: &target };
        budget.take(self.options.interactive)?;
        self.past.logins += 1;
        let socket = socket.as_ref().map(|path| path.as_str()).filter(|_| way == Way::LogIn);
        let result = self.open_by(way, &config, socket);
        budget.record(match &result {
            Ok(_) | Err(TransportError::NoShell { .. } | TransportError::SftpOnly { .. }) => {
                Outcome::LoggedIn
            }
            Err(TransportError::WouldAskForPassword { .. }) => Outcome::NeedsPerson,
            Err(_) => Outcome::Failed,
        })?;
        result
    }

    /// Opens a session in the shared connection, if there is one.
    fn shared(&self, config: &RemoteConfig) -> Option<Result<Session, TransportError>> {
        let socket = self.socket(config).filter(|path| is_open(path))?;
        Some(self.open_by(Way::Shared, config, Some(socket.as_str())))
    }

    /// Opens a session in the shared connection that the settings led to the last time, while `ssh`
    /// reads them: it takes longer than the connection does. A session that they do not lead to any
    /// more is left again, before it was given anything to do.
    fn early(&mut self) -> Result<Option<Result<Session, TransportError>>, TransportError> {
        if self.config.is_some() {
            return Ok(None);
        }
        let asking = Asking::begin(&self.arguments())?;
        let known = self.remembered();
        let opened = known.as_ref().and_then(|known| self.shared(known));
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
        let text = self.arguments().join("\0");
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

    fn open_by(
        &self,
        way: Way,
        config: &RemoteConfig,
        socket: Option<&str>,
    ) -> Result<Session, TransportError> {
        let interactive = self.options.interactive;
        let connect = config.connect_timeout.unwrap_or(CONNECT_TIMEOUT);
        let opening = Opening {
            target: self.name(),
            patience: (!interactive).then_some(Duration::from_secs(connect) + PATIENCE),
            progress: Arc::clone(&self.options.progress),
            control: self.options.control.clone(),
        };
        let start = |boot: &str| self.command(way, config, socket, boot);
        Session::open(start, opening).map_err(|error| match error {
            NoSession::Start(source) => TransportError::Start { program: "ssh".into(), source },
            NoSession::Stopped => TransportError::Stopped { target: self.name() },
            NoSession::NoRandom => TransportError::Read(std::io::ErrorKind::Unsupported.into()),
            NoSession::NoHello { complaints, said, in_time, .. } => diagnose(&Failed {
                target: &self.name(),
                config,
                interactive,
                complaints: &complaints,
                said: &said,
                in_time,
            }),
        })
    }

    /// Returns the command of one session.
    fn command(
        &self,
        way: Way,
        config: &RemoteConfig,
        socket: Option<&str>,
        boot: &str,
    ) -> Command {
        let mut command = Command::new("ssh");
        // no terminal there, no forwarding, no command from the settings
        command.args(["-T", "-a", "-x", "-oClearAllForwardings=yes", "-oRemoteCommand=none"]);
        command.args(["-oPermitLocalCommand=no", "-oLogLevel=INFO", "-oEscapeChar=none"]);
        if self.options.interactive {
            command.arg("-oBatchMode=no");
        } else {
            command.args(["-oBatchMode=yes", "-oNumberOfPasswordPrompts=0"]);
            // what is typed at the terminal is not for it
            command.process_group(0);
        }
        if config.connect_timeout.is_none() {
            command.arg(format!("-oConnectTimeout={CONNECT_TIMEOUT}"));
        }
        if config.server_alive_interval == 0 {
            command.args(["-oServerAliveInterval=15", "-oServerAliveCountMax=3"]);
        }
        let own = config.control_path.is_none();
        match (way, socket) {
            (Way::Shared, Some(path)) => {
                command.arg("-oControlMaster=no").arg(format!("-oControlPath={path}"));
                // without the shared connection there is none: a login is never by accident
                command.arg("-oProxyCommand=exit 1");
            }
            (Way::LogIn, Some(path)) if own => {
                command.arg("-oControlMaster=auto").arg(format!("-oControlPath={path}"));
                command.arg(format!("-oControlPersist={PERSIST}"));
            }
            // the user's own settings for shared connections
            (Way::LogIn, Some(_)) => {}
            _ => {
                command.args(["-oControlMaster=no", "-oControlPath=none"]);
            }
        }
        command.args(self.arguments()).arg(boot);
        command
    }

    /// Asks or tells the process that holds the shared connection.
    fn master(&self, order: &str, socket: &str) -> bool {
        let mut command = Command::new("ssh");
        command.arg(format!("-oControlPath={socket}")).args(["-O", order]);
        command.args(self.arguments());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    }

    fn arguments(&self) -> Vec<String> {
        let mut arguments = Vec::new();
        if let Some(file) = &self.options.config_file {
            arguments.extend(["-F".to_owned(), file.to_string()]);
        }
        arguments.extend(self.options.address.arguments());
        arguments
    }

    fn config(&mut self) -> Result<RemoteConfig, TransportError> {
        if self.config.is_none() {
            self.config = Some(Asking::begin(&self.arguments())?.answer()?);
        }
        Ok(self.config.clone().unwrap_or_default())
    }

    /// Returns the socket of the shared connection.
    fn socket(&self, config: &RemoteConfig) -> Option<Utf8PathBuf> {
        if !self.options.share {
            return None;
        }
        match &config.control_path {
            Some(path) => Some(path.into()),
            None => control_path(&self.options.home, &self.key(config)),
        }
    }

    /// Returns a name for files about this target.
    fn key(&self, config: &RemoteConfig) -> String {
        let config_file = self.options.config_file.as_ref().map_or("", |file| file.as_str());
        let text = format!(
            "{}\0{}\0{}\0{}\0{config_file}",
            config.user,
            config.host,
            config.port,
            self.options.address.host()
        );
        blake3::hash(text.as_bytes()).to_hex()[..16].to_owned()
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
        self.session.as_ref().map_or(self.past, |session| self.past.plus(session.counters()))
    }

    fn name(&self) -> String {
        self.options.address.to_string()
    }
}
