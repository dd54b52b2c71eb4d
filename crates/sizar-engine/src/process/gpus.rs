//! What the GPUs of a program do, as NVIDIA's own program tells.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use super::series::GpuLook;

/// What is asked for: a line for each GPU and second.
const QUERY: &str = "--query-gpu=index,utilization.gpu,memory.used";

/// By a GPU's number, its last line.
type Seen = Arc<Mutex<BTreeMap<u32, GpuLook>>>;

/// A look at GPUs that goes on until it is dropped.
#[derive(Debug)]
pub struct Gpus {
    child: Child,
    seen: Seen,
}

impl Gpus {
    /// Begins to look at the GPUs called `visible` (as `CUDA_VISIBLE_DEVICES` has them), or at all;
    /// none where nothing tells of them.
    pub fn watch(visible: Option<&str>) -> Option<Self> {
        let mut command = Command::new("nvidia-smi");
        command.args([QUERY, "--format=csv,noheader,nounits", "-l", "1"]);
        if let Some(visible) = visible.filter(|visible| is_list(visible)) {
            command.args(["-i", visible]);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().ok()?;
        let seen = Seen::default();
        let told = Arc::clone(&seen);
        let lines = child.stdout.take()?;
        std::thread::spawn(move || read(lines, &told));
        Some(Self { child, seen })
    }

    /// Returns what they do now.
    pub fn look(&self) -> Option<GpuLook> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let memory = seen.values().map(|one| one.memory).max()?;
        let busy = seen.values().map(|one| one.busy).sum::<f64>() / seen.len() as f64;
        Some(GpuLook { busy, memory })
    }
}

impl Drop for Gpus {
    fn drop(&mut self) {
        // it may have ended by itself
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Numbers and names of GPUs, with commas: nothing that could be an option.
fn is_list(visible: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
    visible
        .split(',')
        .all(|one| one.starts_with(|c: char| c.is_ascii_alphanumeric()) && one.chars().all(plain))
}

fn read(lines: impl Read, told: &Seen) {
    for line in BufReader::new(lines).lines().map_while(Result::ok) {
        if let Some((number, look)) = parse(&line) {
            told.lock().unwrap_or_else(PoisonError::into_inner).insert(number, look);
        }
    }
}

/// Reads `INDEX, PERCENT, MIB`; parts of a GPU (MIG) say `[N/A]` for how busy they are.
fn parse(line: &str) -> Option<(u32, GpuLook)> {
    let mut fields = line.split(',').map(str::trim);
    let index = fields.next()?.parse().ok()?;
    let percent: f64 = fields.next()?.parse().ok()?;
    let mebibytes: u64 = fields.next()?.parse().ok()?;
    Some((index, GpuLook { busy: percent / 100.0, memory: mebibytes << 20 }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_and_what_is_not_told_is_left_out() {
        let seen = Seen::default();
        read(&b"0, 80, 1024\n1, 20, 2048\nNo devices were found\n2, [N/A], 5\n"[..], &seen);
        let found = seen.lock().unwrap();
        let of = |busy, gib: u64| GpuLook { busy, memory: gib << 30 };
        assert_eq!(*found, BTreeMap::from([(0, of(0.8, 1)), (1, of(0.2, 2))]));
    }

    #[test]
    fn only_names_of_gpus_reach_the_command_line() {
        assert!(is_list("0") && is_list("0,1") && is_list("GPU-8f2c,GPU-1a"));
        assert!(!is_list("") && !is_list("-q") && !is_list("0;1") && !is_list("0,,1"));
    }
}
