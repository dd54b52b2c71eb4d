//! Downloads: what breaks, what goes on, what is checked.

use std::time::Duration;

use camino::Utf8PathBuf;
use fs_err as fs;
use sizar_engine::acquire::AcquireError;
use sizar_engine::http::{Client, Download, Downloaded, HttpError, Patience};
use sizar_model::{SafeUrl, Silent};

use crate::archives::{gz, tar_of, zip_of};
use crate::world::{Answer, Server, World, said};

fn client() -> Client {
    Client::with_patience(Patience { back_off: [Duration::ZERO; 3], ..Patience::default() })
}

fn content() -> Vec<u8> {
    (0..100_000_u32).flat_map(u32::to_le_bytes).collect()
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    format!("{:x}", sha2::Sha256::digest(bytes))
}

fn download(world: &World, server: &Server, sha256: Option<&str>) -> Result<Downloaded, HttpError> {
    let url = SafeUrl::new(server.url("/f"));
    let to = world.path("f");
    client().download(&Download { sha256, limit: 1 << 20, ..Download::of(&url, &to) }, &Silent)
}

#[test]
fn a_broken_download_goes_on_where_it_broke() {
    let world = World::new();
    let bytes = content();
    let whole = bytes.clone();
    let server = Server::start(move |number, _| Answer {
        broken_at: (number < 2).then_some(150_000),
        ..Answer::ok(whole.clone())
    });
    let downloaded = download(&world, &server, Some(&sha256(&bytes))).unwrap();
    assert_eq!(downloaded.size, bytes.len() as u64);
    assert_eq!(fs::read(world.path("f")).unwrap(), bytes);
    let ranges: Vec<_> = server.requests().into_iter().map(|request| request.range).collect();
    assert_eq!(ranges, [None, Some(150_000), Some(300_000)]);
}

#[test]
fn a_download_that_stands_still_is_given_up_and_goes_on() {
    let world = World::new();
    let bytes = content();
    let whole = bytes.clone();
    let server = Server::start(move |number, _| Answer {
        stalls_at: (number == 0).then_some(1000),
        ..Answer::ok(whole.clone())
    });
    let patience = Patience {
        stalled: Duration::from_millis(100),
        back_off: [Duration::ZERO; 3],
        ..Patience::default()
    };
    let url = SafeUrl::new(server.url("/f"));
    let to = world.path("f");
    let digest = sha256(&bytes);
    let wanted = Download { sha256: Some(&digest), ..Download::of(&url, &to) };
    Client::with_patience(patience).download(&wanted, &Silent).unwrap();
    assert_eq!(server.requests()[1].range, Some(1000));
}

#[test]
fn an_old_part_of_another_file_is_given_up() {
    let world = World::new();
    let bytes = content();
    world.write("f.part", "something else");
    let whole = bytes.clone();
    let server = Server::start(move |_, _| Answer::ok(whole.clone()));
    download(&world, &server, Some(&sha256(&bytes))).unwrap();
    assert_eq!(fs::read(world.path("f")).unwrap(), bytes);
    let ranges: Vec<_> = server.requests().into_iter().map(|request| request.range).collect();
    assert_eq!(ranges, [Some(14), None]);
}

#[test]
fn a_wrong_digest_is_an_error_with_both() {
    let world = World::new();
    let server = Server::start(|_, _| Answer::ok("evil"));
    let error = download(&world, &server, Some(&sha256(b"good"))).unwrap_err();
    let HttpError::WrongDigest { expected, found, .. } = &error else { panic!("{error}") };
    assert_eq!((expected, found), (&sha256(b"good"), &sha256(b"evil")));
    assert_eq!(server.requests().len(), 2);
    assert!(!world.path("f").exists() && !world.path("f.part").exists());
}

#[test]
fn faults_that_may_pass_are_tried_again_and_others_not() {
    let world = World::new();
    let server = Server::start(|number, _| match number {
        0 => Answer::status(503),
        1 => Answer::status(429),
        _ => Answer::ok("x"),
    });
    download(&world, &server, None).unwrap();
    assert_eq!(server.requests().len(), 3);
    let server = Server::start(|_, _| Answer::status(404));
    let error = download(&world, &server, None).unwrap_err();
    assert!(matches!(error, HttpError::Status { status: 404, .. }));
    assert_eq!(server.requests().len(), 1);
    let server = Server::start(|_, _| Answer::status(500));
    assert!(download(&world, &server, None).is_err());
    assert_eq!(server.requests().len(), 4);
}

#[test]
fn what_is_too_large_is_not_kept() {
    let world = World::new();
    let server = Server::start(|_, _| Answer::ok(vec![0; 2 << 20]));
    let error = download(&world, &server, None).unwrap_err();
    assert!(matches!(error, HttpError::TooLarge { limit: 1_048_576, .. }));
    assert!(!world.path("f.part").exists());
}

#[test]
fn an_archive_is_fetched_once_until_a_refresh() {
    let world = World::new();
    let server = Server::start(|number, _| {
        let content = if number == 0 { "1" } else { "2" };
        Answer::ok(gz(&tar_of(&[("p/a.py", content)])))
    });
    let url = server.url("/p.tar.gz");
    let first = world.acquire(&url).unwrap();
    assert_eq!(world.acquire(&url).unwrap(), first);
    assert_eq!(world.offline(&url).unwrap(), first);
    assert_eq!(server.requests().len(), 1);
    let second = world.refresh(&url).unwrap();
    assert_eq!(fs::read_to_string(second.path.join("a.py")).unwrap(), "2");
    assert_eq!(fs::read_to_string(first.path.join("a.py")).unwrap(), "1");
    let error = world.offline(&server.url("/other.zip")).unwrap_err();
    assert!(matches!(error, AcquireError::Offline { .. }));
}

#[test]
fn a_login_is_sent_and_never_said() {
    let world = World::new();
    let server = Server::start(|number, _| match number {
        0 => Answer::status(403),
        _ => Answer::ok(zip_of(&[("a.py", "1")])),
    });
    let url = server.url_with_login("/p.zip?token=t0ken");
    let error = world.acquire(&url).unwrap_err();
    let text = format!("{} {error:?} {:?}", said(&error), error.hints());
    assert!(!text.contains("s3cret") && !text.contains("t0ken"), "{text}");
    let checkout = world.acquire(&url).unwrap();
    assert_eq!(server.requests()[1].authorization.as_deref(), Some("Basic bWU6czNjcmV0"));
    assert_eq!(server.requests()[1].path, "/p.zip?token=t0ken");
    assert!(!checkout.source.locator.contains("s3cret"));
    // nor is it written anywhere
    let mut folders: Vec<Utf8PathBuf> = vec![world.home.root().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in folder.read_dir_utf8().unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path().to_owned());
            } else {
                let text = String::from_utf8_lossy(&fs::read(entry.path()).unwrap()).into_owned();
                assert!(!text.contains("s3cret") && !text.contains("t0ken"), "{}", entry.path());
            }
        }
    }
}

#[test]
fn a_page_instead_of_an_archive_is_asked_for_again() {
    let world = World::new();
    let server = Server::start(|number, _| match number {
        0 => Answer::ok("<html>try later</html>"),
        _ => Answer::ok(zip_of(&[("a.py", "1")])),
    });
    let url = server.url("/p.zip");
    let error = world.acquire(&url).unwrap_err();
    assert!(said(&error).contains("begins like an HTML page"));
    assert!(world.acquire(&url).is_ok());
}
