//! The words for what foreign code may see.

use std::fmt;
use std::sync::Arc;

use camino::Utf8PathBuf;

use crate::index::TimeMachine;

/// What keeps foreign code in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SandboxKind {
    /// bubblewrap: own mount, process and network namespaces.
    Bubblewrap,
    /// Landlock: the kernel refuses what is not listed; paths cannot be given other names.
    Landlock,
    /// Nothing; the record says so.
    None,
}

impl SandboxKind {
    /// Returns the name that receipts and `SIZAR_SANDBOX` use.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bubblewrap => "bubblewrap",
            Self::Landlock => "landlock",
            Self::None => "none",
        }
    }
}

impl fmt::Display for SandboxKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What a foreign program may see. Beside this it sees the operating system's own folders,
/// read only, and nothing of the user's.
#[derive(Clone, Debug)]
pub struct Confinement {
    pub kind: SandboxKind,
    /// Its home folder, which it may write to.
    pub home: Utf8PathBuf,
    /// Its folder for temporary files.
    pub tmp: Utf8PathBuf,
    /// Paths that it may write to, under their own names.
    pub writable: Vec<Utf8PathBuf>,
    /// Paths that it may read, under their own names.
    pub readable: Vec<Utf8PathBuf>,
    /// Paths that it sees under other names.
    pub bindings: Vec<Binding>,
    /// Whether the GPUs' device files are shown.
    pub gpus: bool,
    /// Hosts that count as the package index, beside `pypi.org` and what the user configured.
    pub index_hosts: Vec<String>,
    /// The index as of a date, reached under [`TimeMachine::HOST`] with the network of the index.
    pub time_machine: Option<Arc<TimeMachine>>,
}

impl Confinement {
    /// Starts with nothing but a home folder and a folder for temporary files.
    pub fn new(
        kind: SandboxKind,
        home: impl Into<Utf8PathBuf>,
        tmp: impl Into<Utf8PathBuf>,
    ) -> Self {
        Self {
            kind,
            home: home.into(),
            tmp: tmp.into(),
            writable: Vec::new(),
            readable: Vec::new(),
            bindings: Vec::new(),
            gpus: false,
            index_hosts: Vec::new(),
            time_machine: None,
        }
    }
}

/// A path that is seen under another name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    pub here: Utf8PathBuf,
    /// An absolute path.
    pub there: Utf8PathBuf,
    pub writable: bool,
}
