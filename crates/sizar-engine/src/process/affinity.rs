//! Which processor cores a program gets.

use std::collections::BTreeMap;

use fs_err as fs;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Narrows the calling thread to `wanted` cores until dropped, so that what it starts is born so.
///
/// The cores are those that the fewest other narrowed programs have: two runs of two cores each do
/// not meet on the same two while others idle.
pub struct Narrowed {
    before: CpuSet,
    pub note: Option<String>,
}

impl Narrowed {
    pub fn to(wanted: u32) -> rustix::io::Result<Self> {
        let before = sched_getaffinity(None)?;
        let allowed = members(&before);
        if wanted as usize >= allowed.len() {
            let have = allowed.len();
            let note = (wanted as usize > have)
                .then(|| format!("{wanted} processor cores were asked for, {have} are there"));
            return Ok(Self { before, note });
        }
        let mut narrow = CpuSet::new();
        for core in choose(&allowed, &taken(&allowed), wanted as usize) {
            narrow.set(core);
        }
        sched_setaffinity(None, &narrow)?;
        Ok(Self { before, note: None })
    }
}

impl Drop for Narrowed {
    fn drop(&mut self) {
        let _ = sched_setaffinity(None, &self.before);
    }
}

fn members(set: &CpuSet) -> Vec<usize> {
    (0..CpuSet::MAX_CPU).filter(|core| set.is_set(*core)).collect()
}

/// Returns the `wanted` least taken cores; of equals the first.
fn choose(allowed: &[usize], taken: &BTreeMap<usize, usize>, wanted: usize) -> Vec<usize> {
    let mut cores = allowed.to_vec();
    cores.sort_by_key(|core| (taken.get(core).copied().unwrap_or(0), *core));
    cores.truncate(wanted);
    cores
}

/// Counts, for each core, the programs on this machine that are narrowed to it.
fn taken(allowed: &[usize]) -> BTreeMap<usize, usize> {
    let mut taken = BTreeMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        if !entry.file_name().as_encoded_bytes().first().is_some_and(u8::is_ascii_digit) {
            continue;
        }
        let Ok(status) = fs::read_to_string(entry.path().join("status")) else { continue };
        // The kernel's own threads have no memory; each core has many bound to it.
        if !status.contains("\nVmRSS:") {
            continue;
        }
        let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
        let cores = list.map(|list| cores(list.trim())).unwrap_or_default();
        if allowed.iter().any(|core| !cores.contains(core)) {
            for core in cores {
                *taken.entry(core).or_insert(0) += 1;
            }
        }
    }
    taken
}

/// Reads a list such as `0-3,7`.
fn cores(list: &str) -> Vec<usize> {
    list.split(',')
        .filter_map(|range| {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            Some(first.parse::<usize>().ok()?..=last.parse().ok()?)
        })
        .flatten()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read() {
        assert_eq!(cores("0-2,5,7-8"), [0, 1, 2, 5, 7, 8]);
        assert!(cores("").is_empty());
    }

    #[test]
    fn the_least_taken_cores_are_chosen() {
        let taken = [(0, 2), (1, 1), (3, 1)].into_iter().collect();
        assert_eq!(choose(&[0, 1, 2, 3], &taken, 2), [2, 1]);
        assert_eq!(choose(&[0, 1], &BTreeMap::new(), 1), [0]);
    }
}
