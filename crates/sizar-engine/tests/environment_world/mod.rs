//! A source and an empty home, for tests of environments.

#![allow(dead_code, reason = "each test binary uses its part")]

use camino::Utf8PathBuf;
use fs_err as fs;
use sizar_engine::environment::{Setup, SetupError, SetupRequest, setup};
use sizar_engine::home::Home;
use sizar_engine::sandbox::{detect, helper};
use sizar_inspect::InspectOptions;
use sizar_model::inspection::Inspection;
use sizar_model::{Checkout, Digest, Silent, Source, VerificationLevel};

/// A home of sizar's and a source.
pub struct World {
    _folder: tempfile::TempDir,
    pub root: Utf8PathBuf,
    pub home: Home,
}

impl World {
    /// Takes a folder that another process made.
    pub fn at(root: Utf8PathBuf) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { home: Home::at(root.join("home")), root, _folder: folder }
    }

    pub fn new() -> Self {
        helper::announce(env!("CARGO_BIN_EXE_sizar-helper").into());
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8PathBuf::from_path_buf(folder.path().canonicalize().unwrap()).unwrap();
        let world = Self { home: Home::at(root.join("home")), root, _folder: folder };
        fs::create_dir_all(world.source()).unwrap();
        world
    }

    pub fn source(&self) -> Utf8PathBuf {
        self.root.join("source")
    }

    pub fn file(&self, name: &str, text: &str) -> &Self {
        let path = self.source().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        self
    }

    pub fn checkout(&self) -> (Checkout, Inspection) {
        let path = self.source();
        let date = Some("2021-06-01T00:00:00Z".parse().unwrap());
        let mut inspection = sizar_inspect::inspect(&path, &InspectOptions::default()).unwrap();
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
        (Checkout { source, path, notes: Vec::new() }, inspection)
    }

    pub fn setup(&self, request: &SetupRequest) -> Result<Setup, SetupError> {
        let (checkout, inspection) = self.checkout();
        setup(&self.home, &checkout, &inspection, request, &Silent)
    }

    pub fn python_scripts(&self) -> &Self {
        self.file("train.py", "import argparse\nargparse.ArgumentParser().parse_args()\n")
    }
}

pub fn request(driver: &str) -> SetupRequest {
    SetupRequest::new(detect(), Some(driver.to_owned()))
}

pub fn level_and_checks(made: &Setup) -> (VerificationLevel, String) {
    let verification = made.environment.lock.verification.as_ref().unwrap();
    (verification.level, verification.checks.join("\n"))
}
