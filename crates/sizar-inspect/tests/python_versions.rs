//! Which Pythons read a piece of code.

use sizar_inspect::python::versions::{FileVersions, Scope, verdict};
use sizar_inspect::python::{FileFacts, SourceFile};
use sizar_model::PythonVersion;

fn versions(code: &str) -> FileVersions {
    let file = SourceFile::parse("a.py", code.to_owned());
    let facts = FileFacts::read(&file);
    FileVersions::read(&file, &facts)
}

fn python(text: &str) -> Option<PythonVersion> {
    text.parse().ok()
}

#[test]
fn newer_syntax_sets_the_oldest_python() {
    for (code, oldest) in [
        ("def f(a, *, b): pass", "3.0"),
        ("print(1, file=out)", "3.0"),
        ("def f():\n    yield from g()", "3.3"),
        ("async def f(): pass", "3.5"),
        ("a = b @ c", "3.5"),
        ("a = {**b}", "3.5"),
        ("a = f'{b}'", "3.6"),
        ("a: int = 1", "3.6"),
        ("a = 1_000", "3.6"),
        ("from __future__ import annotations", "3.7"),
        ("import dataclasses_are_not_this\nif (a := b): pass", "3.8"),
        ("def f(a, /): pass", "3.8"),
        ("a = f'{b=}'", "3.8"),
        ("from typing import Literal", "3.8"),
        ("def f(a: list[int]): pass", "3.9"),
        ("with (open(a) as b, open(c) as d): pass", "3.9"),
        ("def f(a: int | None): pass", "3.10"),
        ("match a:\n    case 1: pass", "3.10"),
        ("try: pass\nexcept* ValueError: pass", "3.11"),
        ("import tomllib", "3.11"),
        ("type A = int", "3.12"),
        ("a = f'{b['c']}'", "3.12"),
        ("a = t'{b}'", "3.14"),
    ] {
        let found = versions(code);
        assert_eq!(found.at_least, python(oldest), "{code}");
        assert_eq!(found.at_most, None, "{code}");
    }
}

#[test]
fn older_syntax_sets_the_newest_python() {
    for (code, newest) in [
        ("print 'a'", "2.7"),
        ("if a: print 'a'", "2.7"),
        ("print >>f, a", "2.7"),
        ("exec 'a' in b", "2.7"),
        ("try: pass\nexcept A, e: pass", "2.7"),
        ("raise A, 'b'", "2.7"),
        ("a = `b`", "2.7"),
        ("a = b <> c", "2.7"),
        ("a = 0755", "2.7"),
        ("a = 10L", "2.7"),
        ("a = ur'b'", "2.7"),
        ("def f(a, (b, c)): pass", "2.7"),
        ("a = lambda (b, c): b", "2.7"),
        ("a.cuda(async=True)", "3.6"),
        ("from a import async\n", "3.6"),
        ("async = 1", "3.6"),
    ] {
        let found = versions(code);
        assert_eq!(found.at_most, python(newest), "{code}: {:?}", found.sightings);
    }
}

#[test]
fn removed_modules_and_names_are_soft() {
    for (code, newest) in [
        ("import imp", "3.11"),
        ("from distutils.core import setup", "3.11"),
        ("from collections import Mapping", "3.9"),
        ("import collections\na = collections.MutableMapping", "3.9"),
        ("import time\na = time.clock()", "3.7"),
        ("import cPickle", "2.7"),
        ("for a in xrange(3): pass", "2.7"),
        ("a.iteritems()", "2.7"),
    ] {
        let found = versions(code);
        assert_eq!(found.soft_at_most, python(newest), "{code}");
        assert_eq!(found.at_most, None, "{code}");
    }
}

#[test]
fn what_reads_everywhere_sets_nothing() {
    for code in [
        "print('a')",
        "print ('a') % b",
        "from __future__ import print_function\nprint('a', file=b)",
        "try:\n    import cPickle as pickle\nexcept ImportError:\n    import pickle",
        "try:\n    xrange\nexcept NameError:\n    xrange = range\nxrange(3)",
        "from six.moves import xrange\nxrange(3)",
        "import sys\nif sys.version_info[0] < 3:\n    import urllib2\n    a = unicode",
        "try: pass\nexcept (A, B) as e: pass",
        "a = [0, 00, 0x1f, 0o17]",
        "def f(unicode): return unicode",
    ] {
        let found = versions(code);
        assert_eq!((found.at_least, found.at_most), (None, None), "{code}: {:?}", found.sightings);
        assert_eq!(found.soft_at_most, None, "{code}: {:?}", found.sightings);
    }
}

#[test]
fn one_old_demo_does_not_make_a_tree_python_2() {
    let mut files: Vec<_> = (0..99).map(|_| versions("import os\n")).collect();
    files.push(versions("print 'demo'"));
    let tree = verdict(&files, Scope::Tree);
    assert_eq!((tree.at_least, tree.at_most), (None, None));
    assert_eq!(tree.syntax.len(), 1);
    assert_eq!(tree.syntax.first().map(|sighting| sighting.kind.as_str()), Some("left_out:2.7"));
    // A program that imports the file is.
    assert_eq!(verdict(&files, Scope::Closure).at_most, python("2.7"));
    // The newer side wins where it is larger.
    files.extend((0..2).map(|_| versions("a = f'{b}'")));
    assert_eq!(verdict(&files, Scope::Closure).at_least, python("3.6"));
}
