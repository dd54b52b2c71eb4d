//! What is known of a target.

use camino::Utf8PathBuf;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sizar_model::resources::ByteSize;
use sizar_model::{Resources, SchedulerKind, Site};

use super::Machine;

/// What is known of a target: how it is reached, what it has, and what runs there ask for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Profile {
    /// `ssh://[user@]host[:port]`, a host of `~/.ssh/config`, or `here` for the machine that sizar
    /// runs on, where that is a login node.
    pub address: String,
    /// The scheduler to use, where the site has several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheduler: Option<SchedulerKind>,
    /// A file to read instead of `~/.ssh/config`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ssh_config: Option<Utf8PathBuf>,
    /// The host for large transfers, where it is another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transfer: Option<String>,
    /// The folder there in which sizar keeps everything; `~/.sizar` where nothing says otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root: Option<Utf8PathBuf>,
    /// Whether the account's group may read what is sent there from now on.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub group_readable: bool,
    /// The folders of lab mates' sizars there: what is in one of their stores, and readable, is
    /// copied from it instead of sent.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lab_stores: Vec<Utf8PathBuf>,
    /// What executes runs there: sizar itself, or a plain script.
    #[serde(skip_serializing_if = "WorkerWish::is_auto")]
    pub worker: WorkerWish,
    /// What reads batch scripts: `/bin/sh`, or `/bin/bash -l` where only login shells know modules.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shell: Option<String>,
    /// Lines of the batch script before everything else, as they are.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub prelude: Vec<String>,
    /// Modules that a job loads.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub modules: Vec<String>,
    /// A folder of the nodes' own for the time of a job, as a word of the shell: `$TMPDIR`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node_scratch: Option<String>,
    /// After how many days without use the site removes files of the root's file system by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub purge_days: Option<u32>,
    /// The most bytes in a second of code, environments, data and results.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bwlimit: Option<ByteSize>,
    /// What jobs ask for unless told otherwise.
    pub defaults: Resources,
    /// When the site was last looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probed: Option<Timestamp>,
    pub machine: Machine,
    pub site: Site,
}

/// What executes runs on a target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkerWish {
    /// sizar itself; a plain `sh` script where it cannot execute.
    #[default]
    Auto,
    /// The script, also where sizar could: for sites that forbid programs of one's own.
    None,
}

impl WorkerWish {
    // serde hands over a reference
    #[expect(clippy::trivially_copy_pass_by_ref)]
    fn is_auto(&self) -> bool {
        *self == Self::Auto
    }
}

impl Profile {
    /// The address of the machine that sizar runs on.
    pub const HERE: &'static str = "here";

    /// Returns what a job asks for: what was typed, else the profile's defaults.
    pub fn resources(&self, typed: &Resources) -> Resources {
        let defaults = &self.defaults;
        let typed = typed.clone();
        let list = |typed: Vec<String>, default: &Vec<String>| {
            if typed.is_empty() { default.clone() } else { typed }
        };
        Resources {
            cpus: typed.cpus.or(defaults.cpus),
            memory: typed.memory.or(defaults.memory),
            gpus: typed.gpus.or(defaults.gpus),
            walltime: typed.walltime.or(defaults.walltime),
            nodes: typed.nodes.or(defaults.nodes),
            tasks: typed.tasks.or(defaults.tasks),
            gpu_type: typed.gpu_type.or_else(|| defaults.gpu_type.clone()),
            partition: typed.partition.or_else(|| defaults.partition.clone()),
            account: typed.account.or_else(|| defaults.account.clone()),
            qos: typed.qos.or_else(|| defaults.qos.clone()),
            constraint: typed.constraint.or_else(|| defaults.constraint.clone()),
            reservation: typed.reservation.or_else(|| defaults.reservation.clone()),
            preemptible: typed.preemptible || defaults.preemptible,
            exclusive: typed.exclusive || defaults.exclusive,
            licences: list(typed.licences, &defaults.licences),
            mail: typed.mail.or_else(|| defaults.mail.clone()),
            signal_before: typed.signal_before.or(defaults.signal_before),
            scheduler_args: list(typed.scheduler_args, &defaults.scheduler_args),
        }
    }
}

#[cfg(test)]
mod tests {
    use sizar_model::resources::Walltime;

    use super::*;

    #[test]
    fn what_was_typed_wins_over_the_defaults() {
        let defaults = Resources {
            walltime: Some(Walltime(3600)),
            account: Some("proj1".into()),
            licences: vec!["matlab".into()],
            ..Resources::default()
        };
        let profile = Profile { defaults, ..Profile::default() };
        let typed =
            Resources { walltime: Some(Walltime(60)), cpus: Some(2), ..Resources::default() };
        let asked = profile.resources(&typed);
        assert_eq!(asked.walltime, Some(Walltime(60)));
        assert_eq!((asked.cpus, asked.account.as_deref()), (Some(2), Some("proj1")));
        assert_eq!(asked.licences, ["matlab"]);
    }
}
