//! What is known of a site: learned by one probe, kept as a file that people read and edit.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::resources::{ByteSize, Walltime};

/// What a probe learned of a site's scheduler.
///
/// Every list may be empty and every limit absent: that says that it is not known, never that
/// there is none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Site {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheduler: Option<SchedulerKind>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<SchedulerVersion>,
    /// The name of the cluster that the login node belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// The cluster to submit to, where it is not the login node's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub submit_to: Option<String>,
    /// Whether ended jobs can be asked for (Slurm: `sacct`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accounting: Option<bool>,
    /// Jobs stay in the queue's answers this long after their end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished_jobs_stay: Option<Walltime>,
    /// One more than the highest index that a task of an array may have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_array_size: Option<u32>,
    /// How many jobs, or tasks of arrays, one user may have in the queue.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_submit_jobs: Option<u32>,
    /// What the scheduler does with a request above a partition's limits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub part_limits: Option<PartLimits>,
    /// The memory of a job that asks for none: by core, else by node.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_memory_per_core: Option<ByteSize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_memory_per_node: Option<ByteSize>,
    /// The walltime of a job that asks for none, where no partition says otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_walltime: Option<Walltime>,
    /// The property that holds a node's memory in MB (OAR: `memnode`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_property: Option<String>,
    /// The property that names a GPU's kind (OAR: `gpu_model`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gpu_property: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub partitions: Vec<Partition>,
    /// The accounts that the user may charge.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub accounts: Vec<Account>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub qos: Vec<Qos>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub maintenance: Vec<Maintenance>,
    /// Names that nodes can be chosen by: features (Slurm) or properties (OAR).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub features: Vec<String>,
}

/// A batch scheduler.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SchedulerKind {
    Slurm,
    Oar,
}

impl fmt::Display for SchedulerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Slurm => "Slurm",
            Self::Oar => "OAR",
        })
    }
}

/// A scheduler's version: `22.05.8`, `2.5.9`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct SchedulerVersion(pub u32, pub u32, pub u32);

/// A text that is not a version.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a version such as `22.05.8`")]
pub struct InvalidVersion(pub String);

impl FromStr for SchedulerVersion {
    type Err = InvalidVersion;

    /// Reads up to three numbers; what follows them (`-1`, `rc1`) is left out.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let mut numbers = text[..end].split('.').map_while(|part| part.parse::<u32>().ok());
        match (numbers.next(), numbers.next()) {
            (Some(first), Some(second)) => Ok(Self(first, second, numbers.next().unwrap_or(0))),
            _ => Err(InvalidVersion(text.to_owned())),
        }
    }
}

impl fmt::Display for SchedulerVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Slurm numbers its releases by year and month
        let text = if self.0 >= 10 {
            format!("{}.{:02}.{}", self.0, self.1, self.2)
        } else {
            format!("{}.{}.{}", self.0, self.1, self.2)
        };
        f.pad(&text)
    }
}

impl Serialize for SchedulerVersion {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SchedulerVersion {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// What Slurm does with a request above a partition's limits (`EnforcePartLimits`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PartLimits {
    /// It is taken, and waits for ever.
    Queued,
    /// It is refused at submission.
    Refused,
}

/// A partition (Slurm) or queue (OAR).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Partition {
    pub name: String,
    /// Whether jobs that name none go here.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub default: bool,
    /// Whether it takes and starts jobs: `UP`, `DOWN`, `DRAIN`, `INACTIVE`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_walltime: Option<Walltime>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_walltime: Option<Walltime>,
    /// How many nodes it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nodes: Option<u32>,
    /// The most nodes that one job may have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_nodes: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_memory_per_core: Option<ByteSize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_memory_per_node: Option<ByteSize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_memory_per_node: Option<ByteSize>,
    /// The only accounts that may use it; all where empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allow_accounts: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub deny_accounts: Vec<String>,
    /// The only QOS that may be used in it; all where empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allow_qos: Vec<String>,
    /// Its nodes, those that are alike together.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub node_groups: Vec<NodeGroup>,
}

/// Nodes that are alike.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NodeGroup {
    pub count: u32,
    /// Cores of each.
    pub cores: u32,
    /// Memory of each.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<ByteSize>,
    /// GPUs of each, by kind.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub gpus: Vec<GpuGroup>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub features: Vec<String>,
}

/// GPUs of one kind in a node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct GpuGroup {
    /// The site's word for it, where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    pub count: u32,
}

/// An account (Slurm) or project (OAR) that the user may charge.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Account {
    pub name: String,
    /// The QOS that go with it; unknown where empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub qos: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_qos: Option<String>,
    /// The only partition it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partition: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_submit_jobs: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_walltime: Option<Walltime>,
}

/// A quality of service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Qos {
    pub name: String,
    pub priority: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_walltime: Option<Walltime>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_submit_jobs: Option<u32>,
    /// Whether a partition's limit of walltime does not hold for it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub ignores_partition_walltime: bool,
    /// The most of each resource that one user may hold: `cpu` → 512, `gres/gpu` → 4.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub max_per_user: BTreeMap<String, String>,
}

/// A time in which nodes are kept free of jobs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Maintenance {
    pub name: String,
    pub start: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<Timestamp>,
    /// Whether it takes every node of the site.
    #[serde(default)]
    pub all_nodes: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<String>,
    /// The only partition that it is in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<String>,
}

impl Site {
    /// Returns the partition of this name.
    pub fn partition(&self, name: &str) -> Option<&Partition> {
        self.partitions.iter().find(|partition| partition.name == name)
    }

    /// Returns the partition that a job without a wish goes to.
    pub fn default_partition(&self) -> Option<&Partition> {
        match &self.partitions[..] {
            [only] => Some(only),
            several => several.iter().find(|partition| partition.default),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_and_compared() {
        let version = |text: &str| text.parse::<SchedulerVersion>().unwrap();
        assert_eq!(version("22.05.8"), SchedulerVersion(22, 5, 8));
        assert_eq!(version("22.05.8").to_string(), "22.05.8");
        assert_eq!(version("2.5.9").to_string(), "2.5.9");
        assert_eq!(version("17.11.13-2"), SchedulerVersion(17, 11, 13));
        assert_eq!(version("25.05.0rc1"), SchedulerVersion(25, 5, 0));
        assert!(version("17.11.2") < version("18.08"));
        assert!("slurm".parse::<SchedulerVersion>().is_err());
    }
}
