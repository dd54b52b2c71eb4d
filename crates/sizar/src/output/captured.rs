//! Answers of real schedulers: `fixtures/schedulers/`.

use camino::Utf8Path;
use sizar_engine::scheduler::{Scheduler, for_site};
use sizar_model::{Output, SchedulerKind, Site};

/// Reads what a command printed that ended well, such as `slurm/22.05.8/queue`.
pub fn output(name: &str) -> Output {
    let root = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/schedulers");
    let stdout = fs_err::read_to_string(root.join(format!("{name}.out"))).unwrap();
    Output { code: Some(0), stdout, ..Output::default() }
}

/// Returns the scheduler that the answers are of, speaking for the user of the answers.
pub fn scheduler(kind: SchedulerKind) -> Box<dyn Scheduler> {
    let site = Site {
        scheduler: Some(kind),
        memory_property: (kind == SchedulerKind::Oar).then(|| "memnode".to_owned()),
        ..Site::default()
    };
    for_site(&site, "alice").unwrap()
}
