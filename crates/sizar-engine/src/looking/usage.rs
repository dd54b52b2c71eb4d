//! What was used in all.

use serde::Serialize;
use sizar_model::cluster::UsageRow;

/// The sum of what accounts and users used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct UsageTotal {
    pub core_hours: f64,
    /// None where the scheduler does not count GPUs.
    pub gpu_hours: Option<f64>,
    pub jobs: Option<u64>,
}

/// Adds up `rows`.
pub fn total(rows: &[UsageRow]) -> UsageTotal {
    let mut total = UsageTotal::default();
    for row in rows {
        total.core_hours += row.core_hours;
        if let Some(hours) = row.gpu_hours {
            *total.gpu_hours.get_or_insert(0.0) += hours;
        }
        if let Some(jobs) = row.jobs {
            *total.jobs.get_or_insert(0) += jobs;
        }
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_counted_is_not_none() {
        let row = |core_hours, gpu_hours, jobs| UsageRow {
            account: None,
            user: "alice".into(),
            core_hours,
            gpu_hours,
            jobs,
        };
        let sum = total(&[row(1.5, Some(0.5), Some(2)), row(2.0, Some(0.0), None)]);
        assert_eq!(sum, UsageTotal { core_hours: 3.5, gpu_hours: Some(0.5), jobs: Some(2) });
        assert_eq!(total(&[row(1.0, None, None)]).gpu_hours, None);
    }
}
