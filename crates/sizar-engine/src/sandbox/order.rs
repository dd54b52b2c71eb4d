//! What the helpers are told, as JSON on their standard input.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

use camino::Utf8PathBuf;
use fs_err::File;
use serde::{Deserialize, Serialize};

/// A program to become, and what to give up before.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Order {
    /// Who gave the order; if it has died meanwhile, nothing is started.
    pub parent: u32,
    pub program: String,
    pub args: Vec<String>,
    pub env: BTreeMap<String, String>,
    pub cwd: Utf8PathBuf,
    /// The file that its standard input reads.
    pub stdin: Option<Utf8PathBuf>,
    /// Whether it gets a network namespace of its own, by `unshare`.
    pub own_network: bool,
    pub fence: Option<Fence>,
}

/// What Landlock lets it do.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Fence {
    /// Files and folders to read and execute.
    pub read: Vec<Utf8PathBuf>,
    /// Files and folders to do everything with.
    pub write: Vec<Utf8PathBuf>,
    pub devices: Vec<Utf8PathBuf>,
    /// Folders in which names may be listed.
    pub listed: Vec<Utf8PathBuf>,
    /// Files, and files in folders, that may be written to as they are.
    pub altered: Vec<Utf8PathBuf>,
    /// The TCP ports that it may connect to; without it, all, and it may listen.
    pub ports: Option<Vec<u16>>,
}

impl Order {
    /// Reads the order from standard input.
    pub fn read() -> std::io::Result<Self> {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text)?;
        Ok(serde_json::from_str(&text)?)
    }

    /// Becomes the program; returns only where it cannot.
    pub fn exec(&self) -> std::io::Error {
        let stdin = match self.stdin.as_ref().map(File::open).transpose() {
            Ok(file) => file.map_or_else(Stdio::null, |file| file.into_file().into()),
            Err(error) => return error,
        };
        Command::new(&self.program)
            .args(&self.args)
            .env_clear()
            .envs(&self.env)
            .current_dir(&self.cwd)
            .stdin(stdin)
            .exec()
    }
}
