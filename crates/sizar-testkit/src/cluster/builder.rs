//! What a cluster shall be, and bringing it up.

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use super::packages::{self, Part};
use super::ports::Ports;
use super::process::Life;
use super::{Cluster, ClusterError, files, memory};

/// What a cluster shall be; made by [`Cluster::slurm`] and [`Cluster::oar`].
#[derive(Clone, Debug)]
#[must_use = "nothing comes up before `up` or `start`"]
pub struct ClusterBuilder {
    pub(super) slurm: bool,
    pub(super) oar: bool,
    pub(super) accounting: bool,
    pub(super) private_network: bool,
    pub(super) memory_enforced: bool,
    pub(super) stay: bool,
    pub(super) max_sessions: u32,
    pub(super) node_timeout: u32,
    pub(super) home: Option<Size>,
    pub(super) scratch: Option<Size>,
    pub(super) bashrc: String,
}

/// How much fits into a file system: bytes, and files.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    pub bytes: u64,
    pub files: u64,
}

impl Default for ClusterBuilder {
    fn default() -> Self {
        Self {
            slurm: false,
            oar: false,
            accounting: false,
            private_network: false,
            memory_enforced: false,
            stay: false,
            max_sessions: 10,
            node_timeout: 30,
            home: None,
            scratch: None,
            bashrc: String::new(),
        }
    }
}

impl ClusterBuilder {
    /// Adds Slurm.
    pub fn with_slurm(mut self) -> Self {
        self.slurm = true;
        self
    }

    /// Adds OAR.
    pub fn with_oar(mut self) -> Self {
        self.oar = true;
        self
    }

    /// Adds `slurmdbd` with MariaDB: `sacct`, accounts `proj1` and `proj2`, QOS. Costs seconds.
    pub fn accounting(mut self, accounting: bool) -> Self {
        self.accounting = accounting;
        self
    }

    /// Gives the cluster a network of its own with no way out, for faults of the line; reach it by
    /// [`Cluster::on_network`].
    pub fn with_private_network(mut self) -> Self {
        self.private_network = true;
        self
    }

    /// Lets Slurm kill jobs that exceed their memory: they end as `OUT_OF_MEMORY`.
    ///
    /// It needs version 1 of control groups, and one cluster at a time can have it. Of one that is
    /// killed, empty groups stay behind until the next.
    pub fn memory_enforced(mut self) -> Self {
        self.memory_enforced = true;
        self
    }

    /// Bounds the sessions of one connection of ssh; OpenSSH's default is 10.
    pub fn max_sessions(mut self, sessions: u32) -> Self {
        self.max_sessions = sessions;
        self
    }

    /// Sets after how many seconds of silence Slurm takes a node for down; 30 unless said.
    pub fn node_timeout(mut self, seconds: u32) -> Self {
        self.node_timeout = seconds;
        self
    }

    /// Makes the home folder of the account a small file system.
    pub fn home_size(mut self, size: Size) -> Self {
        self.home = Some(size);
        self
    }

    /// Makes the account's `$SCRATCH` a small file system.
    pub fn scratch_size(mut self, size: Size) -> Self {
        self.scratch = Some(size);
        self
    }

    /// Puts lines at the beginning of the account's `.bashrc`, such as a noisy `echo`.
    pub fn bashrc(mut self, lines: &str) -> Self {
        lines.clone_into(&mut self.bashrc);
        self
    }

    /// Brings the cluster up for a test, which fails with what is missing if it can't.
    #[track_caller]
    pub fn up(self) -> Cluster {
        self.start().unwrap_or_else(|error| panic!("{error}"))
    }

    /// Brings the cluster up in a temporary folder; it ends with this process at the latest.
    pub fn start(self) -> Result<Cluster, ClusterError> {
        self.check()?;
        files::sweep();
        let folder = files::temporary().map_err(ClusterError::Folder)?;
        let prefix = Utf8Path::from_path(folder.path()).ok_or(ClusterError::NotUtf8)?.to_owned();
        self.launch(prefix, Some(folder))
    }

    /// Brings the cluster up in `prefix`, where it stays up after this process has ended;
    /// [`Cluster::find`] finds it.
    ///
    /// Keys that are there are kept; everything else in the folder begins anew.
    pub fn start_to_stay(mut self, prefix: &Utf8Path) -> Result<Cluster, ClusterError> {
        self.check()?;
        self.stay = true;
        fs::create_dir_all(prefix).map_err(ClusterError::Folder)?;
        let prefix = prefix.canonicalize_utf8().map_err(ClusterError::Folder)?;
        self.launch(prefix, None)
    }

    /// Fails with everything that is missing, before anything is made.
    fn check(&self) -> Result<(), ClusterError> {
        let mut parts = vec![Part::Common];
        parts.extend(self.slurm.then_some(Part::Slurm));
        parts.extend(self.accounting.then_some(Part::Accounting));
        parts.extend(self.oar.then_some(Part::Oar));
        let missing = packages::missing(&parts);
        if !missing.is_empty() {
            return Err(ClusterError::Packages { packages: missing.join(" ") });
        }
        if !rustix::process::geteuid().is_root() {
            return Err(ClusterError::NotRoot);
        }
        if self.memory_enforced && !memory::available() {
            return Err(ClusterError::NoMemoryGroups);
        }
        Ok(())
    }

    fn launch(
        self,
        prefix: Utf8PathBuf,
        folder: Option<tempfile::TempDir>,
    ) -> Result<Cluster, ClusterError> {
        let ports = Ports::free()?;
        files::lay_out(&prefix, &self, &ports)?;
        if self.memory_enforced {
            memory::sweep();
        }
        let life = Life::begin(&prefix, self.private_network, self.stay)?;
        Ok(Cluster {
            prefix,
            life,
            private_network: self.private_network,
            memory_enforced: self.memory_enforced,
            _folder: folder,
        })
    }
}
