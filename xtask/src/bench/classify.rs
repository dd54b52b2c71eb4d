//! Classifying outputs: the known breakages in one pass, and row by row.

use super::Bench;
use crate::shell::{command, run};

pub fn measure(_bench: &Bench) -> anyhow::Result<()> {
    run(command(
        "cargo",
        &["run", "--release", "--quiet", "--locked", "-p", "sizar-env", "--example", "classify"],
    ))
}
