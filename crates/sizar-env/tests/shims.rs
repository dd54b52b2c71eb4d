//! The start-up shims, run by real Pythons.

#![allow(clippy::unwrap_used, reason = "what a test cannot do without ends it")]

use std::process::Command;

use camino::{Utf8Path, Utf8PathBuf};
use sizar_env::shims;

/// Returns an interpreter of a minor version, where this machine has one.
fn python(minor: &str) -> Option<Utf8PathBuf> {
    let home = std::env::var("HOME").unwrap_or_default();
    let versions = Utf8Path::new(&home).join(".pyenv/versions");
    let mut found: Vec<_> = versions
        .read_dir_utf8()
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.file_name().starts_with(&format!("{minor}.")))
        .map(|entry| entry.path().join("bin/python"))
        .collect();
    found.push(format!("/usr/bin/python{minor}").into());
    found.into_iter().find(|path| path.is_file())
}

struct Site {
    _folder: tempfile::TempDir,
    root: Utf8PathBuf,
}

impl Site {
    /// Writes `names` as an environment has them, beside a file that reads the `.pth` file as
    /// Python does in `site-packages`.
    fn with(names: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8PathBuf::from_path_buf(folder.path().canonicalize().unwrap()).unwrap();
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        for (path, text) in shims::files(&names) {
            let path = root.join("site").join(path);
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            fs_err::write(path, text).unwrap();
        }
        fs_err::create_dir_all(root.join("work")).unwrap();
        Self { _folder: folder, root }
    }

    fn ledger(&self) -> Utf8PathBuf {
        self.root.join("ledger.jsonl")
    }

    /// Runs a script of `tests/python` with the shims started, and returns what it printed.
    fn run(&self, python: &Utf8Path, script: &str) -> String {
        let script = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python").join(script);
        let site = self.root.join("site");
        let start = "import site, sys; site.addsitedir(sys.argv[1]); del sys.argv[0:2]; \
                     sys.argv[0:0] = []; \
                     exec(compile(open(sys.argv[0]).read(), sys.argv[0], 'exec'), \
                     {'__name__': '__main__', '__file__': sys.argv[0]})";
        let output = Command::new(python)
            .args(["-c", start, site.as_str(), script.as_str(), self.root.join("work").as_str()])
            .env("SIZAR_LEDGER", self.ledger())
            .env("CUDA_VISIBLE_DEVICES", "")
            .env("PYTHONPATH", &site)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .current_dir(self.root.join("work"))
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{python} {script}:\n{text}\n{errors}");
        text
    }

    /// Makes an environment of its own with packages from the index.
    fn environment(&self, python: &Utf8Path, packages: &[&str]) -> Utf8PathBuf {
        let prefix = self.root.join("venv");
        let done = Command::new(python).args(["-m", "venv", prefix.as_str()]).status().unwrap();
        assert!(done.success());
        let own = prefix.join("bin/python");
        let done = Command::new(&own)
            .args(["-m", "pip", "install", "--quiet", "--no-cache-dir"])
            .args(packages)
            .status()
            .unwrap();
        assert!(done.success(), "{packages:?} cannot be installed");
        own
    }
}

fn all() -> Vec<&'static str> {
    shims::table().iter().map(|shim| shim.name.as_str()).collect()
}

#[test]
fn shims_of_the_standard_library_work_on_every_python() {
    let mut tried = 0;
    for minor in ["2.7", "3.5", "3.6", "3.7", "3.8", "3.9", "3.10", "3.11", "3.12", "3.13"] {
        let Some(python) = python(minor) else {
            eprintln!("there is no Python {minor} here; it is not tried");
            continue;
        };
        let site = Site::with(&all());
        assert!(site.run(&python, "shims_stdlib.py").contains("all good"), "{minor}");
        tried += 1;
    }
    assert!(tried > 0 || python("3.12").is_none());
}

#[test]
fn slow_shims_mend_the_newest_libraries() {
    let Some(python) = python("3.12") else { return eprintln!("there is no Python 3.12 here") };
    let site = Site::with(&all());
    let packages = [
        "numpy",
        "scipy",
        "pandas",
        "scikit-learn",
        "scikit-image",
        "networkx",
        "pillow",
        "matplotlib",
        "opencv-python-headless",
        "pyyaml",
        "six",
        "joblib",
    ];
    let own = site.environment(&python, &packages);
    assert!(site.run(&own, "shims_libraries.py").contains("all good"));
    let ledger = fs_err::read_to_string(site.ledger()).unwrap();
    assert!(!ledger.contains("\"error\""), "{ledger}");
    for kind in ["yaml.load", "cv2.imshow", "numpy.load", "import sklearn.externals.joblib"] {
        assert!(ledger.contains(kind), "{kind} is not in the ledger:\n{ledger}");
    }
}

#[test]
fn slow_calls_for_cuda_run_on_the_cpu_of_an_old_torch() {
    let Some(python) = python("3.7") else { return eprintln!("there is no Python 3.7 here") };
    let site = Site::with(&["cpu", "apex-amp", "torch-cuda-version"]);
    let own = site.environment(&python, &["torch==1.4.0", "numpy<1.22"]);
    assert!(site.run(&own, "shims_torch.py").contains("all good"));
    let ledger = fs_err::read_to_string(site.ledger()).unwrap();
    assert!(!ledger.contains("\"error\""), "{ledger}");
    for kind in [
        "Tensor.cuda",
        "Module.cuda",
        "Module.to",
        "torch.randn",
        "torch.load",
        "torch.cuda.FloatTensor",
        "torch.set_default_tensor_type",
        "torch.distributed.init_process_group",
        "DistributedDataParallel(device_ids)",
        "torch.cuda.is_available",
        "apex.amp.initialize",
        "torch.version.cuda",
    ] {
        assert!(ledger.contains(&format!("\"{kind}\"")), "{kind} is not in the ledger:\n{ledger}");
    }
}

#[test]
fn slow_horovod_works_in_one_process_alone() {
    let Some(python) = python("3.7") else { return eprintln!("there is no Python 3.7 here") };
    let site = Site::with(&["horovod-alone"]);
    let own = site.environment(&python, &["torch==1.4.0", "numpy<1.22"]);
    assert!(site.run(&own, "shims_horovod.py").contains("all good"));
    let ledger = fs_err::read_to_string(site.ledger()).unwrap();
    assert!(!ledger.contains("\"error\"") && ledger.contains("horovod.init"), "{ledger}");
}

#[test]
fn slow_operators_of_cuda_extensions_are_torchvisions() {
    let Some(python) = python("3.7") else { return eprintln!("there is no Python 3.7 here") };
    let site = Site::with(&["cuda-operators"]);
    // without torch, boxes are suppressed all the same
    let own = site.environment(&python, &["numpy<1.22"]);
    assert!(site.run(&own, "shims_cuda_operators.py").contains("boxes only"));
    let own = site.environment(&python, &["torch==1.6.0", "torchvision==0.7.0", "numpy<1.22"]);
    assert!(site.run(&own, "shims_cuda_operators.py").contains("all good"));
    let ledger = fs_err::read_to_string(site.ledger()).unwrap();
    assert!(!ledger.contains("\"error\""), "{ledger}");
    for kind in ["import gpu_nms", "import net._C", "import ops.deform_conv_cuda"] {
        assert!(ledger.contains(kind), "{kind} is not in the ledger:\n{ledger}");
    }
}

#[test]
fn slow_devices_of_tensorflow_are_the_cpu() {
    for (minor, packages) in [
        ("3.7", ["tensorflow-cpu==1.15.0", "protobuf<3.21", "numpy<1.20"]),
        ("3.9", ["tensorflow-cpu==2.8.0", "protobuf<3.21", "numpy<1.24"]),
    ] {
        let Some(python) = python(minor) else { continue };
        let site = Site::with(&["cpu"]);
        let own = site.environment(&python, &packages);
        assert!(site.run(&own, "shims_tensorflow.py").contains("all good"));
        let ledger = fs_err::read_to_string(site.ledger()).unwrap();
        assert!(ledger.contains("tf.device") && !ledger.contains("\"error\""), "{ledger}");
    }
}
