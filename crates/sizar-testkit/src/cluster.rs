//! Real schedulers on this machine: Slurm and OAR, their databases, and the `sshd`s to reach them.
//!
//! A [`Cluster`] lives in namespaces of its own: every daemon, every job and every session is a
//! descendant of one first process, `cluster/init.sh`, which ends when the process that made the
//! cluster ends, however that ends. Nothing in `/etc` or `/var` of the machine changes; what is
//! made there once is the account `alice`. Inside, the cluster's files are under
//! `/run/sizar-cluster`; [`Cluster::inside`] says where a path of the inside is on the outside.
//!
//! It needs root and Debian's packages; where something is missing, [`ClusterBuilder::start`] says
//! which. All ports are the cluster's own, OAR's too, so that several clusters can be up at once.

mod builder;
mod control;
mod daemon;
mod error;
mod files;
mod line;
mod login_environment;
mod memory;
mod packages;
mod ports;
mod process;

use std::process::Command;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};

pub use builder::{ClusterBuilder, Size};
pub use daemon::Daemon;
pub use error::ClusterError;
pub use line::Line;

use process::Life;

/// Schedulers that are up; they end when this is dropped, unless they were started to stay.
pub struct Cluster {
    prefix: Utf8PathBuf,
    life: Life,
    private_network: bool,
    memory_enforced: bool,
    // after `life`: the folder goes when nothing uses it any more
    _folder: Option<tempfile::TempDir>,
}

/// The ordinary account of the clusters.
pub const USER: &str = "alice";

/// Where a cluster's files are, seen from its inside.
pub const INSIDE: &str = "/run/sizar-cluster";

impl Cluster {
    /// Begins a cluster with Slurm: host `slurm`, nodes `cpu[01-04]` and `gpu[01-02]`.
    pub fn slurm() -> ClusterBuilder {
        ClusterBuilder::default().with_slurm()
    }

    /// Begins a cluster with OAR: host `oar`, nodes `node1` to `node3`.
    pub fn oar() -> ClusterBuilder {
        ClusterBuilder::default().with_oar()
    }

    /// Returns the packages of the operating system that the clusters need and this machine lacks.
    pub fn missing_packages() -> Vec<&'static str> {
        packages::missing(packages::Part::ALL)
    }

    /// Returns the cluster that was started to stay in `prefix`, if it is still up.
    pub fn find(prefix: &Utf8Path) -> Option<Self> {
        let life = Life::recorded(prefix)?;
        Some(Self {
            prefix: prefix.to_owned(),
            life,
            private_network: files::option(prefix, "PRIVATE_NETWORK"),
            memory_enforced: files::option(prefix, "MEMORY_ENFORCED"),
            _folder: None,
        })
    }

    /// Returns the folder in which everything of the cluster is.
    pub fn prefix(&self) -> &Utf8Path {
        &self.prefix
    }

    /// Returns the configuration for `ssh -F`, with the hosts `slurm` or `oar`, and for transfers
    /// `slurm-transfer` or `oar-transfer`, which speak sftp alone.
    pub fn ssh_config(&self) -> Utf8PathBuf {
        self.prefix.join("ssh_config")
    }

    /// Returns the path here of a path that the cluster's hosts see, such as `/home/alice/x`.
    ///
    /// It is the frontend's view; a node's own `/tmp` is `/run/sizar-cluster/nodes/NODE/tmp`.
    pub fn inside(&self, path: &str) -> Utf8PathBuf {
        Utf8PathBuf::from(format!("/proc/{}/root{path}", self.life.init()))
    }

    /// Puts a line with a delay before one of the hosts of [`Self::ssh_config`], for as long as the
    /// returned value lives; [`Line`] can also hold it and cut it.
    pub fn line(&self, host: &str, round_trip: Duration) -> std::io::Result<Line> {
        let port = files::port_of(&self.prefix, host);
        let (listener, line) = Line::to(port, round_trip)?;
        let config = files::line_config(&self.prefix, host, port, listener.local_addr()?.port())?;
        Ok(line.with_config(&config))
    }

    /// Returns a command of this machine that has the cluster's network, which matters where that
    /// is private: nothing else reaches its hosts.
    pub fn on_network(&self, program: &str) -> Command {
        if !self.private_network {
            return Command::new(program);
        }
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/proc/{}/ns/net", self.life.init())).arg("--").arg(program);
        command
    }

    /// Returns what came up when, in milliseconds from the beginning.
    pub fn times(&self) -> String {
        fs_err::read_to_string(self.prefix.join("log/times")).unwrap_or_default()
    }

    /// Returns the ports of the cluster on the loopback, by name.
    pub fn ports(&self) -> Vec<(String, u16)> {
        files::ports(&self.prefix)
    }

    /// Returns whether [`ClusterBuilder::memory_enforced`] is possible on this machine.
    pub fn can_enforce_memory() -> bool {
        memory::available()
    }

    /// Ends everything and returns when it has ended.
    pub fn down(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.life.end();
        if self.memory_enforced {
            memory::sweep();
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if self.life.is_owned() {
            self.end();
        }
    }
}
