//! The map of the nodes: what is free, and of whom the rest is.

use serde::Serialize;
use sizar_model::cluster::{Node, NodeCondition};

/// How many of something there are, and what they do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Amounts {
    pub free: u32,
    pub taken: u32,
    /// Not taken, and not to be had: their node is drained, down or reserved.
    pub unavailable: u32,
    pub total: u32,
}

impl Amounts {
    fn add(&mut self, total: u32, used: u32, takes_work: bool) {
        let taken = used.min(total);
        self.total += total;
        self.taken += taken;
        if takes_work {
            self.free += total - taken;
        } else {
            self.unavailable += total - taken;
        }
    }
}

/// The GPUs of one kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GpuAmounts {
    /// The site's word for it, where it has one.
    pub kind: Option<String>,
    #[serde(flatten)]
    pub amounts: Amounts,
}

/// What a site has in all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// A node counts as taken where all of it is, and as free where any of it is.
    pub nodes: Amounts,
    pub cores: Amounts,
    pub gpus: Vec<GpuAmounts>,
}

/// Adds up what `nodes` have.
pub fn totals(nodes: &[Node]) -> Totals {
    let mut totals = Totals::default();
    for node in nodes {
        let takes_work = node.condition.takes_work();
        totals.nodes.add(1, u32::from(node.condition == NodeCondition::Busy), takes_work);
        totals.cores.add(node.cores, node.cores_used, takes_work);
        for gpus in &node.gpus {
            let known = totals.gpus.iter_mut().find(|known| known.kind == gpus.kind);
            if let Some(known) = known {
                known.amounts.add(gpus.total, gpus.used, takes_work);
            } else {
                let mut amounts = Amounts::default();
                amounts.add(gpus.total, gpus.used, takes_work);
                totals.gpus.push(GpuAmounts { kind: gpus.kind.clone(), amounts });
            }
        }
    }
    totals
}

/// Groups nodes that differ in nothing but their name, each group where its first node is.
///
/// A site of a thousand nodes has few that differ: free ones, and those of large jobs.
pub fn alike(nodes: &[Node]) -> Vec<Vec<&Node>> {
    let same = |a: &Node, b: &Node| {
        a.condition == b.condition
            && (a.cores, a.cores_used) == (b.cores, b.cores_used)
            && (a.memory, a.memory_used) == (b.memory, b.memory_used)
            && a.gpus == b.gpus
            && a.reason == b.reason
            && a.partitions == b.partitions
            && a.jobs == b.jobs
    };
    let mut groups: Vec<Vec<&Node>> = Vec::new();
    for node in nodes {
        let group = groups.iter_mut().find(|group| group.first().is_some_and(|it| same(it, node)));
        match group {
            Some(group) => group.push(node),
            None => groups.push(vec![node]),
        }
    }
    groups
}

/// A core of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell {
    /// By a job of the user's own.
    Mine,
    Taken,
    Free,
    Unavailable,
}

/// Returns a cell for each core of a node: own ones first, then taken ones, then the rest.
///
/// Which core of a node is whose, no scheduler tells.
pub fn cells(node: &Node, user: &str) -> Vec<Cell> {
    let used = node.cores_used.min(node.cores);
    let own = node.jobs.iter().filter(|job| job.user == user);
    let counted: Option<u32> = own.map(|job| job.cores).sum();
    let others = node.jobs.iter().any(|job| job.user != user);
    let mine = match counted {
        Some(mine) => mine.min(used),
        // how many cores here a job of several nodes has is not told; alone, it has all
        None if !others => used,
        None => 0,
    };
    let rest = if node.condition.takes_work() { Cell::Free } else { Cell::Unavailable };
    (0..node.cores)
        .map(|core| match core {
            core if core < mine => Cell::Mine,
            core if core < used => Cell::Taken,
            _ => rest,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use sizar_model::JobHandle;
    use sizar_model::cluster::{NodeGpus, NodeJob};

    use super::*;

    fn node(name: &str, condition: NodeCondition, cores_used: u32) -> Node {
        Node { name: name.into(), condition, cores: 4, cores_used, ..Node::default() }
    }

    fn job(id: u64, user: &str, cores: Option<u32>) -> NodeJob {
        NodeJob { job: JobHandle::new(id), user: user.into(), cores }
    }

    #[test]
    fn what_a_drained_node_still_runs_is_taken_and_the_rest_not_available() {
        let gpus = |kind: &str, used| NodeGpus { kind: Some(kind.into()), total: 2, used };
        let mut nodes = vec![
            node("a", NodeCondition::Free, 0),
            node("b", NodeCondition::Mixed, 3),
            node("c", NodeCondition::Busy, 4),
            node("d", NodeCondition::Drained, 1),
            node("e", NodeCondition::Down, 0),
        ];
        nodes[1].gpus = vec![gpus("a100", 1), gpus("t4", 0)];
        nodes[3].gpus = vec![gpus("a100", 1)];
        let totals = totals(&nodes);
        let amounts = |free, taken, unavailable, total| Amounts { free, taken, unavailable, total };
        assert_eq!(totals.nodes, amounts(2, 1, 2, 5));
        assert_eq!(totals.cores, amounts(5, 8, 7, 20));
        assert_eq!(totals.gpus.len(), 2);
        assert_eq!(totals.gpus[0].amounts, amounts(1, 2, 1, 4));
        assert_eq!(totals.gpus[1].amounts, amounts(2, 0, 0, 2));
    }

    #[test]
    fn nodes_that_differ_in_their_names_only_stand_together() {
        let mut nodes: Vec<Node> =
            (1..=500).map(|n| node(&format!("n{n}"), NodeCondition::Free, 0)).collect();
        nodes[6] = node("n7", NodeCondition::Down, 0);
        nodes[7] = node("n8", NodeCondition::Busy, 4);
        nodes[8] = node("n9", NodeCondition::Busy, 4);
        for node in &mut nodes[7..9] {
            node.jobs = vec![job(1, "bob", None)];
        }
        let sizes: Vec<usize> = alike(&nodes).iter().map(Vec::len).collect();
        assert_eq!(sizes, [497, 1, 2]);
    }

    #[test]
    fn own_cores_are_told_where_the_scheduler_tells_them() {
        let mut mixed = node("a", NodeCondition::Mixed, 3);
        mixed.jobs = vec![job(1, "alice", Some(1)), job(2, "bob", Some(2))];
        assert_eq!(cells(&mixed, "alice"), [Cell::Mine, Cell::Taken, Cell::Taken, Cell::Free]);
        mixed.jobs = vec![job(1, "alice", None), job(2, "bob", Some(1))];
        assert_eq!(cells(&mixed, "alice")[..3], [Cell::Taken; 3]);
        mixed.jobs = vec![job(1, "alice", None)];
        assert_eq!(cells(&mixed, "alice")[..3], [Cell::Mine; 3]);
        let drained = node("b", NodeCondition::Drained, 0);
        assert_eq!(cells(&drained, "alice"), [Cell::Unavailable; 4]);
    }
}
