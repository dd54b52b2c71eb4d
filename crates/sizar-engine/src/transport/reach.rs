//! How a site is reached by the program `ssh`: the command of one session, and the socket that sessions
//! share.

use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use camino::Utf8PathBuf;
use sizar_model::{Progress, Silent};

use super::control_path::{control_path, is_open};
use super::diagnose::{Failed, diagnose};
use super::remote_config::RemoteConfig;
use super::session::{NoSession, Opening, Session};
use super::{Clock, SshAddress, SystemClock, TransportError};
use crate::home::Home;
use crate::process::Control;

/// How long a connection may take where the user's settings say nothing.
const CONNECT_TIMEOUT: u64 = 20;
/// How long a shell may take to say hello after that: start-up files load whole module systems.
const PATIENCE: Duration = Duration::from_mins(1);
/// How long a login stays open for the next sizar.
const PERSIST: &str = "15m";

/// Which connection a session goes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// One that is already open.
    Shared,
    /// A new one, which others may share.
    LogIn,
    /// A new one for itself.
    LogInAlone,
}

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

    /// Returns the name to show.
    pub(super) fn name(&self) -> String {
        self.address.to_string()
    }

    /// Opens a session in the shared connection, if there is one.
    pub(super) fn shared(&self, config: &RemoteConfig) -> Option<Result<Session, TransportError>> {
        let socket = self.socket(config).filter(|path| is_open(path))?;
        Some(self.open_by(Way::Shared, config, Some(socket.as_str())))
    }

    pub(super) fn open_by(
        &self,
        way: Way,
        config: &RemoteConfig,
        socket: Option<&str>,
    ) -> Result<Session, TransportError> {
        let interactive = self.interactive;
        let connect = config.connect_timeout.unwrap_or(CONNECT_TIMEOUT);
        let opening = Opening {
            target: self.name(),
            patience: (!interactive).then_some(Duration::from_secs(connect) + PATIENCE),
            progress: Arc::clone(&self.progress),
            control: self.control.clone(),
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
        if self.interactive {
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
    pub(super) fn master(&self, order: &str, socket: &str) -> bool {
        let mut command = Command::new("ssh");
        command.arg(format!("-oControlPath={socket}")).args(["-O", order]);
        command.args(self.arguments());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    }

    pub(super) fn arguments(&self) -> Vec<String> {
        let mut arguments = Vec::new();
        if let Some(file) = &self.config_file {
            arguments.extend(["-F".to_owned(), file.to_string()]);
        }
        arguments.extend(self.address.arguments());
        arguments
    }

    /// Returns the socket of the shared connection.
    pub(super) fn socket(&self, config: &RemoteConfig) -> Option<Utf8PathBuf> {
        if !self.share {
            return None;
        }
        match &config.control_path {
            Some(path) => Some(path.into()),
            None => control_path(&self.home, &self.key(config)),
        }
    }

    /// Returns a name for files about this target.
    pub(super) fn key(&self, config: &RemoteConfig) -> String {
        let config_file = self.config_file.as_ref().map_or("", |file| file.as_str());
        let text = format!(
            "{}\0{}\0{}\0{}\0{config_file}",
            config.user,
            config.host,
            config.port,
            self.address.host()
        );
        blake3::hash(text.as_bytes()).to_hex()[..16].to_owned()
    }
}
