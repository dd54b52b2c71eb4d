//! What an ordinary user can learn of a site that runs OAR.
//!
//! Queues, projects and admission rules are shown to administrators only.

use sizar_model::site::{GpuGroup, NodeGroup, Partition};
use sizar_model::{Invocation, Output, SchedulerKind, Site, Walltime};

use super::dialect::Oar;
use super::{failure, nodes};
use crate::scheduler::SchedulerError;
use crate::scheduler::error::answer;

/// What sites call the memory of a node, in MB.
const MEMORY_PROPERTIES: [&str; 2] = ["memnode", "mem"];

/// What sites call the kind of a GPU.
const GPU_PROPERTIES: [&str; 2] = ["gpu_model", "gpumodel"];

/// What OAR notes of a resource for itself.
const INTERNAL: [&str; 16] = [
    "resource_id",
    "network_address",
    "state",
    "state_num",
    "next_state",
    "finaud_decision",
    "next_finaud_decision",
    "jobs",
    "type",
    "suspended_jobs",
    "scheduler_priority",
    "cpuset",
    "expiry_date",
    "last_job_date",
    "available_upto",
    "last_available_upto",
];

pub(super) fn ask() -> Vec<Invocation> {
    vec![Oar::command("oarstat").arg("--version"), Oar::command("oarnodes").arg("--json")]
}

pub(super) fn read(outputs: &[Output]) -> Result<Site, SchedulerError> {
    let version = failure::answer("oarstat", answer(outputs, 0, "oarstat")?)?;
    let text = failure::answer("oarnodes", answer(outputs, 1, "oarnodes")?)?;
    let hosts = nodes::by_host(text)?;
    let mut features: Vec<String> = hosts
        .values()
        .flatten()
        .flat_map(|resource| resource.iter())
        .filter(|(key, value)| !value.is_null() && !INTERNAL.contains(&key.as_str()))
        .map(|(key, _)| key.clone())
        .collect();
    features.sort_unstable();
    features.dedup();
    let first = |names: &[&str]| {
        names
            .iter()
            .find(|name| features.iter().any(|known| known == *name))
            .map(|name| (*name).to_owned())
    };
    let (memory_property, gpu_property) = (first(&MEMORY_PROPERTIES), first(&GPU_PROPERTIES));
    let mut groups: Vec<NodeGroup> = Vec::new();
    for resources in hosts.values() {
        let gpus = nodes::gpus(gpu_property.as_deref(), resources);
        let group = NodeGroup {
            count: 1,
            cores: resources.len() as u32,
            memory: nodes::memory(memory_property.as_deref(), resources),
            gpus: gpus
                .into_iter()
                .map(|gpus| GpuGroup { kind: gpus.kind, count: gpus.total })
                .collect(),
            features: Vec::new(),
        };
        let alike =
            groups.iter_mut().find(|known| NodeGroup { count: 1, ..(*known).clone() } == group);
        match alike {
            Some(known) => known.count += 1,
            None => groups.push(group),
        }
    }
    let queue = Partition {
        name: "default".to_owned(),
        default: true,
        nodes: Some(hosts.len() as u32),
        node_groups: groups,
        ..Partition::default()
    };
    Ok(Site {
        scheduler: Some(SchedulerKind::Oar),
        version: version.rsplit(" : ").next().and_then(|text| text.trim().parse().ok()),
        accounting: Some(true),
        // set by an admission rule that comes with OAR
        default_walltime: Some(Walltime(7200)),
        memory_property,
        gpu_property,
        partitions: vec![queue],
        features,
        ..Site::default()
    })
}
