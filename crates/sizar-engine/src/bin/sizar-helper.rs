//! The helper that foreign programs are started with, as a program of its own.
//!
//! `sizar` is its own helper; this one is for programs that use the engine as a library (they name
//! it in `SIZAR_HELPER`), and for the engine's tests.

use std::process::ExitCode;

fn main() -> ExitCode {
    sizar_engine::sandbox::helper::intercept().unwrap_or(ExitCode::from(2))
}
