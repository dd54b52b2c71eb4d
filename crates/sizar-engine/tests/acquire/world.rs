//! A temporary world: a home for sizar, a place for sources, git, a web server.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Arc, Mutex};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use sizar_engine::acquire::{AcquireError, AcquireOptions, acquire};
use sizar_engine::home::Home;
use sizar_model::{Checkout, Locator, Silent};

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

/// What a server answers to one request.
#[derive(Clone)]
pub struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
    pub media_type: &'static str,
    /// Breaks the connection after so many bytes of the body.
    pub broken_at: Option<usize>,
    /// Sends nothing more after so many bytes, and keeps the connection.
    pub stalls_at: Option<usize>,
}

impl Answer {
    pub fn ok(body: impl Into<Vec<u8>>) -> Self {
        let media_type = "application/octet-stream";
        Self { status: 200, body: body.into(), media_type, broken_at: None, stalls_at: None }
    }

    pub fn status(status: u16) -> Self {
        Self { status, ..Self::ok("") }
    }
}

/// A request as the server saw it.
#[derive(Clone, Debug)]
pub struct Request {
    pub path: String,
    pub range: Option<u64>,
    pub authorization: Option<String>,
}

/// A web server on this machine, which honours `Range`.
pub struct Server {
    address: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    /// Answers each request by `answer`, which gets the number of the request, from 0.
    pub fn start(answer: impl Fn(usize, &Request) -> Answer + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        std::thread::spawn(move || {
            let mut stalled = Vec::new();
            for stream in listener.incoming().map_while(Result::ok) {
                let Some(request) = read_request(&stream) else { continue };
                let number = {
                    let mut seen = seen.lock().unwrap();
                    seen.push(request.clone());
                    seen.len() - 1
                };
                let answer = answer(number, &request);
                // kept open until the server ends, for whoever waits for more
                let Ok(stream) = send(stream, &request, &answer) else { continue };
                stalled.extend(answer.stalls_at.map(|_| stream));
            }
        });
        Self { address, requests }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn url_with_login(&self, path: &str) -> String {
        format!("http://me:s3cret@{}{path}", self.address)
    }

    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

fn read_request(stream: &TcpStream) -> Option<Request> {
    let mut lines = BufReader::new(stream).lines();
    let path = lines.next()?.ok()?.split(' ').nth(1)?.to_owned();
    let mut request = Request { path, range: None, authorization: None };
    for line in lines.map_while(Result::ok).take_while(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':')?;
        match name.to_ascii_lowercase().as_str() {
            "range" => {
                let start = value.trim().strip_prefix("bytes=")?.trim_end_matches('-');
                request.range = start.parse().ok();
            }
            "authorization" => request.authorization = Some(value.trim().to_owned()),
            _ => {}
        }
    }
    Some(request)
}

fn send(mut stream: TcpStream, request: &Request, answer: &Answer) -> std::io::Result<TcpStream> {
    let from = request.range.unwrap_or(0) as usize;
    let (status, body) = match answer.status {
        200 if from > 0 && from >= answer.body.len() => (416, &[][..]),
        200 if from > 0 => (206, &answer.body[from..]),
        status => (status, &answer.body[..]),
    };
    write!(
        stream,
        "HTTP/1.1 {status} X\r\ncontent-length: {}\r\ncontent-type: {}\r\nconnection: close\r\n\r\n",
        body.len(),
        answer.media_type,
    )?;
    let end = answer.broken_at.or(answer.stalls_at).unwrap_or(body.len()).min(body.len());
    stream.write_all(&body[..end])?;
    Ok(stream)
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
