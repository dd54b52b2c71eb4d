//! For tests only: a temporary world in which sizar runs.
//!
//! Each [`World`] has a home folder, a `SIZAR_HOME` and a folder to stand in, all of them gone
//! when it is dropped. A [`CondaChannel`] is a channel of conda's in a folder, an [`Sshd`] a real one
//! on the loopback, a [`Cluster`] a real Slurm or OAR on this machine.

mod cluster;
mod conda_channel;
mod conda_python;
mod noise;
mod sshd;
mod until;
mod web;

use std::process::Command;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

pub use cluster::{Cluster, ClusterBuilder, ClusterError, Daemon, Line, Size};
pub use conda_channel::{CondaChannel, CondaRecipe, Form};
pub use conda_python::packed_python;
pub use noise::noise;
pub use sshd::{Sshd, write_program};
pub use until::until;
pub use web::{Answer, Request, Server};

/// A temporary world.
pub struct World {
    root: tempfile::TempDir,
    program: Utf8PathBuf,
}

/// What a command said.
#[derive(Debug)]
pub struct Said {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl World {
    /// Makes a world for the program at `program` (`env!("CARGO_BIN_EXE_sizar")`).
    pub fn new(program: impl Into<Utf8PathBuf>) -> Self {
        let root =
            tempfile::Builder::new().prefix("sizar-world-").tempdir().expect("a temporary folder");
        let world = Self { root, program: program.into() };
        for name in ["home", "here"] {
            fs::create_dir_all(world.path(name)).expect("a folder in the world");
        }
        world
    }

    /// Returns a path in the world.
    pub fn path(&self, name: &str) -> Utf8PathBuf {
        Utf8Path::from_path(self.root.path()).expect("a path in UTF-8").join(name)
    }

    /// Returns the folder in which commands start.
    pub fn here(&self) -> Utf8PathBuf {
        self.path("here")
    }

    /// Returns the folder in which sizar keeps everything.
    pub fn sizar_home(&self) -> Utf8PathBuf {
        self.path("sizar")
    }

    /// Writes a file below the folder in which commands start, with its parents.
    pub fn write(&self, name: &str, text: &str) -> Utf8PathBuf {
        let path = self.here().join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        fs::write(&path, text).expect("a file");
        path
    }

    /// Returns a command of sizar in this world.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(args)
            .current_dir(self.here())
            .env("HOME", self.path("home"))
            .env("SIZAR_HOME", self.sizar_home())
            .env("NO_COLOR", "1")
            .env_remove("XDG_DATA_HOME")
            .env_remove("SIZAR_FAILPOINT");
        command
    }

    /// Runs sizar and returns what it said.
    pub fn sizar(&self, args: &[&str]) -> Said {
        self.said(&mut self.command(args))
    }

    /// Runs a command and returns what it said.
    pub fn said(&self, command: &mut Command) -> Said {
        let output = command.output().expect("the program starts");
        Said {
            code: output.status.code().unwrap_or(-1),
            stdout: self.filtered(&output.stdout),
            stderr: self.filtered(&output.stderr),
        }
    }

    /// Replaces what differs from world to world.
    fn filtered(&self, output: &[u8]) -> String {
        String::from_utf8_lossy(output).replace(self.path("").as_str(), "[WORLD]/")
    }
}

impl Said {
    /// Fails, with everything that was said, unless the exit code is `code`.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self}");
        self
    }

    /// Reads standard output as JSON.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self}"))
    }
}

impl std::fmt::Display for Said {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "exit code: {}\n----- stdout -----\n{}----- stderr -----\n{}",
            self.code, self.stdout, self.stderr
        )
    }
}
