//! What of a tree is beside the point of it: tests, documentation, examples, what was put away.

use std::collections::BTreeSet;

use sizar_model::Inspection;
use sizar_model::inspection::Driver;

use crate::requirements::package_of;

/// Tests, documentation, examples and what was put away: not what somebody wants to run.
pub fn is_incidental(path: &str) -> bool {
    let file = path.rsplit('/').next().unwrap_or(path);
    matches!(
        file,
        "setup.py" | "conftest.py" | "conf.py" | "noxfile.py" | "tasks.py" | "fabfile.py"
    ) || file.starts_with("test_")
        || file.ends_with("_test.py")
        || path.split('/').any(|part| {
            matches!(
                part.to_ascii_lowercase().as_str(),
                "test"
                    | "tests"
                    | "testing"
                    | "doc"
                    | "docs"
                    | "examples"
                    | "example"
                    | "benchmarks"
                    | "ci"
                    | "old"
                    | "legacy"
                    | "deprecated"
                    | "archive"
                    | "archived"
                    | "attic"
                    | "obsolete"
                    | "unused"
                    | "backup"
                    | "bak"
                    | "tmp"
                    | "temp"
            )
        })
}

/// Returns the files that examples need, where nothing else can be started: a tree that is no package
/// and has a model beside `examples/train.py` is used by that example.
pub fn only_examples(inspection: &Inspection) -> BTreeSet<&str> {
    let others = inspection.drivers.iter().filter(|driver| !is_example(&driver.path));
    let has_notebook = inspection.tree.notebooks > 0;
    if package_of(inspection).is_some()
        || has_notebook
        || others.into_iter().any(|it| !is_incidental(&it.path))
    {
        return BTreeSet::new();
    }
    let examples = inspection.drivers.iter().filter(|driver| is_example(&driver.path));
    examples.flat_map(Driver::needed).collect()
}

/// Whether it lies in a folder of examples: of the source itself, not of its tests or documentation.
fn is_example(path: &str) -> bool {
    let Some((first, _)) = path.split_once('/') else { return false };
    matches!(first.to_ascii_lowercase().as_str(), "example" | "examples")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_drivers(paths: &[&str]) -> Inspection {
        let driver = |path: &&str| Driver {
            path: (*path).to_owned(),
            closure: vec![(*path).to_owned(), "model.py".to_owned()],
            ..Driver::default()
        };
        Inspection { drivers: paths.iter().map(driver).collect(), ..Inspection::default() }
    }

    #[test]
    fn examples_count_where_nothing_else_can_be_started() {
        let of = |paths: &[&str]| only_examples(&with_drivers(paths)).len();
        assert_eq!(of(&["examples/train.py"]), 2);
        assert_eq!(of(&["examples/train.py", "tests/test_model.py", "tmp/try.py"]), 2);
        assert_eq!(of(&["examples/train.py", "train.py"]), 0);
        assert_eq!(of(&["Examples/train.py"]), 2);
        assert_eq!(of(&["tests/test_model.py"]), 0);
        assert_eq!(of(&["tests/examples/train.py"]), 0);
        let mut inspection = with_drivers(&["examples/train.py"]);
        inspection.tree.notebooks = 1;
        assert!(only_examples(&inspection).is_empty());
    }
}
