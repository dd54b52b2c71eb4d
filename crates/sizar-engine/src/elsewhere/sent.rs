//! An environment that is made here and sent: for targets that reach no package index, or lack the
//! Python that the code needs.
//!
//! It goes with its interpreter, as one archive. What names its place (links, `pyvenv.cfg`, the
//! first lines of scripts) is rewritten on the way, for where it will lie.

use std::io::{Read as _, Seek as _, Write};
use std::path::Path;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use ignore::WalkBuilder;
use sizar_model::Progress;
use sizar_model::resources::ByteSize;

use super::ElsewhereError;
use super::node::relocate::{LARGEST_TEXT, Move, as_rewritten, place_of, plan_moved};
use crate::run::RunPlan;
use crate::target::{Machine, Place};
use crate::transport::Step;
use crate::transport::transfer::put_archive;

/// One folder that moves.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Moving {
    from: Utf8PathBuf,
    /// Its name in the archive.
    name: String,
    to: Utf8PathBuf,
}

/// Why an environment of this machine cannot work on another.
pub(super) fn obstacle(plan: &RunPlan, machine: &Machine) -> Option<String> {
    let here = std::env::consts::ARCH;
    if let Some(there) = machine.architecture.as_deref().filter(|&there| there != here) {
        return Some(format!("its processors are {there}, and those here {here}"));
    }
    if plan.python_roots.is_empty() && !has_the_same_python(plan, machine) {
        return Some(
            "it uses this machine's own Python, which is part of its system, and is not there"
                .to_owned(),
        );
    }
    let (mine, theirs) = (glibc_here()?, machine.glibc.as_deref()?);
    let older = numbers(theirs) < numbers(&mine);
    older.then(|| format!("its C library is older ({theirs}) than the one here ({mine})"))
}

/// Returns whether the system there has the Python that an environment of this system's uses: the
/// same release, at the same place.
fn has_the_same_python(plan: &RunPlan, machine: &Machine) -> bool {
    let Ok(real) = plan.python().canonicalize_utf8() else { return false };
    let release = real.file_name().and_then(|name| name.strip_prefix("python")).unwrap_or_default();
    machine.pythons.iter().any(|(path, version)| {
        path.parent() == real.parent()
            && release.contains('.')
            && version.strip_prefix(release).is_some_and(|rest| rest.starts_with('.'))
    })
}

fn glibc_here() -> Option<String> {
    let output = std::process::Command::new("getconf").arg("GNU_LIBC_VERSION").output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Some(text.split_whitespace().last()?.to_owned())
}

fn numbers(version: &str) -> Vec<u32> {
    version.split('.').map_while(|part| part.parse().ok()).collect()
}

/// Returns where the environment of `plan` lies on the target once it was sent.
pub(super) fn folder(root: &Utf8Path, plan: &RunPlan) -> Utf8PathBuf {
    root.join("sent").join(plan.prefix.file_name().unwrap_or("environment"))
}

/// Sends the environment of `plan`, unless it is there, and returns the plan as it is there.
///
/// # Errors
///
/// [`ElsewhereError::Environment`] where it cannot work there, or does not start there.
pub(super) fn send(
    place: &mut Place,
    plan: &RunPlan,
    progress: &dyn Progress,
) -> Result<RunPlan, ElsewhereError> {
    if let Some(message) = obstacle(plan, &place.profile.machine) {
        let message = format!("the one that is made here cannot work there: {message}");
        return Err(ElsewhereError::Environment { message, hints: Vec::new() });
    }
    let folder = folder(&place.root(), plan);
    let moves = moves(plan, &folder);
    let python = folder.join("env/bin/python");
    let libraries = libraries(&moves);
    if !starts(place, &python, libraries.as_deref())? {
        let mut spool = tempfile::tempfile().map_err(spooled)?;
        progress.begin("packing the environment");
        pack(&moves, &mut spool).map_err(spooled)?;
        let length = spool.stream_position().map_err(spooled)?;
        spool.rewind().map_err(spooled)?;
        let what = format!("the environment ({}) to {}", ByteSize(length), place.name);
        progress.begin(format!("sending {what}"));
        let (sent, _) = place.sending(|place| {
            put_archive(&mut *place.transport, &mut spool, length, folder.as_str(), progress)
        });
        sent?;
        progress.end(format!("sent {what}"));
        if !starts(place, &python, libraries.as_deref())? {
            let message = "its Python does not start there".to_owned();
            return Err(ElsewhereError::Environment { message, hints: Vec::new() });
        }
    }
    let mut plan = plan_moved(plan, &places(&moves));
    if let Some(libraries) = libraries {
        plan.variables.entry(LIBRARIES.to_owned()).or_insert(libraries);
    }
    Ok(plan)
}

/// Says where shared libraries are looked for (ld.so(8)).
const LIBRARIES: &str = "LD_LIBRARY_PATH";

/// Returns where interpreters that were built with a library of their own find it there: what they
/// have built into them is its place here.
fn libraries(moves: &[Moving]) -> Option<String> {
    let has_library = |one: &&Moving| {
        one.from.join("lib").read_dir_utf8().into_iter().flatten().flatten().any(|entry| {
            entry.file_name().starts_with("libpython") && entry.file_name().contains(".so")
        })
    };
    let folders: Vec<String> =
        moves.iter().filter(has_library).map(|one| one.to.join("lib").into_string()).collect();
    (!folders.is_empty()).then(|| folders.join(":"))
}

fn spooled(source: std::io::Error) -> ElsewhereError {
    ElsewhereError::File {
        path: std::env::temp_dir().to_string_lossy().into_owned().into(),
        source,
    }
}

fn starts(
    place: &mut Place,
    python: &Utf8Path,
    libraries: Option<&str>,
) -> Result<bool, ElsewhereError> {
    let mut step = Step::program(python.as_str(), ["-c", "import ctypes, site, ssl, zlib"]);
    if let Some(libraries) = libraries {
        step = step.env(LIBRARIES, libraries);
    }
    let answers = place.transport.run(&[step])?;
    Ok(answers.first().is_some_and(crate::transport::Answer::is_success))
}

fn moves(plan: &RunPlan, folder: &Utf8Path) -> Vec<Moving> {
    let mut moves =
        vec![Moving { from: plan.prefix.clone(), name: "env".to_owned(), to: folder.join("env") }];
    for (number, root) in plan.python_roots.iter().enumerate() {
        // an interpreter inside the environment goes with it
        if root.starts_with(&plan.prefix) {
            continue;
        }
        let name = format!("python-{number}");
        moves.push(Moving { from: root.clone(), to: folder.join(&name), name });
    }
    moves
}

/// Returns from where to where everything moves.
fn places(moves: &[Moving]) -> Vec<Move> {
    moves.iter().map(|one| (one.from.clone(), one.to.clone())).collect()
}

/// Writes all folders as one archive, with what names their place rewritten.
fn pack(moves: &[Moving], to: &mut impl Write) -> std::io::Result<()> {
    let mut builder = tar::Builder::new(to);
    builder.follow_symlinks(false);
    let places = places(moves);
    for one in moves {
        let interpreter = one.name != "env";
        let walk = WalkBuilder::new(&one.from)
            .standard_filters(false)
            .sort_by_file_name(Ord::cmp)
            .filter_entry(move |entry| !interpreter || is_needed(entry.path()))
            .build();
        for entry in walk {
            let entry = entry.map_err(std::io::Error::other)?;
            let path = entry.path();
            let Ok(below) = path.strip_prefix(&one.from) else { continue };
            let name = Path::new(&one.name).join(below);
            append(&mut builder, path, &name, &places)?;
        }
    }
    builder.finish()
}

/// Returns whether a file of an interpreter is of use to programs: not its tests, nor what is for
/// linking against it, nor what somebody installed into it.
fn is_needed(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let parent = path.parent().and_then(Path::file_name).and_then(|name| name.to_str());
    let library = parent.is_some_and(|parent| parent.starts_with("python"));
    let unneeded = library && matches!(name, "test" | "site-packages" | "idlelib" | "turtledemo");
    !unneeded && Path::new(name).extension().is_none_or(|extension| extension != "a")
}

fn append(
    builder: &mut tar::Builder<impl Write>,
    path: &Path,
    name: &Path,
    moves: &[Move],
) -> std::io::Result<()> {
    let metadata = fs::symlink_metadata(path)?;
    if metadata.is_symlink() {
        let target = fs::read_link(path)?;
        let target = match Utf8Path::from_path(&target) {
            Some(target) if target.is_absolute() => place_of(target, moves).into_std_path_buf(),
            _ => target,
        };
        let mut header = tar::Header::new_gnu();
        header.set_metadata(&metadata);
        header.set_size(0);
        return builder.append_link(&mut header, name, target);
    }
    if metadata.is_file() && metadata.len() <= LARGEST_TEXT {
        let mut bytes = Vec::new();
        fs::File::open(path)?.read_to_end(&mut bytes)?;
        if let Some(text) = as_rewritten(&bytes, moves) {
            let mut header = tar::Header::new_gnu();
            header.set_metadata(&metadata);
            header.set_size(text.len() as u64);
            return builder.append_data(&mut header, name, text.as_slice());
        }
    }
    builder.append_path_with_name(path, name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two(from: &Utf8Path) -> Vec<Moving> {
        let one = |name: &str| Moving {
            from: from.join(name),
            name: name.to_owned(),
            to: Utf8Path::new("/there/x").join(name),
        };
        vec![one("env"), one("python-0")]
    }

    #[test]
    fn what_names_its_place_names_the_new_one() {
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(folder.path()).unwrap();
        fs::create_dir_all(root.join("env/bin")).unwrap();
        fs::create_dir_all(root.join("python-0/lib/python3.7/test")).unwrap();
        fs::create_dir_all(root.join("python-0/bin")).unwrap();
        fs::write(root.join("python-0/bin/python3.7"), b"\x7fELF\0").unwrap();
        fs::write(root.join("python-0/lib/python3.7/test/x.py"), "").unwrap();
        fs::write(root.join("env/bin/tool"), format!("#!{root}/env/bin/python\n")).unwrap();
        fs::write(root.join("env/pyvenv.cfg"), format!("home = {root}/python-0/bin\n")).unwrap();
        let python = root.join("python-0/bin/python3.7");
        fs_err::os::unix::fs::symlink(&python, root.join("env/bin/python")).unwrap();
        let mut archive = Vec::new();
        pack(&two(root), &mut archive).unwrap();
        let mut found = std::collections::BTreeMap::new();
        let mut archive = tar::Archive::new(archive.as_slice());
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let name = entry.path().unwrap().to_string_lossy().into_owned();
            let link = entry.link_name().unwrap().map(|to| to.to_string_lossy().into_owned());
            let mut text = Vec::new();
            entry.read_to_end(&mut text).unwrap();
            let text = String::from_utf8_lossy(&text).into_owned();
            found.insert(name, link.unwrap_or(text));
        }
        assert_eq!(found["env/bin/tool"], "#!/there/x/env/bin/python\n");
        assert_eq!(found["env/pyvenv.cfg"], "home = /there/x/python-0/bin\n");
        assert_eq!(found["env/bin/python"], "/there/x/python-0/bin/python3.7");
        assert_eq!(found["python-0/bin/python3.7"], "\u{7f}ELF\0");
        assert!(!found.keys().any(|name| name.contains("test")), "{found:?}");
    }

    #[test]
    fn versions_are_compared_by_number() {
        assert!(numbers("2.9") < numbers("2.17"));
    }
}
