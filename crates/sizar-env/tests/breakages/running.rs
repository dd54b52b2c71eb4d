//! What code shows when it is imported, or runs, beyond the rows one by one.

use sizar_env::knowledge::{Stage, breakages};
use sizar_env::repair::{Facts, Failure, Outcome, Repairer};
use sizar_env::stopped::{Stopped, why};

use crate::{captured, facts, pythons, spec};

#[test]
fn a_pin_of_what_the_code_needs_more_of_is_loosened() {
    // the authors' own package breaks, for want of what a later TensorFlow has
    let output = "Traceback (most recent call last):\n  File \"/e/lib/python3.6/site-packages/dltk/networks/unet.py\", line 14, in <module>\n    kernel_initializer=tf.initializers.variance_scaling()):\nAttributeError: module 'tensorflow' has no attribute 'initializers'\n";
    let mut pinned = spec(6);
    pinned.requirements.push("tensorflow==1.3.0".into());
    let all = pythons();
    let known = |module: &str| (module == "tensorflow").then(|| "tensorflow-gpu".to_owned());
    let facts = Facts { package: Some("dltk"), distribution_of: &known, ..facts(&all) };
    let failure = Failure { stage: Stage::Import, output };
    let Outcome::Repair { spec, rule, cause } = Repairer::default().next(&pinned, failure, &facts)
    else {
        panic!("no repair")
    };
    assert_eq!(rule, "loosened-pin");
    assert!(cause.contains("tensorflow==1.3.0"), "{cause}");
    assert!(spec.requirements.contains(&"tensorflow".to_owned()), "{:?}", spec.requirements);
}

#[test]
fn what_was_captured_of_running_code_explains_a_run() {
    let mut silent = Vec::new();
    for row in breakages().iter().filter(|row| row.is_seen_at(Stage::Run)) {
        let Some(name) = row.fixture.as_deref() else { continue };
        let output = captured(name);
        // one was cut off before it says what was raised
        if output.trim_end().lines().last().is_some_and(|last| last.starts_with("    raise ")) {
            continue;
        }
        let network = row.network.unwrap_or(true);
        let stopped = Stopped { output: &output, python: None, network, installed: None };
        if why(&stopped, &|_| None).is_none() {
            silent.push(row.id.as_str());
        }
    }
    assert!(silent.is_empty(), "{silent:?}");
}
