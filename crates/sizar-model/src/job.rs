//! What to execute.

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use crate::{Digest, Resources, RunId, Task};

/// What to execute and what it needs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobSpec {
    /// The driver as the user named it: a file of the checkout, an installed script, a module.
    pub driver: String,
    /// The driver's arguments, as they are handed over.
    pub args: Vec<String>,
    /// The folder of the source in which it starts, as the user said; otherwise it is found out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<Utf8PathBuf>,
    #[serde(default)]
    pub resources: Resources,
    #[serde(default)]
    pub data: Vec<DataBinding>,
    /// Where those of the bindings come from that show a data set in a format.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub origins: Vec<DataOrigin>,
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
    /// Whether it works on its node's own disk.
    #[serde(default, skip_serializing_if = "Scratch::is_auto")]
    pub scratch: Scratch,
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

impl JobSpec {
    /// Returns the file that the program's standard input reads.
    pub fn stdin(&self) -> Option<&Utf8Path> {
        let stdin = self.data.iter().find(|binding| binding.is_stdin());
        stdin.map(|binding| binding.here.as_path())
    }
}

/// Where the program sees what its standard input reads: the binding of this name is both.
pub const STDIN: &str = "~/.sizar-stdin";

impl DataBinding {
    /// Makes the standard input of a program of a file.
    pub fn stdin(here: Utf8PathBuf) -> Self {
        Self { here, there: STDIN.into(), mode: DataMode::ReadOnly }
    }

    /// Returns whether this is the program's standard input.
    pub fn is_stdin(&self) -> bool {
        self.there == STDIN
    }

    /// Says what the program sees it as.
    pub fn seen_as(&self) -> &str {
        if self.is_stdin() { "standard input" } else { self.there.as_str() }
    }
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

/// A data set of the user's that is shown in the format and the shape that the program expects.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataOrigin {
    /// What `--data` named, absolute.
    pub data: Utf8PathBuf,
    /// The format that it was in.
    pub format: String,
    /// Its state: the contents of its annotations, and the names and sizes of its images.
    pub digest: Digest,
    /// How many there were, where it was converted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub images: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<u64>,
    /// The format that it is shown in.
    pub shown_as: String,
    /// The shape, as a row of `knowledge/datasets.toml` calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shape: Option<String>,
    /// Whether it was converted; if not, it is the user's own files that are shown.
    pub converted: bool,
    /// What of it could not be kept as it was.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub losses: Vec<String>,
    /// Where the program sees it, as in the bindings.
    pub places: Vec<Utf8PathBuf>,
    /// Why this shape, and why there.
    pub reasons: Vec<String>,
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

/// Whether a job on a cluster works on its node's own disk.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scratch {
    /// Where the run's folder is on a network file system, and the node has room.
    #[default]
    Auto,
    /// In the shared file system.
    No,
    /// In this folder of the node, as a word of the shell: `$TMPDIR`.
    At(String),
}

impl Scratch {
    fn is_auto(&self) -> bool {
        *self == Self::Auto
    }
}

impl std::str::FromStr for Scratch {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "auto" => Self::Auto,
            "no" => Self::No,
            folder => Self::At(folder.to_owned()),
        })
    }
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
