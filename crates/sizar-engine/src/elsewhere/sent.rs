//! An environment that is made here and sent: for targets that reach no package index, or lack the
//! Python that the code needs.
//!
//! It goes with its interpreter, as one file, and stays one there until a node unpacks it, or a run
//! works in place. What names its place (links, `pyvenv.cfg`, the first lines of scripts) is
//! rewritten on the way, for where it would lie.

use std::io::{Seek as _, Write};
use std::path::Path;

use camino::{Utf8Path, Utf8PathBuf};
use sizar_model::resources::ByteSize;
use sizar_model::{Progress, Scratch};

use super::carry::Sender;
use super::node::packed::{SENT, TREE, archive, list, pack};
use super::node::relocate::{Move, plan_moved};
use super::{ElsewhereError, node};
use crate::home::Home;
use crate::run::RunPlan;
use crate::target::{Machine, Place};
use crate::transport::transfer::{To, put_archive, put_file};
use crate::transport::{Answer, Step};

/// Where environments lie that were sent, below the root.
pub(super) const FOLDER: &str = "sent";
/// How the lock of one begins, then its name.
pub(super) const LOCK: &str = "sent-";

/// One folder that moves.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Moving {
    from: Utf8PathBuf,
    /// Its name in the archive.
    name: String,
    to: Utf8PathBuf,
}

/// In what form an environment goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// As one file, which the sizar there unpacks where it is needed.
    OneFile,
    /// Unpacked on its arrival, by `tar`.
    Folder,
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
fn folder(root: &Utf8Path, plan: &RunPlan) -> Utf8PathBuf {
    root.join(FOLDER).join(plan.prefix.file_name().unwrap_or("environment"))
}

/// Returns what of the environment of `plan`, a plan of this machine's, is on the target once it was
/// sent in a form.
pub(super) fn evidence(root: &Utf8Path, plan: &RunPlan, form: Form) -> Utf8PathBuf {
    match form {
        Form::OneFile => folder(root, plan).join(SENT),
        Form::Folder => folder(root, plan).join(TREE).join("env/bin/python"),
    }
}

/// Returns what of the environment of `plan`, a plan of the target's, is there as long as it is.
pub(super) fn evidence_there(root: &Utf8Path, plan: &RunPlan) -> Utf8PathBuf {
    let tree = plan.prefix.parent().filter(|tree| tree.starts_with(root.join(FOLDER)));
    tree.and_then(Utf8Path::parent).map_or_else(|| plan.python(), |folder| folder.join(SENT))
}

/// Sends the environment of `plan`, unless it is there, and returns the plan as it is there, and
/// whether anything went.
///
/// # Errors
///
/// [`ElsewhereError::Environment`] where it cannot work there, or does not start there.
pub(super) fn send(
    home: &Home,
    place: &mut Place,
    plan: &RunPlan,
    form: Form,
    progress: &dyn Progress,
) -> Result<(RunPlan, bool), ElsewhereError> {
    if let Some(message) = obstacle(plan, &place.profile.machine) {
        let message = format!("the one that is made here cannot work there: {message}");
        return Err(ElsewhereError::Environment { message, hints: Vec::new() });
    }
    let folder = folder(&place.root(), plan);
    let moves = moves(plan, &folder.join(TREE));
    let libraries = libraries(&moves);
    let evidence = evidence(&place.root(), plan, form);
    let is_there = |place: &mut Place| match form {
        Form::OneFile => {
            let answers =
                place.transport.run(&[Step::program("test", ["-e", evidence.as_str()])])?;
            Ok(answers.first().is_some_and(Answer::is_success))
        }
        Form::Folder => starts(place, &evidence, libraries.as_deref()),
    };
    let mut sent = false;
    if !is_there(place)? {
        let sender = Sender::alone(home, place, progress)?;
        // unless another sent it meanwhile
        sent = !is_there(place)?;
        if sent {
            pack_and_send(place, &moves, (form, &evidence, &folder), &sender, progress)?;
            if form == Form::Folder && !is_there(place)? {
                let message = DOES_NOT_START.to_owned();
                return Err(ElsewhereError::Environment { message, hints: Vec::new() });
            }
        }
    }
    let mut plan = plan_moved(plan, &places(&moves));
    if let Some(libraries) = libraries {
        plan.variables.entry(LIBRARIES.to_owned()).or_insert(libraries);
    }
    Ok((plan, sent))
}

fn pack_and_send(
    place: &mut Place,
    moves: &[Moving],
    (form, evidence, folder): (Form, &Utf8Path, &Utf8Path),
    sender: &Sender,
    progress: &dyn Progress,
) -> Result<(), ElsewhereError> {
    let mut spool = tempfile::tempfile().map_err(spooled)?;
    progress.begin("packing the environment");
    pack_all(moves, form, &mut spool).map_err(spooled)?;
    let length = spool.stream_position().map_err(spooled)?;
    spool.rewind().map_err(spooled)?;
    let what = format!("the environment ({}) to {}", ByteSize(length), place.name);
    progress.begin(format!("sending {what}"));
    let (went, _) = place.sending(|place| {
        let transport = &mut *place.transport;
        let to = |path| To { path, sender: &sender.word };
        match form {
            Form::OneFile => {
                put_file(transport, &mut spool, length, to(evidence.as_str()), progress)
            }
            Form::Folder => {
                let tree = folder.join(TREE);
                put_archive(transport, &mut spool, length, to(tree.as_str()), progress)
            }
        }
    });
    went?;
    progress.end(format!("sent {what}"));
    Ok(())
}

/// Makes sure, on the target, that an environment starts that came as one file; it is unpacked where
/// that costs a shared file system nothing, or where the run will work in place anyway.
///
/// # Errors
///
/// Why it does not start, or what the operating system says.
pub(super) fn settle(home: &Home, plan: &RunPlan) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("the environment cannot be unpacked: {error}");
    let in_place = match plan.job.scratch {
        Scratch::No => true,
        Scratch::Auto => !node::is_network(home.root()),
        Scratch::At(_) => false,
    };
    if in_place {
        node::unpack_in_place(home, plan).map_err(failed)?;
    }
    let moment = node::for_a_moment(home, plan).map_err(failed)?;
    let plan = moment.plan();
    let mut python = std::process::Command::new(plan.python());
    python.args(PROBE).stdin(std::process::Stdio::null()).env_clear();
    if let Some(libraries) = plan.variables.get(LIBRARIES) {
        python.env(LIBRARIES, libraries);
    }
    match python.output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            let last = said.lines().map(str::trim).rfind(|line| !line.is_empty());
            Err(format!("{DOES_NOT_START}: {}", last.unwrap_or("it says nothing")))
        }
        Err(error) => Err(format!("{DOES_NOT_START}: {error}")),
    }
}

const DOES_NOT_START: &str = "its Python does not start there";

/// What a Python says that works.
const PROBE: [&str; 2] = ["-c", "import ctypes, site, ssl, zlib"];

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
    let mut step = Step::program(python.as_str(), PROBE);
    if let Some(libraries) = libraries {
        step = step.env(LIBRARIES, libraries);
    }
    let answers = place.transport.run(&[step])?;
    Ok(answers.first().is_some_and(Answer::is_success))
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

/// Writes all folders as one, with what names their place rewritten.
fn pack_all(moves: &[Moving], form: Form, to: &mut impl Write) -> std::io::Result<()> {
    let mut members = Vec::new();
    for one in moves {
        let interpreter = one.name != "env";
        let wanted = move |path: &Path| !interpreter || is_needed(path);
        members.extend(list(&one.from, Path::new(&one.name), wanted)?);
    }
    match form {
        Form::OneFile => pack(to, members, &places(moves)),
        Form::Folder => archive(to, &members, &places(moves)),
    }
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

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use fs_err as fs;

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
        pack_all(&two(root), Form::Folder, &mut archive).unwrap();
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
