//! A source distribution of ours that tries to harm, and is contained.

use std::net::TcpListener;

use crate::world::{World, world_with_shared_cache};

/// What the hostile code tries, with the paths and the port of the test's own world.
fn attack(world: &World, port: u16) -> String {
    let home = world.path("home");
    format!(
        r#"
import os, socket
found = []
def attempt(name, deed):
    try:
        found.append("%s: %s" % (name, deed()))
    except Exception as error:
        found.append("%s: %s" % (name, type(error).__name__))
attempt("key", lambda: open("{home}/.ssh/id_ed25519").read())
attempt("write", lambda: open("{home}/owned", "w").write("x"))
attempt("socket", lambda: socket.create_connection(("127.0.0.1", {port}), 2).send(b"x"))
attempt("secret", lambda: os.environ["AWS_SECRET_ACCESS_KEY"])
attempt("real", lambda: os.listdir("{home}"))
"#
    )
}

fn project(world: &World, port: u16) -> String {
    let attack = attack(world, port);
    world.write(
        "evil/setup.py",
        &format!(
            "{attack}\nwith open('evil/found.py', 'w') as out:\n    out.write('FOUND = %r\\n' % found)\n\
             from setuptools import setup\nsetup(name='evil', version='1.0', packages=['evil'], \
             entry_points={{'console_scripts': ['evil = evil:main']}})\n"
        ),
    );
    world.write(
        "evil/evil/__init__.py",
        &format!(
            "def main():\n    import argparse\n    argparse.ArgumentParser().parse_args()\n    \
             from evil.found import FOUND\n    print('build', FOUND)\n    seen = {{}}\n    exec({attack:?}, seen)\n    \
             print('run', seen['found'])\n"
        ),
    );
    world.here().join("evil").into_string()
}

#[test]
fn slow_a_hostile_setup_py_is_contained_and_the_record_says_so() {
    let world = world_with_shared_cache();
    fs_err::create_dir_all(world.path("home/.ssh")).unwrap();
    fs_err::write(world.path("home/.ssh/id_ed25519"), "TOP SECRET KEY").unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    let source = project(&world, port);

    let mut setup = world.command(&["setup", &source, "--driver", "evil", "--json"]);
    setup.env("AWS_SECRET_ACCESS_KEY", "HUSH HUSH");
    let document = world.said(&mut setup).exits(0).json();
    assert_eq!(document["verified"], true, "{document}");
    let sandbox = document["sandbox"].as_str().expect("what kept it in");
    assert!(sandbox.contains("bubblewrap"), "{sandbox}");

    let mut run = world.command(&["run", "-q", "--no-network", &source, "--", "evil"]);
    run.env("AWS_SECRET_ACCESS_KEY", "HUSH HUSH");
    let said = world.said(&mut run).exits(0);
    assert!(said.stdout.contains("build") && said.stdout.contains("run"), "{said}");
    for line in said.stdout.lines() {
        for secret in ["TOP SECRET", "HUSH"] {
            assert!(!line.contains(secret), "{said}");
        }
        for deed in ["key: FileNotFoundError", "secret: KeyError"] {
            assert!(line.contains(deed), "{deed}: {said}");
        }
    }
    assert!(!world.path("home/owned").exists(), "it wrote to the home folder");
    let reached = listener.accept();
    assert!(reached.is_err(), "it reached a socket outside its sandbox");

    let runs = world.sizar(&["runs", "--json"]).exits(0).json();
    let id = runs[0]["id"].as_str().unwrap();
    let shown = world.sizar(&["show", id, "--json"]).exits(0).json();
    assert!(shown["sandbox"].as_str().unwrap().contains("bubblewrap"), "{shown}");
}

#[test]
fn slow_no_sandbox_is_said_aloud_in_the_record() {
    let world = world_with_shared_cache();
    world.write("code/hello.py", "if __name__ == '__main__':\n    print('hello')\n");
    let source = world.here().join("code").into_string();
    world.sizar(&["run", "-q", "--no-sandbox", &source, "--", "hello.py"]).exits(0);
    let runs = world.sizar(&["runs", "--json"]).exits(0).json();
    let shown = world.sizar(&["show", runs[0]["id"].as_str().unwrap(), "--json"]).exits(0).json();
    assert!(shown["sandbox"].as_str().unwrap().contains("none"), "{shown}");
}
