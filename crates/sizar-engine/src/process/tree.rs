//! The processes below one, as `/proc` shows them.

use fs_err as fs;
use rustix::process::{Pid, Signal, kill_process};

/// What `/proc` counts in: `USER_HZ`, which is fixed for programs whatever the kernel's clock does.
const TICKS: f64 = 100.0;

/// What a process tree uses at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub struct Memory {
    /// Resident bytes of all processes, shared pages counted once.
    pub now: u64,
    /// The most that any single process has had.
    pub highest: u64,
}

/// Returns the children of a process.
pub fn children(pid: i32) -> Vec<i32> {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    let mut found = Vec::new();
    for task in tasks.flatten() {
        let Ok(text) = fs::read_to_string(task.path().join("children")) else { continue };
        found.extend(text.split_ascii_whitespace().filter_map(|pid| pid.parse::<i32>().ok()));
    }
    found
}

/// Returns all processes below `pid`, parents first, without itself.
pub fn descendants(pid: i32) -> Vec<i32> {
    let mut found = children(pid);
    let mut next = 0;
    while let Some(&child) = found.get(next) {
        found.extend(children(child));
        next += 1;
    }
    found
}

/// Returns an argument of a process.
pub fn argument(pid: i32, number: usize) -> Option<String> {
    let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let argument = line.split(|byte| *byte == 0).nth(number)?;
    Some(String::from_utf8_lossy(argument).into_owned())
}

/// Returns the folders that processes are in, each once.
pub fn folders(pids: &[i32]) -> Vec<String> {
    let links = pids.iter().filter_map(|pid| fs::read_link(format!("/proc/{pid}/cwd")).ok());
    let mut folders: Vec<String> =
        links.filter_map(|link| link.into_os_string().into_string().ok()).collect();
    folders.sort();
    folders.dedup();
    folders
}

/// Returns the resident memory of `pids`.
pub fn memory(pids: &[i32]) -> Memory {
    let mut total = Memory::default();
    for pid in pids {
        let Ok(status) = fs::read_to_string(format!("/proc/{pid}/status")) else { continue };
        total.now += kibibytes(&status, "VmRSS:");
        total.highest = total.highest.max(kibibytes(&status, "VmHWM:"));
    }
    total
}

/// Returns the resident memory of `pids`, each shared page counted by its share.
///
/// It takes the kernel milliseconds for large processes: for those that [`memory`] found large.
pub fn proportional_memory(pids: &[i32]) -> Option<u64> {
    let mut total = 0;
    for pid in pids {
        match fs::read_to_string(format!("/proc/{pid}/smaps_rollup")) {
            Ok(text) => total += kibibytes(&text, "Pss:"),
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => return None,
            Err(_) => {}
        }
    }
    Some(total)
}

/// Reads a line such as `VmRSS:   123 kB`, into bytes.
fn kibibytes(text: &str, name: &str) -> u64 {
    text.lines()
        .find_map(|line| line.strip_prefix(name)?.split_ascii_whitespace().next()?.parse().ok())
        .map_or(0, |number: u64| number * 1024)
}

/// Returns the processor time of a process and of the children it has waited for, in seconds.
pub fn cpu_seconds(pid: i32) -> f64 {
    let Ok(text) = fs::read_to_string(format!("/proc/{pid}/stat")) else { return 0.0 };
    // The second field is the name in brackets, which may hold anything; utime to cstime are the
    // fields 14 to 17.
    let Some((_, rest)) = text.rsplit_once(')') else { return 0.0 };
    let ticks: u64 = rest
        .split_ascii_whitespace()
        .skip(11)
        .take(4)
        .filter_map(|field| field.parse::<u64>().ok())
        .sum();
    ticks as f64 / TICKS
}

/// Sends a signal; that the process is gone is no error.
pub fn signal(pid: i32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(pid) {
        let _ = kill_process(pid, signal);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kibibytes_are_read() {
        assert_eq!(kibibytes("Name:\tx\nVmRSS:\t     12 kB\n", "VmRSS:"), 12 * 1024);
        assert_eq!(kibibytes("", "VmRSS:"), 0);
    }

    #[test]
    fn a_child_is_found_and_has_memory() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let me = std::process::id() as i32;
        let pid = child.id() as i32;
        assert!(descendants(me).contains(&pid));
        assert!(memory(&[me]).now > 0);
        assert!(cpu_seconds(me) >= 0.0);
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!descendants(me).contains(&pid));
    }
}
