//! The table of a sweep: its parameters, what became of each task, and its metrics.

use std::cmp::Ordering;

use serde::Serialize;
use sizar_model::{Parameters, RunId, RunState};

use super::metrics::Readers;
use super::{Metric, Value};
use crate::home::Home;
use crate::run::Attempt;
use crate::store::SweepTask;

/// The tasks of a sweep, as rows.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Table {
    /// What is varied.
    pub parameters: Vec<String>,
    pub metrics: Vec<String>,
    pub rows: Vec<Row>,
}

/// One task.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    pub task: u32,
    pub run: RunId,
    pub state: RunState,
    pub exit_code: Option<i32>,
    pub attempts: u32,
    /// From its start to its end, in seconds.
    pub seconds: Option<f64>,
    pub reason: Option<String>,
    pub parameters: Parameters,
    /// One for each of [`Table::metrics`]; none where the task has no such value.
    #[serde(serialize_with = "as_list")]
    pub metrics: Vec<Option<Value>>,
}

fn as_list<S: serde::Serializer>(
    values: &[Option<Value>],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(values)
}

/// Makes the table of `tasks`, whose parameter sets are `sets` by their numbers.
pub fn table(home: &Home, tasks: &[SweepTask], sets: &[Parameters], metrics: &[Metric]) -> Table {
    let readers = Readers::of(metrics);
    let rows = tasks
        .iter()
        .map(|task| {
            let attempt = Attempt::of(home, &task.run, task.attempts);
            let seconds = task
                .started
                .zip(task.ended)
                .map(|(start, end)| end.duration_since(start).as_secs_f64());
            Row {
                task: task.number,
                run: task.run.clone(),
                state: task.state.clone(),
                exit_code: task.exit_code,
                attempts: task.attempts,
                seconds,
                reason: task.reason.clone(),
                parameters: sets.get(task.number as usize).cloned().unwrap_or_default(),
                metrics: readers.read(&attempt),
            }
        })
        .collect();
    let names = |set: &Parameters| set.names().map(str::to_owned).collect();
    Table {
        parameters: sets.first().map(names).unwrap_or_default(),
        metrics: metrics.iter().map(|metric| metric.name.clone()).collect(),
        rows,
    }
}

impl Table {
    /// Sorts by a parameter or metric, numbers as numbers; tasks without a value come last.
    /// `-NAME` puts the largest first. False where there is nothing of that name.
    pub fn sort_by(&mut self, text: &str) -> bool {
        let (name, down) = match text.strip_prefix('-') {
            Some(name) => (name, true),
            None => (text, false),
        };
        let metric = self.metrics.iter().position(|known| known == name);
        if metric.is_none() && !self.parameters.iter().any(|known| known == name) {
            return false;
        }
        let value = |row: &Row| match metric {
            Some(at) => row.metrics.get(at).cloned().flatten(),
            None => row.parameters.get(name).map(Value::of),
        };
        self.rows.sort_by(|one, other| {
            let order = match (value(one), value(other)) {
                (Some(one), Some(other)) if down => compare(&other, &one),
                (Some(one), Some(other)) => compare(&one, &other),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (None, None) => Ordering::Equal,
            };
            order.then(one.task.cmp(&other.task))
        });
        true
    }

    /// Writes the table as CSV: one line for each task.
    pub fn to_csv(&self) -> Result<String, csv::Error> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        let head = ["task", "run", "state", "exit_code", "seconds"].map(str::to_owned);
        writer.write_record(head.iter().chain(&self.parameters).chain(&self.metrics))?;
        let text = |value: Option<String>| value.unwrap_or_default();
        for row in &self.rows {
            let mut cells = vec![
                row.task.to_string(),
                row.run.to_string(),
                row.state.to_string(),
                text(row.exit_code.map(|code| code.to_string())),
                text(row.seconds.map(|seconds| format!("{seconds:.3}"))),
            ];
            let parameters = self.parameters.iter();
            cells.extend(parameters.map(|name| text(row.parameters.get(name).map(str::to_owned))));
            cells.extend(row.metrics.iter().map(|v| text(v.as_ref().map(ToString::to_string))));
            writer.write_record(&cells)?;
        }
        let bytes = writer.into_inner().map_err(csv::IntoInnerError::into_error)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

fn compare(one: &Value, other: &Value) -> Ordering {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => one.total_cmp(other),
        (Value::Number(_), Value::Text(_)) => Ordering::Less,
        (Value::Text(_), Value::Number(_)) => Ordering::Greater,
        (Value::Text(one), Value::Text(other)) => one.cmp(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let row = |task: u32, lr: &str, acc: Option<f64>| Row {
            task,
            run: RunId::from_bits(u64::from(task)),
            state: RunState::Completed,
            exit_code: Some(0),
            attempts: 1,
            seconds: Some(1.5),
            reason: None,
            parameters: Parameters(vec![("lr".into(), lr.into())]),
            metrics: vec![acc.map(Value::Number)],
        };
        Table {
            parameters: vec!["lr".into()],
            metrics: vec!["acc".into()],
            rows: vec![row(0, "0.1", Some(0.5)), row(1, "10", None), row(2, "2", Some(0.75))],
        }
    }

    fn order(by: &str) -> Vec<u32> {
        let mut table = table();
        assert!(table.sort_by(by));
        table.rows.iter().map(|row| row.task).collect()
    }

    #[test]
    fn tasks_are_sorted_by_number_and_those_without_one_come_last() {
        assert_eq!(order("lr"), [0, 2, 1]);
        assert_eq!(order("-lr"), [1, 2, 0]);
        assert_eq!(order("acc"), [0, 2, 1]);
        assert_eq!(order("-acc"), [2, 0, 1]);
        assert!(!table().sort_by("f1"));
    }

    #[test]
    fn a_table_is_a_line_for_each_task() {
        let text = table().to_csv().unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "task,run,state,exit_code,seconds,lr,acc");
        assert!(lines[1].ends_with(",completed,0,1.500,0.1,0.5"), "{text}");
        assert!(lines[2].ends_with(",10,"), "{text}");
    }
}
