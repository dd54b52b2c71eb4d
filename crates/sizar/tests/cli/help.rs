//! Help, version, completions and manual pages.

use crate::world::world;

const VERBS: [&str; 17] = [
    "inspect",
    "setup",
    "run",
    "runs",
    "show",
    "logs",
    "wait",
    "cancel",
    "resume",
    "fetch",
    "env",
    "doctor",
    "nodes",
    "queue",
    "usage",
    "completions",
    "man",
];

#[test]
fn every_verb_has_help_with_examples() {
    let world = world();
    for verb in VERBS {
        let said = world.sizar(&[verb, "--help"]).exits(0);
        assert!(said.stdout.contains("Examples:"), "{verb}: {said}");
        assert!(said.stdout.contains(&format!("sizar {verb}")), "{verb}: {said}");
    }
}

#[test]
fn the_version_is_the_crates() {
    let said = world().sizar(&["--version"]).exits(0);
    assert_eq!(said.stdout, format!("sizar {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn completions_name_every_verb() {
    for shell in ["bash", "zsh", "fish"] {
        let said = world().sizar(&["completions", shell]).exits(0);
        for verb in VERBS {
            assert!(said.stdout.contains(verb), "{shell} lacks {verb}");
        }
    }
}

#[test]
fn every_verb_has_a_manual_page() {
    let world = world();
    world.sizar(&["man", "pages"]).exits(0);
    for verb in VERBS {
        let page = world.here().join(format!("pages/sizar-{verb}.1"));
        assert!(page.exists(), "{page}");
    }
}

#[test]
fn a_misspelt_verb_gets_the_right_one() {
    let said = world().sizar(&["inpsect", "."]).exits(2);
    assert!(said.stderr.contains("'inspect'"), "{said}");
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let world = world();
    let mut child = world
        .command(&["completions", "bash"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert!(output.status.success());
}
