//! What is seen of a cluster at one moment: its nodes, its queue, and who used it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::batch::{JobHandle, JobState};
use crate::resources::{ByteSize, Walltime};

/// A node as it is now.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Node {
    pub name: String,
    pub condition: NodeCondition,
    /// The scheduler's words for its state: `MIXED`, `IDLE`, `DRAIN`.
    pub states: Vec<String>,
    /// Why it is drained or down, in the administrator's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    pub partitions: Vec<String>,
    pub cores: u32,
    pub cores_used: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<ByteSize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_used: Option<ByteSize>,
    pub gpus: Vec<NodeGpus>,
    pub jobs: Vec<NodeJob>,
}

/// The GPUs of one kind in a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeGpus {
    /// The site's word for it, where it has one.
    pub kind: Option<String>,
    pub total: u32,
    pub used: u32,
}

/// A job on a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeJob {
    pub job: JobHandle,
    pub user: String,
    /// Its cores on this node, where the scheduler tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cores: Option<u32>,
}

/// Whether a node takes work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeCondition {
    /// Nothing runs on it.
    Free,
    /// Part of it is taken.
    Mixed,
    /// All of it is taken.
    Busy,
    /// It finishes what runs on it, and takes nothing new.
    Drained,
    /// It does not answer, or was switched off.
    Down,
    /// Kept for a reservation or maintenance.
    Reserved,
    #[default]
    Unknown,
}

impl NodeCondition {
    /// Returns whether new jobs may start on it.
    pub fn takes_work(self) -> bool {
        matches!(self, Self::Free | Self::Mixed | Self::Busy)
    }
}

/// A job in the queue, anybody's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueuedJob {
    pub job: JobHandle,
    /// How many tasks of an array this line stands for.
    pub tasks: u32,
    pub name: Option<String>,
    pub user: String,
    pub state: JobState,
    pub partition: Option<String>,
    pub account: Option<String>,
    pub nodes: u32,
    pub cores: u32,
    /// GPUs on each node.
    pub gpus: u32,
    /// The longest time it may run, where the scheduler tells that instead of the time left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub walltime: Option<Walltime>,
    pub time_used: Option<Walltime>,
    pub time_left: Option<Walltime>,
    /// When it started, or is expected to.
    pub start: Option<Timestamp>,
}

/// What was used, by one account and user.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UsageRow {
    pub account: Option<String>,
    pub user: String,
    pub core_hours: f64,
    /// None where the scheduler does not count GPUs.
    pub gpu_hours: Option<f64>,
    pub jobs: Option<u64>,
}
