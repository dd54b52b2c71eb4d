//! What a program used over time, in a bounded number of samples.

use std::fmt::Write as _;

/// The most samples that are kept: with twice as many, two become one.
const MOST: usize = 400;
/// The least time that a sample covers, in seconds: below it, the kernel's ticks are all one sees.
const LEAST: f64 = 0.5;

/// What was used since the look before.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Look {
    /// For how long, in seconds.
    pub seconds: f64,
    pub cpu_seconds: f64,
    /// Bytes.
    pub memory: u64,
    pub gpu: Option<GpuLook>,
}

/// What GPUs did at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct GpuLook {
    /// The part of the time in which they computed, over all of them: 0 to 1.
    pub busy: f64,
    /// Bytes, of the fullest.
    pub memory: u64,
}

/// Samples of equal length, the last one perhaps shorter.
#[derive(Clone, Debug)]
pub struct Series {
    every: f64,
    samples: Vec<Look>,
}

impl Default for Series {
    fn default() -> Self {
        Self { every: LEAST, samples: Vec::new() }
    }
}

impl Series {
    /// Adds a look to the last sample, or begins another.
    pub fn add(&mut self, look: Look) {
        match self.samples.last_mut().filter(|last| last.seconds < self.every) {
            Some(last) => *last = joined(*last, look),
            None => self.samples.push(look),
        }
        if self.samples.len() >= 2 * MOST {
            self.every *= 2.0;
            let pairs =
                self.samples.chunks(2).filter_map(|pair| pair.iter().copied().reduce(joined));
            self.samples = pairs.collect();
        }
    }

    /// Returns the most cores that were used at a time.
    pub fn peak_cores(&self) -> f64 {
        let whole = self.samples.iter().filter(|sample| sample.seconds >= LEAST);
        whole.map(|sample| sample.cpu_seconds / sample.seconds).fold(0.0, f64::max)
    }

    /// Returns the memory that was in use on average.
    pub fn mean_memory(&self) -> u64 {
        let mean = mean(self.samples.iter().map(|sample| (sample.seconds, sample.memory as f64)));
        mean.unwrap_or_default() as u64
    }

    /// Returns how busy the GPUs were on average, and the most memory of one in use; none where
    /// nobody told.
    pub fn gpus(&self) -> Option<GpuLook> {
        let told = || self.samples.iter().filter_map(|sample| Some((sample.seconds, sample.gpu?)));
        let busy = mean(told().map(|(seconds, gpu)| (seconds, gpu.busy)))?;
        Some(GpuLook { busy, memory: told().map(|(_, gpu)| gpu.memory).max().unwrap_or(0) })
    }

    /// Writes it as a table that other programs read, a line for each sample.
    pub fn csv(&self) -> String {
        let mut text = String::from("seconds,cores,memory_bytes,gpu_busy,gpu_memory_bytes\n");
        let mut end = 0.0;
        for sample in &self.samples {
            end += sample.seconds;
            let cores = sample.cpu_seconds / sample.seconds.max(1e-3);
            let gpu = sample.gpu.map(|gpu| format!("{:.2},{}", gpu.busy, gpu.memory));
            let gpu = gpu.unwrap_or_else(|| ",".to_owned());
            let _ = writeln!(text, "{end:.1},{cores:.2},{},{gpu}", sample.memory);
        }
        text
    }
}

/// Returns the mean of values that are each true for so long.
fn mean(values: impl Iterator<Item = (f64, f64)>) -> Option<f64> {
    let add =
        |(seconds, sum): (f64, f64), (length, value)| (seconds + length, sum + length * value);
    let (seconds, sum) = values.fold((0.0, 0.0), add);
    (seconds > 0.0).then(|| sum / seconds)
}

fn joined(a: Look, b: Look) -> Look {
    let seconds = a.seconds + b.seconds;
    let gpu = match (a.gpu, b.gpu) {
        (Some(x), Some(y)) => Some(GpuLook {
            busy: (x.busy * a.seconds + y.busy * b.seconds) / seconds.max(1e-6),
            memory: x.memory.max(y.memory),
        }),
        (one, other) => one.or(other),
    };
    Look {
        seconds,
        cpu_seconds: a.cpu_seconds + b.cpu_seconds,
        memory: a.memory.max(b.memory),
        gpu,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_as_long_as_an_hour() {
        let mut series = Series::default();
        for step in 0..864_000_u64 {
            let gpu = (step % 10 == 0).then_some(GpuLook { busy: 0.5, memory: step });
            let memory = if step == 400_000 { 9_000 } else { 1_000 };
            series.add(Look { seconds: 0.1, cpu_seconds: 0.2, memory, gpu });
        }
        assert!((MOST..2 * MOST).contains(&series.samples.len()), "{}", series.samples.len());
        assert!((series.peak_cores() - 2.0).abs() < 1e-6);
        assert_eq!(series.samples.iter().map(|sample| sample.memory).max(), Some(9_000));
        assert!((1_000..1_100).contains(&series.mean_memory()));
        assert_eq!(series.gpus(), Some(GpuLook { busy: 0.5, memory: 863_990 }));
        assert!(series.csv().len() < 64 << 10);
    }

    #[test]
    fn a_table_says_nothing_of_gpus_that_nobody_saw() {
        let mut series = Series::default();
        series.add(Look { seconds: 2.0, cpu_seconds: 3.0, memory: 7, gpu: None });
        assert_eq!(series.csv().lines().last(), Some("2.0,1.50,7,,"));
        assert_eq!(series.gpus(), None);
    }
}
