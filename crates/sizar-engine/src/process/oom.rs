//! Whether the kernel killed for want of memory, as the control group of this process counts.

use camino::Utf8PathBuf;
use fs_err as fs;

/// The kills that were counted at one moment.
#[derive(Clone, Debug)]
pub struct Kills {
    counter: Option<Utf8PathBuf>,
    before: u64,
}

impl Kills {
    /// Remembers how many there were until now.
    pub fn until_now() -> Self {
        let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let counter = counter(&groups).filter(|path| path.exists());
        let before = counter.as_ref().map_or(0, count);
        Self { counter, before }
    }

    /// Returns whether there were more since.
    pub fn more(&self) -> bool {
        self.counter.as_ref().is_some_and(|path| count(path) > self.before)
    }
}

fn count(path: &Utf8PathBuf) -> u64 {
    kills(&fs::read_to_string(path).unwrap_or_default())
}

/// Reads the line `oom_kill 3`, which both versions of control groups have (kernel 4.13).
fn kills(text: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix("oom_kill "));
    line.and_then(|count| count.trim().parse().ok()).unwrap_or(0)
}

/// Returns the file that counts, from what `/proc/self/cgroup` says (cgroups(7)).
fn counter(groups: &str) -> Option<Utf8PathBuf> {
    let mut found = None;
    for line in groups.lines() {
        let mut fields = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(path)) =
            (fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        let path = path.trim_start_matches('/');
        if controllers.split(',').any(|one| one == "memory") {
            let group = Utf8PathBuf::from("/sys/fs/cgroup/memory").join(path);
            return Some(group.join("memory.oom_control"));
        }
        if controllers.is_empty() {
            let group = Utf8PathBuf::from("/sys/fs/cgroup").join(path);
            found = Some(group.join("memory.events"));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_of_control_groups_are_read() {
        let new = "0::/system.slice/slurmstepd.scope/job_7/step_batch/user/task_0\n";
        let job = "system.slice/slurmstepd.scope/job_7/step_batch/user/task_0";
        assert_eq!(counter(new).unwrap(), format!("/sys/fs/cgroup/{job}/memory.events"));
        let old = "5:memory:/slurm/uid_1/job_7\n4:cpu,cpuacct:/x\n0::/y\n";
        let file = "/sys/fs/cgroup/memory/slurm/uid_1/job_7/memory.oom_control";
        assert_eq!(counter(old).unwrap(), file);
        assert_eq!(counter(""), None);
        assert_eq!(kills("low 0\nhigh 0\nmax 31\noom 2\noom_kill 1\noom_group_kill 0\n"), 1);
        assert_eq!(kills("oom_kill_disable 0\nunder_oom 0\noom_kill 4\n"), 4);
    }
}
