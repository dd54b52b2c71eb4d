//! `sizar queue` for people: jobs in order, and why the user's own do not run.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use sizar_engine::looking::QueueLine;
use sizar_model::Walltime;

use super::page::{Item, Span, Style, write_spans};
use super::table::{self, Column, shorten, wrap};

/// How many jobs of others are shown where not all are.
const OTHERS: usize = 40;
/// The longest name that is not cut.
const NAME: usize = 16;

const COLUMNS: [Column; 11] = [
    Column::text("JOB"),
    Column::text("RUN OR NAME"),
    Column::text("USER"),
    Column::text("STATE"),
    Column::text("PARTITION"),
    Column::number("NODES"),
    Column::number("CORES"),
    Column::number("GPUS"),
    Column::number("USED"),
    Column::number("LEFT"),
    Column::text("START"),
];

/// How the queue is written.
#[derive(Clone, Debug)]
pub struct View {
    pub style: Style,
    /// In columns; long lines are cut there.
    pub width: usize,
    /// Whether all jobs of others are shown.
    pub all: bool,
    pub now: Timestamp,
    pub zone: TimeZone,
}

/// Writes the queue.
pub fn render(lines: &[QueueLine], view: &View) -> String {
    let mut others = 0;
    let shown: Vec<&QueueLine> = lines
        .iter()
        .filter(|line| {
            others += usize::from(!line.mine);
            view.all || line.mine || others <= OTHERS
        })
        .collect();
    // where all are the user's own, saying so once is enough
    let alone = lines.iter().all(|line| line.mine);
    let rows: Vec<Vec<Item>> = shown.iter().map(|line| row(line, alone, view)).collect();
    let mut table = table::lines(&COLUMNS, &rows, view.width, &view.style).into_iter();
    let mut text = vec![summary(lines), String::new()];
    text.extend(table.next());
    for (line, drawn) in shown.iter().zip(table) {
        text.push(drawn);
        text.extend(why(line, view));
    }
    if shown.len() < lines.len() {
        let left = lines.len() - shown.len();
        text.push(format!("… {left} more jobs of others; `--all` lists them"));
    }
    if shown.iter().any(|line| line.pending && line.start.is_some()) {
        text.extend([String::new(), "~ expected by the scheduler".to_owned()]);
    }
    text.push(String::new());
    text.join("\n")
}

/// Counts what runs and what waits, tasks of arrays each.
fn summary(lines: &[QueueLine]) -> String {
    let count = |pending: bool, mine_only: bool| -> u32 {
        lines
            .iter()
            .filter(|line| line.pending == pending && (line.mine || !mine_only))
            .map(|line| line.tasks)
            .sum()
    };
    let (started, waiting) = (count(false, false), count(true, false));
    let (mine, mine_waiting) = (count(false, true), count(true, true));
    if (started, waiting) == (mine, mine_waiting) {
        return format!("{started} started, {waiting} waiting, all yours");
    }
    format!("{started} started, {waiting} waiting; yours: {mine} started, {mine_waiting} waiting")
}

fn row(line: &QueueLine, alone: bool, view: &View) -> Vec<Item> {
    let count = |number: u32| if number > 0 { number.to_string() } else { String::new() };
    let time = |time: Option<Walltime>| time.map(length).unwrap_or_default();
    let job = match line.tasks {
        0 | 1 => line.job.word(),
        tasks => format!("{} ×{tasks}", line.job.word()),
    };
    let looks = if line.mine { view.style.bold } else { anstyle::Style::new() };
    let name = match (&line.run, &line.name) {
        (Some(run), _) => Span::new(run.to_string(), view.style.accent),
        (None, name) => Span::plain(shorten(name.as_deref().unwrap_or_default(), NAME)),
    };
    let start = line.start.map(|start| {
        let expected = if line.pending { "~ " } else { "" };
        format!("{expected}{}", moment(start, view))
    });
    let plain = |text: String| if text.is_empty() { Vec::new() } else { vec![Span::plain(text)] };
    vec![
        vec![Span::new(job, looks)],
        vec![name],
        plain(if alone { String::new() } else { shorten(&line.user, NAME) }),
        plain(line.state.clone()),
        plain(shorten(line.partition.as_deref().unwrap_or_default(), NAME)),
        plain(count(line.nodes)),
        plain(count(line.cores)),
        plain(count(line.gpus)),
        plain(time(line.time_used)),
        plain(time(line.time_left)),
        plain(start.unwrap_or_default()),
    ]
}

/// Writes a length of time in a few letters.
fn length(time: Walltime) -> String {
    let hours = time.0 as f64 / 3600.0;
    match time.0 {
        seconds if seconds < 100 => format!("{seconds} s"),
        seconds if seconds < 6000 => format!("{} min", seconds / 60),
        seconds if seconds < 172_800 => format!("{hours:.1} h"),
        _ => format!("{:.1} d", hours / 24.0),
    }
}

/// Says why a job waits and what to change, on lines below it.
fn why(line: &QueueLine, view: &View) -> Vec<String> {
    let Some(why) = &line.why else { return Vec::new() };
    let text = format!("why: {}; {}", why.cause, why.advice);
    wrap(&text, view.width.saturating_sub(8))
        .into_iter()
        .enumerate()
        .map(|(at, piece)| {
            let mut drawn = " ".repeat(if at == 0 { 3 } else { 8 });
            write_spans(&mut drawn, usize::MAX, &[Span::new(piece, view.style.warn)]);
            drawn
        })
        .collect()
}

/// Writes a time of today without its date.
fn moment(time: Timestamp, view: &View) -> String {
    let (time, now) =
        (time.to_zoned_datetime(view.zone.clone()), view.now.to_zoned_datetime(view.zone.clone()));
    let today = time.date() == now.date();
    time.strftime(if today { "%H:%M" } else { "%-d %b %H:%M" }).to_string()
}

#[cfg(test)]
mod tests {
    use sizar_engine::looking::{Own, OwnRun, queue_lines};
    use sizar_model::cluster::QueuedJob;
    use sizar_model::site::Partition;
    use sizar_model::{JobHandle, Resources, SchedulerKind, Site};

    use super::super::captured;
    use super::*;

    fn view(now: i64) -> View {
        View {
            style: Style::default(),
            width: 100,
            all: false,
            now: Timestamp::from_second(now).unwrap(),
            zone: TimeZone::UTC,
        }
    }

    fn slurm() -> Vec<QueuedJob> {
        let scheduler = captured::scheduler(SchedulerKind::Slurm);
        scheduler.read_queue(&captured::output("slurm/22.05.8/queue")).unwrap()
    }

    fn site() -> Site {
        let short = Partition {
            name: "short".into(),
            max_walltime: Some(Walltime(1800)),
            ..Partition::default()
        };
        let long = Partition { name: "long".into(), ..Partition::default() };
        Site { partitions: vec![short, long], ..Site::default() }
    }

    #[test]
    fn own_jobs_of_slurm_say_why_they_wait() {
        let view = view(1_795_809_450);
        let runs = vec![OwnRun {
            run: "7x2k9ab3".parse().unwrap(),
            job: JobHandle::new(40),
            asked: Resources { walltime: Some(Walltime(7200)), ..Resources::default() },
        }];
        let own = Own { user: "alice".into(), runs };
        let lines = queue_lines(slurm(), &own, SchedulerKind::Slurm, &site(), view.now);
        insta::assert_snapshot!(render(&lines, &view), @r"
        5 started, 36 waiting, all yours

        JOB     RUN OR NAME  STATE    PARTITION  NODES  CORES  GPUS  USED    LEFT  START
        36      odd|name     running  gpu            1      2     1   4 s   9 min  19:57
        37      twonode      running  short          2      4         4 s   4 min  19:57
        38      one          running  short          1      3         4 s   4 min  19:57
        39_0    array        running  short          1      1         4 s   2 min  19:57
        39_3    array        running  short          1      1         4 s   2 min  19:57
        41      maint        pending  long           1      1               6.0 d  ~ 30 Nov 03:32
           why: it would not have ended when the maintenance begins: it starts after that; ask for a
                walltime that ends before the maintenance
        42      ghost        pending  long           1      1              60 min
           why: the nodes that it asks for by name are down or drained; ask for no node by name, or for
                others
        39 ×32  array        pending  short          1      1               3 min
           why: as many tasks of its array run as were allowed at once; wait, or allow more at once
        40      7x2k9ab3     pending  short          1      1               2.0 h
           why: its walltime is above the partition's limit: it will never start there; ask for less
                time, or for another partition (walltime 02:00:00: partition `short` allows 00:30:00)
        43      range        pending  short          2      1               5 min
           why: its owner holds it back; release it: `scontrol release JOB`

        ~ expected by the scheduler
        ");
    }

    #[test]
    fn programs_get_every_field_of_every_line() {
        let own = Own { user: "alice".into(), runs: Vec::new() };
        let now = Timestamp::from_second(1_795_809_450).unwrap();
        let lines = queue_lines(slurm(), &own, SchedulerKind::Slurm, &site(), now);
        let held = lines.iter().find(|line| line.job.id == 43).unwrap();
        insta::assert_snapshot!(serde_json::to_string_pretty(held).unwrap(), @r#"
        {
          "job": "43",
          "run": null,
          "tasks": 1,
          "name": "range",
          "user": "alice",
          "mine": true,
          "state": "pending",
          "pending": true,
          "reason": "JobHeldUser",
          "partition": "short",
          "account": "proj1",
          "nodes": 2,
          "cores": 1,
          "gpus": 0,
          "time_used": null,
          "time_left": 300,
          "start": null,
          "why": {
            "word": "JobHeldUser",
            "cause": "its owner holds it back",
            "advice": "release it: `scontrol release JOB`",
            "remedy": "act",
            "source": "https://slurm.schedmd.com/job_reason_codes.html"
          }
        }
        "#);
    }

    #[test]
    fn jobs_of_others_are_cut_where_there_are_many() {
        let view = view(1_795_809_450);
        let mut jobs = slurm();
        jobs.retain(|job| job.job.id == 36);
        for id in 100..1100 {
            jobs.push(QueuedJob { job: JobHandle::new(id), user: "bob".into(), ..jobs[0].clone() });
        }
        jobs.rotate_left(1);
        let own = Own { user: "alice".into(), runs: Vec::new() };
        let lines = queue_lines(jobs, &own, SchedulerKind::Slurm, &site(), view.now);
        let text = render(&lines, &view);
        assert_eq!(text.lines().count(), 3 + OTHERS + 1 + 1, "{text}");
        assert!(
            text.starts_with("1001 started, 0 waiting; yours: 1 started, 0 waiting\n"),
            "{text}"
        );
        assert!(text.ends_with("… 960 more jobs of others; `--all` lists them\n"), "{text}");
        for width in [40, 60, 80, 100] {
            let text = render(&lines, &View { width, ..view.clone() });
            // the figures at the top are a sentence
            let longest = text.lines().skip(1).map(|line| line.chars().count()).max();
            assert!(longest <= Some(width.max(52)), "{text}");
        }
        let all = render(&lines, &View { all: true, ..view });
        assert_eq!(all.lines().count(), 3 + 1001);
    }

    #[test]
    fn own_jobs_of_oar_say_why_they_wait() {
        let view = view(1_795_809_450);
        let scheduler = captured::scheduler(SchedulerKind::Oar);
        let jobs = scheduler.read_queue(&captured::output("oar/2.5.9/queue")).unwrap();
        let own = Own { user: "alice".into(), runs: Vec::new() };
        let lines = queue_lines(jobs, &own, SchedulerKind::Oar, &Site::default(), view.now);
        insta::assert_snapshot!(render(&lines, &view), @r"
        0 started, 4 waiting, all yours

        JOB  RUN OR NAME  STATE    PARTITION  CORES
        14   held         pending  default        1
           why: it is held back; release it: `oarresume JOB`
        17   wait1        pending  default
           why: no span of time was found in which enough resources are free together; wait; if it
                stays so, ask for fewer nodes or drop a property that too few nodes have
        18   wait2        pending  default
           why: no span of time was found in which enough resources are free together; wait; if it
                stays so, ask for fewer nodes or drop a property that too few nodes have
        19   wait3        pending  default       12
           why: the scheduler has not looked at it yet; wait a minute
        ");
    }
}
