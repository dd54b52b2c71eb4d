//! `sizar queue` for people: jobs in order, and why the user's own do not run.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use sizar_engine::looking::QueueLine;

use super::page::{Item, Span, Style, write_spans};
use super::table::{self, Column, shorten, wrap};

/// How many jobs of others are shown where not all are.
const OTHERS: usize = 40;

const COLUMNS: [Column; 11] = [
    Column::text("JOB"),
    Column::text("STATE"),
    Column::text("USER"),
    Column::text("PARTITION"),
    Column::number("NODES"),
    Column::number("CORES"),
    Column::number("GPUS"),
    Column::number("USED"),
    Column::number("LEFT"),
    Column::text("START"),
    Column::text("RUN OR NAME"),
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
    let rows: Vec<Vec<Item>> = shown.iter().map(|line| row(line, view)).collect();
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

fn row(line: &QueueLine, view: &View) -> Vec<Item> {
    let count = |number: u32| if number > 0 { number.to_string() } else { String::new() };
    let time =
        |time: Option<sizar_model::Walltime>| time.map(|time| time.to_string()).unwrap_or_default();
    let job = match line.tasks {
        0 | 1 => line.job.word(),
        tasks => format!("{} ({tasks} tasks)", line.job.word()),
    };
    let looks = if line.mine { view.style.bold } else { anstyle::Style::new() };
    let name = match (&line.run, &line.name) {
        (Some(run), _) => Span::new(run.to_string(), view.style.accent),
        (None, name) => Span::plain(name.as_deref().unwrap_or_default()),
    };
    let start = line.start.map(|start| {
        let expected = if line.pending { "~ " } else { "" };
        format!("{expected}{}", moment(start, view))
    });
    let plain = |text: String| vec![Span::plain(text)];
    vec![
        vec![Span::new(job, looks)],
        plain(line.state.clone()),
        plain(shorten(&line.user, 16)),
        plain(shorten(line.partition.as_deref().unwrap_or_default(), 16)),
        plain(count(line.nodes)),
        plain(count(line.cores)),
        plain(count(line.gpus)),
        plain(time(line.time_used)),
        plain(time(line.time_left)),
        plain(start.unwrap_or_default()),
        vec![name],
    ]
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
    use sizar_model::{JobHandle, Resources, SchedulerKind, Site, Walltime};

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
        Site { partitions: vec![short], ..Site::default() }
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
        insta::assert_snapshot!(render(&lines, &view), @"");
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
        assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
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
        insta::assert_snapshot!(render(&lines, &view), @"");
    }
}
