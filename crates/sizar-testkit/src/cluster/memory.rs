//! Memory groups, by which Slurm enforces what a job asked for: version 1 of control groups.

use std::path::Path;
use std::process::Command;

const GROUPS: &str = "/sys/fs/cgroup/memory";

/// Returns whether this machine has them.
pub(super) fn available() -> bool {
    Path::new(GROUPS).join("memory.limit_in_bytes").exists()
}

/// Removes the groups that a cluster leaves when it ends; those in use can't be removed.
pub(super) fn sweep() {
    let groups = ["cpu01", "cpu02", "cpu03", "cpu04", "gpu01", "gpu02"]
        .map(|node| format!("{GROUPS}/slurm_{node}"))
        .into_iter()
        .filter(|group| Path::new(group).exists());
    let groups: Vec<_> = groups.collect();
    if !groups.is_empty() {
        // the kernel takes a group away with the files in it, which can't be removed by themselves
        let mut find = Command::new("find");
        find.args(groups).args(["-depth", "-type", "d", "-exec", "rmdir", "{}", ";"]);
        let _ = find.output();
    }
}
