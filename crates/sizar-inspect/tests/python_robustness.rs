//! No input makes the reader panic, hang or overflow.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::LazyLock;

use proptest::prelude::*;
use sizar_inspect::python::{Layout, Project, SourceFile, find_drivers};

static FIXTURES: LazyLock<Vec<(String, String)>> = LazyLock::new(|| {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/drivers");
    let files: Vec<_> = ignore::Walk::new(&root)
        .filter_map(Result::ok)
        .filter(|entry| entry.path().extension().is_some_and(|end| end == "py"))
        .map(|entry| {
            let path = entry.path().strip_prefix(&root).expect("it is below").to_owned();
            let text = fs_err::read_to_string(entry.path()).expect("a fixture is readable");
            (path.to_string_lossy().into_owned(), text)
        })
        .collect();
    assert!(files.len() > 20);
    files
});

/// Everything that is asked of a tree.
fn read_all(files: &[SourceFile]) {
    let project = Project::read(files, &Layout::default());
    project.imports(&BTreeSet::new());
    find_drivers(&project, &[], &|_| None);
    for file in files {
        file.module.problems();
    }
}

/// A change to a text: cut, repeat or insert.
fn mutated(text: &str, at: usize, length: usize, insert: &str, kind: u8) -> String {
    let letters: Vec<char> = text.chars().collect();
    let at = at % (letters.len() + 1);
    let end = (at + length).min(letters.len());
    let middle: String = match kind % 4 {
        0 => String::new(),
        1 => insert.to_owned(),
        2 => letters[at..end].iter().collect::<String>().repeat(2),
        _ => letters[at..end].iter().rev().collect(),
    };
    letters[..at].iter().collect::<String>() + &middle + &letters[end..].iter().collect::<String>()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn mutated_files_are_read(
        index in any::<prop::sample::Index>(),
        changes in prop::collection::vec(
            (any::<usize>(), 0..40_usize, "[(\\[{'\"\\\\fu`:=.,\\n \\t@*é\u{0}]{0,6}", any::<u8>()),
            1..6,
        ),
    ) {
        let (path, text) = &FIXTURES[index.index(FIXTURES.len())];
        let text = changes.iter().fold(text.clone(), |text, (at, length, insert, kind)| {
            mutated(&text, *at, *length, insert, *kind)
        });
        read_all(&[SourceFile::parse(path.clone(), text)]);
    }

    #[test]
    fn deep_nesting_is_read(
        opening in prop::sample::select(vec![
            "(", "[", "{", "f(", "a.", "a[", "not ", "-", "lambda: ", "a if b else ", "f\"{", "a + ",
            "if a:\n ", "x()()", "await ", "*", "print (", "add_argument(", "{1: ", "a\n(", "'''{",
        ]),
        depth in 1_usize..20_000,
        closing in "[)\\]}\"' \n]{0,8}",
    ) {
        let text = format!("import os\n{}{}\nimport sys\n", opening.repeat(depth), closing.repeat(depth.min(500)));
        read_all(&[SourceFile::parse("train.py", text)]);
    }
}

#[test]
fn a_hundred_thousand_levels_are_read() {
    for opening in ["(", "[", "if a:\n\t", "a.", "f'{", "- ", "a(b)(c)"] {
        let text = format!("import os\n{}", opening.repeat(100_000));
        let file = SourceFile::parse("train.py", text);
        assert!(!file.module.problems().is_empty(), "{opening}");
        read_all(&[file]);
    }
}

#[test]
fn functions_that_call_each_other_end() {
    let functions = (0..200).map(|index| {
        let calls = (0..400).map(|other| format!("    f{}(p)\n", other / 2));
        format!("def f{index}(p):\n{}", calls.collect::<Vec<_>>().concat())
    });
    let mut text = "import argparse\n".to_owned() + &functions.collect::<Vec<_>>().concat();
    text += "p = argparse.ArgumentParser()\nf0(p)\np.add_argument('--late')\np.parse_args()\n";
    let files = [SourceFile::parse("train.py", text)];
    let project = Project::read(&files, &Layout::default());
    assert_eq!(find_drivers(&project, &[], &|_| None).len(), 1);
}

#[test]
fn modules_that_import_each_other_end() {
    let files = [
        SourceFile::parse("a.py", "from b import *\nfrom b import x\nimport a\nx.parse_args()\n".to_owned()),
        SourceFile::parse("b.py", "from a import *\nfrom a import x\nclass A(A): pass\nclass B(C): pass\nclass C(B): pass\nB().parse_args()\n".to_owned()),
    ];
    read_all(&files);
}
