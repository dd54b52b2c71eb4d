//! Nodes: the JSON of `oarnodes`, which lists cores.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};
use sizar_model::cluster::{Node, NodeCondition, NodeGpus, NodeJob};
use sizar_model::resources::ByteSize;
use sizar_model::{Invocation, JobHandle, Output};

use super::dialect::Oar;
use super::{failure, field};
use crate::scheduler::SchedulerError;
use crate::scheduler::error::answer;

type Resource = Map<String, Value>;

pub(super) fn ask() -> Vec<Invocation> {
    vec![Oar::command("oarnodes").arg("--json"), Oar::command("oarstat").arg("--json")]
}

pub(super) fn read(oar: &Oar, outputs: &[Output]) -> Result<Vec<Node>, SchedulerError> {
    let text = failure::answer("oarnodes", answer(outputs, 0, "oarnodes")?)?;
    let jobs = failure::answer("oarstat", answer(outputs, 1, "oarstat")?)?;
    let users: BTreeMap<u64, String> = field::objects("oarstat", jobs)?
        .into_iter()
        .filter_map(|(id, job)| Some((id, field::text(&job, field::OWNER)?)))
        .collect();
    let mut nodes: Vec<Node> =
        by_host(text)?.iter().map(|(name, resources)| node(oar, name, resources)).collect();
    for job in nodes.iter_mut().flat_map(|node| &mut node.jobs) {
        job.user = users.get(&job.job.id).cloned().unwrap_or_default();
    }
    Ok(nodes)
}

/// Groups the resources that stand for cores by their host.
pub(super) fn by_host(text: &str) -> Result<BTreeMap<String, Vec<Resource>>, SchedulerError> {
    let mut hosts: BTreeMap<String, Vec<Resource>> = BTreeMap::new();
    for (_, resource) in field::objects("oarnodes", text)? {
        // others are licences, networks, disks
        if field::text(&resource, &["type"]).is_some_and(|kind| kind != "default") {
            continue;
        }
        let host = field::text(&resource, &["network_address"])
            .or_else(|| field::text(&resource, &["host"]));
        if let Some(host) = host {
            hosts.entry(host).or_default().push(resource);
        }
    }
    Ok(hosts)
}

/// Returns the jobs of a resource: `9`, `9, 12`.
fn jobs(resource: &Resource) -> Vec<u64> {
    let text = field::text(resource, &["jobs"]).unwrap_or_default();
    text.split(',').filter_map(|id| id.trim().parse().ok()).collect()
}

fn node(oar: &Oar, name: &str, resources: &[Resource]) -> Node {
    let mut cores_of: BTreeMap<u64, u32> = BTreeMap::new();
    for job in resources.iter().flat_map(jobs) {
        *cores_of.entry(job).or_default() += 1;
    }
    let used = resources.iter().filter(|resource| !jobs(resource).is_empty()).count() as u32;
    let states: BTreeSet<String> =
        resources.iter().filter_map(|resource| field::text(resource, &["state"])).collect();
    let drained = resources
        .iter()
        .any(|resource| field::text(resource, &["drain"]).as_deref() == Some("YES"));
    let cores = resources.len() as u32;
    Node {
        name: name.to_owned(),
        condition: condition(&states, drained, cores, used),
        states: states.into_iter().collect(),
        reason: None,
        partitions: Vec::new(),
        cores,
        cores_used: used,
        memory: memory(oar.memory_property.as_deref(), resources),
        memory_used: None,
        gpus: gpus(oar.gpu_property.as_deref(), resources),
        jobs: cores_of
            .into_iter()
            .map(|(job, cores)| NodeJob {
                job: JobHandle::new(job),
                user: String::new(),
                cores: Some(cores),
            })
            .collect(),
    }
}

/// Reads the memory of a host; the property is in MB.
pub(super) fn memory(property: Option<&str>, resources: &[Resource]) -> Option<ByteSize> {
    let megabytes = field::number(resources.first()?, &[property?])?;
    u64::try_from(megabytes).ok().filter(|number| *number > 0).map(|number| ByteSize(number << 20))
}

/// Counts the GPUs of a host: each has a number in the property `gpu`.
pub(super) fn gpus(property: Option<&str>, resources: &[Resource]) -> Vec<NodeGpus> {
    let mut seen: BTreeMap<(Option<String>, i64), bool> = BTreeMap::new();
    for resource in resources {
        let Some(number) = field::number(resource, &["gpu"]).filter(|number| *number > 0) else {
            continue;
        };
        let kind = property.and_then(|property| field::text(resource, &[property]));
        let taken = seen.entry((kind, number)).or_default();
        *taken |= !jobs(resource).is_empty();
    }
    let mut groups: Vec<NodeGpus> = Vec::new();
    for ((kind, _), taken) in seen {
        match groups.iter_mut().find(|group| group.kind == kind) {
            Some(group) => {
                group.total += 1;
                group.used += u32::from(taken);
            }
            None => groups.push(NodeGpus { kind, total: 1, used: u32::from(taken) }),
        }
    }
    groups
}

fn condition(states: &BTreeSet<String>, drained: bool, cores: u32, used: u32) -> NodeCondition {
    if !states.contains("Alive") {
        return match states.first().map(String::as_str) {
            Some("Absent" | "Suspected" | "Dead") => NodeCondition::Down,
            _ => NodeCondition::Unknown,
        };
    }
    match used {
        _ if drained => NodeCondition::Drained,
        0 => NodeCondition::Free,
        used if used < cores => NodeCondition::Mixed,
        _ => NodeCondition::Busy,
    }
}
