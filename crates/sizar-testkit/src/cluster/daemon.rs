//! The names of the daemons.

use std::fmt;

/// A daemon of a cluster, to be stopped and started alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Daemon<'a> {
    Munged,
    /// The database of `slurmdbd`.
    Mariadbd,
    Slurmdbd,
    Slurmctld,
    /// One node of Slurm, such as `cpu01`.
    Slurmd(&'a str),
    /// The database of OAR.
    Postgres,
    /// OAR's server.
    Almighty,
    /// One node of OAR, such as `node1`.
    OarNode(&'a str),
    /// The `sshd` of the host `slurm`.
    LoginSlurm,
    /// The `sshd` of the host `oar`.
    LoginOar,
    /// The `sshd` of the hosts for transfers.
    Transfer,
}

impl fmt::Display for Daemon<'_> {
    /// Writes the name that `cluster/control.sh` knows.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Munged => f.write_str("munged"),
            Self::Mariadbd => f.write_str("mariadbd"),
            Self::Slurmdbd => f.write_str("slurmdbd"),
            Self::Slurmctld => f.write_str("slurmctld"),
            Self::Slurmd(node) => write!(f, "slurmd-{node}"),
            Self::Postgres => f.write_str("postgres"),
            Self::Almighty => f.write_str("almighty"),
            Self::OarNode(node) => write!(f, "oarnode-{node}"),
            Self::LoginSlurm => f.write_str("sshd-login-slurm"),
            Self::LoginOar => f.write_str("sshd-login-oar"),
            Self::Transfer => f.write_str("sshd-transfer"),
        }
    }
}
