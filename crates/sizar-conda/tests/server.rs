//! Channels behind a web server, which may be none.

#![allow(clippy::unwrap_used, reason = "what a test cannot do without ends it")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use sizar_conda::{Address, Conda, CondaError, Question, Settings, VirtualPackages};
use sizar_model::Silent;
use sizar_testkit::{CondaChannel, CondaRecipe};

/// Starts a server that answers a path by `answer`, or has nothing there; returns its address.
fn serve(answer: impl Fn(&str) -> Option<Vec<u8>> + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let answer = std::sync::Arc::new(answer);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let answer = std::sync::Arc::clone(&answer);
            // a client that goes away in the middle is its own affair
            std::thread::spawn(move || respond(stream, &*answer));
        }
    });
    address
}

fn respond(mut stream: TcpStream, answer: &dyn Fn(&str) -> Option<Vec<u8>>) -> Option<()> {
    let mut lines = BufReader::new(stream.try_clone().ok()?).lines();
    let first = lines.next()?.ok()?;
    let mut words = first.split(' ');
    let (method, path) = (words.next()?, words.next()?);
    for line in lines.map_while(Result::ok) {
        if line.is_empty() {
            break;
        }
    }
    let body = answer(path);
    let status = if body.is_some() { "200 OK" } else { "404 Not Found" };
    let body = body.unwrap_or_default();
    let length = body.len();
    write!(stream, "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n")
        .ok()?;
    if method != "HEAD" {
        stream.write_all(&body).ok()?;
    }
    Some(())
}

fn folder() -> (tempfile::TempDir, Utf8PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let root = Utf8Path::from_path(folder.path()).unwrap().to_owned();
    (folder, root)
}

fn ask<'a>(channels: &'a [Address], packages: &'a [String]) -> Question<'a> {
    Question {
        channels,
        packages,
        platform: "linux-x86_64",
        exclude_newer: None,
        virtual_packages: VirtualPackages::default(),
    }
}

#[test]
fn a_channel_behind_a_server_is_solved_and_installed_and_then_needs_no_server() {
    let (_folder, root) = folder();
    let channel = CondaChannel::new(root.join("channel"));
    channel.add(&CondaRecipe::new("demo-lib", "1.0").noarch("generic").file("share/demo", "1.0"));
    channel.add(&CondaRecipe::new("demo-tool", "2.0").depends("demo-lib").file("share/t", "2.0"));
    let served = channel.root().to_owned();
    let address = serve(move |path| fs::read(served.join(path.trim_start_matches('/'))).ok());

    let conda = Conda::open(Settings::default(), &root.join("cache"), false).unwrap();
    let channels = conda.settings().resolve(&[address]).unwrap();
    assert_eq!(conda.answers(&channels)[0].silence, None);
    let packages = ["demo-tool".to_owned()];
    let solution = conda.solve(&ask(&channels, &packages), &Silent).unwrap();
    let names: Vec<_> = solution.packages.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, ["demo-lib", "demo-tool"]);
    let prefix = root.join("prefix");
    conda.install(&solution.packages, &prefix, &prefix, &Silent).unwrap();
    assert_eq!(fs::read_to_string(prefix.join("share/demo")).unwrap(), "1.0");

    // what was fetched is there without a server
    fs::remove_dir_all(channel.root()).unwrap();
    let offline = Conda::open(Settings::default(), &root.join("cache"), true).unwrap();
    assert_eq!(offline.answers(&channels)[0].silence, None);
    let again = offline.solve(&ask(&channels, &packages), &Silent).unwrap();
    assert_eq!(again.packages, solution.packages);
    let prefix = root.join("again");
    offline.install(&again.packages, &prefix, &prefix, &Silent).unwrap();
    assert_eq!(fs::read_to_string(prefix.join("share/t")).unwrap(), "2.0");
}

#[test]
fn a_server_that_answers_everything_with_a_page_is_no_channel() {
    let (_folder, root) = folder();
    let address = serve(|_| Some(b"<html>log in to this network first</html>".to_vec()));
    let conda = Conda::open(Settings::default(), &root.join("cache"), false).unwrap();
    let channels = conda.settings().resolve(&[address]).unwrap();
    let packages = ["python=3.7".to_owned()];
    let error = conda.solve(&ask(&channels, &packages), &Silent).unwrap_err();
    assert!(matches!(error, CondaError::Channel(_)), "{error:?}");
}

#[test]
fn a_server_without_a_list_does_not_count_as_an_answer() {
    let (_folder, root) = folder();
    let address = serve(|_| None);
    let conda = Conda::open(Settings::default(), &root.join("cache"), false).unwrap();
    let channels = conda.settings().resolve(&[address]).unwrap();
    let answer = conda.answers(&channels).remove(0);
    assert_eq!(answer.silence.as_deref(), Some("it answers 404 Not Found"));
}
