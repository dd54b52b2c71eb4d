//! Properties of all readers: none panics, and lines are lines.

use proptest::prelude::*;

use super::tree::tests::Folder;
use super::{Kind, read_file, requirement};

/// A file name of each format.
const NAMES: &[&str] = &[
    "requirements.txt",
    "requirements/dev.in",
    "setup.py",
    "setup.cfg",
    "pyproject.toml",
    "Pipfile",
    "Pipfile.lock",
    "poetry.lock",
    "uv.lock",
    "pdm.lock",
    "environment.yml",
    "conda-list.txt",
    "Dockerfile",
    "runtime.txt",
    ".python-version",
    "tox.ini",
    ".travis.yml",
    "README.md",
    "x.ipynb",
    "PKG-INFO",
];

fn read_as(name: &str, text: &str) {
    let tree = Folder::new(&[(name, text), ("a.txt", text)]);
    let read = read_file(name, &tree).expect("every name is recognised");
    // Python ends lines at `\r`, too
    let lines = text.matches(['\n', '\r']).count() as u32 + 1;
    for declared in &read.declared {
        assert!(declared.line >= 1 && declared.line <= lines, "{name}: {declared:?}");
        assert!(!declared.name.is_empty(), "{name}: {declared:?}");
        assert!(
            declared.requirement.is_some() || declared.unreadable.is_some(),
            "{name}: {declared:?}"
        );
    }
}

/// Pieces of the formats, so that chance gets beyond the first character.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("numpy".to_owned()),
        Just("==".to_owned()),
        Just(">=1.0".to_owned()),
        Just("\n".to_owned()),
        Just("  - ".to_owned()),
        Just("[a]".to_owned()),
        Just(" ; ".to_owned()),
        Just("\"".to_owned()),
        Just("'".to_owned()),
        Just("(".to_owned()),
        Just(")".to_owned()),
        Just("{".to_owned()),
        Just("}".to_owned()),
        Just("dependencies:\n".to_owned()),
        Just("- pip:\n".to_owned()),
        Just("[options]\n".to_owned()),
        Just("install_requires = ".to_owned()),
        Just("[tool.poetry.dependencies]\n".to_owned()),
        Just("[project]\n".to_owned()),
        Just("dependencies = [".to_owned()),
        Just("[[package]]\n".to_owned()),
        Just("setup(".to_owned()),
        Just("install_requires=".to_owned()),
        Just("open('a.txt')".to_owned()),
        Just(".read().splitlines()".to_owned()),
        Just("for x in ".to_owned()),
        Just(":\n    ".to_owned()),
        Just("x = ".to_owned()),
        Just("x".to_owned()),
        Just("import numpy\n".to_owned()),
        Just("'%s' % ".to_owned()),
        Just("'{}{0}'.format(".to_owned()),
        Just("-r ".to_owned()),
        Just("-e ".to_owned()),
        Just("git+https://".to_owned()),
        Just("github.com/a/b".to_owned()),
        Just("@".to_owned()),
        Just("#egg=".to_owned()),
        Just("\\\n".to_owned()),
        Just("pip install ".to_owned()),
        Just("conda create -n x python=3.6 ".to_owned()),
        Just("FROM python:3.7\n".to_owned()),
        Just("RUN ".to_owned()),
        Just("PyTorch 1.0".to_owned()),
        Just("Python 3.6".to_owned()),
        Just("é\u{301}日\u{2013}".to_owned()),
        Just("=py36_0".to_owned()),
        Just("+cu110".to_owned()),
        Just("^1.2".to_owned()),
        Just("~".to_owned()),
        Just("|".to_owned()),
        Just("1.0.0".to_owned()),
        Just("*".to_owned()),
        Just("\t".to_owned()),
        Just("@EXPLICIT\n".to_owned()),
        Just(
            "{\"cells\": [{\"cell_type\": \"code\", \"source\": [\"!pip install x\"]}]}".to_owned()
        ),
        Just("99999999999999999999".to_owned()),
        Just("\u{feff}".to_owned()),
        Just("\r".to_owned()),
        "\\PC{0,8}",
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn no_reader_panics(text in pieces()) {
        for name in NAMES {
            read_as(name, &text);
        }
    }

    #[test]
    fn no_reader_panics_on_anything(text in ".{0,200}") {
        for name in NAMES {
            read_as(name, &text);
        }
    }

    #[test]
    fn what_is_repaired_is_valid(text in "[a-zA-Z]{1,8}[ =<>~!()\\[\\];,.0-9a-z+*x@'\"-]{0,20}") {
        if let requirement::Asked::Distribution(found) = requirement::read(&text)
            && let Some(requirement) = found.requirement
            && !requirement.contains(" @ ")
        {
            let again = requirement::read(&requirement);
            let requirement::Asked::Distribution(again) = again else { panic!("{text}: {requirement}") };
            prop_assert_eq!(again.requirement, Some(requirement));
            prop_assert_eq!(again.repaired, None);
        }
    }
}

#[test]
fn what_is_made_to_exhaust_us_does_not() {
    let deep = 100_000;
    let nested = |open: &str, close: &str| format!("{}{}", open.repeat(deep), close.repeat(deep));
    let marker = format!("numpy ; {}python_version > '3'{}", "(".repeat(deep), ")".repeat(deep));
    let texts = [
        ("requirements.txt", marker.clone()),
        ("requirements.txt", format!("numpy {}", ">=1,".repeat(deep))),
        ("setup.cfg", format!("[options]\ninstall_requires =\n    {marker}\n")),
        ("PKG-INFO", format!("Requires-Dist: {marker}\n")),
        ("pyproject.toml", format!("a = {}\n", nested("[", "]"))),
        ("pyproject.toml", format!("[{}b]\n", "a.".repeat(deep))),
        ("Pipfile.lock", nested("[", "]")),
        ("x.ipynb", format!("{{\"cells\": {}}}", nested("[", "]"))),
        ("environment.yml", format!("dependencies: {}", nested("[", "]"))),
        ("setup.py", format!("setup(name={})", nested("(", ")"))),
        ("setup.py", format!("setup(name=x{})", ".strip()".repeat(deep))),
        ("README.md", format!("{}\n{}", "python ".repeat(deep), "`".repeat(deep))),
    ];
    for (name, text) in texts {
        read_as(name, &text);
    }
}

#[test]
fn each_name_has_its_kind() {
    let kinds: std::collections::BTreeSet<Kind> =
        NAMES.iter().filter_map(|name| super::recognise(name)).collect();
    assert_eq!(kinds.len(), 19);
}
