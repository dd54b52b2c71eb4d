//! What an import means, by the files that are there.

use sizar_inspect::python::{Layout, Project, Resolution, SourceFile};

/// Says what the only import of the first file means: the file, `stdlib` or `third party`.
fn meaning(files: &[(&str, &str)], others: &[&str], layout: &Layout) -> String {
    let sources: Vec<SourceFile> =
        files.iter().map(|&(path, text)| SourceFile::parse(path, text.to_owned())).collect();
    let paths = files.iter().map(|(path, _)| *path).chain(others.iter().copied());
    let layout = Layout { paths: paths.map(str::to_owned).collect(), ..layout.clone() };
    let project = Project::read(&sources, &layout);
    let last = project.resolutions.first().and_then(|found| found.last());
    match last.expect("the first file imports something") {
        Resolution::FirstParty(found) => {
            let path = |&index: &usize| project.files.get(index).map(|file| file.path.clone());
            found.iter().filter_map(path).collect::<Vec<_>>().join(" ")
        }
        Resolution::Stdlib => "stdlib".to_owned(),
        Resolution::ThirdParty => "third party".to_owned(),
    }
}

fn of_files(files: &[(&str, &str)]) -> String {
    meaning(files, &[], &Layout::default())
}

#[test]
fn a_module_is_looked_for_where_python_would() {
    for (files, expected) in [
        // beside the script, at the root, in `src`
        (vec![("tools/a.py", "import helper"), ("tools/helper.py", "")], "tools/helper.py"),
        (
            vec![("tools/a.py", "import pkg.b"), ("pkg/__init__.py", ""), ("pkg/b.py", "")],
            "pkg/__init__.py pkg/b.py",
        ),
        (vec![("a.py", "import pkg"), ("src/pkg/__init__.py", "")], "src/pkg/__init__.py"),
        // submodules taken by name
        (
            vec![("a.py", "from pkg import b, c"), ("pkg/__init__.py", ""), ("pkg/b.py", "")],
            "pkg/__init__.py pkg/b.py",
        ),
        // relative, up two packages
        (
            vec![
                ("p/q/a.py", "from ..r import s"),
                ("p/__init__.py", ""),
                ("p/q/__init__.py", ""),
                ("p/r/__init__.py", ""),
                ("p/r/s.py", ""),
            ],
            "p/__init__.py p/r/__init__.py p/r/s.py",
        ),
        // implicitly relative, as in Python 2
        (
            vec![("p/a.py", "import sibling"), ("p/__init__.py", ""), ("p/sibling.py", "")],
            "p/sibling.py",
        ),
        // folders without `__init__`
        (vec![("a.py", "from utils.data import x"), ("utils/data.py", "")], "utils/data.py"),
        (vec![("a.py", "from utils import data"), ("utils/data.py", "")], "utils/data.py"),
        // a copied tree that expects to be the root
        (vec![("third/x/y/a.py", "import model"), ("third/x/model.py", "")], "third/x/model.py"),
    ] {
        assert_eq!(of_files(&files), expected, "{files:?}");
    }
}

#[test]
fn folders_put_on_the_path_count() {
    for added in [
        "sys.path.append('../parts')",
        "sys.path.insert(0, os.path.join(os.path.dirname(__file__), '..', 'parts'))",
        "sys.path.append(os.path.abspath(os.path.join(os.path.dirname(os.path.realpath(__file__)), os.pardir, 'parts')))",
        "sys.path.append(str(Path(__file__).resolve().parent.parent / 'parts'))",
        "sys.path.extend([osp.join(osp.dirname(__file__), '../parts')])",
        "here = os.path.dirname(__file__)\nsys.path.append(here + '/../parts')",
        "sys.path.append(os.path.join(os.getcwd(), 'parts'))",
        "sys.path.append('parts')",
    ] {
        let text = format!("import os, sys\n{added}\nimport deep");
        let found = of_files(&[("tools/a.py", &text), ("parts/deep.py", "")]);
        assert_eq!(found, "parts/deep.py", "{added}");
    }
    // Nothing outside of the tree is meant.
    let outside = "import sys\nsys.path.append('../../../parts')\nimport deep";
    assert_eq!(of_files(&[("tools/a.py", outside), ("parts/deep.py", "")]), "third party");
}

#[test]
fn names_of_others_are_told_apart() {
    for (files, expected) in [
        (vec![("a.py", "import datasets"), ("datasets/__init__.py", "")], "datasets/__init__.py"),
        // A folder of scripts does not hide an installed package, as Python has it.
        (
            vec![("a.py", "from datasets import load_dataset"), ("datasets/get.py", "")],
            "third party",
        ),
        (vec![("a.py", "from datasets import get"), ("datasets/get.py", "")], "datasets/get.py"),
        (vec![("examples/torch.py", "import torch")], "third party"),
        (
            vec![("p/a.py", "import torch"), ("p/__init__.py", ""), ("p/torch.py", "")],
            "third party",
        ),
        (vec![("p/a.py", "import logging"), ("p/__init__.py", ""), ("p/logging.py", "")], "stdlib"),
        (vec![("a.py", "import code"), ("code/run.py", "")], "stdlib"),
        (vec![("s/a.py", "import parser"), ("s/parser.py", "")], "s/parser.py"),
        (vec![("a.py", "import sys"), ("sys.py", "")], "stdlib"),
        (vec![("a.py", "import encoding")], "third party"),
    ] {
        assert_eq!(of_files(&files), expected, "{files:?}");
    }
}

#[test]
fn compiled_modules_are_the_trees_own() {
    let import = [("a.py", "import fast")];
    for other in ["fast.pyx", "fast.cpython-37m-x86_64-linux-gnu.so"] {
        assert_eq!(meaning(&import, &[other], &Layout::default()), "", "{other}");
    }
    let layout = Layout { extensions: vec!["fast".to_owned()], ..Layout::default() };
    assert_eq!(meaning(&import, &[], &layout), "");
    let layout = Layout { package_roots: vec!["python/pkgs".to_owned()], ..Layout::default() };
    let rooted = [("a.py", "import deep"), ("python/pkgs/deep.py", "")];
    assert_eq!(meaning(&rooted, &[], &layout), "python/pkgs/deep.py");
}

#[test]
fn absence_may_be_caught() {
    for (text, optional, conditional) in [
        ("import a", false, false),
        ("try:\n    import a\nexcept ImportError:\n    pass", true, false),
        ("try:\n    pass\nexcept ModuleNotFoundError:\n    import a", true, false),
        ("try:\n    import a\nexcept:\n    a = None", true, false),
        ("try:\n    import a\nexcept ImportError:\n    raise ImportError('get a')", false, false),
        ("try:\n    import a\nexcept:\n    print('get a')\n    raise", false, false),
        ("try:\n    import a\nexcept ImportError:\n    if strict:\n        raise", true, false),
        (
            "def f():\n    try:\n        import a\n    except ImportError:\n        raise",
            true,
            true,
        ),
        ("try:\n    import a\nexcept KeyError:\n    pass", false, false),
        ("try:\n    pass\nfinally:\n    import a", false, false),
        ("if TYPE_CHECKING:\n    import a", true, true),
        ("if sys.version_info < (3, 0):\n    import a", true, true),
        ("if sys.version_info >= (3,):\n    pass\nelse:\n    import a", true, true),
        ("if six.PY3:\n    import a", false, true),
        ("if os.name == 'nt':\n    import a", true, true),
        ("def f():\n    import a", false, true),
        ("a = __import__('a')", false, false),
        ("from importlib import import_module\na = import_module('a.b')", false, false),
    ] {
        let file = SourceFile::parse("x.py", text.to_owned());
        let facts = sizar_inspect::python::FileFacts::read(&file);
        let import = facts.imports.iter().find(|import| import.module.starts_with('a'));
        let import = import.expect("`a` is imported");
        assert_eq!((import.optional, import.conditional), (optional, conditional), "{text}");
    }
}

#[test]
fn what_a_spared_file_refuses_to_go_without_is_optional() {
    let refuses = "try:\n    import a\nexcept ImportError:\n    raise ImportError('get a')";
    let spares = "try:\n    import backend\nexcept ImportError:\n    backend = None";
    for (importer, optional) in [(spares, true), ("import backend", false)] {
        let files = [
            SourceFile::parse("main.py", importer.to_owned()),
            SourceFile::parse("backend.py", refuses.to_owned()),
        ];
        let project = sizar_inspect::python::Project::read(&files, &Layout::default());
        assert_eq!(project.facts[1].imports[0].optional, optional, "{importer}");
    }
}

#[test]
fn a_module_beside_that_has_what_is_asked_is_the_packages_own() {
    // `tree` is a stranger's, too
    let files = |import: &'static str| {
        [("app/views.py", import), ("app/__init__.py", ""), ("app/tree.py", "def grow(): pass")]
    };
    assert_eq!(of_files(&files("from tree import grow")), "app/tree.py");
    assert_eq!(of_files(&files("from tree import grow, map_structure")), "third party");
    assert_eq!(of_files(&files("import tree")), "third party");
    let handed_on = [
        ("app/views.py", "from tree import grow"),
        ("app/__init__.py", ""),
        ("app/tree.py", "try:\n    from tree import grow\nexcept ImportError:\n    grow = None"),
    ];
    assert_eq!(of_files(&handed_on), "third party");
    let only = [handed_on[0], handed_on[1], ("app/tree.py", "from tree import grow")];
    assert_eq!(of_files(&only), "third party");
}

#[test]
fn a_submodule_that_the_tree_has_is_the_trees_own() {
    // `datasets` is also a stranger's package, which has no `coco`
    let files = |import: &'static str| {
        [
            ("detr/d2/detr/net.py", import),
            ("detr/d2/detr/__init__.py", ""),
            ("src/main.py", "import sys\nsys.path.append('../detr')\nimport datasets.coco\n"),
            ("detr/datasets/__init__.py", ""),
            ("detr/datasets/coco.py", ""),
        ]
    };
    let own = "detr/datasets/__init__.py detr/datasets/coco.py";
    assert_eq!(of_files(&files("from datasets.coco import mask")), own);
    assert_eq!(of_files(&files("from datasets import load_dataset")), "third party");
}

#[test]
fn a_file_may_import_itself_by_its_packages_name() {
    let files = |import: &'static str| {
        [("lib/datasets/imagenet.py", import), ("lib/datasets/__init__.py", "")]
    };
    let own = "lib/datasets/__init__.py lib/datasets/imagenet.py";
    assert_eq!(of_files(&files("import datasets.imagenet")), own);
    assert_eq!(of_files(&files("import datasets")), "lib/datasets/__init__.py");
    assert_eq!(of_files(&[("examples/tensorflow.py", "import tensorflow")]), "third party");
}
