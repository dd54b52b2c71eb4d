//! What a sweep is made from.

use serde::{Deserialize, Serialize};
use sizar_model::{JobSpec, Parameters, SweepId, Task};

use super::{Metric, Template};
use crate::run::{RunPlan, RunRequest};

/// What a sweep is made from: enough to go on with it after a crash.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Wish {
    /// With places for parameters among the driver's arguments.
    pub request: RunRequest,
    pub sets: Vec<Parameters>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub metrics: Vec<Metric>,
    /// The arguments of each task where they are not simply those of the template: some name the
    /// user's own files.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<Vec<String>>,
}

impl Wish {
    /// Returns the driver's arguments of a task, as typed.
    pub fn args_of(&self, number: u32) -> Vec<String> {
        if let Some(args) = self.args.get(number as usize) {
            return args.clone();
        }
        let none = Parameters::default();
        let set = self.sets.get(number as usize).unwrap_or(&none);
        Template::new(&self.request.job.args).fill(number, set)
    }

    /// Returns what a task executes.
    pub fn job_of(&self, sweep: &SweepId, number: u32) -> JobSpec {
        let parameters = self.sets.get(number as usize).cloned().unwrap_or_default();
        JobSpec {
            args: self.args_of(number),
            task: Some(Task { sweep: sweep.clone(), number, parameters }),
            ..self.request.job.clone()
        }
    }

    /// Returns the arguments of every task as they are handed over, after those that belong to the
    /// driver's name in `plan`.
    pub fn handed_over(&self, plan: &RunPlan) -> Vec<Vec<String>> {
        let named = plan.job.args.len().saturating_sub(plan.args.len());
        let count = self.sets.len() as u32;
        (0..count)
            .map(|number| self.args_of(number).get(named..).unwrap_or_default().to_vec())
            .collect()
    }

    /// Returns the plan of one task.
    pub fn plan_of(&self, sweep: &SweepId, number: u32, plan: &RunPlan) -> RunPlan {
        let named = plan.job.args.len().saturating_sub(plan.args.len());
        let job = self.job_of(sweep, number);
        let args = job.args.get(named..).unwrap_or_default().to_vec();
        RunPlan { job, args, ..plan.clone() }
    }
}
