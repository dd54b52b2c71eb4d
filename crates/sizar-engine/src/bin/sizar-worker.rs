//! Supervisor and runner of detached runs, as a program of their own.
//!
//! `sizar` is its own helper; this one is for programs that use the engine as a library (they name
//! it in `SIZAR_HELPER`), and for the engine's tests. `sizar-worker RUN` executes a prepared run
//! in the foreground; `sizar-worker` sees to it that what waits is executed.

use std::process::ExitCode;

use sizar_engine::home::Home;
use sizar_engine::process::Control;
use sizar_engine::queue;
use sizar_engine::run::{Execution, RunPlan, execute};
use sizar_engine::sandbox;
use sizar_engine::store::Journal;

fn main() -> ExitCode {
    if let Some(code) = sandbox::helper::intercept().or_else(queue::helper::intercept) {
        return code;
    }
    match foreground() {
        Ok(code) => ExitCode::from(u8::try_from(code).unwrap_or(125)),
        Err(_) => ExitCode::from(125),
    }
}

fn foreground() -> Result<i32, Box<dyn std::error::Error>> {
    let home = Home::from_environment()?;
    let Some(run) = std::env::args().nth(1) else {
        queue::ensure_supervisor(&home)?;
        return Ok(0);
    };
    let mut journal = Journal::open(&home)?;
    let run = journal.find(&run)?;
    let plan = RunPlan::from_json(&journal.plan(&run)?.ok_or("the run is not prepared")?)?;
    let control = Control::default();
    let execution = Execution {
        home: &home,
        run: &run,
        plan: &plan,
        control: &control,
        echo: true,
        generation: None,
    };
    Ok(execute(&mut journal, execution)?.exit_code())
}
