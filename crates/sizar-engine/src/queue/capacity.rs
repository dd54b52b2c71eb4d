//! What this machine has to give, and what a run asks of it.

use std::process::{Command, Stdio};
use std::sync::OnceLock;

use fs_err as fs;
use sizar_model::Resources;
use sizar_model::resources::ByteSize;

/// Processors, memory and GPUs: what a machine has, what is taken of it, or what a run asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capacity {
    pub cpus: u32,
    /// Bytes.
    pub memory: u64,
    pub gpus: u32,
}

/// A run that asks for more than this machine has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TooLarge {
    #[error("the run asks for {wanted} processors, and this machine has {there_are}")]
    Cpus { wanted: u32, there_are: u32 },
    #[error("the run asks for {wanted} of memory, and this machine has {there_are}")]
    Memory { wanted: ByteSize, there_are: ByteSize },
    #[error("the run asks for {wanted} GPUs, and this machine has {there_are}")]
    Gpus { wanted: u32, there_are: u32 },
}

impl Capacity {
    /// Returns what this machine has; `SIZAR_CPUS`, `SIZAR_MEMORY` and `SIZAR_GPUS` override it.
    pub fn of_this_machine() -> Self {
        Self { cpus: cpus(), memory: memory(), gpus: gpus() }
    }

    /// Returns how many GPUs this machine has, without asking for a run that wants none.
    pub(crate) fn gpus_of_this_machine(wanted: &Resources) -> u32 {
        if wanted.gpus.unwrap_or(0) == 0 { 0 } else { gpus() }
    }

    /// Returns what a run asks for: one processor, where it does not say.
    pub fn asked(resources: &Resources) -> Self {
        Self {
            cpus: resources.cpus.unwrap_or(1),
            memory: resources.memory.map_or(0, |size| size.0),
            gpus: resources.gpus.unwrap_or(0),
        }
    }

    /// Makes sure that this machine could ever execute a run that asks for `resources`.
    ///
    /// # Errors
    ///
    /// [`TooLarge`], with what there is.
    pub fn check(self, resources: &Resources) -> Result<(), TooLarge> {
        let asked = Self::asked(resources);
        if asked.cpus > self.cpus {
            return Err(TooLarge::Cpus { wanted: asked.cpus, there_are: self.cpus });
        }
        if asked.memory > self.memory {
            return Err(TooLarge::Memory {
                wanted: ByteSize(asked.memory),
                there_are: ByteSize(self.memory),
            });
        }
        if asked.gpus > self.gpus {
            return Err(TooLarge::Gpus { wanted: asked.gpus, there_are: self.gpus });
        }
        Ok(())
    }

    /// Returns whether `asked` fits into this.
    pub fn fits(self, asked: Self) -> bool {
        asked.cpus <= self.cpus && asked.memory <= self.memory && asked.gpus <= self.gpus
    }

    /// Returns what is left without `taken`.
    pub fn without(self, taken: Self) -> Self {
        Self {
            cpus: self.cpus.saturating_sub(taken.cpus),
            memory: self.memory.saturating_sub(taken.memory),
            gpus: self.gpus.saturating_sub(taken.gpus),
        }
    }

    /// Returns this and `more` together.
    pub fn with(self, more: Self) -> Self {
        Self {
            cpus: self.cpus.saturating_add(more.cpus),
            memory: self.memory.saturating_add(more.memory),
            gpus: self.gpus.saturating_add(more.gpus),
        }
    }
}

/// Reads what the user set in a variable, if it can be read.
fn set<T: std::str::FromStr>(name: &str) -> Option<T> {
    std::env::var(name).ok()?.trim().parse().ok()
}

fn cpus() -> u32 {
    set("SIZAR_CPUS")
        .filter(|cpus| *cpus > 0)
        .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, |cpus| cpus.get() as u32))
}

fn memory() -> u64 {
    if let Some(ByteSize(bytes)) = set("SIZAR_MEMORY") {
        return bytes;
    }
    let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kibibytes = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))
        .and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    // a machine that does not tell is taken to have enough
    kibibytes.map_or(i64::MAX as u64, |kibibytes| kibibytes << 10)
}

fn gpus() -> u32 {
    static FOUND: OnceLock<u32> = OnceLock::new();
    *FOUND.get_or_init(|| {
        set("SIZAR_GPUS").unwrap_or_else(|| {
            let listed = Command::new("nvidia-smi").arg("-L").stdin(Stdio::null()).output();
            listed.ok().filter(|output| output.status.success()).map_or(0, |output| {
                let text = String::from_utf8_lossy(&output.stdout);
                text.lines().filter(|line| line.starts_with("GPU ")).count() as u32
            })
        })
    })
}
