//! Why nothing could be run there, or why nobody knows.

use std::fmt;
use std::io;

use camino::Utf8PathBuf;
use jiff::Timestamp;

use super::InvalidAddress;
use crate::acquire::archive::ArchiveError;
use crate::home::HomeError;

/// A place that cannot be reached, or that stopped answering.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    #[error(transparent)]
    Address(#[from] InvalidAddress),
    #[error("the program `{program}` could not be started")]
    Start {
        program: String,
        #[source]
        source: io::Error,
    },
    #[error("step {step} cannot be run by a shell: {what}")]
    InvalidStep { step: usize, what: &'static str },
    #[error("the key of the host `{host}` is not known{}", fingerprint_of(fingerprint.as_deref()))]
    UnknownHostKey { host: String, fingerprint: Option<String>, target: String },
    #[error(
        "the key of the host `{host}` has changed{}: either the host was set up anew, or somebody \
         stands between",
        fingerprint_of(fingerprint.as_deref())
    )]
    ChangedHostKey {
        /// As `ssh-keygen -R` takes it.
        host: String,
        fingerprint: Option<String>,
        /// The file, and the line, that hold the key as it was.
        known: Option<String>,
    },
    #[error("`{target}` refuses this account or its keys (it offers: {methods})")]
    PermissionDenied { target: String, methods: String },
    #[error(
        "`{target}` would ask for a password or a code (it offers: {methods}), and nobody is \
         there to answer"
    )]
    WouldAskForPassword { target: String, methods: String },
    #[error("the host `{host}` is not found")]
    HostNotFound { host: String },
    #[error("`{target}` refuses connections")]
    Refused { target: String },
    #[error("`{target}` cannot be reached: {said}")]
    Unreachable { target: String, said: String },
    #[error("`{target}` did not answer in time")]
    TimedOut { target: String },
    #[error("`{target}` closed the connection before the login: {said}")]
    Closed { target: String, said: String },
    #[error("the settings of ssh cannot be used: {said}")]
    Configuration { said: String },
    #[error("`{target}` lets files through, but no commands (sftp only)")]
    SftpOnly { target: String },
    #[error("`{target}` gives no usable shell{}", lines_of(said))]
    NoShell {
        target: String,
        /// The last lines that came instead.
        said: Vec<String>,
    },
    #[error("`{target}` allows no further session in this connection")]
    SessionRefused { target: String },
    #[error("no folder of `{target}` takes a file: its disks or your quota are full")]
    NoFolder { target: String },
    #[error("`{target}` may be logged in to again at {next}: {why}")]
    TooManyLogins { target: String, next: Timestamp, why: &'static str },
    #[error("the connection to `{target}` broke: {step}{}", lines_of(said))]
    Lost { target: String, step: LostStep, said: Vec<String> },
    #[error("something else keeps writing into the answers of `{target}`")]
    Garbled { target: String },
    #[error("stopped while talking to `{target}`")]
    Stopped { target: String },
    #[error("what should be sent cannot be read")]
    Read(#[source] io::Error),
    #[error("what came cannot be written")]
    Write(#[source] io::Error),
    #[error("`{path}` cannot be read or written")]
    File {
        path: Utf8PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{doing} failed on `{target}`{}", lines_of(said))]
    Failed { target: String, doing: &'static str, said: Vec<String> },
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    #[error(transparent)]
    Home(#[from] HomeError),
}

/// How far a batch had come when the connection broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LostStep {
    /// The last step that is known to have started; all before it have ended.
    pub step: usize,
    /// Whether the whole batch had left. If not, no step of it ran.
    pub sent: bool,
}

impl fmt::Display for LostStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.sent {
            write!(f, "step {} and those after it may have run", self.step)
        } else {
            f.write_str("nothing of the batch has run")
        }
    }
}

fn fingerprint_of(fingerprint: Option<&str>) -> String {
    fingerprint.map_or_else(String::new, |fingerprint| format!(" (it shows {fingerprint})"))
}

fn lines_of(lines: &[String]) -> String {
    lines.iter().fold(String::new(), |text, line| format!("{text}\n  it said: {line}"))
}

impl TransportError {
    /// Returns what a person may do next.
    pub fn hints(&self) -> Vec<String> {
        match self {
            Self::Start { program, .. } if program == "ssh" => {
                vec!["install OpenSSH, such as by `apt install openssh-client`".into()]
            }
            Self::UnknownHostKey { target, .. } => vec![
                format!("log in once by `ssh {target}`, and compare the fingerprint that it shows"),
                "the site's documentation or its support names the right fingerprint".into(),
            ],
            Self::ChangedHostKey { host, known, .. } => {
                let mut hints = vec![
                    "ask the site whether its host key has changed, and compare the fingerprint"
                        .into(),
                    format!("if it has, forget the old key: `ssh-keygen -R '{host}'`"),
                ];
                hints.extend(known.as_ref().map(|known| format!("the old key is in {known}")));
                hints
            }
            Self::PermissionDenied { target, .. } => vec![
                format!("`ssh -v {target}` shows which keys are offered"),
                "if your key has a passphrase, load it once: `ssh-add`".into(),
            ],
            Self::WouldAskForPassword { target, .. } => vec![format!(
                "run a command of sizar for `{target}` in a terminal; the login is then kept open"
            )],
            Self::HostNotFound { host } => {
                vec![format!("check the name; `ssh -G {host}` shows what your settings make of it")]
            }
            Self::Refused { .. } | Self::Unreachable { .. } | Self::TimedOut { .. } => {
                vec!["check the port and your network; some sites answer only inside a VPN".into()]
            }
            Self::Closed { .. } => {
                vec!["the site may limit logins; wait some minutes before the next one".into()]
            }
            Self::SftpOnly { .. } => {
                vec!["name the login node as the target, and this host as its transfer host".into()]
            }
            Self::NoShell { target, .. } => {
                vec![format!("`ssh {target} /bin/sh -c true` has to work without a terminal")]
            }
            Self::NoFolder { .. } => vec!["free some space in `/tmp` or your home there".into()],
            Self::Lost { .. } => vec!["the next command connects again and looks first".into()],
            Self::Garbled { .. } => {
                vec![
                    "look for a background command in `.bashrc` or `.profile` there that prints"
                        .into(),
                ]
            }
            Self::Archive(error) => error.hints(),
            _ => Vec::new(),
        }
    }

    /// Returns whether a step may have run although there is no answer.
    pub fn may_have_run(&self) -> bool {
        matches!(self, Self::Lost { step, .. } if step.sent) || matches!(self, Self::Garbled { .. })
    }

    /// Returns whether the shell is gone with it.
    pub(super) fn ends_session(&self) -> bool {
        matches!(
            self,
            Self::Lost { .. }
                | Self::NoFolder { .. }
                | Self::Garbled { .. }
                | Self::Stopped { .. }
                | Self::Read(_)
                | Self::Write(_)
        )
    }
}
