//! What only a conda channel has: an old Python, a binary of what cannot be built.

use std::process::Command;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use sizar_testkit::{CondaChannel, CondaRecipe, World, packed_python};

use crate::world::{script, world_with_shared_cache};

/// A Python 3.6 or 3.7 of pyenv's, and its version.
fn old_python() -> (Utf8PathBuf, String) {
    let home = std::env::var("HOME").expect("the user has a home");
    let versions = Utf8Path::new(&home).join(".pyenv/versions");
    let found = fs::read_dir(&versions)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .find(|version| version.starts_with("3.7.") || version.starts_with("3.6."));
    let version = found.expect("pyenv has a Python 3.6 or 3.7");
    (versions.join(&version), version)
}

/// A command in a world that sees no Python but the system's, and one channel.
fn command(world: &World, channel: &CondaChannel, args: &[&str]) -> Command {
    let mut command = world.command(args);
    command
        .env("PATH", "/usr/bin:/bin")
        .env_remove("PYENV_ROOT")
        .env("SIZAR_CONDA_CHANNELS", channel.address());
    command
}

#[test]
fn slow_a_python_that_nobody_else_has_comes_from_conda() {
    let world = world_with_shared_cache();
    let (prefix, version) = old_python();
    let minor = version.rsplit_once('.').expect("a full version").0;
    let channel = CondaChannel::new(world.path("channel"));
    channel.add(&packed_python(&prefix, &version));
    let code =
        script(&world, "train.py", "import argparse\nargparse.ArgumentParser().parse_args()\n");
    let args = ["setup", &code, "--driver", "train.py", "--python", minor, "--json"];
    let said = world.said(&mut command(&world, &channel, &args)).exits(0);
    assert!(said.stdout.contains(&version), "{said}");
    let folder = world.sizar_home().join("pythons");
    let names: Vec<String> = fs::read_dir(folder)
        .expect("a folder of Pythons")
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    assert!(
        names.iter().any(|name| name.starts_with(&format!("conda-{version}-"))),
        "{names:?} {said}"
    );
}

#[test]
fn slow_what_cannot_be_built_comes_from_conda_with_its_interpreter() {
    let world = world_with_shared_cache();
    let (prefix, version) = old_python();
    let minor = version.rsplit_once('.').expect("a full version").0;
    let channel = CondaChannel::new(world.path("channel"));
    channel.add(&packed_python(&prefix, &version));
    let module = format!("lib/python{minor}/site-packages/mpi4py/__init__.py");
    channel.add(
        &CondaRecipe::new("mpi4py", "3.0.0")
            .depends(&format!("python {minor}.*"))
            .built_at(1_520_000_000)
            .file(&module, "__version__ = '3.0.0'\n"),
    );
    world.write("code/requirements.txt", "mpi4py==3.0.0\nsix==1.12.0\n");
    let code = script(
        &world,
        "train.py",
        "import argparse\nimport mpi4py\nimport six\nargparse.ArgumentParser().parse_args()\n",
    );
    let args = ["setup", &code, "--driver", "train.py", "--python", minor, "--json"];
    // a compiler for MPI would be found by its name
    let said = world.said(command(&world, &channel, &args).env("MPICC", "/nowhere")).exits(0);
    assert!(said.stdout.contains("conda-binary"), "{said}");
    assert!(said.stdout.contains("mpi4py"), "{said}");
    // it runs in it, and others can have it without sizar
    world.write("code/train.py", "import mpi4py\nimport six\nprint(mpi4py.__version__)\n");
    let args = ["setup", &code, "--driver", "train.py", "--python", minor];
    world.said(command(&world, &channel, &args).env("MPICC", "/nowhere")).exits(0);
    let args = ["run", "-q", "--python", minor, &code, "--", "train.py"];
    let said = world.said(command(&world, &channel, &args).env("MPICC", "/nowhere")).exits(0);
    assert_eq!(said.stdout, "3.0.0\n", "{said}");
    let args = ["explain", &code, "--patch"];
    let said = world.said(&mut command(&world, &channel, &args)).exits(0);
    assert!(said.stdout.contains("+++ b/environment.yml"), "{said}");
    assert!(said.stdout.contains("+  - mpi4py=3.0.0"), "{said}");
}
