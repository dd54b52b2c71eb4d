//! `sizar nodes` for people: what is free at the top, then a strip for each node.

use sizar_engine::looking::{Amounts, Cell, Own, Totals, alike, cells};
use sizar_engine::scheduler::fold_host_list;
use sizar_model::ByteSize;
use sizar_model::cluster::{Node, NodeCondition, NodeGpus};

use super::page::{Item, Span, Style, write_spans};
use super::table::{self, Column, shorten};

/// The columns that jobs have at least.
const JOBS: usize = 16;
/// The longest list of hosts that is not cut.
const HOSTS: usize = 32;

const COLUMNS: [Column; 6] = [
    Column::text("NODE"),
    Column::text("STATE"),
    Column::text("CORES"),
    Column::text("GPUS"),
    Column::number("MEMORY"),
    Column::text("JOBS"),
];

/// How the map is drawn.
#[derive(Clone, Copy, Debug)]
pub struct View {
    pub style: Style,
    /// In columns; long lines are cut there.
    pub width: usize,
    /// Whether each node has lines of its own, and nothing is cut.
    pub all: bool,
}

/// Draws the map of the nodes.
pub fn render(nodes: &[Node], totals: &Totals, own: &Own, view: View) -> String {
    let groups: Vec<Vec<&Node>> =
        if view.all { nodes.iter().map(|node| vec![node]).collect() } else { alike(nodes) };
    let mut lines = summary(totals, &view.style);
    lines.push(String::new());
    lines.extend(map(&groups, own, view));
    if let Some(legend) = legend(nodes, &own.user, &view.style) {
        lines.extend([String::new(), legend]);
    }
    lines.push(String::new());
    lines.join("\n")
}

/// The figures at the top.
fn summary(totals: &Totals, style: &Style) -> Vec<String> {
    let columns = [
        Column::text("IN ALL"),
        Column::number("FREE"),
        Column::number("TAKEN"),
        Column::number("NOT AVAILABLE"),
        Column::number("TOTAL"),
    ];
    let row = |name: String, amounts: &Amounts| -> Vec<Item> {
        let numbers = [amounts.free, amounts.taken, amounts.unavailable, amounts.total];
        let mut row = vec![vec![Span::plain(name)]];
        row.extend(numbers.iter().map(|number| vec![Span::plain(number.to_string())]));
        row
    };
    let mut rows = vec![row("nodes".into(), &totals.nodes), row("cores".into(), &totals.cores)];
    for gpus in &totals.gpus {
        let kind = gpus.kind.as_ref().map(|kind| format!(" {kind}")).unwrap_or_default();
        rows.push(row(format!("GPUs{kind}"), &gpus.amounts));
    }
    table::lines(&columns, &rows, usize::MAX, style)
}

fn map(groups: &[Vec<&Node>], own: &Own, view: View) -> Vec<String> {
    let strip = Strip::of(groups, view);
    let mut rows: Vec<Vec<Item>> = Vec::new();
    // what is said of a row on lines of its own
    let mut below: Vec<Vec<Item>> = Vec::new();
    for group in groups {
        let Some(node) = group.first() else { continue };
        let cells = cells(node, &own.user);
        let (cores, mut lines) = match strip {
            Strip::Beside => (draw(&cells, &view.style), Vec::new()),
            Strip::Below { most } => (
                vec![Span::plain(format!("{}/{}", node.cores_used, node.cores))],
                cells.chunks(most).map(|cells| draw(cells, &view.style)).collect(),
            ),
        };
        if let Some(reason) = &node.reason {
            lines.push(vec![Span::new(format!("reason: {reason}"), view.style.warn)]);
        }
        below.push(lines);
        rows.push(vec![
            name(group, view),
            vec![Span::new(word(node), condition_style(node.condition, &view.style))],
            cores,
            item(gpus(&node.gpus)),
            item(memory(node)),
            jobs(node, own, &view.style),
        ]);
    }
    let width = if view.all { usize::MAX } else { view.width };
    let mut table = table::lines(&COLUMNS, &rows, width, &view.style).into_iter();
    let mut lines: Vec<String> = table.next().into_iter().collect();
    for (line, below) in table.zip(below) {
        lines.push(line);
        for item in below {
            let mut line = "  ".to_owned();
            write_spans(&mut line, width.saturating_sub(2), &item);
            lines.push(line);
        }
    }
    lines
}

fn item(text: String) -> Item {
    if text.is_empty() { Vec::new() } else { vec![Span::plain(text)] }
}

/// Where the cells of a node are drawn.
#[derive(Clone, Copy, Debug)]
enum Strip {
    /// In a column of the table.
    Beside,
    /// On lines below, so many on each: nodes of many cores.
    Below { most: usize },
}

impl Strip {
    fn of(groups: &[Vec<&Node>], view: View) -> Self {
        let nodes = || groups.iter().filter_map(|group| group.first());
        let names = groups.iter().map(|group| name(group, view).iter().map(Span::width).sum());
        let jobs = if nodes().any(|node| !node.jobs.is_empty()) { JOBS } else { 0 };
        let others = [
            names.max().unwrap_or(0),
            nodes().map(|node| word(node).len()).max().unwrap_or(0),
            nodes().map(|node| gpus(&node.gpus).chars().count()).max().unwrap_or(0),
            nodes().map(|node| memory(node).chars().count()).max().unwrap_or(0),
            2 * (COLUMNS.len() - 1) + jobs,
        ];
        let room = view.width.saturating_sub(others.iter().sum());
        let cores = nodes().map(|node| node.cores as usize).max().unwrap_or(0);
        if cores <= room {
            return Self::Beside;
        }
        // a power of two is counted easily
        let most =
            (4..=8).map(|power| 1 << power).rfind(|most| *most <= view.width.saturating_sub(2));
        Self::Below { most: most.unwrap_or(16) }
    }
}

fn name(group: &[&Node], view: View) -> Item {
    let hosts = fold_host_list(group.iter().map(|node| node.name.as_str()));
    let hosts = if view.all { hosts } else { shorten(&hosts, HOSTS) };
    let mut item = vec![Span::plain(hosts)];
    if group.len() > 1 {
        item.push(Span::new(format!(" ×{}", group.len()), view.style.dim));
    }
    item
}

/// Says a node's state in a word.
fn word(node: &Node) -> &'static str {
    match node.condition {
        NodeCondition::Free => "free",
        NodeCondition::Mixed => "mixed",
        NodeCondition::Busy => "busy",
        NodeCondition::Drained if node.cores_used > 0 => "draining",
        NodeCondition::Drained => "drained",
        NodeCondition::Down => "down",
        NodeCondition::Reserved => "reserved",
        NodeCondition::Unknown => "unknown",
    }
}

fn condition_style(condition: NodeCondition, style: &Style) -> anstyle::Style {
    match condition {
        NodeCondition::Down => style.error,
        NodeCondition::Drained | NodeCondition::Reserved | NodeCondition::Unknown => style.warn,
        _ => anstyle::Style::new(),
    }
}

/// Returns the letter of a cell, what it stands for, and its looks.
fn glyph(cell: Cell, style: &Style) -> (char, &'static str, anstyle::Style) {
    let green = style.good;
    match cell {
        Cell::Free => ('.', "free", green),
        Cell::Taken => ('#', "taken", style.warn),
        Cell::Mine => ('@', "yours", style.accent),
        Cell::Unavailable => ('x', "not available", style.dim),
    }
}

/// Draws cells, those that are alike in one piece.
fn draw(cells: &[Cell], style: &Style) -> Item {
    let pieces = cells.chunk_by(|a, b| a == b);
    pieces
        .filter_map(|piece| {
            let (letter, _, looks) = glyph(*piece.first()?, style);
            Some(Span::new(letter.to_string().repeat(piece.len()), looks))
        })
        .collect()
}

/// Says what the letters that are seen stand for.
fn legend(nodes: &[Node], user: &str, style: &Style) -> Option<String> {
    let mut seen = Vec::new();
    for cell in nodes.iter().flat_map(|node| cells(node, user)) {
        if !seen.contains(&cell) {
            seen.push(cell);
        }
    }
    let order = [Cell::Free, Cell::Taken, Cell::Mine, Cell::Unavailable];
    let said: Vec<String> = order
        .into_iter()
        .filter(|cell| seen.contains(cell))
        .map(|cell| {
            let (letter, what, looks) = glyph(cell, style);
            format!("{looks}{letter}{looks:#} {what}")
        })
        .collect();
    (!said.is_empty()).then(|| format!("each core: {}", said.join("   ")))
}

/// Says how many GPUs are taken, of how many: `1/2 a100`.
fn gpus(groups: &[NodeGpus]) -> String {
    let said: Vec<String> = groups
        .iter()
        .map(|group| {
            let kind = group.kind.as_ref().map(|kind| format!(" {kind}")).unwrap_or_default();
            format!("{}/{}{kind}", group.used, group.total)
        })
        .collect();
    said.join(", ")
}

/// Says how much memory is taken, of how much, in GiB.
fn memory(node: &Node) -> String {
    let gib = |size: ByteSize| {
        let gib = size.0 as f64 / f64::from(1 << 30);
        if gib < 100.0 { format!("{gib:.1}") } else { format!("{gib:.0}") }
    };
    match (node.memory_used, node.memory) {
        (Some(used), Some(total)) => format!("{}/{} GiB", gib(used), gib(total)),
        (None, Some(total)) => format!("{} GiB", gib(total)),
        (_, None) => String::new(),
    }
}

/// Names the jobs on a node, own ones first: `7x2k9ab3 (12, yours)`, `13 bob`.
fn jobs(node: &Node, own: &Own, style: &Style) -> Item {
    let (mine, others): (Vec<_>, Vec<_>) =
        node.jobs.iter().partition(|job| job.user == own.user || own.run_of(&job.job).is_some());
    let mut item = Item::new();
    for (job, is_mine) in
        mine.iter().map(|job| (job, true)).chain(others.iter().map(|job| (job, false)))
    {
        if !item.is_empty() {
            item.push(Span::plain(", "));
        }
        let word = job.job.word();
        item.push(match own.run_of(&job.job) {
            Some(run) => Span::new(format!("{} ({word}, yours)", run.run), style.accent),
            None if is_mine => Span::new(format!("{word} yours"), style.accent),
            None => Span::plain(format!("{word} {}", job.user).trim_end()),
        });
    }
    item
}

#[cfg(test)]
mod tests {
    use sizar_engine::looking::{OwnRun, totals};
    use sizar_model::cluster::NodeJob;
    use sizar_model::{JobHandle, Resources, SchedulerKind};

    use super::super::captured;
    use super::*;

    const VIEW: View = View {
        style: Style {
            bold: anstyle::Style::new(),
            dim: anstyle::Style::new(),
            warn: anstyle::Style::new(),
            error: anstyle::Style::new(),
            accent: anstyle::Style::new(),
            good: anstyle::Style::new(),
        },
        width: 100,
        all: false,
    };

    fn own(user: &str, runs: &[(&str, u64)]) -> Own {
        let runs = runs
            .iter()
            .map(|(run, job)| OwnRun {
                run: run.parse().unwrap(),
                job: JobHandle::new(*job),
                asked: Resources::default(),
            })
            .collect();
        Own { user: user.into(), runs }
    }

    fn slurm() -> Vec<Node> {
        let answers =
            ["nodes", "nodes-jobs"].map(|name| captured::output(&format!("slurm/22.05.8/{name}")));
        captured::scheduler(SchedulerKind::Slurm).read_nodes(&answers).unwrap()
    }

    #[test]
    fn the_map_of_slurm() {
        let mut nodes = slurm();
        for job in nodes.iter_mut().flat_map(|node| &mut node.jobs) {
            if job.job.id == 39 {
                job.user = "bob".into();
            }
        }
        let own = own("alice", &[("7x2k9ab3", 38)]);
        insta::assert_snapshot!(render(&nodes, &totals(&nodes), &own, VIEW), @r"
        IN ALL     FREE  TAKEN  NOT AVAILABLE  TOTAL
        nodes         4      1              2      7
        cores        21     11             16     48
        GPUs a100     3      1              0      4

        NODE     STATE    CORES     GPUS            MEMORY  JOBS
        cpu01    busy     ########             0.7/7.8 GiB  37 yours, 7x2k9ab3 (38, yours), 39_0 bob, 39_3 …
        cpu02    mixed    @.......             0.2/7.8 GiB  37 yours
        cpu03    free     ........             0.0/7.8 GiB
        cpu04    drained  xxxxxxxx             0.0/7.8 GiB
          reason: fixture: bad disk
        ghost01  down     xxxxxxxx             0.0/7.8 GiB
          reason: fixture: never started
        gpu01    mixed    @@..      1/2 a100  0.2/15.6 GiB  36 yours
        gpu02    free     ....      0/2 a100  0.0/15.6 GiB

        each core: . free   # taken   @ yours   x not available
        ");
    }

    #[test]
    fn the_map_of_oar() {
        let answers =
            ["nodes", "poll-full"].map(|name| captured::output(&format!("oar/2.5.9/{name}")));
        let nodes = captured::scheduler(SchedulerKind::Oar).read_nodes(&answers).unwrap();
        let own = own("bob", &[]);
        insta::assert_snapshot!(render(&nodes, &totals(&nodes), &own, VIEW), @r"
        IN ALL  FREE  TAKEN  NOT AVAILABLE  TOTAL
        nodes      2      0              1      3
        cores      3      5              4     12

        NODE   STATE  CORES    MEMORY  JOBS
        node1  mixed  ##..    3.9 GiB  1 alice, 12 alice
        node2  mixed  ###.    7.8 GiB  7 alice, 8 alice, 9 alice
        node3  down   xxxx   11.7 GiB

        each core: . free   # taken   x not available
        ");
    }

    #[test]
    fn a_site_of_hundreds_of_nodes_fits_on_a_screen_and_in_its_width() {
        let model = slurm();
        let mut nodes: Vec<Node> = (1..=600)
            .map(|number| Node {
                name: format!("node{number:03}"),
                cores: 128,
                cores_used: 0,
                condition: NodeCondition::Free,
                jobs: Vec::new(),
                ..model[2].clone()
            })
            .collect();
        for node in &mut nodes[40..200] {
            node.condition = NodeCondition::Busy;
            node.cores_used = 128;
            node.jobs = (0..30)
                .map(|id| NodeJob { job: JobHandle::new(id), user: "bob".into(), cores: Some(4) })
                .collect();
        }
        nodes[300].condition = NodeCondition::Drained;
        nodes[300].reason = Some("a very long story of a disk that failed ".repeat(9));
        let own = own("alice", &[]);
        for width in [60, 80, 100, 300] {
            let text = render(&nodes, &totals(&nodes), &own, View { width, ..VIEW });
            assert!(text.lines().count() < 60, "{text}");
            assert!(text.lines().all(|line| line.chars().count() <= width), "{text}");
        }
        insta::assert_snapshot!(render(&nodes, &totals(&nodes), &own, VIEW), @r"
        IN ALL   FREE  TAKEN  NOT AVAILABLE  TOTAL
        nodes     439    160              1    600
        cores   56192  20480            128  76800

        NODE                                STATE    CORES         MEMORY  JOBS
        node[001-040,201-300,302-600] ×439  free     0/128    0.0/7.8 GiB
          ................................................................
          ................................................................
        node[041-200] ×160                  busy     128/128  0.0/7.8 GiB  0 bob, 1 bob, 2 bob, 3 bob, 4 bo…
          ################################################################
          ################################################################
        node301                             drained  0/128    0.0/7.8 GiB
          xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
          xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
          reason: a very long story of a disk that failed a very long story of a disk that failed a very lo…

        each core: . free   # taken   x not available
        ");
        let all = render(&nodes, &totals(&nodes), &own, View { all: true, ..VIEW });
        assert!(nodes.iter().all(|node| all.contains(&node.name)));
    }

    #[test]
    fn colours_change_nothing_but_the_looks() {
        let nodes = slurm();
        let own = own("alice", &[]);
        let plain = render(&nodes, &totals(&nodes), &own, VIEW);
        let view = View { style: Style::coloured(), ..VIEW };
        let coloured = render(&nodes, &totals(&nodes), &own, view);
        assert_ne!(plain, coloured);
        assert_eq!(anstream::adapter::strip_str(&coloured).to_string(), plain);
    }
}
