//! What an ordinary user can learn of a site that runs Slurm.

use std::collections::BTreeMap;

use sizar_model::resources::ByteSize;
use sizar_model::site::{Account, Maintenance, NodeGroup, PartLimits, Partition, Qos};
use sizar_model::{Invocation, Output, SchedulerKind, Site};

use super::dialect::Slurm;
use super::record::Record;
use super::time::{read_length, read_time};
use super::{failure, gres};
use crate::scheduler::error::answer;
use crate::scheduler::{SchedulerError, expand_host_list};

pub(super) fn ask(slurm: &Slurm) -> Vec<Invocation> {
    let show = |what: &str| slurm.command("scontrol").args(["--oneliner", "show", what]);
    let table = |what: &[&str], format: &str| {
        slurm
            .command("sacctmgr")
            .args(["--noheader", "--parsable2", "show"])
            .args(what.iter().copied())
            .arg(format!("format={format}"))
    };
    let mine = format!("user={}", slurm.user);
    vec![
        show("config"),
        show("partition"),
        show("reservation"),
        slurm.command("sinfo").args(["--noheader", "--exact", "--format=%R|%D|%c|%m|%G|%f"]),
        table(
            &["assoc", mine.as_str()],
            "Cluster,Account,Partition,QOS,DefaultQOS,MaxSubmit,MaxWall",
        ),
        table(&["qos"], "Name,Priority,MaxWall,MaxSubmitPU,MaxTRESPU,Flags"),
    ]
}

pub(super) fn read(outputs: &[Output]) -> Result<Site, SchedulerError> {
    let config = failure::answer("scontrol", answer(outputs, 0, "scontrol")?)?;
    let partitions = failure::answer("scontrol", answer(outputs, 1, "scontrol")?)?;
    let mut site = of_config(config);
    site.partitions = partitions.lines().filter_map(partition).collect();
    // the rest makes the picture better; a site may refuse any of it
    let further = |index: usize, program: &str| {
        outputs.get(index).and_then(|output| failure::answer(program, output).ok()).unwrap_or("")
    };
    site.maintenance = further(2, "scontrol").lines().filter_map(maintenance).collect();
    for line in further(3, "sinfo").lines() {
        if let Some((name, group)) = node_group(line)
            && let Some(partition) =
                site.partitions.iter_mut().find(|partition| partition.name == name)
        {
            partition.node_groups.push(group);
        }
    }
    let groups = site.partitions.iter().flat_map(|partition| &partition.node_groups);
    let mut features: Vec<String> = groups.flat_map(|group| group.features.clone()).collect();
    features.sort_unstable();
    features.dedup();
    site.features = features;
    let cluster = site.cluster.clone().unwrap_or_default();
    site.accounts = accounts(further(4, "sacctmgr"), &cluster);
    site.qos = further(5, "sacctmgr").lines().filter_map(qos).collect();
    site.max_submit_jobs = site.accounts.iter().filter_map(|account| account.max_submit_jobs).min();
    Ok(site)
}

/// Reads `Key   = Value` lines.
fn of_config(text: &str) -> Site {
    let values: BTreeMap<&str, &str> = text
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(key, value)| (key.trim(), value.trim()))
        .collect();
    let get = |key: &str| {
        values.get(key).copied().filter(|value| !matches!(*value, "" | "(null)" | "N/A"))
    };
    let megabytes = |key: &str| get(key).and_then(|value| value.parse().ok()).map(mebibytes);
    Site {
        scheduler: Some(SchedulerKind::Slurm),
        version: get("SLURM_VERSION").and_then(|text| text.parse().ok()),
        cluster: get("ClusterName").map(str::to_owned),
        accounting: get("AccountingStorageType").map(|kind| kind.ends_with("slurmdbd")),
        finished_jobs_stay: get("MinJobAge")
            .and_then(|text| text.split_whitespace().next()?.parse().ok())
            .map(sizar_model::Walltime),
        max_array_size: get("MaxArraySize").and_then(|text| text.parse().ok()),
        part_limits: get("EnforcePartLimits").map(|word| match word {
            "NO" => PartLimits::Queued,
            _ => PartLimits::Refused,
        }),
        default_memory_per_core: megabytes("DefMemPerCPU"),
        default_memory_per_node: megabytes("DefMemPerNode"),
        ..Site::default()
    }
}

fn mebibytes(number: u64) -> ByteSize {
    ByteSize(number << 20)
}

fn partition(line: &str) -> Option<Partition> {
    let record = Record::read(line);
    let number = |key| record.number(key).map(|number| number as u32);
    Some(Partition {
        name: record.get("PartitionName")?.to_owned(),
        default: record.get("Default") == Some("YES"),
        state: record.get("State").map(str::to_owned),
        max_walltime: record.get("MaxTime").and_then(read_length),
        default_walltime: record.get("DefaultTime").and_then(read_length),
        nodes: number("TotalNodes"),
        max_nodes: number("MaxNodes"),
        default_memory_per_core: record.number("DefMemPerCPU").map(mebibytes),
        default_memory_per_node: record.number("DefMemPerNode").map(mebibytes),
        max_memory_per_node: record.number("MaxMemPerNode").map(mebibytes),
        allow_accounts: record.list("AllowAccounts"),
        deny_accounts: record.list("DenyAccounts"),
        allow_qos: record.list("AllowQos"),
        node_groups: Vec::new(),
    })
}

/// Reads a reservation that keeps ordinary jobs out.
fn maintenance(line: &str) -> Option<Maintenance> {
    let record = Record::read(line);
    let flags = record.list("Flags");
    let has = |flag: &str| flags.iter().any(|known| known == flag);
    if !has("MAINT") {
        return None;
    }
    Some(Maintenance {
        name: record.get("ReservationName")?.to_owned(),
        start: record.get("StartTime").and_then(read_time)?,
        end: record.get("EndTime").and_then(read_time),
        all_nodes: has("ALL_NODES"),
        nodes: record.get("Nodes").map(expand_host_list).unwrap_or_default(),
        partition: record.get("PartitionName").map(str::to_owned),
    })
}

/// Reads `short|4|8|8000|gpu:a100:2|skylake,ib`; a `+` says that some have more.
fn node_group(line: &str) -> Option<(&str, NodeGroup)> {
    let fields: Vec<&str> = line.splitn(6, '|').collect();
    let [partition, count, cores, memory, gres, features] = fields[..] else { return None };
    let number = |text: &str| text.trim_end_matches('+').parse::<u64>().ok();
    let features = if features == "(null)" { "" } else { features };
    let group = NodeGroup {
        count: number(count)? as u32,
        cores: number(cores)? as u32,
        memory: number(memory).map(mebibytes),
        gpus: gres::gpus(gres),
        features: features.split(',').filter(|word| !word.is_empty()).map(str::to_owned).collect(),
    };
    Some((partition, group))
}

fn accounts(text: &str, cluster: &str) -> Vec<Account> {
    let mut accounts: Vec<Account> = Vec::new();
    for line in text.lines() {
        let fields: Vec<&str> = line.split('|').collect();
        let [of, name, partition, qos, default_qos, submit, wall] = fields[..] else { continue };
        if !of.is_empty() && !cluster.is_empty() && of != cluster {
            continue;
        }
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        accounts.push(Account {
            name: name.to_owned(),
            qos: qos.split(',').filter(|word| !word.is_empty()).map(str::to_owned).collect(),
            default_qos: some(default_qos),
            partition: some(partition),
            max_submit_jobs: submit.parse().ok(),
            max_walltime: read_length(wall),
        });
    }
    accounts
}

fn qos(line: &str) -> Option<Qos> {
    let fields: Vec<&str> = line.split('|').collect();
    let [name, priority, wall, submit, tres, flags] = fields[..] else { return None };
    Some(Qos {
        name: name.to_owned(),
        priority: priority.parse().unwrap_or(0),
        max_walltime: read_length(wall),
        max_submit_jobs: submit.parse().ok(),
        max_per_user: tres
            .split(',')
            .filter_map(|pair| pair.split_once('='))
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect(),
        ignores_partition_walltime: flags.split(',').any(|flag| flag == "PartitionTimeLimit"),
    })
}
