//! Children of this process, its own and adopted ones.
//!
//! bubblewrap ends as soon as its program does, without waiting for the first process of the
//! namespace (the *init*), which then dies with everything left in the namespace. Only when that
//! has happened nothing writes to the program's folders any more. So this process adopts orphans,
//! and waits for the init itself; it must only not mistake one program's processes for another's.

use std::collections::BTreeSet;
use std::process::{Child, Command};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use fs_err as fs;
use rustix::process::{getpid, set_child_subreaper};

use super::tree;

/// The processes that an execution knows as its own.
static KNOWN: Mutex<BTreeSet<i32>> = Mutex::new(BTreeSet::new());

fn known() -> MutexGuard<'static, BTreeSet<i32>> {
    KNOWN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Processes that nobody else may take for orphans, until dropped.
#[derive(Debug, Default)]
pub struct Claim(Vec<i32>);

impl Claim {
    /// Starts a process and claims it.
    pub fn spawn(command: &mut Command) -> std::io::Result<(Child, Self)> {
        static ADOPTS: OnceLock<()> = OnceLock::new();
        ADOPTS.get_or_init(|| {
            // Refused by no kernel since 3.4; without it, orphans are waited for by someone else.
            let _ = set_child_subreaper(Some(getpid()));
        });
        let mut known = known();
        let child = command.spawn()?;
        let pid = child.id() as i32;
        known.insert(pid);
        drop(known);
        Ok((child, Self(vec![pid])))
    }

    /// Claims one more.
    pub fn add(&mut self, pid: i32) {
        known().insert(pid);
        self.0.push(pid);
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut known = known();
        for pid in &self.0 {
            known.remove(pid);
        }
    }
}

/// Returns the inits of namespaces that this process has adopted and nobody claims.
pub fn orphaned_inits() -> Vec<i32> {
    let known = known();
    let children = tree::children(getpid().as_raw_nonzero().get());
    children.into_iter().filter(|pid| !known.contains(pid) && is_init(*pid)).collect()
}

/// Returns whether a process is the first of a namespace, made by bubblewrap.
fn is_init(pid: i32) -> bool {
    let Ok(status) = fs::read_to_string(format!("/proc/{pid}/status")) else { return false };
    let field = |name| status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    let innermost = field("NSpid:").split_ascii_whitespace().skip(1).last();
    field("Name:").trim() == "bwrap" && innermost == Some("1")
}
