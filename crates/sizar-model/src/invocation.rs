//! A command to be run, before anybody runs it.

use std::collections::BTreeMap;

use camino::Utf8PathBuf;
use serde::{Deserialize, Serialize};

/// A command as data: planning makes it, the engine runs it, the journal shows it.
///
/// It is a vector of arguments, never a shell line.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invocation {
    pub program: String,
    pub args: Vec<String>,
    /// Variables beside the clean base that every foreign program gets.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// The folder it starts in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cwd: Option<Utf8PathBuf>,
    /// The file that its standard input reads; without one that is empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdin: Option<Utf8PathBuf>,
    #[serde(default)]
    pub network: NetworkAccess,
}

/// What a command answered, wherever it ran.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    /// The exit code; none if no end of it is known: the line was cut, it was ended after its
    /// time, or a signal ended it. What it did by then is not known either.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// What a command may reach.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NetworkAccess {
    /// Nothing but its own loopback.
    #[default]
    None,
    /// The package index alone, through sizar's proxy.
    Index,
    /// Whatever this machine reaches.
    Full,
}

impl Invocation {
    /// Starts a command without arguments.
    pub fn new(program: impl Into<String>) -> Self {
        Self { program: program.into(), ..Self::default() }
    }

    /// Adds one argument.
    pub fn arg(mut self, arg: impl Into<String>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Adds several arguments.
    pub fn args<T: Into<String>>(mut self, args: impl IntoIterator<Item = T>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Sets a variable.
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.env.insert(name.into(), value.into());
        self
    }

    /// Sets the folder it starts in.
    pub fn cwd(mut self, cwd: impl Into<Utf8PathBuf>) -> Self {
        self.cwd = Some(cwd.into());
        self
    }

    /// Sets the file that its standard input reads.
    pub fn stdin(mut self, file: Option<Utf8PathBuf>) -> Self {
        self.stdin = file;
        self
    }

    /// Sets what it may reach.
    pub fn network(mut self, network: NetworkAccess) -> Self {
        self.network = network;
        self
    }
}
