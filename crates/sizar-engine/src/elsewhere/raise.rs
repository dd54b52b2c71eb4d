//! What the next attempt asks for, where the last one had too little memory or time.

use jiff::Timestamp;
use sizar_model::resources::{ByteSize, Walltime};
use sizar_model::{Ending, Receipt, Resources, Site};

use crate::run::checkpoint::newest;
use crate::scheduler::{Countable, Refusal, check};

/// By how much is raised.
const FACTOR: u64 = 2;

/// What the next attempt asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// What the last one asked for.
    Same,
    /// More, for the reason that `words` say.
    Raised { resources: Box<Resources>, words: String },
    /// Nothing: another attempt would end as the last one did.
    Stop { words: String },
}

/// Decides what the attempt after one that ended so asks for.
///
/// Memory is doubled where it was too little. Time is doubled where nothing was made that the next
/// attempt could go on from; one that goes on from a checkpoint needs no more than the last. Both up
/// to what the site allows.
pub fn next(
    asked: &Resources,
    ending: &Ending,
    receipt: Option<&Receipt>,
    site: &Site,
    now: Timestamp,
) -> Next {
    match ending {
        Ending::OutOfMemory => memory(asked, receipt, site, now),
        Ending::TimedOut => time(asked, receipt, site, now),
        _ => Next::Same,
    }
}

fn memory(asked: &Resources, receipt: Option<&Receipt>, site: &Site, now: Timestamp) -> Next {
    let used = receipt.map(|receipt| ByteSize(receipt.usage.peak_memory)).filter(|used| used.0 > 0);
    let Some(had) = asked.memory.or_else(|| default_memory(asked, site)).or(used) else {
        let words = "it ran out of memory, and nobody told how much it had; say `--mem`".to_owned();
        return Next::Stop { words };
    };
    let mut more = asked.clone();
    more.memory = Some(ByteSize(had.0.saturating_mul(FACTOR)));
    if let Err(words) = fitted(&mut more, site, now) {
        return Next::Stop { words: format!("it ran out of memory with {had}: {words}") };
    }
    match more.memory {
        Some(new) if new > had => {
            let words = format!("it ran out of memory with {had}; it asks for {new} now");
            Next::Raised { resources: Box::new(more), words }
        }
        _ => Next::Stop {
            words: format!("it ran out of memory with {had}, and no node there has more"),
        },
    }
}

fn time(asked: &Resources, receipt: Option<&Receipt>, site: &Site, now: Timestamp) -> Next {
    let results = receipt.map(|receipt| receipt.results.as_slice()).unwrap_or_default();
    if newest(results.iter().map(|result| result.path.as_str())).is_some() {
        return Next::Same;
    }
    let Some(had) = asked.walltime.or_else(|| default_walltime(asked, site)) else {
        return Next::Same;
    };
    let mut more = asked.clone();
    more.walltime = Some(Walltime(had.0.saturating_mul(FACTOR)));
    let fits = fitted(&mut more, site, now);
    match more.walltime {
        Some(new) if fits.is_ok() && new > had => {
            let words =
                format!("{had} were too short, and it left no checkpoint; it asks for {new} now");
            Next::Raised { resources: Box::new(more), words }
        }
        // files that are no checkpoints may be what it goes on from by itself
        _ if !results.is_empty() => Next::Same,
        _ => {
            let why = fits.err().unwrap_or_else(|| "no job there may take longer".to_owned());
            let words = format!("{had} were too short, and it made nothing to go on from; {why}");
            Next::Stop { words }
        }
    }
}

/// Cuts a request down to what the site allows.
///
/// # Errors
///
/// In words, what the site refuses for another reason than too much.
fn fitted(wish: &mut Resources, site: &Site, now: Timestamp) -> Result<(), String> {
    // two limits may hold for one wish: of a QOS and of a partition
    for _ in 0..4 {
        let Err(refusals) = check(wish, None, site, now) else { return Ok(()) };
        for refusal in &refusals {
            match refusal {
                Refusal::Walltime { limit, .. } => {
                    wish.walltime = wish.walltime.map(|asked| asked.min(*limit));
                }
                Refusal::Maintenance { left: Some(left), .. } => {
                    wish.walltime = wish.walltime.map(|asked| asked.min(*left));
                }
                Refusal::TooMuch { what: Countable::Memory, most, .. } => {
                    wish.memory = wish.memory.map(|asked| asked.min(ByteSize(*most)));
                }
                other => return Err(other.to_string()),
            }
        }
    }
    Err("no request fits the limits there".to_owned())
}

/// Returns what a job has that asks for no memory.
fn default_memory(asked: &Resources, site: &Site) -> Option<ByteSize> {
    let partition = partition(asked, site);
    let by_node = partition.and_then(|partition| partition.default_memory_per_node);
    let by_core = partition.and_then(|partition| partition.default_memory_per_core);
    let cores = u64::from(asked.cpus.unwrap_or(1));
    let of_cores = |each: ByteSize| ByteSize(each.0.saturating_mul(cores));
    by_node
        .or(by_core.map(of_cores))
        .or(site.default_memory_per_node)
        .or(site.default_memory_per_core.map(of_cores))
}

fn default_walltime(asked: &Resources, site: &Site) -> Option<Walltime> {
    partition(asked, site).and_then(|one| one.default_walltime).or(site.default_walltime)
}

fn partition<'a>(asked: &Resources, site: &'a Site) -> Option<&'a sizar_model::site::Partition> {
    match &asked.partition {
        Some(name) => site.partition(name.split(',').next().unwrap_or(name)),
        None => site.default_partition(),
    }
}

#[cfg(test)]
mod tests {
    use sizar_model::site::{NodeGroup, Partition};
    use sizar_model::{Artifact, Digest, SchedulerKind, Usage};

    use super::*;

    const GIB: u64 = 1 << 30;

    fn site() -> Site {
        let group = NodeGroup {
            count: 2,
            cores: 8,
            memory: Some(ByteSize(6 * GIB)),
            ..NodeGroup::default()
        };
        let partition = Partition {
            name: "cpu".into(),
            default: true,
            max_walltime: Some(Walltime(5000)),
            default_walltime: Some(Walltime(600)),
            default_memory_per_core: Some(ByteSize(GIB)),
            node_groups: vec![group],
            ..Partition::default()
        };
        let scheduler = Some(SchedulerKind::Slurm);
        Site { scheduler, partitions: vec![partition], ..Site::default() }
    }

    fn receipt(results: &[&str]) -> Receipt {
        let artifact = |path: &&str| Artifact {
            path: (*path).to_owned(),
            size: 1,
            blake3: Digest::of(path.as_bytes()),
        };
        Receipt {
            version: 1,
            attempt: 1,
            ending: Ending::TimedOut,
            started: Timestamp::UNIX_EPOCH,
            ended: Timestamp::UNIX_EPOCH,
            node: "n".into(),
            usage: Usage { peak_memory: GIB, ..Usage::default() },
            sandbox: "none".into(),
            notes: Vec::new(),
            results: results.iter().map(artifact).collect(),
        }
    }

    fn after(ending: &Ending, asked: &Resources, results: &[&str]) -> Next {
        next(asked, ending, Some(&receipt(results)), &site(), Timestamp::UNIX_EPOCH)
    }

    fn raised(next: Next) -> Resources {
        match next {
            Next::Raised { resources, .. } => *resources,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn memory_is_doubled_up_to_what_a_node_has() {
        let with = |memory: Option<u64>| Resources {
            cpus: Some(2),
            memory: memory.map(ByteSize),
            ..Resources::default()
        };
        let of = |memory| after(&Ending::OutOfMemory, &with(memory), &["last.pt"]);
        assert_eq!(raised(of(Some(2 * GIB))).memory, Some(ByteSize(4 * GIB)));
        assert_eq!(raised(of(Some(4 * GIB))).memory, Some(ByteSize(6 * GIB)));
        // two cores with the partition's default each
        assert_eq!(raised(of(None)).memory, Some(ByteSize(4 * GIB)));
        assert!(matches!(of(Some(6 * GIB)), Next::Stop { .. }));
    }

    #[test]
    fn time_is_doubled_only_where_there_is_nothing_to_go_on_from() {
        let with = |seconds: Option<u64>| Resources {
            walltime: seconds.map(Walltime),
            ..Resources::default()
        };
        let of = |seconds, results: &[&str]| after(&Ending::TimedOut, &with(seconds), results);
        assert_eq!(of(Some(1000), &["ck/step_3.ckpt"]), Next::Same);
        assert_eq!(raised(of(Some(1000), &["out.txt"])).walltime, Some(Walltime(2000)));
        assert_eq!(raised(of(Some(3000), &[])).walltime, Some(Walltime(5000)));
        assert_eq!(raised(of(None, &[])).walltime, Some(Walltime(1200)));
        assert_eq!(of(Some(5000), &["out.txt"]), Next::Same);
        assert!(matches!(of(Some(5000), &[]), Next::Stop { .. }));
        assert_eq!(after(&Ending::Preempted, &with(Some(60)), &[]), Next::Same);
    }
}
