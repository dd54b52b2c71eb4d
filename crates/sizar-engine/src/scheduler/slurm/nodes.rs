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

fn condition(states: &[String], cores: u32, used: u32) -> NodeCondition {
    let bare = |state: &String| {
        state.trim_end_matches(['*', '~', '#', '!', '%', '$', '@', '^', '-']).to_owned()
    };
    let words: Vec<String> = states.iter().map(bare).collect();
    let has = |names: &[&str]| words.iter().any(|word| names.contains(&word.as_str()));
    let silent = states.iter().any(|state| state.ends_with('*'));
    if silent
        || has(&[
            "DOWN",
            "FAIL",
            "ERROR",
            "UNKNOWN",
            "NOT_RESPONDING",
            "POWERED_DOWN",
            "POWERING_DOWN",
            "REBOOT",
        ])
    {
        NodeCondition::Down
    } else if has(&["DRAIN", "DRAINED", "DRAINING", "NO_RESPOND", "FAILING"]) {
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
