//! Compiled parts of a tree: in a folder of it, mixed with CUDA, or made when it is imported.

#![allow(clippy::unwrap_used, reason = "what a test cannot do without ends it")]

use camino::Utf8PathBuf;
use fs_err as fs;
use sizar_engine::environment::{Setup, SetupError, SetupRequest, setup};
use sizar_engine::home::Home;
use sizar_engine::sandbox::{detect, helper};
use sizar_inspect::InspectOptions;
use sizar_model::{Checkout, Digest, Silent, Source};

/// A home of sizar's and a source.
struct World {
    _folder: tempfile::TempDir,
    root: Utf8PathBuf,
    home: Home,
}

impl World {
    fn new(files: &[(&str, &str)]) -> Self {
        helper::announce(env!("CARGO_BIN_EXE_sizar-helper").into());
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8PathBuf::from_path_buf(folder.path().canonicalize().unwrap()).unwrap();
        for (name, text) in files {
            let path = root.join("source").join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
        }
        Self { home: Home::at(root.join("home")), root, _folder: folder }
    }

    fn setup(&self, driver: &str) -> Result<Setup, SetupError> {
        let path = self.root.join("source");
        let date = Some("2021-06-01T00:00:00Z".parse().unwrap());
        let mut inspection = sizar_inspect::inspect(&path, &InspectOptions::default()).unwrap();
        inspection.commit_date = date;
        let source = Source {
            locator: "source".into(),
            revision: None,
            digest: Digest::of(&serde_json::to_vec(&inspection).unwrap()),
            date,
            code_date: None,
            tag: None,
            own: false,
        };
        let checkout = Checkout { source, path, notes: Vec::new() };
        let request = SetupRequest::new(detect(), Some(driver.to_owned()));
        setup(&self.home, &checkout, &inspection, &request, &Silent)
    }
}

/// A driver of `tools/` that puts `lib/` on its path, as many do.
fn driver(imports: &str) -> String {
    format!(
        "import argparse, os.path as osp, sys\n\
         sys.path.insert(0, osp.join(osp.dirname(__file__), '..', 'lib'))\n\
         {imports}\nargparse.ArgumentParser().parse_args()\n"
    )
}

const CPU_NMS: &str = "import numpy as np\ncimport numpy as np\n\n\
    def cpu_nms(np.ndarray[np.float32_t, ndim=2] dets, float thresh):\n    return dets.shape[0]\n";

/// A `setup.py` of Cython and CUDA together, in the manner of Fast R-CNN.
const MIXED: &str = r"
import os
from os.path import join as pjoin
import numpy as np
from distutils.core import setup
from distutils.extension import Extension
from Cython.Distutils import build_ext


def locate_cuda():
    if 'CUDAHOME' in os.environ:
        home = os.environ['CUDAHOME']
        nvcc = pjoin(home, 'bin', 'nvcc')
    else:
        raise EnvironmentError('The nvcc binary could not be located in your $PATH')
    cudaconfig = {'home': home, 'nvcc': nvcc, 'lib64': pjoin(home, 'lib64')}
    for k, v in cudaconfig.iteritems():
        if not os.path.exists(v):
            raise EnvironmentError('The CUDA %s path could not be located in %s' % (k, v))
    return cudaconfig


CUDA = locate_cuda()


class custom_build_ext(build_ext):
    def build_extensions(self):
        self.compiler.src_extensions.append('.cu')
        build_ext.build_extensions(self)


setup(
    name='demo',
    ext_modules=[
        Extension('nms.cpu_nms', ['nms/cpu_nms.pyx'], include_dirs=[np.get_include()]),
        Extension('nms.gpu_nms', ['nms/nms_kernel.cu', 'nms/gpu_nms.pyx'],
                  library_dirs=[CUDA['lib64']], libraries=['cudart'], language='c++'),
    ],
    cmdclass={'build_ext': custom_build_ext},
)
";

#[test]
fn slow_cython_in_a_folder_is_built_without_the_cuda_of_the_same_setup() {
    let world = World::new(&[
        ("requirements.txt", "numpy\n"),
        ("tools/train.py", &driver("from nms.cpu_nms import cpu_nms")),
        ("lib/setup.py", MIXED),
        ("lib/nms/__init__.py", ""),
        ("lib/nms/cpu_nms.pyx", CPU_NMS),
        ("lib/nms/gpu_nms.pyx", "def gpu_nms(dets):\n    return dets\n"),
        ("lib/nms/nms_kernel.cu", "__global__ void nms_kernel() {}\n"),
    ]);
    let made = world.setup("tools/train.py").unwrap();
    assert!(made.verified);
    let lock = &made.environment.lock;
    assert_eq!(lock.build_steps.len(), 1);
    let left_out = lock.deviations.iter().find(|d| d.rule == "without-cuda-extensions").unwrap();
    assert!(left_out.reason.contains("`lib/setup.py`"), "{}", left_out.reason);
    let note = made.notes.iter().find(|note| note.contains("nms.gpu_nms")).unwrap();
    assert!(note.contains("nvcc"), "{note}");
    let built: Vec<_> = fs::read_dir(made.environment.path.join("tree/lib/nms"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert!(built.len() == 1 && built[0].starts_with("cpu_nms."), "{built:?}");
}

/// A `setup.py` that writes a module of its package when it builds, as `BasicSR` has it.
const WRITES_VERSION: &str = r"
from setuptools import setup
from setuptools.command.build_py import build_py


class Build(build_py):
    def run(self):
        with open('net/version.py', 'w') as out:
            out.write('__version__ = \'1.2\'\n')
        build_py.run(self)


setup(name='net-demo', version='1.2', packages=['net'], cmdclass={'build_py': Build})
";

#[test]
fn slow_a_module_that_the_build_writes_is_found_from_the_tree() {
    let world = World::new(&[
        ("setup.py", WRITES_VERSION),
        ("net/__init__.py", "from .version import __version__\n"),
        ("train.py", &driver("import net\nassert net.__version__ == '1.2'")),
    ]);
    let made = world.setup("train.py").unwrap();
    assert!(made.verified);
    assert_eq!(made.attempts.len(), 1, "{:?}", made.attempts);
    assert!(made.environment.path.join("tree/net/version.py").is_file());
    assert!(!made.environment.path.join("tree/net/__init__.py").exists());
}

#[test]
fn slow_what_is_compiled_when_it_is_imported_finds_the_environments_python() {
    let module = "#include <Python.h>\n\
        static struct PyModuleDef def = {PyModuleDef_HEAD_INIT, \"fast\", NULL, -1, NULL};\n\
        PyMODINIT_FUNC PyInit_fast(void) {\n\
            PyObject *module = PyModule_Create(&def);\n\
            PyModule_AddIntConstant(module, \"hexversion\", PY_VERSION_HEX);\n\
            return module;\n}\n";
    let makefile = "CFLAGS = -O1 -fPIC $(shell python3-config --cflags)\n\
        LDFLAGS = $(shell python3-config --ldflags)\n\
        fast.so: fast.c\n\t$(CC) -o $@ $(CFLAGS) fast.c --shared $(LDFLAGS)\n";
    let init = "import os, subprocess, sys\n\
        HERE = os.path.dirname(os.path.realpath(__file__))\n\
        if subprocess.call(['make', '-C', HERE]) != 0:\n    \
            raise RuntimeError('Cannot compile fastnms: {}'.format(HERE))\n\
        from .fast import hexversion\n\
        assert hexversion == sys.hexversion, hexversion\n";
    let world = World::new(&[
        ("requirements.txt", "six\n"),
        (
            "train.py",
            "import argparse, six\nimport fastnms\nargparse.ArgumentParser().parse_args()\n",
        ),
        ("fastnms/__init__.py", init),
        ("fastnms/fast.c", module),
        ("fastnms/Makefile", makefile),
    ]);
    let made = world.setup("train.py").unwrap();
    assert!(made.verified);
    let checks = &made.environment.lock.verification.as_ref().unwrap().checks;
    assert!(checks.iter().any(|check| check == "`train.py --help` exits 0"), "{checks:?}");
}

#[test]
fn slow_a_cuda_extension_that_nothing_replaces_is_named() {
    let setup = "from distutils.core import setup, Extension\n\
        setup(name='points', ext_modules=[\n    \
            Extension('points.sampling', ['points/src/sampling.cu'], libraries=['cudart'])])\n";
    let world = World::new(&[
        ("requirements.txt", "six\n"),
        ("tools/train.py", &driver("import points")),
        ("lib/setup.py", setup),
        ("lib/points/__init__.py", "from . import sampling\n"),
        ("lib/points/src/sampling.cu", "__global__ void sample() {}\n"),
    ]);
    let error = world.setup("tools/train.py").unwrap_err();
    let SetupError::Failed { cause, advice, .. } = error else { panic!("{error}") };
    let wanted =
        "it needs the CUDA extension `sampling`, which its `lib/setup.py` builds with nvcc";
    assert_eq!(cause, wanted);
    assert!(advice.unwrap().contains("CUDA toolkit"));
}
