//! Measures what a program uses while it runs.

use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use sizar_model::Usage;
use sizar_model::artifact::GpuUsage;

use super::gpus::Gpus;
use super::series::{Look, Series};
use super::tree;

/// Between two times that the table is written: a job that is killed leaves what was known then.
const WRITE: Duration = Duration::from_secs(30);

/// Measures what a program uses while it runs, and keeps it as a table in a file.
#[derive(Debug)]
pub struct Meter {
    series: Series,
    gpus: Option<Gpus>,
    file: Option<Utf8PathBuf>,
    at: Instant,
    cpu_seconds: f64,
    written: Instant,
}

impl Meter {
    /// Begins; with `file` the table is kept there.
    pub fn new(file: Option<&Utf8Path>, gpus: Option<Gpus>) -> Self {
        let now = Instant::now();
        Self {
            series: Series::default(),
            gpus,
            file: file.map(Utf8Path::to_owned),
            at: now,
            cpu_seconds: 0.0,
            written: now,
        }
    }

    /// Takes a look at the processes `pids`, which use so much memory.
    pub fn look(&mut self, pids: &[i32], memory: u64) {
        if self.file.is_none() {
            return;
        }
        let cpu_seconds: f64 = pids.iter().map(|pid| tree::cpu_seconds(*pid)).sum();
        self.add(cpu_seconds, memory);
        if self.written.elapsed() > WRITE {
            self.write();
            self.written = Instant::now();
        }
    }

    fn add(&mut self, cpu_seconds: f64, memory: u64) {
        let now = Instant::now();
        let seconds = (now - self.at).as_secs_f64();
        // it shrinks where a process ends that nobody waits for
        let used = (cpu_seconds - self.cpu_seconds).max(0.0);
        let gpu = self.gpus.as_ref().and_then(Gpus::look);
        self.series.add(Look { seconds, cpu_seconds: used, memory, gpu });
        (self.at, self.cpu_seconds) = (now, cpu_seconds);
    }

    /// Ends, and adds what was measured to `usage`.
    pub fn finish(self, usage: &mut Usage) {
        self.write();
        usage.mean_memory = self.series.mean_memory();
        usage.peak_cores = self.series.peak_cores();
        usage.gpu =
            self.series.gpus().map(|gpu| GpuUsage { busy: gpu.busy, peak_memory: gpu.memory });
    }

    fn write(&self) {
        let Some(file) = &self.file else { return };
        let unfinished = file.with_extension("part");
        let written = fs_err::write(&unfinished, self.series.csv())
            .and_then(|()| fs_err::rename(&unfinished, file));
        if let Err(error) = written {
            tracing::debug!(%error, "what the program used was not written down");
        }
    }
}
