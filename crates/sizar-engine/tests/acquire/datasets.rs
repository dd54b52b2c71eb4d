//! Data that lie at an address: what breaks, what goes on, what is checked, what is kept.

use fs_err as fs;
use md5::Digest as _;
use sizar_engine::dataset::{Archive, Bounds, DatasetError, fetch};
use sizar_engine::http::{HttpError, Reach};
use sizar_model::Silent;

use crate::world::{Answer, Server, World, said};

/// More than what makes a new series of tries.
const SIZE: usize = 12 << 20;

fn content() -> Vec<u8> {
    sizar_testkit::noise(3, SIZE)
}

fn hex(bytes: impl AsRef<[u8]>) -> String {
    use std::fmt::Write as _;
    bytes.as_ref().iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    hex(sha2::Sha256::digest(bytes))
}

/// Returns what lies under the names that data have, and what of it is still coming.
fn kept(world: &World) -> (Vec<String>, Vec<String>) {
    let entries = world.home.root().join("cache/data").read_dir_utf8().into_iter().flatten();
    let names = entries.map(|entry| entry.unwrap().file_name().to_owned());
    names.partition(|name| !name.ends_with(".coming"))
}

fn get(world: &World, text: &str) -> Result<camino::Utf8PathBuf, DatasetError> {
    fetch(&world.home, text, (&Archive::from_environment(), &Bounds::default()), &Silent)
}

#[test]
fn data_that_break_off_go_on_and_are_kept_by_their_address() {
    let world = World::new();
    let bytes = content();
    // as long as something comes it goes on, however often it breaks
    let server = Server::start({
        let bytes = bytes.clone();
        move |number, _| Answer {
            broken_at: (number < 6).then_some(2 << 20),
            ..Answer::ok(bytes.clone())
        }
    });
    let address = format!("{}#sha256={}", server.url("/d/a.bin"), sha256(&bytes));
    let path = get(&world, &address).unwrap();
    assert_eq!(fs::read(&path).unwrap(), bytes);
    assert!(path.ends_with("a.bin") && fs::metadata(&path).unwrap().permissions().readonly());
    let from: Vec<_> = server.requests().iter().map(|request| request.range).collect();
    let mebibytes = |number: u64| Some(number << 21);
    assert_eq!(from[..3], [None, mebibytes(1), mebibytes(2)]);
    assert_eq!(get(&world, &address).unwrap(), path);
    assert_eq!(server.requests().len(), from.len());
    assert!(kept(&world).1.is_empty());
}

#[test]
fn without_a_digest_the_servers_mark_tells_whether_halves_are_of_one_file() {
    use sizar_engine::http::{Client, Download};
    use sizar_model::SafeUrl;
    let world = World::new();
    let url = |server: &Server| SafeUrl::new(server.url("/f"));
    let to = world.path("f");
    // `second` is what the server has after the first break
    let fetched = |second: &'static str, tag: &'static str| {
        let server = Server::start(move |number, _| match number {
            0 => Answer { broken_at: Some(3), etag: Some("\"1\""), ..Answer::ok("abcdef") },
            _ => Answer { etag: Some(tag), ..Answer::ok(second) },
        });
        Client::new().download(&Download::of(&url(&server), &to), &Silent).unwrap();
        (fs::read_to_string(&to).unwrap(), server.requests()[1].range)
    };
    assert_eq!(fetched("abcdef", "\"1\""), ("abcdef".to_owned(), Some(3)));
    assert_eq!(fetched("ABCDEFG", "\"2\""), ("ABCDEFG".to_owned(), Some(3)));
    assert!(!world.path("f.part").exists() && !world.path("f.part.tag").exists());
}

#[test]
fn what_is_not_what_it_should_be_has_no_name() {
    let world = World::new();
    let server = Server::start(|_, _| Answer::ok("evil"));
    let error = get(&world, &format!("{}#sha256={}", server.url("/x"), sha256(b"good")));
    assert!(said(&error.unwrap_err()).contains("SHA-256"));
    assert!(kept(&world).0.is_empty());
    // plain HTTP and no digest: nobody knows what comes
    let error = get(&world, &server.url("/x")).unwrap_err();
    assert!(said(&error).contains("#sha256=DIGEST"), "{}", said(&error));
}

#[test]
fn what_foreign_code_names_does_not_lead_into_an_inner_network() {
    let world = World::new();
    let inner = Server::start(|_, _| Answer::ok("secret"));
    let port = inner.url("").rsplit(':').next().unwrap().to_owned();
    // the same server, by a name that the user did not allow
    let by_name = format!("http://localhost:{port}/metadata");
    let server = Server::start(move |_, request| match request.path.as_str() {
        "/in" => Answer::redirect(&by_name),
        "/round" => Answer::redirect("/round"),
        "/out" => Answer::redirect("/there"),
        "/much" => Answer::ok("goodgoodgood"),
        _ => Answer::ok("good"),
    });
    let allowed = || Reach::Public { and: vec!["127.0.0.1".to_owned()] };
    let get = |path: &str, reach: Reach| {
        let text = format!("{}#sha256={}", server.url(path), sha256(b"good"));
        let bounds = Bounds { reach, most: Some(6) };
        fetch(&world.home, &text, (&Archive::from_environment(), &bounds), &Silent)
    };
    let path = get("/out", allowed()).unwrap();
    assert_eq!(fs::read(path).unwrap(), b"good");
    let error = get("/in", allowed()).unwrap_err();
    assert!(
        matches!(&error, DatasetError::Http(HttpError::Inner { host, .. }) if host == "localhost")
    );
    assert!(error.hints().concat().contains("SIZAR_WEIGHTS_HOSTS"), "{error}");
    assert!(!error.is_unreachable(), "nobody else asks it either");
    assert!(inner.requests().is_empty());
    let error = get("/round", allowed()).unwrap_err();
    assert!(matches!(error, DatasetError::Http(HttpError::Endless { .. })), "{error}");
    let error = get("/other", Reach::Public { and: Vec::new() }).unwrap_err();
    assert!(matches!(error, DatasetError::Http(HttpError::Inner { .. })), "{error}");
    // what the user names leads where it leads, and is nothing that foreign code gets
    let text = format!("{}#sha256={}", server.url("/in"), sha256(b"secret"));
    let own =
        fetch(&world.home, &text, (&Archive::from_environment(), &Bounds::default()), &Silent);
    assert_eq!(fs::read(own.unwrap()).unwrap(), b"secret");
    let bounds = Bounds { reach: allowed(), most: None };
    let error = fetch(&world.home, &text, (&Archive::from_environment(), &bounds), &Silent);
    assert!(matches!(error, Err(DatasetError::Http(HttpError::Inner { .. }))));
    // no more comes than was said
    let error = get("/much", allowed()).unwrap_err();
    assert!(matches!(error, DatasetError::Http(HttpError::TooLarge { .. })), "{error}");
    assert!(!inner.requests().is_empty());
}

#[test]
fn a_record_is_all_of_its_files_each_checked() {
    let md5 = |bytes: &[u8]| hex(md5::Md5::digest(bytes));
    let record = move |base: &str, size: usize, sum: &str| {
        serde_json::json!({"id": 7, "files": [
            {"key": "a.csv", "size": 3, "checksum": format!("md5:{}", md5(b"abc")),
             "links": {"self": format!("{base}/api/records/7/files/a.csv/content")}},
            {"key": "b.csv", "size": size, "checksum": format!("md5:{sum}"),
             "links": {"self": format!("{base}/api/records/7/files/b.csv/content")}},
        ]})
        .to_string()
    };
    let fetched = |size: usize, sum: &str| {
        let world = World::new();
        let base = std::sync::Arc::new(std::sync::OnceLock::<String>::new());
        let (told, sum) = (std::sync::Arc::clone(&base), sum.to_owned());
        let server = Server::start(move |_, request| match request.path.as_str() {
            "/api/records/7" => Answer::ok(record(told.get().unwrap(), size, &sum)),
            path if path.contains("a.csv") => Answer::ok("abc"),
            _ => Answer::ok("defg"),
        });
        base.set(server.url("")).unwrap();
        let archive = Archive { zenodo: server.url("") };
        let got =
            fetch(&world.home, "doi:10.5281/zenodo.7", (&archive, &Bounds::default()), &Silent);
        let got = got.map(|folder| fs::read_to_string(folder.join("b.csv")).unwrap());
        (got.map_err(|error| said(&error)), kept(&world))
    };
    let (got, (named, coming)) = fetched(4, &md5(b"defg"));
    assert_eq!((got.as_deref(), named.len(), coming.len()), (Ok("defg"), 1, 0));
    let (got, (named, coming)) = fetched(4, &md5(b"other"));
    assert!(got.unwrap_err().contains("MD5"));
    assert_eq!((named.len(), coming.len()), (0, 1));
    let (got, (named, _)) = fetched(5, &md5(b"defg"));
    assert!(got.unwrap_err().contains("4 bytes, but 5"));
    assert!(named.is_empty());
}
