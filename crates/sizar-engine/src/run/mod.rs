//! One run: what it executes, its working copy, its execution, its results.
//!
//! A [`RunPlan`] holds all that is needed; [`execute`] runs it in this process, and
//! [`runner::main`] is the process that does so for a detached run.

mod attempt;
mod bind;
mod carry;
pub mod checkpoint;
mod collect;
mod entry;
mod error;
mod execute;
mod fetch;
mod folder;
mod inputs;
mod module;
pub(crate) mod nearest;
mod plan;
mod prepare;
mod rehearse;
pub mod runner;
mod stdin;
mod stopped;
mod working_copy;

pub use attempt::Attempt;
pub use collect::{Workplace, collect};
pub use entry::{Entry, EntryError, Places, resolve};
pub use error::RunError;
pub use execute::{Allotment, Execution, Judge, Outcome, execute, execute_allotted};
pub use fetch::{FetchError, Fetched, fetch};
pub use inputs::{Found, Input, InvalidBinding, Surroundings, find_inputs, parse_data_binding};
pub(crate) use inputs::{data_parts, data_place, real_path_of};
pub use plan::{RunPlan, interpreter_roots};
pub use prepare::{
    BuildPlace, EnvironmentWish, PrepareError, RunRequest, answer, environment, inputs, inspect,
    inspect_with, plan_for, prepare, prepare_again, remembered_plan,
};
pub use rehearse::{Rehearsed, rehearse};
pub use stdin::keep_stdin;
pub use stopped::{is_open, stopped_in, why};
pub use working_copy::{Baseline, copy_tree};

pub(crate) use carry::PARTIAL;
pub(crate) use collect::digest;
pub(crate) use error::chain;
pub(crate) use execute::{bare_command, receipt_of};
pub use folder::inside;
pub(crate) use folder::{start_of, start_of_script};
pub(crate) use module::module_of;
