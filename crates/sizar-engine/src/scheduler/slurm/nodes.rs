//! Nodes: the records of `scontrol show node`, and who runs on them.

use sizar_model::cluster::{Node, NodeCondition, NodeGpus, NodeJob};
use sizar_model::resources::ByteSize;
use sizar_model::{Invocation, Output};

use super::dialect::Slurm;
use super::record::Record;
use super::{failure, gres};
use crate::scheduler::arrays::read_ids;
use crate::scheduler::error::answer;
use crate::scheduler::{SchedulerError, expand_host_list};

/// Id, user, cores, nodes of what is on the nodes.
const COLUMNS: &str = "%i|%u|%C|%N";

pub(super) fn ask(slurm: &Slurm) -> Vec<Invocation> {
    vec![
        slurm.command("scontrol").args(["--oneliner", "--details", "show", "node"]),
        slurm
            .command("squeue")
            .args(["--noheader", "--states=RUNNING,SUSPENDED,COMPLETING"])
            .arg(format!("--format={COLUMNS}")),
    ]
}

pub(super) fn read(outputs: &[Output]) -> Result<Vec<Node>, SchedulerError> {
    let text = failure::answer("scontrol", answer(outputs, 0, "scontrol")?)?;
    let mut nodes: Vec<Node> = text
        .lines()
        .filter(|line| line.trim_start().starts_with("NodeName="))
        .filter_map(node)
        .collect();
    let jobs = failure::answer("squeue", answer(outputs, 1, "squeue")?)?;
    for line in jobs.lines() {
        let fields: Vec<&str> = line.split('|').collect();
        let [id, user, cores, hosts] = fields[..] else { continue };
        let Some(job) = read_ids(id).and_then(|jobs| jobs.into_iter().next()) else { continue };
        let hosts = expand_host_list(hosts);
        // how a job of several nodes is divided among them is not told
        let cores = cores.parse().ok().filter(|_| hosts.len() == 1);
        for node in nodes.iter_mut().filter(|node| hosts.contains(&node.name)) {
            node.jobs.push(NodeJob { job: job.clone(), user: user.to_owned(), cores });
        }
    }
    Ok(nodes)
}

fn node(line: &str) -> Option<Node> {
    let record = Record::read(line);
    let number = |key| record.number(key).map(|number| number as u32);
    let megabytes = |key| record.number(key).map(|number| ByteSize(number << 20));
    let word = record.get("State")?;
    let states: Vec<String> = word.split('+').map(str::to_owned).collect();
    let (cores, cores_used) =
        (number("CPUEfctv").or(number("CPUTot")).unwrap_or(0), number("CPUAlloc").unwrap_or(0));
    Some(Node {
        name: record.get("NodeName")?.to_owned(),
        condition: condition(&states, cores, cores_used),
        states,
        reason: record.get("Reason").map(without_stamp),
        partitions: record.list("Partitions"),
        cores,
        cores_used,
        memory: megabytes("RealMemory"),
        memory_used: megabytes("AllocMem"),
        gpus: gpus(&record),
        jobs: Vec::new(),
    })
}

/// Takes off who gave a reason and when: ` [root@1795807911]`.
fn without_stamp(reason: &str) -> String {
    match reason.rsplit_once(" [") {
        Some((text, stamp)) if stamp.ends_with(']') && stamp.contains('@') => text.to_owned(),
        _ => reason.to_owned(),
    }
}

/// Pairs what a node has (`Gres`) with what of it is taken (`GresUsed`, else `AllocTRES`).
fn gpus(record: &Record<'_>) -> Vec<NodeGpus> {
    let used = record
        .get("GresUsed")
        .or_else(|| record.get("AllocTRES"))
        .map(gres::gpus)
        .unwrap_or_default();
    let mut unnamed: u32 =
        used.iter().filter(|group| group.kind.is_none()).map(|group| group.count).sum();
    let total = record.get("Gres").map(gres::gpus).unwrap_or_default();
    total
        .into_iter()
        .map(|group| {
            let named = used.iter().find(|known| known.kind == group.kind && group.kind.is_some());
            let taken = match named {
                Some(known) => known.count,
                None => unnamed.min(group.count),
            };
            if named.is_none() {
                unnamed -= taken;
            }
            NodeGpus { kind: group.kind, total: group.count, used: taken.min(group.count) }
        })
        .collect()
}

/// Reads the words of a state; `*` says that the node does not answer, and other signs behind a
/// word that it sleeps, boots or reboots.
fn condition(states: &[String], cores: u32, used: u32) -> NodeCondition {
    let has = |names: &[&str]| {
        states.iter().any(|state| {
            let word = state.trim_end_matches(|c: char| !c.is_ascii_alphabetic());
            names.contains(&word)
        })
    };
    if states.iter().any(|state| state.ends_with('*'))
        || has(&["DOWN", "FAIL", "ERROR", "UNKNOWN", "NOT_RESPONDING"])
    {
        NodeCondition::Down
    } else if has(&["DRAIN", "DRAINED", "DRAINING", "FAILING"]) {
        NodeCondition::Drained
    } else if has(&["MAINT", "RESERVED"]) && used == 0 {
        NodeCondition::Reserved
    } else if has(&["ALLOCATED", "MIXED", "IDLE", "COMPLETING", "PLANNED"]) {
        match used {
            0 if has(&["ALLOCATED"]) => NodeCondition::Busy,
            0 => NodeCondition::Free,
            used if used < cores => NodeCondition::Mixed,
            _ => NodeCondition::Busy,
        }
    } else {
        NodeCondition::Unknown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// sinfo(1) of 17.11 to 25.05: NODE STATE CODES.
    #[test]
    fn every_node_state_has_a_condition() {
        let read = |word: &str, used: u32| {
            let states: Vec<String> = word.split('+').map(str::to_owned).collect();
            condition(&states, 8, used)
        };
        for (word, used, condition) in [
            ("IDLE", 0, NodeCondition::Free),
            ("IDLE+CLOUD+POWERED_DOWN", 0, NodeCondition::Free),
            ("IDLE~", 0, NodeCondition::Free),
            ("IDLE+PLANNED", 0, NodeCondition::Free),
            ("MIXED", 3, NodeCondition::Mixed),
            ("MIXED+PLANNED", 3, NodeCondition::Mixed),
            ("ALLOCATED", 8, NodeCondition::Busy),
            ("ALLOCATED+COMPLETING", 8, NodeCondition::Busy),
            ("ALLOCATED+DRAIN", 8, NodeCondition::Drained),
            ("IDLE+DRAIN", 0, NodeCondition::Drained),
            ("IDLE*", 0, NodeCondition::Down),
            ("DOWN*+DRAIN", 0, NodeCondition::Down),
            ("DOWN+NOT_RESPONDING", 0, NodeCondition::Down),
            ("IDLE+MAINT", 0, NodeCondition::Reserved),
            ("IDLE+RESERVED", 0, NodeCondition::Reserved),
            ("FUTURE", 0, NodeCondition::Unknown),
            ("FROBNICATED", 0, NodeCondition::Unknown),
        ] {
            assert_eq!(read(word, used), condition, "{word}");
        }
    }

    /// Before 21.08 there is no `CPUEfctv`; without `AccountingStorageTRES=gres/gpu` no GPU in
    /// `AllocTRES`; without `--details` no `GresUsed`.
    #[test]
    fn records_of_other_versions_are_read() {
        let old = "NodeName=n1 Arch=x86_64 CoresPerSocket=8 CPUAlloc=4 CPUErr=0 CPUTot=16 \
                   CPULoad=3.99 AvailableFeatures=(null) Gres=gpu:k80:4 NodeAddr=n1 Version=17.11 \
                   RealMemory=64000 AllocMem=1000 State=MIXED Partitions=gpu \
                   CfgTRES=cpu=16,mem=62.50G,gres/gpu=4 AllocTRES=cpu=4,mem=1000M,gres/gpu=3";
        let read = node(old).unwrap();
        assert_eq!((read.cores, read.cores_used), (16, 4));
        assert_eq!(read.gpus, [NodeGpus { kind: Some("k80".into()), total: 4, used: 3 }]);
        let two = "NodeName=n2 CPUAlloc=0 CPUEfctv=62 CPUTot=64 Gres=gpu:a100:2,gpu:h100:2 \
                   GresUsed=gpu:a100:1(IDX:0),gpu:h100:0(IDX:N/A) RealMemory=500000 State=MIXED";
        let read = node(two).unwrap();
        assert_eq!(read.cores, 62);
        let used: Vec<u32> = read.gpus.iter().map(|gpus| gpus.used).collect();
        assert_eq!(used, [1, 0]);
    }
}
