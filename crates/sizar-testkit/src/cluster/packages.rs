//! What the clusters need of the operating system.

use std::path::Path;

/// A part of a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Common,
    Slurm,
    Accounting,
    Oar,
}

impl Part {
    pub(super) const ALL: &'static [Self] =
        &[Self::Common, Self::Slurm, Self::Accounting, Self::Oar];
}

/// For each package: the part that needs it, and what it brings, in one place or another.
const PACKAGES: [(&str, Part, &[&str]); 20] = [
    ("util-linux", Part::Common, &["/usr/bin/nsenter"]),
    ("procps", Part::Common, &["/usr/bin/pgrep"]),
    ("iproute2", Part::Common, &["/usr/sbin/ip", "/sbin/ip"]),
    ("openssh-client", Part::Common, &["/usr/bin/ssh-keygen"]),
    ("openssh-server", Part::Common, &["/usr/sbin/sshd"]),
    ("rsync", Part::Common, &["/usr/bin/rsync"]),
    // Lmod does as well, and the two exclude each other
    (
        "environment-modules",
        Part::Common,
        &["/usr/share/modules/init/bash", "/usr/share/lmod/lmod/init/bash"],
    ),
    ("munge", Part::Slurm, &["/usr/sbin/munged"]),
    ("slurmctld", Part::Slurm, &["/usr/sbin/slurmctld"]),
    ("slurmd", Part::Slurm, &["/usr/sbin/slurmd"]),
    ("slurm-client", Part::Slurm, &["/usr/bin/sbatch"]),
    ("slurmdbd", Part::Accounting, &["/usr/sbin/slurmdbd"]),
    ("mariadb-server", Part::Accounting, &["/usr/sbin/mariadbd"]),
    ("oar-server", Part::Oar, &["/usr/sbin/Almighty"]),
    ("oar-server-pgsql", Part::Oar, &["/var/lib/dpkg/info/oar-server-pgsql.list"]),
    ("oar-node", Part::Oar, &["/var/lib/dpkg/info/oar-node.list"]),
    ("oar-user", Part::Oar, &["/usr/bin/oarsub"]),
    ("oar-user-pgsql", Part::Oar, &["/var/lib/dpkg/info/oar-user-pgsql.list"]),
    ("postgresql", Part::Oar, &["/usr/lib/postgresql"]),
    ("taktuk", Part::Oar, &["/usr/bin/taktuk"]),
];

/// Returns the packages that the parts need and this machine lacks.
pub(super) fn missing(parts: &[Part]) -> Vec<&'static str> {
    let needed = PACKAGES.iter().filter(|(_, part, _)| parts.contains(part));
    needed
        .filter(|(_, _, places)| !places.iter().any(|place| Path::new(place).exists()))
        .map(|(package, _, _)| *package)
        .collect()
}
