//! What is seen of a driver before an environment counts as made: its imports, its answer, its tests.

#![allow(clippy::unwrap_used, reason = "what a test cannot do without ends it")]

mod environment_world;

use sizar_engine::environment::{self, SetupRequest};
use sizar_engine::sandbox::detect;
use sizar_model::VerificationLevel;

use environment_world::{World, level_and_checks, request};

#[test]
fn slow_the_drivers_own_modules_are_imported_as_it_imports_them() {
    let world = World::new();
    world.file("lib/helper.py", "import not_there_anywhere\n").file(
        "train.py",
        "import argparse, os, sys\n\
             sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))\n\
             args = argparse.ArgumentParser().parse_args()\n\
             import helper\n",
    );
    let mut wish = request("train.py");
    wish.max_attempts = 1;
    // it answers `--help` before it comes to the import that fails
    let error = world.setup(&wish).unwrap_err();
    assert_eq!(error.attempts()[0].stage, "import");
    assert!(error.to_string().contains("not_there_anywhere"), "{error}");
}

#[test]
fn slow_a_driver_that_asks_for_a_device_is_imported_and_does_not_answer() {
    let world = World::new();
    world.file("model.py", "SIZE = 3\n").file(
        "train.py",
        "import argparse\nfrom model import SIZE\n\
         def main():\n    assert False, 'CPU training is not allowed.'\n    \
         argparse.ArgumentParser().parse_args()\n\
         if __name__ == '__main__':\n    main()\n",
    );
    let made = world.setup(&request("train.py")).unwrap();
    let (level, checks) = level_and_checks(&made);
    assert_eq!(level, VerificationLevel::Imports);
    assert!(made.verified, "{checks}");
    assert!(checks.contains("`train.py` and its own modules are imported"), "{checks}");
    assert!(checks.contains("CPU training is not allowed"), "{checks}");
}

#[test]
fn slow_a_file_that_is_opened_while_a_driver_is_imported_is_the_users_to_give() {
    let world = World::new();
    world
        .file("data/labels.txt", "cat\n")
        .file(
            "coco.py",
            "import os\nopen(os.path.expanduser('~/data/coco/labels.txt')).close()\nN = 80\n",
        )
        .file(
            "train.py",
            "import argparse\nfrom coco import N\n\
             if __name__ == '__main__':\n    argparse.ArgumentParser().parse_args()\n",
        );
    let made = world.setup(&request("train.py")).unwrap();
    let (level, checks) = level_and_checks(&made);
    assert_eq!(level, VerificationLevel::Imports);
    // the rest of its imports was not seen
    assert!(!made.verified, "{checks}");
    assert_eq!(made.attempts.len(), 1, "{:?}", made.attempts);
    assert!(checks.contains("`train.py` opens `~/data/coco/labels.txt` while it is"), "{checks}");
    assert!(checks.contains("the source has one of that name, `data/labels.txt`"), "{checks}");
    assert!(checks.contains("`--data HERE:~/data/coco/labels.txt`"), "{checks}");

    world.file("coco.py", "import os\nN = os.environ['COCO_ROOT']\n");
    // `os` is frozen into the Pythons from 3.11 on
    for python in ["3.8", "3.11"] {
        let wish = SetupRequest { python: Some(python.parse().unwrap()), ..request("train.py") };
        let (_, checks) = level_and_checks(&world.setup(&wish).unwrap());
        assert!(checks.contains("`--env COCO_ROOT=VALUE`"), "{python}: {checks}");
    }
    for asked in [
        "assert os.getenv('COCO_ROOT'), 'where?'",
        "if 'COCO_ROOT' not in os.environ: raise ValueError('set environment variable COCO_ROOT')",
        "ROOT = os.getenv('COCO_ROOT')  # where\nDATA = os.path.join(ROOT, 'data')",
        "ROOT = os.environ.get(\"COCO_ROOT\")\nDATA = ROOT + '/data'",
        "ROOT = os.getenv('COCO_ROOT', None)\r\nDATA = ROOT + '/data'\r",
        "DATA = os.path.join(os.getenv('COCO_ROOT'), 'data')",
    ] {
        world.file("coco.py", &format!("import os\n{asked}\nN = 1\n"));
        let (_, checks) = level_and_checks(&world.setup(&request("train.py")).unwrap());
        assert!(checks.contains("`--env COCO_ROOT=VALUE`"), "{asked}: {checks}");
    }
    // nothing that a variable would give
    for other in [
        "ROOT = os.getenv('COCO_ROOT')\nN = 1 + None",
        // it has a value, then or by now
        "N = len(os.getenv('COCO_ROOT', 'here')) + None",
        "ROOT = os.getenv('COCO_ROOT')\nROOT = ROOT or 'here'\nN = 1 + None if ROOT else 0",
    ] {
        world.file("coco.py", &format!("import os\n{other}\n"));
        let error = world.setup(&request("train.py")).unwrap_err();
        assert!(error.to_string().contains("unsupported operand"), "{other}: {error}");
    }
    // what the environment lacks beside it is no consequence
    world.file("coco.py", "N = open('/data/labels.txt').read()\n");
    world.file("binary.py", "raise ValueError('numpy.dtype size changed')\n").file(
        "train.py",
        "import argparse\nfrom coco import N\nimport binary\n\
         if __name__ == '__main__':\n    argparse.ArgumentParser().parse_args()\n",
    );
    let error = world.setup(&request("train.py")).unwrap_err();
    assert!(error.to_string().contains("numpy.dtype size changed"), "{error}");
}

#[test]
fn slow_who_is_asked_to_press_enter_at_the_import_is_nobody() {
    let world = World::new();
    // and what was begun before the question cannot be begun twice
    world.file(
        "envs/__init__.py",
        "import warnings\n\
         if hasattr(warnings, 'registered'): raise ValueError('cannot register twice')\n\
         warnings.registered = True\ninput('press Enter to go on ')\n",
    );
    world.file("envs/one.py", "N = 1\n").file(
        "train.py",
        "import argparse\nfrom envs.one import N\n\
         if __name__ == '__main__':\n    argparse.ArgumentParser().parse_args()\n",
    );
    let made = world.setup(&request("train.py")).unwrap();
    let (_, checks) = level_and_checks(&made);
    assert_eq!(made.attempts.len(), 1, "{:?}", made.attempts);
    assert!(!made.verified, "{checks}");
    assert!(checks.contains("waits for a line to be typed"), "{checks}");
}

#[test]
fn slow_a_corpus_that_is_asked_for_at_the_import_is_the_users_to_give() {
    let world = World::new();
    world
        .file("requirements.txt", "nltk\n")
        .file("words.py", "from nltk.corpus import cmudict\nN = len(cmudict.dict())\n");
    world.file(
        "train.py",
        "import argparse\nfrom words import N\n\
         if __name__ == '__main__':\n    argparse.ArgumentParser().parse_args()\n",
    );
    let made = world.setup(&request("train.py")).unwrap();
    let (_, checks) = level_and_checks(&made);
    // another date of NLTK would not have it
    assert_eq!(made.attempts.len(), 1, "{:?}", made.attempts);
    assert!(!made.verified && checks.contains("nltk.downloader -d HERE cmudict"), "{checks}");
}

#[test]
fn slow_what_would_stop_only_at_work_is_mended_before() {
    let world = World::new();
    // both load, and the file is read at the end of a night
    world.file("requirements.txt", "numpy\nPyYAML==6.0\nh5py==3.1.0\nKeras==2.3.1\n").file(
        "train.py",
        "import argparse\nimport yaml\n\
         def main():\n    argparse.ArgumentParser().parse_args()\n    print(yaml.load('a: 1'))\n\
         if __name__ == '__main__':\n    main()\n",
    );
    let made = world.setup(&request("train.py")).unwrap();
    let lock = &made.environment.lock;
    assert!(made.verified);
    assert_eq!(lock.shims, ["yaml-load"]);
    let why = lock.deviations.iter().find(|one| one.rule == "removed-name").unwrap();
    assert!(why.reason.contains("which `train.py:5` uses"), "{}", why.reason);
    // what is pinned stays, where nothing else can be had
    let version = |name: &str| {
        lock.packages.iter().find(|package| package.name == name).map(|one| one.version.as_str())
    };
    assert_eq!((version("h5py"), version("keras")), (Some("3.1.0"), Some("2.3.1")));
    assert!(lock.deviations.iter().all(|one| one.rule != "known-conflict"));

    world.file("requirements.txt", "numpy\nPyYAML==6.0\nh5py\nKeras==2.3.1\n");
    let lock = world.setup(&request("train.py")).unwrap().environment.lock;
    let h5py = lock.packages.iter().find(|package| package.name == "h5py").unwrap();
    assert!(h5py.version.starts_with("2."), "{}", h5py.version);
    assert!(lock.deviations.iter().any(|one| one.rule == "known-conflict"));
}

#[test]
fn slow_what_was_added_for_an_import_and_is_there_already_goes_again() {
    let world = World::new();
    // the authors' own distribution of the module is not the one that the table knows
    world.file("requirements.txt", "docopt-ng==0.7.2\n").file(
        "train.py",
        "\"\"\"Usage: train.py [--epochs N]\"\"\"\nimport docopt\ndocopt.docopt(__doc__)\n",
    );
    let made = world.setup(&request("train.py")).unwrap();
    let lock = &made.environment.lock;
    let names: Vec<&str> = lock.packages.iter().map(|package| package.name.as_str()).collect();
    assert!(names.contains(&"docopt-ng") && !names.contains(&"docopt"), "{names:?}");
    assert!(made.verified && lock.deviations.iter().any(|one| one.rule == "same-files"));
}

#[test]
fn slow_a_driver_is_asked_in_the_folder_in_which_it_starts() {
    let world = World::new();
    world.file("data/words.txt", "a b").file(
        "src/train.py",
        "import argparse\nimport words\nargparse.ArgumentParser().parse_args()\n\
         open('list.txt').close()\n",
    );
    world.file("src/words.py", "WORDS = open('../data/words.txt').read().split()\n");
    world.file("src/list.txt", "");
    let made = world.setup(&request("src/train.py")).unwrap();
    let (level, checks) = level_and_checks(&made);
    assert_eq!(level, VerificationLevel::Answers, "{checks}");
    assert!(made.verified && checks.contains("`src/train.py --help` exits 0"), "{checks}");
}

#[test]
fn slow_light_tests_of_the_source_are_run() {
    let world = World::new();
    world.python_scripts().file("model.py", "def double(x):\n    return 2 * x\n").file(
        "model_test.py",
        "import unittest\nfrom model import double\n\
         class DoubleTest(unittest.TestCase):\n    def test_double(self):\n        \
         self.assertEqual(double(2), 4)\n",
    );
    let made = world.setup(&request("train.py")).unwrap();
    let (level, checks) = level_and_checks(&made);
    assert_eq!(level, VerificationLevel::Smoke, "{checks}");
    assert!(checks.contains("1 test of `model_test.py` pass"), "{checks}");
    // the environment's own copy of the lock says so too
    let name = made.environment.path.file_name().unwrap();
    let (_, kept) = environment::show(&world.home, name).unwrap();
    assert_eq!(kept.verification.unwrap().level, VerificationLevel::Smoke);
    // tests that fail take nothing away
    world.file("model.py", "def double(x):\n    return 1 + 3 * x\n");
    let made = world.setup(&request("train.py")).unwrap();
    let (level, checks) = level_and_checks(&made);
    assert_eq!(level, VerificationLevel::Answers, "{checks}");
    assert!(made.verified && checks.contains("do not pass"), "{checks}");
}

#[test]
fn slow_other_drivers_are_looked_at_and_stop_nothing() {
    let world = World::new();
    world.python_scripts().file(
        "predict.py",
        "import argparse\nimport not_there_anywhere\n\
         def main():\n    argparse.ArgumentParser().parse_args()\n\
         if __name__ == '__main__':\n    main()\n",
    );
    let made = world.setup(&SetupRequest::new(detect(), None)).unwrap();
    let (level, checks) = level_and_checks(&made);
    assert_eq!(level, VerificationLevel::Answers, "{checks}");
    assert!(checks.contains("also the driver `predict.py` cannot be imported"), "{checks}");
}

#[test]
fn slow_a_driver_is_tried_in_the_folder_that_the_user_names() {
    let world = World::new();
    world.file("corpus/words.txt", "a b c\n").file(
        "train.py",
        "import argparse\nWORDS = open('words.txt').read().split()\n\
         if __name__ == '__main__':\n    argparse.ArgumentParser().parse_args()\n",
    );
    let wish = SetupRequest { folder: Some("./corpus".into()), ..request("train.py") };
    let made = world.setup(&wish).unwrap();
    let (level, checks) = level_and_checks(&made);
    assert!(made.verified && level >= VerificationLevel::Answers, "{checks}");
    let made = world.setup(&request("train.py")).unwrap();
    assert_eq!(level_and_checks(&made).0, VerificationLevel::Imports);
}

#[test]
fn slow_what_a_build_leaves_in_the_home_no_driver_finds() {
    let world = World::new();
    world.file(
        "setup.py",
        "import os\nfrom setuptools import setup\n\
         open(os.path.expanduser('~/of-a-build'), 'w').close()\n\
         setup(name='net', version='1.0', py_modules=['net'], install_requires=['toolz'])\n",
    );
    world.file(
        "net.py",
        "import os\n\
         FOUND = [name for name in os.listdir(os.path.expanduser('~')) if name == 'of-a-build']\n\
         if FOUND:\n    raise ImportError('what a build left is there')\n",
    );
    world.file(
        "train.py",
        "import argparse\nimport net\n\
         if __name__ == '__main__':\n    argparse.ArgumentParser().parse_args()\n",
    );
    let made = world.setup(&request("train.py")).unwrap();
    let (level, checks) = level_and_checks(&made);
    assert!(made.verified && level >= VerificationLevel::Answers, "{checks}");
    assert_eq!(made.attempts.len(), 1, "{:?}", made.attempts);
}
