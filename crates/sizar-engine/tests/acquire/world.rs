//! A temporary world: a home for sizar, a place for sources, git, a web server.

use std::process::Command;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use sizar_engine::acquire::{AcquireError, AcquireOptions, acquire};
use sizar_engine::home::Home;
use sizar_model::{Checkout, Locator, Silent};
pub use sizar_testkit::{Answer, Server};

/// A folder that goes away with the test.
pub struct World {
    _folder: tempfile::TempDir,
    root: Utf8PathBuf,
    pub home: Home,
}

impl World {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8PathBuf::from_path_buf(folder.path().canonicalize().unwrap()).unwrap();
        let home = Home::at(root.join("home"));
        Self { _folder: folder, root, home }
    }

    pub fn path(&self, name: &str) -> Utf8PathBuf {
        self.root.join(name)
    }

    /// Writes a file, with the folders above it.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> Utf8PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    pub fn acquire(&self, locator: &str) -> Result<Checkout, AcquireError> {
        self.acquire_with(locator, AcquireOptions::default())
    }

    pub fn refresh(&self, locator: &str) -> Result<Checkout, AcquireError> {
        self.acquire_with(locator, AcquireOptions { refresh: true, offline: false })
    }

    pub fn offline(&self, locator: &str) -> Result<Checkout, AcquireError> {
        self.acquire_with(locator, AcquireOptions { refresh: false, offline: true })
    }

    pub fn acquire_with(
        &self,
        locator: &str,
        options: AcquireOptions,
    ) -> Result<Checkout, AcquireError> {
        let locator: Locator = locator.parse().unwrap();
        acquire(&self.home, &locator, &options, &Silent)
    }

    /// Returns the names under `checkouts` and `tmp`: what a failed acquisition may not leave.
    pub fn leftovers(&self) -> Vec<String> {
        ["checkouts", "tmp", "sources"]
            .iter()
            .filter_map(|folder| self.home.root().join(folder).read_dir_utf8().ok())
            .flatten()
            .map(|entry| entry.unwrap().path().to_string())
            .collect()
    }

    /// Makes a repository with one commit of `files`.
    pub fn repository(&self, name: &str, files: &[(&str, &str)]) -> Repository {
        let path = self.path(name);
        fs::create_dir_all(&path).unwrap();
        let repository = Repository { path };
        repository.git(&["init", "--quiet", "--initial-branch=main"]);
        repository.commit("2018-03-04T05:06:07Z", files);
        repository
    }
}

/// A repository with a working tree.
pub struct Repository {
    pub path: Utf8PathBuf,
}

impl Repository {
    pub fn git(&self, arguments: &[&str]) -> String {
        self.git_at("2020-01-01T00:00:00Z", arguments)
    }

    fn git_at(&self, date: &str, arguments: &[&str]) -> String {
        let output = Command::new("git")
            .args(["-c", "user.name=A", "-c", "user.email=a@b", "-c", "protocol.file.allow=always"])
            .args(["-c", "commit.gpgsign=false", "-C", self.path.as_str()])
            .args(arguments)
            .env("GIT_AUTHOR_DATE", date)
            .env("GIT_COMMITTER_DATE", date)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .output()
            .unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "git {arguments:?}: {error}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Commits `files` and returns the commit.
    pub fn commit(&self, date: &str, files: &[(&str, &str)]) -> String {
        for (name, content) in files {
            let path = self.path.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        self.git(&["add", "--all"]);
        self.git_at(date, &["commit", "--quiet", "--allow-empty", "--message", "x"]);
        self.git(&["rev-parse", "HEAD"])
    }

    pub fn url(&self) -> String {
        format!("file://{}", self.path)
    }
}

/// Lists the files and links under `root`, with contents or targets.
pub fn tree(root: &Utf8Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in folder.read_dir_utf8().unwrap() {
            let entry = entry.unwrap();
            let path = entry.path();
            let name = path.strip_prefix(root).unwrap().to_string();
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                folders.push(path.to_owned());
            } else if kind.is_symlink() {
                found.push((name, format!("-> {}", path.read_link_utf8().unwrap())));
            } else {
                let content = fs::read(path).unwrap();
                found.push((name, String::from_utf8_lossy(&content).into_owned()));
            }
        }
    }
    found.sort();
    found
}

/// Says an error with its sources, as a person sees it.
pub fn said(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text.push_str(": ");
        text.push_str(&source.to_string());
        next = source.source();
    }
    text
}
