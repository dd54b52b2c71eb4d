//! The script that starts a driver and ends it when it has read its arguments, run by a real Python.

#![allow(clippy::unwrap_used, reason = "what a test cannot do without ends it")]

use std::process::Command;

/// Rehearses a driver of this text; returns the answer, and what it printed.
fn rehearse(text: &str, how: &str, name: &str, args: &[&str], parse: bool) -> (String, String) {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    fs_err::create_dir_all(root.join("pkg")).unwrap();
    for file in ["driver.py", "pkg/__main__.py"] {
        fs_err::write(root.join(file), text).unwrap();
    }
    fs_err::write(root.join("pkg/__init__.py"), "").unwrap();
    fs_err::write(root.join("pkg/near.py"), "X = 1\n").unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/python/rehearse.py");
    let order = serde_json::json!({"how": how, "name": name, "args": args, "parse": parse});
    fs_err::write(root.join("order.json"), order.to_string()).unwrap();
    let said = Command::new("python3")
        .args([script, "answer.json", "order.json"])
        .current_dir(root)
        .output()
        .unwrap();
    let printed = [said.stdout, said.stderr].concat();
    let answer = fs_err::read_to_string(root.join("answer.json")).unwrap_or_default();
    (answer, String::from_utf8(printed).unwrap())
}

const ARGPARSE: &str = "
import argparse, sys
print('imported')
if __name__ == '__main__':
    parser = argparse.ArgumentParser()
    parser.add_argument('--epochs', type=int)
    parser.add_argument('--mode', choices=['a', 'b'])
    parser.set_defaults(config=argparse.ArgumentParser().parse_known_args(['-x'])[1])
    args = parser.parse_args()
    print('works')
";

#[test]
fn a_driver_is_ended_when_it_has_read_its_arguments() {
    let (answer, printed) = rehearse(ARGPARSE, "script", "driver.py", &["--epochs", "3"], true);
    assert!(answer.contains("parsed"), "{answer} {printed}");
    assert_eq!(printed, "imported\n");
    let (answer, _) = rehearse(ARGPARSE, "module", "pkg", &["--mode", "a"], true);
    assert!(answer.contains("parsed"), "{answer}");
    let (answer, printed) = rehearse(ARGPARSE, "script", "driver.py", &["--mode", "c"], true);
    assert!(answer.contains("refused") && answer.contains("invalid choice"), "{answer} {printed}");
    let optparse = "import optparse\noptparse.OptionParser().parse_args()\nprint('works')\n";
    let (answer, printed) = rehearse(optparse, "script", "driver.py", &["--epochs"], true);
    assert!(answer.contains("no such option"), "{answer} {printed}");
    let (answer, printed) = rehearse(optparse, "script", "driver.py", &["data"], true);
    assert!(answer.contains("parsed") && printed.is_empty(), "{answer} {printed}");
}

#[test]
fn of_other_drivers_only_the_imports_are_done() {
    let works = "from __future__ import print_function\nimport json\nprint('works')\n";
    let (answer, printed) = rehearse(works, "script", "driver.py", &[], false);
    assert!(answer.contains("imported") && printed.is_empty(), "{answer} {printed}");
    let near = "from . import near\nprint('works')\n";
    let (answer, printed) = rehearse(near, "module", "pkg", &[], false);
    assert!(answer.contains("imported") && printed.is_empty(), "{answer} {printed}");
    let broken = "import no_such_module\nprint('works')\n";
    let (answer, printed) = rehearse(broken, "script", "driver.py", &[], false);
    assert!(answer.is_empty() && printed.contains("No module named"), "{answer} {printed}");
    let (answer, _) = rehearse(works, "module", "nowhere", &[], false);
    assert!(answer.contains("nothing"), "{answer}");
}
