//! Ports on the loopback that no other cluster has.

use std::net::TcpListener;

use super::ClusterError;

/// A block of free ports.
///
/// The first one stays bound until this is dropped, so that two clusters that come up at the same
/// time take different blocks; later the daemons hold theirs.
pub(super) struct Ports {
    first: u16,
    _guard: TcpListener,
}

/// Below the ports that the kernel gives to outgoing connections: none takes the place of a daemon
/// that is stopped for a while.
const FIRST: u16 = 20_000;
const LAST: u16 = 26_900;
const BLOCK: u16 = 30;

impl Ports {
    /// Finds a block.
    pub(super) fn free() -> Result<Self, ClusterError> {
        let blocks = u32::from((LAST - FIRST) / BLOCK);
        let start = std::process::id().wrapping_mul(7);
        for step in 0..blocks {
            let first = FIRST + BLOCK * (start.wrapping_add(step) % blocks) as u16;
            if let Some(guard) = free_block(first) {
                return Ok(Self { first, _guard: guard });
            }
        }
        Err(ClusterError::Ports(BLOCK))
    }

    /// Returns the name and the number of each port, as `cluster/options` wants them.
    pub(super) fn named(&self) -> [(&'static str, u16); 10] {
        const NAMES: [&str; 10] = [
            "SLURMCTLD_PORT",
            "SLURMDBD_PORT",
            "MYSQL_PORT",
            "POSTGRES_PORT",
            "OAR_PORT",
            "OAR_NODE_PORT",
            "LOGIN_SLURM_PORT",
            "LOGIN_OAR_PORT",
            "TRANSFER_PORT",
            // and the seven after it
            "SLURMD_PORT",
        ];
        let mut port = self.first;
        NAMES.map(|name| {
            port += 1;
            (name, port)
        })
    }

    /// Returns the port of that name.
    pub(super) fn of(&self, name: &str) -> u16 {
        self.named().iter().find(|(one, _)| *one == name).map_or(self.first, |(_, port)| *port)
    }
}

fn free_block(first: u16) -> Option<TcpListener> {
    let guard = TcpListener::bind(("127.0.0.1", first)).ok()?;
    let free =
        (first + 1..first + BLOCK).all(|port| TcpListener::bind(("127.0.0.1", port)).is_ok());
    free.then_some(guard)
}
