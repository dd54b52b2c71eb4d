//! Idioms of real `setup.py` files.

use super::*;
use crate::packaging::read::ScriptTarget;
use crate::packaging::tree::tests::Folder;

fn told(setup: &str, files: &[(&str, &str)]) -> String {
    let tree = Folder::new(files);
    let read = read("setup.py", setup, &tree);
    let mut told = Vec::new();
    told.push(format!(
        "{} {} compiles={} packages={:?}",
        read.file.name.as_deref().unwrap_or("-"),
        read.file.version.as_deref().unwrap_or("-"),
        read.file.compiles,
        read.packages
    ));
    for d in &read.declared {
        let asked = d.requirement.clone().unwrap_or_else(|| format!("({})", d.name));
        let mut line = format!("{}:{} {}: {asked}", d.path, d.line, d.scope);
        if let Some(repaired) = &d.repaired {
            line = format!("{line}   # {repaired}");
        }
        told.push(line);
    }
    for script in &read.scripts {
        told.push(match &script.target {
            ScriptTarget::Function { module, function } => {
                format!(
                    "script {} = {module}:{} ({})",
                    script.name,
                    function.as_deref().unwrap_or("-"),
                    script.line
                )
            }
            ScriptTarget::File(file) => format!("script file {file}"),
        });
    }
    let python = read.python.requires.iter().chain(&read.python.named);
    told.extend(python.map(|seen| format!("python {} ({})", seen.text, seen.line)));
    told.extend(read.file.unreadable.iter().map(|why| format!("unreadable: {why}")));
    told.join("\n")
}

#[test]
fn constants_lists_and_an_extension() {
    let setup = include_str!("../../../../../fixtures/packaging/beats/setup.py");
    insta::assert_snapshot!(told(setup, &[("bin/Track", ""), ("bin/Score", "")]), @r#"
beats 0.16.1 compiles=true packages=["find:"]
setup.py:27 install: numpy>=1.13.4
setup.py:28 install: scipy>=0.16
setup.py:29 install: cython>=0.25
setup.py:30 install: mido>=1.2.8
setup.py:46 build: pytest-runner
setup.py:47 test: pytest
setup.py:8 build: cython   # imported by setup.py, not declared as a build requirement
setup.py:11 build: numpy   # imported by setup.py, not declared as a build requirement
script file bin/Track
script file bin/Score
python 2.7 (23)
python 3.7 (24)
"#);
}

#[test]
fn requirements_from_a_file_by_every_idiom() {
    let file = ("requirements.txt", "# core\nnumpy>=1.10\n\n-f https://x/y\ntorch==1.0  # old\n");
    let idioms = [
        "setup(install_requires=open('requirements.txt').read().splitlines())",
        "setup(install_requires=open('requirements.txt').readlines())",
        "setup(install_requires=[l.strip() for l in open('requirements.txt')])",
        "with open('requirements.txt') as f:\n    reqs = f.read().split('\\n')\nsetup(install_requires=reqs)",
        "def read_requirements(name='requirements.txt'):\n    here = os.path.abspath(os.path.dirname(__file__))\n    with open(os.path.join(here, name)) as f:\n        return [r.strip() for r in f if not r.startswith('#')]\nsetup(install_requires=read_requirements())",
        "from pip.req import parse_requirements\nreqs = [str(ir.req) for ir in parse_requirements('requirements.txt', session='x')]\nsetup(install_requires=reqs)",
        "import pkg_resources, pathlib\nwith pathlib.Path('requirements.txt').open() as t:\n    reqs = [str(r) for r in pkg_resources.parse_requirements(t)]\nsetup(install_requires=reqs)",
        "reqs = []\nfor line in open('requirements.txt'):\n    line = line.split('#')[0].strip()\n    if line:\n        reqs.append(line)\nsetup(install_requires=reqs)",
        "HERE = Path(__file__).parent\nsetup(install_requires=(HERE / 'requirements.txt').read_text().splitlines())",
        "setup(install_requires=list(filter(None, open('requirements.txt').read().split('\\n'))))",
        "def fetch(f):\n    with open(f) as h:\n        return list(map(str.strip, h))\nif __name__ == '__main__':\n    setup(install_requires=fetch('requirements.txt'))",
    ];
    for idiom in idioms {
        let tree = Folder::new(&[file]);
        let read = read("setup.py", idiom, &tree);
        let told: Vec<_> = read
            .declared
            .iter()
            .filter(|d| d.scope == "install")
            .map(|d| (d.path.as_str(), d.line, d.requirement.as_deref().unwrap_or_default()))
            .collect();
        let wanted =
            [("requirements.txt", 2, "numpy>=1.10"), ("requirements.txt", 5, "torch==1.0")];
        assert_eq!(told, wanted, "{idiom}");
        assert!(read.file.unreadable.is_empty(), "{idiom}: {:?}", read.file.unreadable);
    }
}

#[test]
fn conditions_become_markers_or_notes() {
    let setup = "import sys\nfrom setuptools import setup\ninstall_requires = ['numpy']\nif sys.version_info < (3, 4):\n    install_requires.append('enum34')\nelif USE_GPU:\n    install_requires += ['cupy']\nelse:\n    install_requires.extend(['tqdm>=4'])\nextras = {'doc': ['sphinx'], ':python_version<\"3.3\"': ['mock']}\nextras['all'] = sum(extras.values(), [])\ntf = ['tensorflow'] if sys.platform == 'darwin' else ['tensorflow-gpu']\nsetup(name='x', install_requires=install_requires + tf, extras_require=extras)\n";
    insta::assert_snapshot!(told(setup, &[]), @r#"
x - compiles=false packages=[]
setup.py:3 install: numpy
setup.py:5 install: enum34 ; python_version < "3.4"
setup.py:7 install: cupy   # only under a condition: `USE_GPU`
setup.py:9 install: tqdm>=4   # only under a condition: `not (USE_GPU)`
setup.py:12 install: tensorflow ; sys_platform == "darwin"
setup.py:12 install: tensorflow-gpu ; sys_platform != "darwin"
setup.py:10 extra:doc: sphinx
setup.py:10 install: mock ; python_version<"3.3"
setup.py:10 extra:all: sphinx
setup.py:10 extra:all: mock
"#);
}

#[test]
fn dictionaries_functions_and_versions() {
    let setup = "import re, os\nfrom distutils.core import setup, Extension\n\ndef find_version(*parts):\n    with open(os.path.join(here, *parts)) as f:\n        return re.search(r'__version__ = (.*)', f.read()).group(1)\n\nVERSION_NUMPY = '1.16'\nkwargs = dict(name='toolkit', version=find_version('toolkit', '__init__.py'), packages=['toolkit', 'toolkit.io'])\nkwargs['install_requires'] = '''\n    numpy>={}\n    scipy\n'''.format(VERSION_NUMPY)\nkwargs.update(scripts=['bin/run.py'], entry_points='''\n    [console_scripts]\n    tk = toolkit.cli:main [extra]\n    tk2=toolkit.cli2\n''', python_requires='>=%s' % '3.5')\n\ndef main():\n    setup(classifiers=['Programming Language :: Python :: 3.6'], setup_requires=['numpy'], ext_modules=[], **kwargs)\n\nmain()\n";
    insta::assert_snapshot!(told(setup, &[("toolkit/__init__.py", "__version__ = '0.4.1'\n")]), @r#"
toolkit 0.4.1 compiles=false packages=["toolkit", "toolkit.io"]
setup.py:21 build: numpy
setup.py:11 install: numpy>=1.16
setup.py:12 install: scipy
script file bin/run.py
script tk = toolkit.cli:main (16)
script tk2 = toolkit.cli2:- (17)
python >=3.5 (18)
python 3.6 (21)
"#);
}

#[test]
fn what_setup_imports_is_a_build_requirement() {
    let setup = "import os, sys\nimport torch\nfrom torch.utils.cpp_extension import BuildExtension, CUDAExtension\nfrom setuptools import setup\ntry:\n    from Cython.Build import cythonize\nexcept ImportError:\n    cythonize = None\nimport mykit\nfrom mykit.version import v\ndef ext():\n    import numpy\n    import matplotlib\nsetup(name='mykit', ext_modules=[CUDAExtension('x', ['x.cu'])], setup_requires=['pybind11'])\n";
    let files = [
        ("mykit/__init__.py", "from .core import x\nfrom . import data\nimport json\n"),
        (
            "mykit/core.py",
            "import scipy.sparse as sp\nif __name__ == '__main__':\n    import fire\n",
        ),
        ("mykit/data.py", "def f():\n    import pandas\nimport yaml\n"),
        ("mykit/version.py", "v = 1\n"),
    ];
    insta::assert_snapshot!(told(setup, &files), @r#"
mykit - compiles=true packages=[]
setup.py:14 build: pybind11
setup.py:2 build: torch   # imported by setup.py, not declared as a build requirement
setup.py:6 build: cython   # imported by setup.py, not declared as a build requirement; inside try/except, so it may be absent
setup.py:12 build: numpy   # imported by setup.py, not declared as a build requirement
mykit/core.py:1 build: scipy   # imported by setup.py, not declared as a build requirement; through a module of the tree
mykit/data.py:3 build: pyyaml   # imported by setup.py, not declared as a build requirement; through a module of the tree
"#);
}

#[test]
fn what_only_compiles_is_no_package() {
    let only = |call: &str| {
        let text = format!("from setuptools import setup\nkw = {{}}\n{call}\n");
        read("setup.py", &text, &Folder::new(&[])).file.only_compiles
    };
    assert!(only("setup(ext_modules=cythonize('a.pyx'), cmdclass={'build_ext': B})"));
    assert!(!only("setup(name=compute(), ext_modules=[e])"));
    assert!(!only("setup(ext_modules=[e], packages=find_packages())"));
    assert!(!only("setup(ext_modules=[e], **kw)"));
    assert!(!only("setup()"));
}

#[test]
fn what_is_computed_is_said() {
    let setup = "from setuptools import setup\nsetup(name='x', install_requires=deps(), entry_points=points())\n";
    insta::assert_snapshot!(told(setup, &[]), @r#"
x - compiles=false packages=[]
unreadable: line 2: `install_requires` is computed: `deps()`
unreadable: line 2: `entry_points` is computed: `points()`
"#);
    assert!(told("print 'hello'\n", &[]).contains("no call of `setup`"));
}

#[test]
fn endless_programs_end() {
    let setup = "x = ['a']\ns = 'a'\nfor i in x:\n    x = x + x\n    s = s + s\nwhile True:\n    x += x\ndef f(n):\n    return f(n) + f(n)\nf(1)\nsetup(install_requires=x)\n";
    let tree = Folder::new(&[]);
    assert!(read("setup.py", setup, &tree).declared.len() <= 5000);
    let nested = format!("setup(name={}'x'{})\n", "(".repeat(150), ")".repeat(150));
    read("setup.py", &nested, &tree);
    let long = format!("x = {}\nsetup(install_requires=x)\n", vec!["['a']"; 3000].join(" + "));
    read("setup.py", &long, &tree);
}
