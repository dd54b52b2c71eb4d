//! What is planned: the entry that a driver means, the user's own files, the interpreter's folders.

#![allow(clippy::unwrap_used, reason = "a test that fails here says where")]

mod run_world;

use camino::Utf8Path;
use fs_err as fs;
use run_world::World;
use sizar_engine::run::{Entry, EntryError, Places, interpreter_roots, resolve};
use sizar_model::DataMode;

fn entry(world: &World, driver: &str, args: &[&str]) -> Result<(Entry, usize), EntryError> {
    let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
    let places = Places { checkout: &world.source(), prefix: &world.prefix(), drivers: &[] };
    resolve(driver, &args, places)
}

fn script(path: &str) -> Entry {
    Entry::Script { path: path.to_owned() }
}

#[test]
fn what_a_user_types_finds_its_entry() {
    let world = World::new();
    world
        .write("train.py", "")
        .write("tools/eval", "#!/usr/bin/env python3\n")
        .write("go.sh", "#!/bin/bash -e\n")
        .write("plain.sh", "echo\n")
        .write("pkg/__init__.py", "")
        .write("pkg/__main__.py", "")
        .write("pkg/mod.py", "")
        .write("src/other/tool.py", "");
    let bin = world.prefix().join("bin");
    fs::write(bin.join("Beats"), "#!/x/bin/python\n").unwrap();
    fs::write(bin.join("long"), "#!/bin/sh\n'''exec' /very/long/bin/python \"$0\" \"$@\"\n")
        .unwrap();
    fs::write(bin.join("shell"), "#!/bin/sh\necho\n").unwrap();
    let found = |driver: &str| entry(&world, driver, &[]).unwrap().0;
    let name = |name: &str| name.to_owned();
    assert_eq!(found("train.py"), script("train.py"));
    assert_eq!(found("./tools/../train.py"), script("train.py"));
    assert_eq!(found(world.source().join("train.py").as_str()), script("train.py"));
    assert_eq!(found("tools/eval"), script("tools/eval"));
    assert_eq!(found("pkg"), script("pkg"));
    assert_eq!(
        found("go.sh"),
        Entry::Interpreted { interpreter: vec![name("bash"), name("-e")], path: name("go.sh") }
    );
    assert_eq!(
        found("plain.sh"),
        Entry::Interpreted { interpreter: vec![name("sh")], path: name("plain.sh") }
    );
    assert_eq!(found("Beats"), Entry::Installed { name: name("Beats") });
    assert_eq!(found("long"), Entry::Installed { name: name("long") });
    assert_eq!(found("shell"), Entry::Program { name: name("shell") });
    assert_eq!(found("pkg.mod"), Entry::Module { name: name("pkg.mod") });
    assert_eq!(found("other.tool"), Entry::Module { name: name("other.tool") });
    assert_eq!(found("python3"), Entry::Python);
    let module = entry(&world, "-m", &["pkg.mod", "x"]).unwrap();
    assert_eq!(module, (Entry::Module { name: name("pkg.mod") }, 1));
}

#[test]
fn what_is_not_there_names_the_nearest() {
    let world = World::new();
    world
        .write("train.py", "")
        .write("deep/predict.py", "")
        .write("a.ipynb", "")
        .write("data", "x");
    fs::create_dir(world.source().join("docs")).unwrap();
    let hint = |driver: &str| entry(&world, driver, &[]).unwrap_err().hint().unwrap();
    assert_eq!(hint("trian.py"), "the nearest are `train.py`");
    assert_eq!(hint("predict"), "the nearest are `deep/predict.py`");
    let error = |driver: &str| entry(&world, driver, &[]).unwrap_err();
    assert!(matches!(error("a.ipynb"), EntryError::Notebook { .. }));
    assert!(matches!(error("docs"), EntryError::Folder { .. }));
    assert!(matches!(error("data"), EntryError::NotRunnable { .. }));
    assert!(matches!(error("../x.py"), EntryError::Outside { .. }));
    assert!(matches!(error("/usr/bin/id"), EntryError::Outside { .. }));
    assert!(matches!(error(""), EntryError::Empty { .. }));
    assert!(matches!(entry(&world, "-m", &["nosuch"]).unwrap_err(), EntryError::NotFound { .. }));
}

#[test]
fn a_link_that_leaves_the_tree_is_no_driver() {
    let world = World::new();
    fs::write(world.root.join("secret.py"), "").unwrap();
    fs_err::os::unix::fs::symlink("../secret.py", world.source().join("a.py")).unwrap();
    assert!(matches!(entry(&world, "a.py", &[]).unwrap_err(), EntryError::Outside { .. }));
}

#[test]
fn the_users_files_among_the_arguments_are_shown() {
    let world = World::new();
    world.write("examples/theirs.wav", "");
    let user = world.root.join("user");
    for path in ["mine.wav", "in/b.wav", "examples/theirs.wav", "me/.ssh/key", "out/old", "me/x"] {
        fs::create_dir_all(user.join(path).parent().unwrap()).unwrap();
        fs::write(user.join(path), "").unwrap();
    }
    fs::write(world.root.join("up.wav"), "").unwrap();
    fs::create_dir_all(world.home.root()).unwrap();
    let absolute = user.join("in");
    let up = world.root.join("up.wav");
    let all = world.found(
        &["single", "mine.wav", "--input=in/b.wav", absolute.as_str(), "../up.wav", "-x", "5"],
        false,
    );
    let bound: Vec<(&Utf8Path, &Utf8Path)> = all
        .inputs
        .iter()
        .map(|input| (input.binding.here.as_path(), input.binding.there.as_path()))
        .collect();
    assert_eq!(
        bound,
        [
            (user.join("mine.wav").as_path(), Utf8Path::new("mine.wav")),
            (&user.join("in/b.wav"), Utf8Path::new("in/b.wav")),
            (&absolute, &absolute),
            (&up, &up),
        ]
    );
    assert!(all.inputs.iter().all(|input| input.binding.mode == DataMode::ReadOnly));
    assert_eq!(all.args[4], up.as_str());
    assert_eq!(all.args[..3], ["single", "mine.wav", "--input=in/b.wav"]);
    assert!(all.notes.is_empty(), "{:?}", all.notes);

    let said = world.found(&["examples/theirs.wav"], false);
    assert!(said.inputs.is_empty() && said.notes[0].contains("the source's"));
    let written = world.found(&["--out_dir", "out"], false);
    assert!(written.inputs.is_empty() && written.notes[0].contains("place to write to"));
}

#[test]
fn what_must_stay_hidden_is_not_shown() {
    let world = World::new();
    let user = world.root.join("user");
    fs::create_dir_all(user.join("me/.ssh")).unwrap();
    fs::create_dir_all(world.home.root()).unwrap();
    fs_err::os::unix::fs::symlink("/etc", user.join("link")).unwrap();
    fs_err::os::unix::fs::symlink("me/.ssh", user.join("key")).unwrap();
    let sizar = world.home.root().to_string();
    let home = user.join("me").into_string();
    for path in [
        "/",
        "/proc/self",
        "/etc/passwd",
        "/usr",
        "link",
        "key",
        "me",
        ".",
        "..",
        "me/.ssh",
        "../..",
        &sizar,
        &home,
        "/tmp",
        "--data=/etc/passwd",
        "me/.ssh/../../me",
    ] {
        let all = world.found(&[path], false);
        assert!(all.inputs.is_empty(), "{path}: {:?}", all.inputs);
        assert_eq!(all.args, [path]);
    }
    // the user's own folder is copied anyway
    world.write("a.csv", "");
    let own = world.found(&["../source/a.csv"], true);
    assert!(own.inputs.is_empty() && own.notes.is_empty());
}

#[test]
fn the_interpreters_folders_are_found_along_all_links() {
    let world = World::new();
    let link = |target: &str, name: &str| {
        fs::create_dir_all(world.root.join(name).parent().unwrap()).unwrap();
        fs_err::os::unix::fs::symlink(target, world.root.join(name)).unwrap();
    };
    fs::create_dir_all(world.root.join("pythons/3.9.21/bin")).unwrap();
    fs::write(world.root.join("pythons/3.9.21/bin/python3.9"), "").unwrap();
    link("3.9.21", "pythons/3.9");
    link("python3.9", "pythons/3.9.21/bin/python3");
    link("../../pythons/3.9/bin/python3", "env/bin/python3");
    link("python3", "env/bin/python");
    let roots = interpreter_roots(&world.root.join("env/bin/python"));
    let names: Vec<String> = roots.iter().map(ToString::to_string).collect();
    assert_eq!(names.len(), 2, "{names:?}");
    assert!(names[0].ends_with("pythons/3.9"), "{names:?}");
    assert_eq!(names[1], world.root.join("pythons/3.9.21"));
    assert!(interpreter_roots(Utf8Path::new("/usr/bin/python3")).is_empty());
}
