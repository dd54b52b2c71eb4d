//! Requests held against what a site has, before anything is submitted.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use sizar_model::resources::ByteSize;
use sizar_model::site::{NodeGroup, Partition};
use sizar_model::{Resources, SchedulerKind, Site, Walltime};

use super::ArrayRange;
use crate::run::nearest::nearest;

/// A wish that a site cannot fulfil.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There is nothing of this name; `known` is what there is, the nearest first.
    Unknown { what: Named, name: String, known: Vec<String> },
    /// It is there, but takes no jobs.
    Closed { partition: String, state: String },
    /// An account or QOS that the partition, or the account, does not take.
    NotAllowed { what: Named, name: String, of: String, allowed: Vec<String> },
    /// More than the limit of `of`: ``partition `short` ``.
    Walltime { asked: Walltime, limit: Walltime, of: String },
    /// More than any node there has.
    TooMuch { what: Countable, asked: u64, most: u64, of: String },
    /// An index that no array may have.
    ArrayIndex { asked: u32, highest: u32 },
    /// It would not have ended when the nodes are taken away.
    Maintenance { name: String, start: Timestamp, left: Option<Walltime> },
}

/// What has names at a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named {
    Partition,
    Account,
    Qos,
    GpuType,
    Feature,
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Countable {
    Nodes,
    /// On one node.
    Cores,
    /// On one node, in bytes.
    Memory,
    /// On one node.
    Gpus,
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Partition => "partition",
            Self::Account => "account",
            Self::Qos => "QOS",
            Self::GpuType => "GPU type",
            Self::Feature => "feature",
        })
    }
}

fn listed(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { what, name, known } if known.is_empty() => {
                write!(f, "{what} `{name}`: this site has none")
            }
            Self::Unknown { what, name, known } => {
                write!(f, "{what} `{name}`: this site has {}", listed(known))
            }
            Self::Closed { partition, state } => {
                write!(f, "partition `{partition}` takes no jobs now: it is {state}")
            }
            Self::NotAllowed { what, name, of, allowed } => {
                write!(
                    f,
                    "{what} `{name}` may not be used in {of}, which takes {}",
                    listed(allowed)
                )
            }
            Self::Walltime { asked, limit, of } => {
                write!(f, "walltime {asked}: {of} allows {limit}")
            }
            Self::TooMuch { what, asked, most, of } => match what {
                Countable::Nodes => write!(f, "{asked} nodes: {of} has {most}"),
                Countable::Cores => write!(f, "{asked} cores on a node: {of} has {most}"),
                Countable::Gpus => write!(f, "{asked} GPUs on a node: {of} has {most}"),
                Countable::Memory => write!(
                    f,
                    "{} of memory on a node: {of} has {}",
                    ByteSize(*asked),
                    ByteSize(*most)
                ),
            },
            Self::ArrayIndex { asked, highest } => {
                write!(f, "array index {asked}: this site's highest is {highest}")
            }
            Self::Maintenance { name, start, .. } => {
                write!(f, "the walltime reaches into `{name}`, which begins at {start}")
            }
        }
    }
}

impl Refusal {
    /// Returns the next thing to try.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unknown { name, known, .. } => {
                let near = nearest(name, known.clone());
                let alike = near.first().filter(|_| near.len() < known.len() || known.len() == 1);
                alike.map(|near| format!("is `{near}` meant?"))
            }
            Self::Walltime { limit, .. } => Some(format!("ask for at most {limit}")),
            Self::Maintenance { left: Some(left), .. } => {
                Some(format!("what ends within {left} can still start before"))
            }
            Self::ArrayIndex { .. } => Some("divide the array".to_owned()),
            _ => None,
        }
    }
}

/// Holds a request against what a site has.
///
/// What is not known of the site refuses nothing.
///
/// # Errors
///
/// Every wish that cannot be fulfilled; the scheduler would refuse it, or let it wait for ever.
pub fn check(
    wish: &Resources,
    array: Option<ArrayRange>,
    site: &Site,
    now: Timestamp,
) -> Result<(), Vec<Refusal>> {
    let mut refusals = Vec::new();
    let partitions = partitions(wish, site, &mut refusals);
    names(wish, site, &partitions, &mut refusals);
    walltime(wish, site, &partitions, &mut refusals);
    amounts(wish, &partitions, &mut refusals);
    if let (Some(array), Some(size)) = (array, site.max_array_size)
        && array.last >= size
    {
        refusals.push(Refusal::ArrayIndex { asked: array.last, highest: size.saturating_sub(1) });
    }
    maintenance(wish, site, &partitions, now, &mut refusals);
    if refusals.is_empty() { Ok(()) } else { Err(refusals) }
}

/// Finds the partitions that are asked for; Slurm takes several, and uses the first that can.
fn partitions<'a>(
    wish: &Resources,
    site: &'a Site,
    refusals: &mut Vec<Refusal>,
) -> Vec<&'a Partition> {
    let Some(asked) = &wish.partition else {
        return site.default_partition().into_iter().collect();
    };
    let mut found = Vec::new();
    for name in asked.split(',').map(str::trim) {
        match site.partition(name) {
            Some(partition) => found.push(partition),
            // an ordinary user of OAR cannot ask for the queues
            None if site.partitions.is_empty() || site.scheduler == Some(SchedulerKind::Oar) => {}
            None => refusals.push(unknown(Named::Partition, name, partition_names(site))),
        }
    }
    let closed = |partition: &&Partition| {
        partition.state.as_deref().is_some_and(|state| matches!(state, "DRAIN" | "INACTIVE"))
    };
    if let [only] = found[..]
        && closed(&only)
    {
        let state = only.state.clone().unwrap_or_default();
        refusals.push(Refusal::Closed { partition: only.name.clone(), state });
    }
    found
}

fn partition_names(site: &Site) -> Vec<String> {
    site.partitions.iter().map(|partition| partition.name.clone()).collect()
}

fn unknown(what: Named, name: &str, mut known: Vec<String>) -> Refusal {
    known.sort_unstable();
    known.dedup();
    Refusal::Unknown { what, name: name.to_owned(), known }
}

fn names(wish: &Resources, site: &Site, partitions: &[&Partition], refusals: &mut Vec<Refusal>) {
    let account = wish.account.as_deref();
    if let Some(name) = account
        && !site.accounts.is_empty()
        && !site.accounts.iter().any(|account| account.name == name)
    {
        let known = site.accounts.iter().map(|account| account.name.clone()).collect();
        refusals.push(unknown(Named::Account, name, known));
    } else if let Some(name) = account {
        not_allowed(Named::Account, name, partitions, refusals);
    }
    if let Some(name) = wish.qos.as_deref() {
        if !site.qos.is_empty() && !site.qos.iter().any(|qos| qos.name == name) {
            let known = site.qos.iter().map(|qos| qos.name.clone()).collect();
            refusals.push(unknown(Named::Qos, name, known));
        } else {
            let of_account =
                site.accounts.iter().find(|known| Some(known.name.as_str()) == account);
            match of_account {
                Some(known)
                    if !known.qos.is_empty() && !known.qos.iter().any(|qos| qos == name) =>
                {
                    refusals.push(Refusal::NotAllowed {
                        what: Named::Qos,
                        name: name.to_owned(),
                        of: format!("account `{}`", known.name),
                        allowed: known.qos.clone(),
                    });
                }
                _ => not_allowed(Named::Qos, name, partitions, refusals),
            }
        }
    }
    if let Some(name) = wish.gpu_type.as_deref().filter(|_| wish.gpus.unwrap_or(0) > 0) {
        let known: Vec<String> = groups(partitions)
            .flat_map(|group| &group.gpus)
            .filter_map(|gpus| gpus.kind.clone())
            .collect();
        // where the nodes' GPUs have no names, or there are no GPUs, it is said elsewhere
        if !known.is_empty() && !known.iter().any(|kind| kind == name) {
            refusals.push(unknown(Named::GpuType, name, known));
        }
    }
    // an expression of several features is the scheduler's to judge
    if let Some(name) = wish.constraint.as_deref()
        && site.scheduler == Some(SchedulerKind::Slurm)
        && !site.features.is_empty()
        && name.chars().all(|c| c.is_alphanumeric() || "_-.".contains(c))
        && !site.features.iter().any(|feature| feature == name)
    {
        refusals.push(unknown(Named::Feature, name, site.features.clone()));
    }
}

/// Refuses an account or QOS that none of the partitions takes.
fn not_allowed(what: Named, name: &str, partitions: &[&Partition], refusals: &mut Vec<Refusal>) {
    let lists = |partition: &Partition| match what {
        Named::Account => (partition.allow_accounts.clone(), partition.deny_accounts.clone()),
        _ => (partition.allow_qos.clone(), Vec::new()),
    };
    let takes = |partition: &&Partition| {
        let (allowed, denied) = lists(partition);
        let named = |list: &[String]| list.iter().any(|known| known == name);
        (allowed.is_empty() || named(&allowed)) && !named(&denied)
    };
    if let Some(first) = partitions.first()
        && !partitions.iter().any(takes)
    {
        refusals.push(Refusal::NotAllowed {
            what,
            name: name.to_owned(),
            of: format!("partition `{}`", first.name),
            allowed: lists(first).0,
        });
    }
}

fn walltime(wish: &Resources, site: &Site, partitions: &[&Partition], refusals: &mut Vec<Refusal>) {
    let Some(asked) = wish.walltime else { return };
    let account = wish.account.as_deref();
    let account = site.accounts.iter().find(|known| Some(known.name.as_str()) == account);
    let qos_name =
        wish.qos.as_deref().or_else(|| account.and_then(|account| account.default_qos.as_deref()));
    let qos = site.qos.iter().find(|qos| Some(qos.name.as_str()) == qos_name);
    if let Some(qos) = qos
        && let Some(limit) = qos.max_walltime.filter(|limit| asked > *limit)
    {
        refusals.push(Refusal::Walltime { asked, limit, of: format!("QOS `{}`", qos.name) });
    }
    if qos.is_some_and(|qos| qos.ignores_partition_walltime) {
        return;
    }
    let over = |partition: &&&Partition| partition.max_walltime.is_some_and(|limit| asked > limit);
    // the partition that allows most says what there is
    let most =
        partitions.iter().max_by_key(|partition| partition.max_walltime.map_or(u64::MAX, |t| t.0));
    if let Some(partition) = most.filter(over)
        && let Some(limit) = partition.max_walltime
    {
        let of = format!("partition `{}`", partition.name);
        refusals.push(Refusal::Walltime { asked, limit, of });
    }
}

fn groups<'a>(partitions: &'a [&'a Partition]) -> impl Iterator<Item = &'a NodeGroup> {
    partitions.iter().flat_map(|partition| &partition.node_groups)
}

fn amounts(wish: &Resources, partitions: &[&Partition], refusals: &mut Vec<Refusal>) {
    let Some(first) = partitions.first() else { return };
    let of = match partitions {
        [_] => format!("partition `{}`", first.name),
        _ => "no partition asked for".to_owned(),
    };
    let nodes = u64::from(wish.nodes.unwrap_or(1));
    let most_nodes = partitions
        .iter()
        .map(|partition| {
            let limit = partition.max_nodes.unwrap_or(u32::MAX);
            u64::from(partition.nodes.unwrap_or(u32::MAX).min(limit))
        })
        .max()
        .unwrap_or(u64::MAX);
    let mut too_much = |what, asked: u64, most: u64| {
        if asked > most {
            refusals.push(Refusal::TooMuch { what, asked, most, of: of.clone() });
        }
    };
    too_much(Countable::Nodes, nodes, most_nodes);
    let tasks = match wish.nodes {
        Some(nodes) => wish.tasks.unwrap_or(1).div_ceil(nodes.max(1)),
        // the scheduler may spread them over as many nodes as it likes
        None => 1,
    };
    let cores = u64::from(wish.cpus.unwrap_or(1)) * u64::from(tasks.max(1));
    if let Some(most) = groups(partitions).map(|group| u64::from(group.cores)).max() {
        too_much(Countable::Cores, cores, most);
    }
    let known = groups(partitions).all(|group| group.memory.is_some());
    let limit = partitions.iter().filter_map(|partition| partition.max_memory_per_node).max();
    let most = groups(partitions).filter_map(|group| group.memory).max().filter(|_| known);
    let most = most.into_iter().chain(limit).min();
    if let (Some(memory), Some(most)) = (wish.memory, most) {
        too_much(Countable::Memory, memory.0, most.0);
    }
    let of_kind = |group: &NodeGroup| -> u64 {
        let wanted = wish.gpu_type.as_ref();
        let fits =
            |kind: &Option<String>| wanted.is_none() || kind.is_none() || kind.as_ref() == wanted;
        group.gpus.iter().filter(|gpus| fits(&gpus.kind)).map(|gpus| u64::from(gpus.count)).sum()
    };
    let most = groups(partitions).map(of_kind).max();
    let named = refusals
        .iter()
        .any(|refusal| matches!(refusal, Refusal::Unknown { what: Named::GpuType, .. }));
    if let (Some(asked), Some(most), false) = (wish.gpus, most, named)
        && u64::from(asked) > most
    {
        refusals.push(Refusal::TooMuch { what: Countable::Gpus, asked: asked.into(), most, of });
    }
}

fn maintenance(
    wish: &Resources,
    site: &Site,
    partitions: &[&Partition],
    now: Timestamp,
    refusals: &mut Vec<Refusal>,
) {
    let default = partitions.first().and_then(|partition| partition.default_walltime);
    let Some(length) = wish.walltime.or(default).or(site.default_walltime) else { return };
    let length = SignedDuration::from_secs(i64::try_from(length.0).unwrap_or(i64::MAX / 4));
    let Ok(end) = now.checked_add(length) else { return };
    let concerns = |partition: &Option<String>, all: bool| {
        all || partition.as_ref().is_some_and(|name| {
            !partitions.is_empty() && partitions.iter().all(|asked| asked.name == *name)
        })
    };
    let next = site
        .maintenance
        .iter()
        .filter(|window| concerns(&window.partition, window.all_nodes))
        .filter(|window| window.end.is_none_or(|over| over > now) && window.start < end)
        .min_by_key(|window| window.start);
    if let Some(window) = next {
        let left = window.start.duration_since(now).as_secs();
        refusals.push(Refusal::Maintenance {
            name: window.name.clone(),
            start: window.start,
            left: u64::try_from(left).ok().filter(|left| *left > 0).map(Walltime),
        });
    }
}
