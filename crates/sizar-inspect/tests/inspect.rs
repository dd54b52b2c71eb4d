//! `inspect` on whole trees: a small repository of ours, and trees that want to do harm.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use proptest::prelude::*;
use sizar_inspect::{InspectError, InspectOptions, inspect};
use sizar_model::Inspection;

fn fixture() -> Utf8PathBuf {
    Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/inspect/segmentation")
}

fn inspected(root: &Utf8Path) -> Inspection {
    inspect(root, &InspectOptions::default()).unwrap()
}

/// Makes a tree of the given files in a temporary folder.
fn tree(files: &[(&str, &[u8])]) -> (tempfile::TempDir, Utf8PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let root = Utf8PathBuf::from_path_buf(folder.path().to_owned()).unwrap();
    for (name, content) in files {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    (folder, root)
}

fn ids(inspection: &Inspection) -> Vec<(&str, &str, u32)> {
    let findings = inspection.findings.iter();
    findings.map(|it| (it.id.as_str(), it.path.as_str(), it.line)).collect()
}

#[test]
fn a_repository_is_read_whole() {
    insta::assert_json_snapshot!(inspected(&fixture()));
}

#[test]
fn two_inspections_say_the_same() {
    let single = InspectOptions { threads: 1, ..InspectOptions::default() };
    assert_eq!(inspected(&fixture()), inspect(&fixture(), &single).unwrap());
}

#[test]
fn names_that_later_releases_removed_are_seen() {
    let (_keep, root) = tree(&[
        (
            "train.py",
            b"import numpy as np, yaml, scipy.misc, ast\n\
              from scipy import misc as m\nfrom skimage.measure import compare_ssim as ssim\n\
              import tensorflow.compat.v1 as tf\n\
              def main(config):\n    \
                  options = yaml.load(open(config))\n    \
                  safe = yaml.load(open(config), Loader=yaml.SafeLoader)\n    \
                  x = np.zeros(3, dtype=np.float)\n    \
                  x = x.astype(np.float)\n    \
                  m.imresize(x, 2)\n    \
                  tf.placeholder(tf.float32)\n    \
                  return ast.parse('').node\n",
        ),
        (
            "graph.py",
            b"import networkx as nx, pandas as pd\nfrom gensim.models import Word2Vec\n\
              def go(G, frame):\n    \
                  frame = frame.append({}, ignore_index=True)\n    [].append(1)\n    \
                  Word2Vec([], size=3)\n    Word2Vec([], **{})\n    \
                  return G.node[0], nx.selfloop_edges(G)\n",
        ),
        (
            "both.py",
            b"import os, PIL, numpy as np\n\
              try:\n    import tensorflow.compat.v1 as tf\nexcept ImportError:\n    import tensorflow as tf\n\
              tf.Session()\n\
              try:\n    from collections import Mapping\nexcept ImportError:\n    pass\n\
              if hasattr(np, 'int'):\n    np.int\n\
              os.path.getsize('x')\n\
              try:\n    np.float(1)\nexcept Exception as error:\n    print(error)\n\
              try:\n    np.complex(1)\nexcept AttributeError:\n    pass\n",
        ),
        ("tests/test_a.py", b"import numpy as np\nnp.int\n"),
    ]);
    let seen = inspected(&root).uses;
    let seen: Vec<_> =
        seen.iter().map(|one| (one.path.as_str(), one.line, one.kind.as_str())).collect();
    assert_eq!(
        seen,
        [
            ("both.py", 3, "tensorflow.compat.v1"),
            ("both.py", 6, "tensorflow.Session"),
            ("both.py", 15, "numpy.float"),
            ("graph.py", 4, "pandas:append(ignore_index)"),
            ("graph.py", 6, "gensim.models.Word2Vec(size)"),
            ("graph.py", 8, "networkx:node"),
            ("train.py", 3, "skimage.measure.compare_ssim"),
            ("train.py", 4, "tensorflow.compat.v1"),
            ("train.py", 6, "yaml.load(!Loader)"),
            ("train.py", 8, "numpy.float"),
            ("train.py", 10, "scipy.misc.imresize"),
        ]
    );
}

#[test]
fn what_a_driver_goes_on_without_is_told_apart() {
    let (_keep, root) = tree(&[
        (
            "run.py",
            b"import argparse\nfrom pkg import core\n\
              try:\n    from pkg import gui\nexcept ImportError:\n    gui = None\n\
              try:\n    from pkg.fast import f\nexcept ImportError:\n    from pkg.slow import f\n\
              try:\n    from pkg import must\nexcept ImportError:\n    print('no')\n    raise SystemExit\n\
              try:\n    from pkg import ends\nexcept ImportError:\n    import sys\n    sys.exit(1)\n\
              try:\n    from pkg import wide\nexcept Exception:\n    pass\n\
              try:\n    from pkg.work import go\n    go()\nexcept ImportError:\n    pass\n\
              import sys\nif sys.version_info < (3, 8):\n    from pkg import old\n\
              def main():\n    import pkg.late\n    argparse.ArgumentParser().parse_args()\n\
              if __name__ == '__main__':\n    main()\n",
        ),
        ("pkg/__init__.py", b""),
        ("pkg/core.py", b"import numpy\n"),
        ("pkg/gui.py", b"import pyqtgraph\nfrom pkg import parts, core\n"),
        ("pkg/parts.py", b"import qtpy\n"),
        ("pkg/fast.py", b""),
        ("pkg/slow.py", b""),
        ("pkg/late.py", b""),
        ("pkg/must.py", b""),
        ("pkg/ends.py", b""),
        ("pkg/wide.py", b""),
        ("pkg/work.py", b""),
        ("pkg/old.py", b""),
    ]);
    let inspection = inspected(&root);
    let run = inspection.drivers.iter().find(|driver| driver.path == "run.py").unwrap();
    assert_eq!(run.dispensable, ["pkg/gui.py", "pkg/parts.py"]);
    let needed =
        ["__init__", "core", "ends", "fast", "late", "must", "old", "slow", "wide", "work"]
            .map(|name| format!("pkg/{name}.py"));
    let needed: Vec<&str> = needed.iter().map(String::as_str).chain(["run.py"]).collect();
    assert_eq!(run.needed().collect::<Vec<_>>(), needed);
}

#[test]
fn a_tree_without_python_is_fine() {
    let (_folder, root) = tree(&[("main.c", b"int main() {}\n"), ("LICENSE", b"MIT License")]);
    let inspection = inspected(&root);
    assert_eq!(inspection.languages[0].name, "C");
    assert!(inspection.drivers.is_empty() && inspection.imports.is_empty());
    assert_eq!(ids(&inspection), [("no-python", "", 0)]);
}

#[test]
fn an_empty_folder_is_fine() {
    let (_folder, root) = tree(&[]);
    assert_eq!(inspected(&root).tree.files, 0);
}

#[test]
fn a_folder_that_is_not_there_is_an_error() {
    let error = inspect(Utf8Path::new("/nowhere/at/all"), &InspectOptions::default()).unwrap_err();
    assert!(matches!(error, InspectError::Tree(_)));
    assert_eq!(error.to_string(), "`/nowhere/at/all` is not a folder that can be read");
}

#[test]
fn hostile_files_are_read_or_named() {
    let long = [b"x = '".as_slice(), &vec![b'a'; 1_500_000], b"'\n"].concat();
    let brackets = [b"x = ".as_slice(), &vec![b'['; 100_000]].concat();
    let sums = [b"x = ".as_slice(), &b"1 + ".repeat(100_000), b"1\n"].concat();
    let (_folder, root) = tree(&[
        ("latin.py", b"# caf\xe9\nimport numpy\n"),
        ("nul.py", b"import os\0\nx = 1\n"),
        ("long.py", &long),
        ("huge.py", &vec![b'#'; 10 << 20]),
        ("brackets.py", &brackets),
        ("sums.py", &sums),
        ("two.py", b"print 'hello'\nexec 'x = 1'\n"),
        ("broken.py", b"def f(:\n    return\n"),
        ("bom.py", b"\xef\xbb\xbfimport scipy\n"),
        ("empty.py", b""),
        ("a.ipynb", b"<<<<<<< HEAD\n{}"),
        ("empty.ipynb", b""),
        ("requirements.txt", b"\xff\xfe\x00"),
        ("setup.py", b"setup("),
        ("environment.yml", b"a: [b"),
        ("pyproject.toml", b"= = ="),
        ("CITATION.cff", b"\t: x"),
        (".gitmodules", b"path = ../../etc\nurl = x\n"),
    ]);
    let inspection = inspected(&root);
    let modules: Vec<&str> = inspection.imports.iter().map(|it| it.module.as_str()).collect();
    assert_eq!(modules, ["numpy", "scipy"]);
    let named = ids(&inspection);
    for expected in [
        ("syntax-error", "broken.py", 1),
        ("python-2", "two.py", 1),
        ("notebook-broken", "a.ipynb", 0),
        ("unreadable-file", "huge.py", 0),
    ] {
        assert!(named.contains(&expected), "{expected:?} in {named:?}");
    }
    for deep in ["brackets.py", "sums.py"] {
        let found = named.iter().find(|(id, path, _)| *id == "deeply-nested" && *path == deep);
        assert!(found.is_some(), "{deep} in {named:?}");
    }
}

#[cfg(unix)]
#[test]
fn nothing_outside_the_tree_is_read() {
    let (_outside, secret) = tree(&[("secret.py", b"import secret_module\n")]);
    let (_folder, root) = tree(&[("a.py", b"import numpy\n")]);
    std::os::unix::fs::symlink(&secret, root.join("linked")).unwrap();
    std::os::unix::fs::symlink(secret.join("secret.py"), root.join("b.py")).unwrap();
    std::os::unix::fs::symlink("..", root.join("loop")).unwrap();
    std::os::unix::fs::symlink("gone", root.join("broken.py")).unwrap();
    let inspection = inspected(&root);
    assert_eq!(inspection.tree.files, 1);
    let modules: Vec<&str> = inspection.imports.iter().map(|it| it.module.as_str()).collect();
    assert_eq!(modules, ["numpy"]);
    assert!(ids(&inspection).contains(&("broken-link", "broken.py", 0)));
}

#[test]
fn no_secret_is_repeated() {
    let token = format!("hf_{}", "Zz9".repeat(12));
    let code = format!(
        "import argparse\nfrom huggingface_hub import hf_hub_download\n\
         TOKEN = '{token}'\nhf_hub_download('a/b', token='{token}')\n\
         p = argparse.ArgumentParser()\np.add_argument('--token', default='{token}')\n\
         p.parse_args()\n"
    );
    let requirement = format!("git+https://me:{token}@github.com/a/b.git\n");
    let readme = format!("pip install git+https://me:{token}@github.com/a/b.git\n");
    let (_folder, root) = tree(&[
        ("run.py", code.as_bytes()),
        ("requirements.txt", requirement.as_bytes()),
        ("README.md", readme.as_bytes()),
    ]);
    let inspection = inspected(&root);
    assert!(ids(&inspection).contains(&("hard-coded-secret", "run.py", 3)));
    let json = serde_json::to_string(&inspection).unwrap();
    assert!(!json.contains(&token), "{json}");
}

#[test]
fn a_module_that_was_never_published_is_named() {
    let (_folder, root) = tree(&[
        ("pkg/__init__.py", b"from . import there\nfrom .gone import x\nfrom .sub import y\n"),
        ("pkg/there.py", b""),
        ("pkg/sub/__init__.py", b"y = 1\nfrom ..fast import z\nfrom .._version import v\n"),
        ("pkg/fast.pyx", b""),
    ]);
    let inspection = inspected(&root);
    let missing: Vec<_> =
        ids(&inspection).into_iter().filter(|(id, ..)| *id == "missing-module").collect();
    assert_eq!(missing, [("missing-module", "pkg/__init__.py", 2)]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Whatever becomes of the files, reading them ends, and says the same twice.
    #[test]
    fn damaged_files_never_stop_it(
        which in 0usize..8, cut in 0usize..2_000, noise in proptest::collection::vec(any::<u8>(), 0..40)
    ) {
        let names = [
            "train.py", "predict.py", "net/model.py", "requirements.txt", "environment.yml",
            "README.md", "notebooks/look.ipynb", "scripts/score.py",
        ];
        let files: Vec<(&str, Vec<u8>)> = names
            .iter()
            .enumerate()
            .map(|(at, name)| {
                let mut content = fs::read(fixture().join(name)).unwrap();
                if at == which {
                    let cut = cut.min(content.len());
                    content.splice(cut..(cut + noise.len() / 2).min(content.len()), noise.clone());
                }
                (*name, content)
            })
            .collect();
        let borrowed: Vec<(&str, &[u8])> =
            files.iter().map(|(name, content)| (*name, content.as_slice())).collect();
        let (_folder, root) = tree(&borrowed);
        prop_assert_eq!(inspected(&root), inspected(&root));
    }
}

#[test]
fn scripts_without_a_guard_are_found_where_nobody_imports_them() {
    let works: &[u8] = b"import net\nfor step in range(3):\n    net.train(step)\n";
    let (_keep, root) = tree(&[
        ("code/train.py", works),
        ("code/net/__init__.py", b"def train(step):\n    print(step)\n"),
        ("code/net/helpers.py", works),
        ("more/01_train.py", works),
        ("more/net-test.py", works),
        ("more/plain.py", works),
        ("more/train.v2.py", works),
        ("configs/yolo-v3.py", works),
        ("docs/source/plot-x.py", works),
    ]);
    let drivers = inspected(&root).drivers;
    let paths: Vec<_> = drivers.iter().map(|driver| driver.path.as_str()).collect();
    assert_eq!(
        paths,
        ["code/train.py", "more/01_train.py", "more/net-test.py", "more/train.v2.py"]
    );
}
