//! Questions to a target, each look in one round trip.

use sizar_model::cluster::{Node, QueuedJob, UsageRow};

use crate::scheduler::{Period, SchedulerError, Whose};
use crate::target::{Place, TargetError};

/// An answer, and how many questions the scheduler was asked for it.
#[derive(Clone, Debug)]
pub struct Answered<T> {
    pub answer: T,
    pub questions: usize,
}

/// Asks for the nodes and the jobs on them.
///
/// # Errors
///
/// [`TargetError::Transport`] where the connection broke, and [`TargetError::Scheduler`] where the
/// scheduler gave no answer: that is not a site without nodes.
pub fn nodes(place: &mut Place) -> Result<Answered<Vec<Node>>, TargetError> {
    let questions = place.scheduler.nodes();
    let outputs = place.ask_all(&questions)?;
    let answer = place.scheduler.read_nodes(&outputs)?;
    Ok(Answered { answer, questions: questions.len() })
}

/// Asks for the jobs in the queue.
///
/// # Errors
///
/// As [`nodes`].
pub fn queue(place: &mut Place, whose: Whose) -> Result<Answered<Vec<QueuedJob>>, TargetError> {
    let question = place.scheduler.queue(whose);
    let program = question.program.clone();
    let outputs = place.ask(&[question])?;
    let output = outputs.first().ok_or(SchedulerError::Missing { program })?;
    let answer = place.scheduler.read_queue(output)?;
    Ok(Answered { answer, questions: 1 })
}

/// Asks what was used in a period.
///
/// # Errors
///
/// As [`nodes`]; [`SchedulerError::NoAccounting`] where the site keeps none.
pub fn usage(
    place: &mut Place,
    whose: Whose,
    period: &Period,
) -> Result<Answered<Vec<UsageRow>>, TargetError> {
    let question = place.scheduler.usage(whose, period);
    let program = question.program.clone();
    let outputs = place.ask(&[question])?;
    let output = outputs.first().ok_or(SchedulerError::Missing { program })?;
    let answer = place.scheduler.read_usage(output)?;
    Ok(Answered { answer, questions: 1 })
}
