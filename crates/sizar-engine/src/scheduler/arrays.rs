//! Arrays: their indices, as they are asked for and told, and large ones in several parts.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use sizar_model::JobHandle;

/// The indices of an array, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArrayRange {
    pub first: u32,
    pub last: u32,
    /// How many tasks may run at once; OAR knows no such limit.
    pub at_once: Option<u32>,
}

impl ArrayRange {
    /// Returns how many tasks there are.
    pub fn count(self) -> u32 {
        (self.last - self.first.min(self.last)).saturating_add(1)
    }
}

/// Slurm's way: `0-9%2`.
impl fmt::Display for ArrayRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.first)?;
        if self.last > self.first {
            write!(f, "-{}", self.last)?;
        }
        match self.at_once {
            Some(tasks) => write!(f, "%{tasks}"),
            None => Ok(()),
        }
    }
}

/// A part of a large array, submitted as an array of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArrayChunk {
    /// What is added to an index of the part to get the index in the whole.
    pub offset: u32,
    pub range: ArrayRange,
}

/// Divides `count` tasks into arrays that a site takes.
///
/// `max_array_size` bounds the *index* (the highest is one less), so every part counts from 0;
/// `max_submit` bounds how many tasks may be in the queue at once, and so the size of a part.
pub fn split_array(
    count: u32,
    max_array_size: Option<u32>,
    max_submit: Option<u32>,
    at_once: Option<u32>,
) -> Vec<ArrayChunk> {
    let size = max_array_size.unwrap_or(u32::MAX).min(max_submit.unwrap_or(u32::MAX)).max(1);
    let mut chunks = Vec::new();
    let mut offset = 0;
    while offset < count {
        let tasks = size.min(count - offset);
        chunks
            .push(ArrayChunk { offset, range: ArrayRange { first: 0, last: tasks - 1, at_once } });
        offset += tasks;
    }
    chunks
}

/// Returns the jobs that an id in a list stands for: `123`, `123_4`, `123_[5-9,12%2]`.
///
/// Of a job of several parts (`123+0`, `123+1`) only the first part counts. None if it is no id.
pub(super) fn read_ids(text: &str) -> Option<Vec<JobHandle>> {
    let (text, part) = text.split_once('+').unwrap_or((text, "0"));
    if part != "0" {
        return part.parse::<u32>().is_ok().then(Vec::new);
    }
    let Some((id, tasks)) = text.split_once("_[") else {
        return Some(vec![text.parse().ok()?]);
    };
    let array: JobHandle = id.parse().ok()?;
    let tasks = tasks.strip_suffix(']').unwrap_or(tasks);
    let tasks = tasks.split('%').next().unwrap_or("");
    Some(indices(tasks).into_iter().map(|task| array.with_task(task)).collect())
}

/// Writes jobs as words of Slurm's commands, the tasks of one array together: `7`, `11_[2-4,9]`.
pub(super) fn fold_ids(jobs: &[&JobHandle]) -> Vec<String> {
    let mut tasks: BTreeMap<u64, BTreeSet<u32>> = BTreeMap::new();
    let mut words: Vec<String> = Vec::new();
    for job in jobs {
        match job.task {
            Some(task) => {
                tasks.entry(job.id).or_default().insert(task);
            }
            None => words.push(job.word()),
        }
    }
    for (id, tasks) in tasks {
        let mut ranges: Vec<(u32, u32)> = Vec::new();
        for task in tasks {
            match ranges.last_mut() {
                Some((_, last)) if *last + 1 == task => *last = task,
                _ => ranges.push((task, task)),
            }
        }
        let ranges: Vec<String> = ranges
            .iter()
            .map(|(first, last)| match first == last {
                true => first.to_string(),
                false => format!("{first}-{last}"),
            })
            .collect();
        match ranges.as_slice() {
            [one] if !one.contains('-') => words.push(format!("{id}_{one}")),
            _ => words.push(format!("{id}_[{}]", ranges.join(","))),
        }
    }
    words
}

/// Reads `5-9,12,20-40:10`; what Slurm cut off (`...`) is left out.
fn indices(text: &str) -> Vec<u32> {
    /// More than any array has.
    const MOST: usize = 4_000_000;
    let mut found = Vec::new();
    for part in text.split(',') {
        let (range, step) = part.split_once(':').unwrap_or((part, "1"));
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (Ok(first), Ok(last), Ok(step)) =
            (first.parse::<u32>(), last.parse::<u32>(), step.parse::<usize>())
        else {
            continue;
        };
        let room = MOST.saturating_sub(found.len());
        found.extend((first..=last).step_by(step.max(1)).take(room));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        read_ids(text).unwrap().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn ids_are_expanded() {
        assert_eq!(words("123"), ["123"]);
        assert_eq!(words("123_4"), ["123_4"]);
        assert_eq!(words("11_[2-4%2]"), ["11_2", "11_3", "11_4"]);
        assert_eq!(
            words("11_[1,3-5,10-30:10]"),
            ["11_1", "11_3", "11_4", "11_5", "11_10", "11_20", "11_30"]
        );
        assert_eq!(words("11_[1-2,4,...]"), ["11_1", "11_2", "11_4"]);
        assert_eq!(words("7+0"), ["7"]);
        assert!(words("7+1").is_empty());
        assert_eq!(read_ids("JOBID"), None);
        assert_eq!(read_ids("12.batch"), None);
    }

    #[test]
    fn the_tasks_of_an_array_become_one_word() {
        let jobs: Vec<JobHandle> = ["7", "11_3", "11_2", "11_9", "11_4", "12_1"]
            .iter()
            .map(|word| word.parse().unwrap())
            .collect();
        let folded = fold_ids(&jobs.iter().collect::<Vec<_>>());
        assert_eq!(folded, ["7", "11_[2-4,9]", "12_1"]);
        assert_eq!(words(&folded[1]), ["11_2", "11_3", "11_4", "11_9"]);
    }

    #[test]
    fn an_array_that_fits_stays_whole() {
        let chunks = split_array(10, Some(1001), None, Some(2));
        assert_eq!(chunks.len(), 1);
        assert_eq!(chunks[0].range.to_string(), "0-9%2");
        assert!(split_array(0, Some(1001), None, None).is_empty());
    }

    /// The array that others lost tasks of: the index is bounded, not the count.
    #[test]
    fn a_large_array_is_divided_by_index_and_by_queue() {
        let chunks = split_array(6049, Some(1001), Some(500), None);
        assert_eq!(chunks.len(), 13);
        assert!(chunks.iter().all(|chunk| chunk.range.last < 1001));
        assert_eq!(chunks.iter().map(|chunk| chunk.range.count()).sum::<u32>(), 6049);
    }

    proptest::proptest! {
        #[test]
        fn every_task_is_in_one_part(
            count in 0u32..5000,
            size in proptest::option::of(0u32..1200),
            submit in proptest::option::of(0u32..1200),
        ) {
            let mut seen = vec![0u8; count as usize];
            for chunk in split_array(count, size, submit, None) {
                proptest::prop_assert!(size.is_none_or(|size| chunk.range.last < size.max(1)));
                proptest::prop_assert!(submit.is_none_or(|most| chunk.range.count() <= most.max(1)));
                for index in chunk.range.first..=chunk.range.last {
                    seen[(chunk.offset + index) as usize] += 1;
                }
            }
            proptest::prop_assert!(seen.iter().all(|times| *times == 1));
        }
    }
}
