//! Classifies captured outputs again and again: in one pass, and row by row as its peer.
//!
//! `cargo xtask bench classify` runs it in the release build.

use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use sizar_env::knowledge::{Stage, breakages, matching};

const ROUNDS: usize = 9;

#[expect(clippy::print_stdout, reason = "the report of a measurement is its output")]
fn main() -> std::io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/breakages");
    let mut outputs = Vec::new();
    for entry in fs_err::read_dir(folder)? {
        outputs.push(fs_err::read_to_string(entry?.path())?);
    }
    let bytes: usize = outputs.iter().map(String::len).sum();
    println!("{} outputs of {} bytes, {} rows", outputs.len(), bytes, breakages().len());
    let at_once = |output: &str| matching(Stage::Import, output).count();
    let singly = |output: &str| {
        breakages()
            .iter()
            .filter(|row| row.is_seen_at(Stage::Import))
            .filter(|row| row.symptom.captures(output).is_some())
            .count()
    };
    compare("short: as captured", &outputs, &at_once, &singly);
    // the same failures at the end of a build's log of a megabyte
    let line = "  gcc -pthread -O2 -fPIC -Iinclude -c src/x.c -o build/temp/x.o\n";
    let log = line.repeat((1 << 20) / line.len());
    let long: Vec<_> = outputs.iter().step_by(40).map(|output| log.clone() + output).collect();
    compare("long: after 1 MiB of a log", &long, &at_once, &singly);
    Ok(())
}

/// Times both ways in turns, and prints their medians and the ratio.
#[expect(clippy::print_stdout, reason = "the report of a measurement is its output")]
fn compare(
    title: &str,
    outputs: &[String],
    at_once: &dyn Fn(&str) -> usize,
    singly: &dyn Fn(&str) -> usize,
) {
    // the first round fills the caches and does not count
    let (mut fast, mut slow) = (Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        for (times, classify) in [(&mut fast, at_once), (&mut slow, singly)] {
            let began = Instant::now();
            for output in outputs {
                black_box(classify(black_box(output)));
            }
            if round > 0 {
                times.push(began.elapsed());
            }
        }
    }
    let rate = |times: &mut Vec<Duration>| {
        times.sort_unstable();
        outputs.len() as f64 / times[times.len() / 2].as_secs_f64()
    };
    let (fast, slow) = (rate(&mut fast), rate(&mut slow));
    println!("{title}, {} outputs", outputs.len());
    println!("in one pass   {fast:>10.0} outputs/s");
    println!("row by row    {slow:>10.0} outputs/s");
    println!("ratio         {:>10.1} ×", fast / slow);
}
