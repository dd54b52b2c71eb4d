//! Package indexes: one of our own, and the real one.

use std::time::Duration;

use sizar_engine::acquire::AcquireError;
use sizar_engine::home::Home;
use sizar_engine::http::{Client, Patience};
use sizar_engine::index::{Index, IndexError};
use sizar_engine::tools::find_or_install_uv;
use sizar_model::{SafeUrl, Silent};

use crate::world::{Answer, Server, World};

fn index_at(url: String) -> Index {
    let patience = Patience { back_off: [Duration::ZERO; 3], ..Patience::default() };
    Index::at(SafeUrl::new(url), Client::with_patience(patience))
}

#[test]
fn both_kinds_of_pages_are_understood() {
    for (media_type, body) in [
        (
            "application/vnd.pypi.simple.v1+json",
            r#"{"files":[{"filename":"my_pkg-1.0.tar.gz","url":"../../f/my_pkg-1.0.tar.gz","hashes":{"sha256":"ab"}}]}"#,
        ),
        ("text/html; charset=utf-8", "<a href=../../f/my_pkg-1.0.tar.gz#sha256=ab>x</a>"),
    ] {
        let server = Server::start(move |_, _| Answer { media_type, ..Answer::ok(body) });
        let index = index_at(server.url("/simple"));
        let release = index.project("My.Pkg").unwrap().sdist(None).unwrap();
        assert_eq!(release.version, "1.0");
        assert_eq!(release.sha256.as_deref(), Some("ab"));
        assert_eq!(release.url.expose(), server.url("/f/my_pkg-1.0.tar.gz"));
        assert_eq!(server.requests()[0].path, "/simple/my-pkg/");
    }
}

#[test]
fn an_index_that_is_none_is_said_to_be_none() {
    let server = Server::start(|_, request| match request.path.as_str() {
        "/html/p/" => Answer { media_type: "text/html", ..Answer::ok("<p>welcome") },
        "/json/p/" => Answer { media_type: "application/json", ..Answer::ok("{}") },
        "/plain/p/" => Answer { media_type: "text/plain", ..Answer::ok("hello") },
        _ => Answer::status(404),
    });
    let error = |path: &str| index_at(server.url(path)).project("p").unwrap_err();
    assert!(matches!(error("/html"), IndexError::Empty { .. }));
    assert!(matches!(error("/json/"), IndexError::Unreadable { .. }));
    assert!(matches!(error("/plain"), IndexError::NotAnIndex { .. }));
    assert!(matches!(error("/missing"), IndexError::UnknownPackage { .. }));
    let error = index_at("nonsense".into()).project("p").unwrap_err();
    assert!(matches!(error, IndexError::Address { .. }));
}

#[test]
fn slow_madmom_comes_from_the_index_and_then_from_the_cache() {
    let world = World::new();
    let checkout = world.acquire("pypi:madmom").unwrap();
    assert_eq!(checkout.source.revision.as_deref(), Some("0.16.1"));
    assert_eq!(checkout.source.date.unwrap().to_string().get(..10), Some("2018-11-14"));
    assert!(checkout.path.join("setup.py").exists());
    assert!(checkout.path.join("madmom/models/beats").is_dir());
    assert_eq!(world.offline("pypi:madmom").unwrap(), checkout);
    // asked for by its version it is the same
    let exact = world.offline("pypi:MadMom==0.16.1").unwrap();
    assert_eq!(exact.path, checkout.path);
    assert_eq!(world.refresh("pypi:madmom").unwrap(), checkout);
    let error = world.offline("pypi:madmom==0.16").unwrap_err();
    assert!(matches!(error, AcquireError::Offline { .. }));
}

#[test]
fn slow_what_the_index_does_not_have_is_explained() {
    let world = World::new();
    let index = |locator: &str| match world.acquire(locator) {
        Err(AcquireError::Index(error)) => error,
        other => panic!("{other:?}"),
    };
    assert!(matches!(index("pypi:torch"), IndexError::WheelsOnly { .. }));
    assert!(matches!(
        index("pypi:sizar-has-no-such-package-x1"),
        IndexError::UnknownPackage { .. }
    ));
    assert!(matches!(
        index("pypi:madmom==0.16.9"),
        IndexError::UnknownVersion { nearest, .. } if nearest.last().unwrap() == "0.16.1"
    ));
    assert!(world.leftovers().is_empty(), "{:?}", world.leftovers());
}

#[test]
fn slow_uv_is_found_or_fetched() {
    // on this machine uv may be on the search path: a child without one has to fetch it
    if std::env::var_os("SIZAR_TEST_CHILD").is_some() {
        let home = Home::from_environment().unwrap();
        let first = find_or_install_uv(&home, &Silent).unwrap();
        assert!(first.starts_with(home.root()), "{first}");
        assert_eq!(find_or_install_uv(&home, &Silent).unwrap(), first);
        return;
    }
    let world = World::new();
    let child = |extra: (&str, &str)| {
        std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "index::slow_uv_is_found_or_fetched", "--nocapture"])
            .env("SIZAR_TEST_CHILD", "1")
            .env("SIZAR_HOME", world.home.root())
            .env("PATH", "/nonexistent")
            .env(extra.0, extra.1)
            .output()
            .unwrap()
    };
    let output = child(("UNUSED", ""));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // what was fetched is used without the index
    let output = child(("UV_DEFAULT_INDEX", "http://127.0.0.1:9/"));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // a chosen program is never passed over
    let output = child(("SIZAR_UV", "/bin/true"));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && error.contains("Chosen"), "{error}");
}
