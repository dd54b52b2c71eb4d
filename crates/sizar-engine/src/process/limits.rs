//! What a program may use.

use std::time::Duration;

use sizar_model::resources::{ByteSize, Walltime};

/// What a program may use, and how it is stopped.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Processor cores: it runs on this many, and thread pools are told.
    pub cpus: Option<u32>,
    /// Resident memory of all its processes together; more ends it.
    pub memory: Option<ByteSize>,
    /// The longest time it may run: then a signal, and after [`Limits::grace`] the kill.
    pub walltime: Option<Walltime>,
    /// Processes at once, itself included; more ends it.
    pub processes: Option<usize>,
    /// The longest time in which it may use no processor: then it hangs, and is ended.
    pub idle: Option<Duration>,
    /// From a signal to the next harder one.
    pub grace: Duration,
    /// Bytes of the log that are kept.
    pub output: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            cpus: None,
            memory: None,
            walltime: None,
            processes: None,
            idle: None,
            grace: Duration::from_secs(10),
            output: 1 << 30,
        }
    }
}
