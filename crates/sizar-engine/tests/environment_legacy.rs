//! Environments that uv cannot make: Python 2.7 with virtualenv, pip of the era and the index as
//! of a date.

#![allow(clippy::unwrap_used, reason = "what a test cannot do without ends it")]

use std::process::Command;

use camino::Utf8PathBuf;
use fs_err as fs;
use sizar_engine::acquire::{AcquireOptions, acquire};
use sizar_engine::environment::{
    self, Setup, SetupError, SetupRequest, interpreters, python_roots, setup,
};
use sizar_engine::home::Home;
use sizar_engine::sandbox::{SandboxKind, detect, helper};
use sizar_inspect::InspectOptions;
use sizar_model::{Checkout, Digest, Installer, PythonVersion, Silent, Source, VerificationLevel};

/// A home of sizar's and a source.
struct World {
    _folder: tempfile::TempDir,
    home: Home,
    source: Utf8PathBuf,
}

impl World {
    /// Makes one; none where this machine has no Python 2.7 and the caller said that it may not.
    fn with_python_2() -> Option<Self> {
        helper::announce(env!("CARGO_BIN_EXE_sizar-helper").into());
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8PathBuf::from_path_buf(folder.path().canonicalize().unwrap()).unwrap();
        let (home, source) = (Home::at(root.join("home")), root.join("source"));
        fs::create_dir_all(&source).unwrap();
        let found = interpreters::find(&home).unwrap();
        if found.of(PythonVersion::minor(2, 7)).is_none() {
            let may = std::env::var_os("SIZAR_TEST_WITHOUT_PYTHON_2").is_some();
            assert!(
                may,
                "no Python 2.7 here: `pyenv install 2.7.18`, or SIZAR_TEST_WITHOUT_PYTHON_2=1"
            );
            #[expect(clippy::print_stderr, reason = "who reads the log must see it")]
            {
                eprintln!("not tested: this machine has no Python 2.7");
            }
            return None;
        }
        Some(Self { _folder: folder, home, source })
    }

    fn file(&self, name: &str, text: &str) -> &Self {
        fs::write(self.source.join(name), text).unwrap();
        self
    }

    /// Sets up the source as code of `date`.
    fn setup(&self, date: &str, request: &SetupRequest) -> Result<Setup, SetupError> {
        let date = Some(format!("{date}T00:00:00Z").parse().unwrap());
        let mut inspection =
            sizar_inspect::inspect(&self.source, &InspectOptions::default()).unwrap();
        inspection.commit_date = date;
        let text = serde_json::to_vec(&inspection).unwrap();
        let source = Source {
            locator: "source".into(),
            revision: None,
            digest: Digest::of(&text),
            date,
            code_date: None,
            tag: None,
            own: false,
        };
        let checkout = Checkout { source, path: self.source.clone(), notes: Vec::new() };
        setup(&self.home, &checkout, &inspection, request, &Silent)
    }
}

fn request(driver: &str) -> SetupRequest {
    SetupRequest::new(detect(), Some(driver.to_owned()))
}

/// Runs a program of an environment, and returns what it prints.
fn output(made: &Setup, program: &str, args: &[&str]) -> String {
    let path = made.environment.path.join("bin").join(program);
    let output = Command::new(path).args(args).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A program that only Python 2 reads.
const TOOL: &str = "\
import argparse, yaml
def main():
    argparse.ArgumentParser().parse_args()
    print 'yaml', yaml.__version__
if __name__ == '__main__':
    main()
";

#[test]
fn slow_a_program_for_python_2_is_set_up_and_built_again_from_its_lock() {
    let Some(world) = World::with_python_2() else { return };
    world.file("tool.py", TOOL).file("requirements.txt", "PyYAML\n");
    let made = world.setup("2016-10-01", &request("tool.py")).unwrap();
    assert!(made.verified);
    let lock = made.environment.lock.clone();
    assert_eq!(lock.python.without_patch(), PythonVersion::minor(2, 7));
    assert_eq!(lock.installer, Installer::Pip);
    assert_eq!(lock.verification.as_ref().unwrap().level, VerificationLevel::Answers);
    let tool = world.source.join("tool.py");
    assert_eq!(output(&made, "python", &[tool.as_str()]), "yaml 3.12", "the one of its time");
    // its program is a copy, so only the record tells where its library is
    assert_eq!(python_roots(&made.environment.path), made.python_roots);
    let yaml = lock.packages.iter().find(|package| package.name == "pyyaml").unwrap();
    assert_eq!((yaml.version.as_str(), yaml.hashes.len()), ("3.12", 1));
    let name = made.environment.path.file_name().unwrap();
    environment::remove(&world.home, name).unwrap();

    let text = sizar_env::lock::write(&lock).unwrap();
    let mut locked = request("tool.py");
    locked.locked = Some(sizar_env::lock::read(&text).unwrap());
    let again = world.setup("2016-10-01", &locked).unwrap();
    assert_eq!(again.environment.path, made.environment.path);
    assert!(again.verified);
    // other bytes under the same name are refused
    let mut forged = lock;
    for package in forged.packages.iter_mut().filter(|package| package.name == "pyyaml") {
        package.hashes = vec![format!("sha256:{}", "0".repeat(64))];
    }
    locked.locked = Some(forged);
    let error = world.setup("2016-10-01", &locked).unwrap_err();
    assert!(error.to_string().to_lowercase().contains("hash"), "{error}");
}

/// A build that has its tools fetched in both ways that there were, and writes down which it got.
const SETUP: &str = "\
import glob, os, subprocess, sys
from setuptools import setup
from setuptools.command.build_py import build_py

class build(build_py):
    def run(self):
        build_py.run(self)
        import six
        eggs = os.path.abspath('eggs')
        os.makedirs(eggs)
        subprocess.check_call(
            [sys.executable, '-m', 'easy_install', '-q', '-d', eggs, 'six'],
            env=dict(os.environ, PYTHONPATH=eggs))
        egg, = [os.path.basename(path).split('-')[1] for path in glob.glob(eggs + '/six-*.egg')]
        with open(os.path.join(self.build_lib, 'demo_tools.py'), 'w') as file:
            file.write('TOOLS = %r' % [six.__version__, egg])

# hidden from whoever only reads
tools = open('build_tools.txt').read().split()
setup(name='demo', version='1', py_modules=['demo'], setup_requires=tools,
      cmdclass={'build_py': build}, entry_points={'console_scripts': ['demo=demo:main']})
";

#[test]
fn slow_a_module_that_only_the_build_writes_is_found_by_python_2() {
    let Some(world) = World::with_python_2() else { return };
    fs::create_dir_all(world.source.join("net")).unwrap();
    world
        .file(
            "setup.py",
            "from setuptools import setup\n\
             from setuptools.command.build_py import build_py\n\n\n\
             class Build(build_py):\n    def run(self):\n        \
             open('net/version.py', 'w').write('v = 2\\n')\n        build_py.run(self)\n\n\n\
             setup(name='net-demo', version='1', packages=['net'], cmdclass={'build_py': Build})\n",
        )
        .file("net/__init__.py", "from .version import v\n")
        .file(
            "tool.py",
            "import argparse\nimport net\nargparse.ArgumentParser().parse_args()\nprint 'v', net.v\n",
        );
    let made = world.setup("2016-10-01", &request("tool.py")).unwrap();
    assert!(made.verified, "{:?}", made.attempts);
    let tool = world.source.join("tool.py");
    assert_eq!(output(&made, "python", &[tool.as_str()]), "v 2");
}

#[test]
fn slow_what_a_build_fetches_by_itself_is_of_its_time_too() {
    let Some(world) = World::with_python_2() else { return };
    if detect() == SandboxKind::None {
        return;
    }
    world.file("setup.py", SETUP).file("build_tools.txt", "six\n").file(
        "demo.py",
        "import argparse\ndef main():\n    argparse.ArgumentParser().parse_args()\n    \
         from demo_tools import TOOLS\n    print ' '.join(TOOLS)\n",
    );
    let made = world.setup("2014-05-01", &request("demo")).unwrap();
    assert!(made.verified, "{:?}", made.attempts);
    // six 1.6.1 is of 2014-03, 1.7.0 of 2014-06
    assert_eq!(output(&made, "demo", &[]), "1.6.1 1.6.1");
    assert!(made.notes.is_empty(), "{:?}", made.notes);
}

#[test]
fn slow_an_sdist_for_python_2_alone_is_set_up() {
    let Some(world) = World::with_python_2() else { return };
    let locator = "pypi:BeautifulSoup==3.2.1".parse().unwrap();
    let checkout = acquire(&world.home, &locator, &AcquireOptions::default(), &Silent).unwrap();
    let mut inspection =
        sizar_inspect::inspect(&checkout.path, &InspectOptions::default()).unwrap();
    inspection.commit_date = checkout.source.date;
    let request = SetupRequest::new(detect(), None);
    let made = setup(&world.home, &checkout, &inspection, &request, &Silent).unwrap();
    assert!(made.verified);
    let said = output(&made, "python", &["-c", "import BeautifulSoup as b; print b.__version__"]);
    assert_eq!(said, "3.2.1");
}

/// A module in C, as Python 2 initialises it.
const TWICE: &str = r#"#include <Python.h>

static PyObject *twice(PyObject *self, PyObject *args) {
    long number;
    if (!PyArg_ParseTuple(args, "l", &number)) return NULL;
    return PyInt_FromLong(2 * number);
}

static PyMethodDef methods[] = {{"twice", twice, METH_VARARGS, ""}, {NULL, NULL, 0, NULL}};

PyMODINIT_FUNC initfast(void) { Py_InitModule("fast", methods); }
"#;

#[test]
fn slow_an_extension_is_built_in_the_tree_by_python_2() {
    let Some(world) = World::with_python_2() else { return };
    fs::create_dir_all(world.source.join("lib/utils")).unwrap();
    world
        .file(
            "lib/utils/setup.py",
            "from distutils.core import setup, Extension\n\
             setup(ext_modules=[Extension('fast', ['fast.c'])])\n",
        )
        .file("lib/__init__.py", "")
        .file("lib/utils/__init__.py", "")
        .file("lib/utils/fast.c", TWICE)
        .file(
            "tool.py",
            "import argparse\nfrom lib.utils.fast import twice\n\
             argparse.ArgumentParser().parse_args()\nprint 'v', twice(21)\n",
        );
    let made = world.setup("2016-10-01", &request("tool.py")).unwrap();
    assert!(made.verified, "{:?}", made.attempts);
    assert_eq!(made.attempts.len(), 1, "{:?}", made.attempts);
    let built = fs::read_dir(made.environment.path.join("tree/lib/utils")).unwrap();
    let built: Vec<_> = built.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(built, ["fast.so"]);
}

#[test]
fn what_python_2_reads_of_sizars_is_ascii() {
    let mut open = vec![Utf8PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")];
    let mut seen = 0;
    while let Some(folder) = open.pop() {
        for entry in folder.read_dir_utf8().unwrap().map(Result::unwrap) {
            let path = entry.path();
            if path.is_dir() {
                open.push(path.to_owned());
            } else if path.extension() == Some("py") {
                // without a declaration it stops at the first other character (PEP 263)
                assert!(fs::read(path).unwrap().is_ascii(), "{path}");
                seen += 1;
            }
        }
    }
    assert!(seen > 20, "{seen}");
}
