//! Why a cluster did not come up.

/// Why a cluster did not come up.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    #[error(
        "the cluster needs packages that are not installed: `apt-get install \
         --no-install-recommends {packages}`, or `cargo xtask test`, which does it"
    )]
    Packages { packages: String },
    #[error("the cluster needs root: its daemons run jobs as another account, in namespaces")]
    NotRoot,
    #[error(
        "Slurm can't enforce memory here: it needs `/sys/fs/cgroup/memory`, of version 1 of \
         control groups"
    )]
    NoMemoryGroups,
    #[error("the folder of the cluster could not be made: {0}")]
    Folder(#[source] std::io::Error),
    #[error("the folder for temporary files has a name that is not UTF-8")]
    NotUtf8,
    #[error("no block of {0} ports in a row is free on the loopback")]
    Ports(u16),
    #[error("`{program}` could not be started: {source}")]
    Program { program: &'static str, source: std::io::Error },
    #[error("`{program}` failed: {said}")]
    Failed { program: &'static str, said: String },
    #[error("the cluster did not come up; its log says:\n{log}")]
    Down { log: String },
}
