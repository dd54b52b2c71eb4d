//! Timing of commands, interleaved with their peers.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::ensure;

/// Something that is timed.
pub struct Contender<'a> {
    pub name: &'a str,
    pub command: Box<dyn Fn() -> Command + 'a>,
}

/// Times every contender `rounds` times, in turns, and prints medians and ratios to the first.
pub fn compare(rounds: usize, contenders: &[Contender<'_>]) -> anyhow::Result<Vec<Duration>> {
    let mut times = vec![Vec::with_capacity(rounds); contenders.len()];
    // the first round fills the caches and does not count
    for round in 0..=rounds {
        for (contender, times) in contenders.iter().zip(&mut times) {
            let mut command = (contender.command)();
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            let began = Instant::now();
            let status = command.status()?;
            let took = began.elapsed();
            ensure!(status.success(), "`{}` failed ({status})", contender.name);
            if round > 0 {
                times.push(took);
            }
        }
    }
    let medians: Vec<Duration> = times.iter_mut().map(|times| median(times)).collect();
    let first = medians[0].as_secs_f64();
    for ((contender, median), times) in contenders.iter().zip(&medians).zip(&times) {
        let (best, worst) = (times.iter().min(), times.iter().max());
        line(&format!(
            "{:<44} {:>10} (best {}, worst {}) {:>7.2} ×",
            contender.name,
            show(*median),
            show(best.copied().unwrap_or_default()),
            show(worst.copied().unwrap_or_default()),
            median.as_secs_f64() / first,
        ));
    }
    Ok(medians)
}

/// Returns the middle of `times`.
fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// Writes a length of time with three digits or so.
pub fn show(time: Duration) -> String {
    let millis = time.as_secs_f64() * 1e3;
    if millis < 1e3 { format!("{millis:.1} ms") } else { format!("{:.2} s", millis / 1e3) }
}

/// Prints a heading.
pub fn title(name: &str) {
    line(&format!("\n== {name}"));
}

/// Prints a line of a report.
#[expect(clippy::print_stdout, reason = "the report of a measurement is its output")]
pub fn line(text: &str) {
    println!("{text}");
}
