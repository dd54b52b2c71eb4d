//! Prints the inspection of a folder as JSON, and on standard error how long it took.

use std::io::Write;
use std::time::Instant;

use camino::Utf8PathBuf;
use sizar_inspect::{InspectOptions, inspect};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = std::env::args().nth(1).map_or_else(|| Utf8PathBuf::from("."), Utf8PathBuf::from);
    let begin = Instant::now();
    let mut inspection = inspect(&root, &InspectOptions::default())?;
    let took = begin.elapsed();
    inspection.source = root.to_string();
    let tree = &inspection.tree;
    let speed = tree.python_bytes as f64 / took.as_secs_f64() / 1e6;
    writeln!(
        std::io::stderr(),
        "{} Python files, {} bytes, {:.1} ms, {speed:.1} MB/s",
        tree.python_files,
        tree.python_bytes,
        took.as_secs_f64() * 1e3
    )?;
    let mut out = std::io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, &inspection)?;
    writeln!(out)?;
    Ok(())
}
