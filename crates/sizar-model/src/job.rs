//! What to execute.

use camino::Utf8PathBuf;
use serde::{Deserialize, Serialize};

use crate::{Resources, RunId, Task};

/// What to execute and what it needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobSpec {
    /// The driver as the user named it: a file of the checkout, an installed script, a module.
    pub driver: String,
    /// The driver's arguments, as they are handed over.
    pub args: Vec<String>,
    #[serde(default)]
    pub resources: Resources,
    #[serde(default)]
    pub data: Vec<DataBinding>,
    /// Whether the program may reach the network.
    pub network: bool,
    /// Whether the program is kept out of the user's files.
    pub sandbox: bool,
    /// How many more attempts it gets where it ends before its work is done: at its walltime, or
    /// because its node or its place was taken away.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub restart: u32,
    /// What is added to the driver's arguments then; `{checkpoint}` stands for the newest one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub restart_args: Vec<String>,
    /// Variables that the user set with `--env`.
    #[serde(default)]
    pub env: Vec<(String, String)>,
    /// The runs that must have completed before it begins.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<RunId>,
    /// Its place in a sweep, where it is part of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<Task>,
}

/// A file or folder of the user's that the program sees under another name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataBinding {
    /// The absolute path on this machine.
    pub here: Utf8PathBuf,
    /// Where the program looks: relative to the checkout, under `~/`, or absolute.
    pub there: Utf8PathBuf,
    pub mode: DataMode,
}

/// What the program may do with a binding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DataMode {
    /// Read it; the user's data is never changed.
    #[default]
    ReadOnly,
    /// Change a copy of it, in the run's own folder.
    Copy,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl JobSpec {
    /// Returns the driver and its arguments as one command line for people.
    pub fn command(&self) -> Vec<String> {
        std::iter::once(self.driver.clone()).chain(self.args.iter().cloned()).collect()
    }
}
