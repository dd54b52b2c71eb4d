//! Sweeps: one wish for many runs that differ in their parameters.
//!
//! [`parameter_sets`] makes the sets from grids, lists and files, [`Template`] puts a set into the
//! driver's command line, and [`Metric`] reads numbers from what a run made. What a sweep is made
//! from is its [`Wish`], which the journal keeps; its tasks are ordinary runs.

mod metrics;
mod parameters;
mod table;
mod template;
mod values;
mod wish;

pub use metrics::{InvalidMetric, Metric, Value};
pub use parameters::{InvalidParameters, MOST_TASKS, Sources, parameter_sets};
pub use table::{Row, Table, table};
pub use template::{Template, TemplateError};
pub use wish::Wish;
