//! `sizar usage` for people: hours by account and user, with a total.

use sizar_engine::looking::UsageTotal;
use sizar_model::cluster::UsageRow;

use super::page::{Item, Span, Style};
use super::table::{self, Column};

const COLUMNS: [Column; 5] = [
    Column::text("ACCOUNT"),
    Column::text("USER"),
    Column::number("CORE HOURS"),
    Column::number("GPU HOURS"),
    Column::number("JOBS"),
];

/// Writes what was used.
pub fn render(rows: &[UsageRow], total: &UsageTotal, width: usize, style: &Style) -> String {
    let line = |names: [&str; 2], numbers: UsageTotal, looks: anstyle::Style| -> Vec<Item> {
        let UsageTotal { core_hours, gpu_hours, jobs } = numbers;
        let mut items: Vec<Item> = names.iter().map(|name| vec![Span::new(name, looks)]).collect();
        items.push(vec![Span::new(hours(core_hours), looks)]);
        items.push(vec![Span::new(gpu_hours.map(hours).unwrap_or_default(), looks)]);
        items.push(vec![Span::new(jobs.map(|jobs| jobs.to_string()).unwrap_or_default(), looks)]);
        items
    };
    let mut items: Vec<Vec<Item>> = rows
        .iter()
        .map(|row| {
            let UsageRow { account, user, core_hours, gpu_hours, jobs } = row;
            let numbers =
                UsageTotal { core_hours: *core_hours, gpu_hours: *gpu_hours, jobs: *jobs };
            let account = account.as_deref().unwrap_or_default();
            line([account, user], numbers, anstyle::Style::new())
        })
        .collect();
    // where the scheduler names no account, that column is not there
    let accounts = rows.iter().any(|row| row.account.is_some());
    let names = if accounts { ["total", ""] } else { ["", "total"] };
    items.push(line(names, *total, style.bold));
    let mut text = table::lines(&COLUMNS, &items, width, style).join("\n");
    text.push('\n');
    text
}

/// Writes hours so that a job of seconds is seen.
fn hours(hours: f64) -> String {
    match hours {
        0.0 => "0".to_owned(),
        h if h < 0.1 => format!("{h:.3}"),
        h if h < 1000.0 => format!("{h:.1}"),
        h => format!("{h:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use sizar_engine::looking::total;
    use sizar_model::SchedulerKind;

    use super::super::captured;
    use super::*;

    fn drawn(kind: SchedulerKind, name: &str) -> String {
        let rows = captured::scheduler(kind).read_usage(&captured::output(name)).unwrap();
        render(&rows, &total(&rows), 100, &Style::default())
    }

    #[test]
    fn hours_are_summed_up_by_account_and_user() {
        let mine = drawn(SchedulerKind::Slurm, "slurm/22.05.8/usage");
        insta::assert_snapshot!(mine, @r"
        ACCOUNT  USER   CORE HOURS  GPU HOURS  JOBS
        proj1    alice         0.6      0.035    21
        total                  0.6      0.035    21
        ");
        let everyone = drawn(SchedulerKind::Slurm, "slurm/22.05.8/usage-everyone");
        insta::assert_snapshot!(everyone, @r"
        ACCOUNT  USER   CORE HOURS  GPU HOURS
        proj1    alice         1.1      0.075
        total                  1.1      0.075
        ");
        let mine = drawn(SchedulerKind::Oar, "oar/2.5.9/accounting-user");
        insta::assert_snapshot!(mine, @r"
        ACCOUNT  USER   CORE HOURS
        nosuch   alice       0.001
        default  alice         0.2
        total                  0.2
        ");
        let everyone = drawn(SchedulerKind::Oar, "oar/2.5.9/accounting");
        insta::assert_snapshot!(everyone, @r"
        USER   CORE HOURS
        alice         0.2
        total         0.2
        ");
    }

    #[test]
    fn hours_are_short() {
        let said: Vec<String> = [0.0, 0.0014, 0.228, 12.34, 1234.5].map(hours).into();
        assert_eq!(said, ["0", "0.001", "0.2", "12.3", "1234"]);
    }
}
