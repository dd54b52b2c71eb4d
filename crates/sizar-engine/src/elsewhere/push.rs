//! Brings this very program to a target, once for each build.
//!
//! Beside a job runs the worker: the same program, linked statically, which no C library of the
//! target's can be too old for. It lies beside this program as `sizar-worker-ARCHITECTURE`; without
//! one this program itself is brought.

use std::collections::HashSet;
use std::io::Write as _;

use camino::{Utf8Path, Utf8PathBuf};
use flate2::Compression;
use flate2::write::GzEncoder;
use fs_err as fs;
use sizar_model::resources::ByteSize;
use sizar_model::{Digest, Progress, RunId};

use super::carry::Look;
use super::{ElsewhereError, Layout};
use crate::home::Home;
use crate::run::chain;
use crate::target::{Machine, Place, Profile, WorkerWish};
use crate::transport::{Answer, Step};
use crate::tree_digest::{FileStat, SETTLE, write_by_rename};

/// Names the program that is brought, where it is neither the worker nor this one.
const VARIABLE: &str = "SIZAR_REMOTE_PROGRAM";

/// How the workers are called that lie beside this program; then the processor, as `uname -m` says.
const WORKER: &str = "sizar-worker-";

/// Starts the program `$1` with what follows; it ends with 3 where that is not there, since it is there whole or not
/// at all.
const TRY: &str = r#"[ -e "$1" ] || exit 3; "$@""#;

/// Unpacks standard input to `$1`, under its name only when it is whole.
const UNPACK: &str = r#"umask 077
mkdir -p "${1%/*}" || exit 1
gzip -dc > "$1.part-$$" && chmod 700 "$1.part-$$" && mv -f "$1.part-$$" "$1" || { rm -f "$1.part-$$"; exit 1; }"#;

/// Makes sure that this program is on the target and runs there; returns its path.
///
/// # Errors
///
/// [`ElsewhereError::NotExecutable`] where it does not run there: another processor, an older C
/// library, a file system whose programs are not executed.
pub(super) fn push(
    home: &Home,
    place: &mut Place,
    layout: &Layout,
    progress: &dyn Progress,
) -> Result<Utf8PathBuf, ElsewhereError> {
    bring(home, place, layout, None, progress).map(|(program, _)| program)
}

/// As [`push`], and looks by it at what is there, in the same round trip.
///
/// # Errors
///
/// As [`push`], and [`ElsewhereError::Step`] where it cannot look.
pub(super) fn push_and_look(
    home: &Home,
    place: &mut Place,
    layout: &Layout,
    look: &Look<'_>,
    progress: &dyn Progress,
) -> Result<(Utf8PathBuf, HashSet<String>), ElsewhereError> {
    let (program, answer) = bring(home, place, layout, Some(look), progress)?;
    Ok((program, look.read(Some(&answer))?))
}

fn bring(
    home: &Home,
    place: &mut Place,
    layout: &Layout,
    look: Option<&Look<'_>>,
    progress: &dyn Progress,
) -> Result<(Utf8PathBuf, Answer), ElsewhereError> {
    if place.profile.worker == WorkerWish::None {
        let message = format!("the profile of {} says `worker = \"none\"`", place.name);
        return Err(ElsewhereError::NotExecutable { message });
    }
    let local = program_for(&place.profile.machine)?;
    let failed = |source| ElsewhereError::File { path: local.clone(), source };
    let remote = layout.program(&digest_of(home, &local).map_err(failed)?.short());
    let trial = || Trial { program: &remote, layout, look };
    match trial().tried(place)? {
        Tried::Works(looked) => return Ok((remote, looked)),
        Tried::Refused(message) => return Err(ElsewhereError::NotExecutable { message }),
        Tried::NotThere => {}
    }
    let folder = tempfile::tempdir().map_err(failed)?;
    let packed = Utf8PathBuf::try_from(folder.path().join("sizar.gz"))
        .map_err(|error| failed(std::io::Error::other(error)))?;
    let bytes = fs::read(&local).map_err(failed)?;
    let mut encoder =
        GzEncoder::new(fs::File::create(&packed).map_err(failed)?, Compression::fast());
    encoder.write_all(&bytes).and_then(|()| encoder.try_finish()).map_err(failed)?;
    let length = fs::metadata(&packed).map_err(failed)?.len();
    progress.begin(format!("sending sizar to {} ({})", place.name, ByteSize(length)));
    let mut file = fs::File::open(&packed).map_err(failed)?;
    let step = Step::script(UNPACK).arg(remote.as_str()).limit(std::time::Duration::from_hours(1));
    let answer = place.transport.feed(&step, &mut file, length, progress)?;
    progress.end(format!("sent sizar to {} ({})", place.name, ByteSize(length)));
    if !answer.is_success() {
        let message = String::from_utf8_lossy(&answer.stderr).trim().to_owned();
        return Err(ElsewhereError::Step { step: "send sizar", message });
    }
    match trial().tried(place)? {
        Tried::Works(looked) => Ok((remote, looked)),
        Tried::NotThere => Err(ElsewhereError::NotExecutable { message: "it is gone".to_owned() }),
        Tried::Refused(message) => Err(ElsewhereError::NotExecutable { message }),
    }
}

/// What came of starting the program there.
enum Tried {
    /// With its answer.
    Works(Answer),
    NotThere,
    /// It is there, and does not run.
    Refused(String),
}

/// The program there, and what it is to look at.
struct Trial<'a> {
    program: &'a Utf8Path,
    layout: &'a Layout,
    look: Option<&'a Look<'a>>,
}

impl Trial<'_> {
    fn tried(&self, place: &mut Place) -> Result<Tried, ElsewhereError> {
        let start = Step::script(TRY).arg(self.program.as_str());
        let step = match self.look {
            Some(look) => look.by(start, self.layout),
            None => start.arg("--version"),
        };
        let Some(answer) = place.transport.run(&[step])?.pop() else { return Ok(Tried::NotThere) };
        match answer.status() {
            Some(0) => return Ok(Tried::Works(answer)),
            Some(3) => return Ok(Tried::NotThere),
            _ => {}
        }
        // it does not run there, or it could not look
        if self.look.is_some() {
            return Ok(match (Trial { look: None, ..*self }).tried(place)? {
                Tried::Works(_) => Tried::Works(answer),
                other => other,
            });
        }
        let said = String::from_utf8_lossy(&answer.stderr).into_owned();
        Ok(Tried::Refused(last_words(&said).unwrap_or("it did not start").to_owned()))
    }
}

/// Returns what a shell says at last of a program that it could not start.
fn last_words(said: &str) -> Option<&str> {
    said.lines().map(str::trim).rfind(|line| !line.is_empty())
}

/// Returns what executes the runs of `folder` on the target: sizar itself, brought there, or the
/// script that stands for it where sizar cannot execute, which lies with the run.
///
/// # Errors
///
/// [`ElsewhereError`] of the step that failed.
pub fn program(
    home: &Home,
    place: &mut Place,
    folder: &RunId,
    progress: &dyn Progress,
) -> Result<Utf8PathBuf, ElsewhereError> {
    let layout = Layout::at(place.root());
    match push(home, place, &layout, progress) {
        Err(ElsewhereError::NotExecutable { .. }) => Ok(layout.plain(folder)),
        pushed => pushed,
    }
}

/// Returns where this program lies on the target, if it was brought.
pub(super) fn path_there(home: &Home, layout: &Layout, profile: &Profile) -> Option<Utf8PathBuf> {
    if profile.worker == WorkerWish::None {
        return None;
    }
    let local = program_for(&profile.machine).ok()?;
    Some(layout.program(&digest_of(home, &local).ok()?.short()))
}

/// Returns the digest of a program, which is read anew only where its file has changed.
fn digest_of(home: &Home, program: &Utf8Path) -> std::io::Result<Digest> {
    let stat = FileStat::of(&fs::metadata(program)?);
    let cache = home.root().join("cache/program.json");
    let known = fs::read(&cache).ok().and_then(|text| serde_json::from_slice(&text).ok());
    if let Some((path, same, digest)) = known
        .filter(|known: &(Utf8PathBuf, FileStat, Digest)| known.0 == program && known.1 == stat)
    {
        tracing::trace!(%path, size = same.size, "the program is as it was");
        return Ok(digest);
    }
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(fs::File::open(program)?)?;
    let digest = Digest::from_bytes(*hasher.finalize().as_bytes());
    if stat.is_settled(std::time::SystemTime::now(), SETTLE)
        && home.folder("cache").is_ok()
        && let Ok(text) = serde_json::to_vec(&(program, stat, digest))
    {
        // without it the file is read again
        let _ = write_by_rename(&cache, &text);
    }
    Ok(digest)
}

/// Chooses the program that is brought to `machine`.
fn program_for(machine: &Machine) -> Result<Utf8PathBuf, ElsewhereError> {
    if let Some(named) = std::env::var(VARIABLE).ok().filter(|value| !value.is_empty()) {
        return Ok(named.into());
    }
    let own = own_program()?;
    choose(&own, machine.architecture.as_deref(), Utf8Path::is_file).map_err(|there| {
        ElsewhereError::NotExecutable {
            message: format!(
                "its processors are {there}, and there is no `{WORKER}{there}` beside `{own}`"
            ),
        }
    })
}

/// Chooses among the workers beside `own` and `own` itself; an error names the processors that none
/// of them is for.
fn choose(
    own: &Utf8Path,
    architecture: Option<&str>,
    is_there: impl Fn(&Utf8Path) -> bool,
) -> Result<Utf8PathBuf, String> {
    let here = std::env::consts::ARCH;
    let there = architecture.unwrap_or(here);
    let worker = own.with_file_name(format!("{WORKER}{there}"));
    if is_there(&worker) {
        return Ok(worker);
    }
    if there == here { Ok(own.to_owned()) } else { Err(there.to_owned()) }
}

fn own_program() -> Result<Utf8PathBuf, ElsewhereError> {
    let unknown = |source| ElsewhereError::File { path: "/proc/self/exe".into(), source };
    let path = std::env::current_exe().map_err(unknown)?;
    Utf8PathBuf::try_from(path).map_err(|error| {
        tracing::debug!(error = chain(&error), "the program's own path is not UTF-8");
        unknown(std::io::Error::other("its path is not UTF-8"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_static_worker_is_preferred_and_no_other_processor_gets_this_program() {
        let own = Utf8Path::new("/opt/bin/sizar");
        let here = std::env::consts::ARCH;
        let beside = format!("/opt/bin/sizar-worker-{here}");
        assert_eq!(choose(own, Some(here), |path| path == beside).unwrap(), beside);
        assert_eq!(choose(own, Some(here), |_| false).unwrap(), own);
        assert_eq!(choose(own, None, |_| false).unwrap(), own);
        assert_eq!(choose(own, Some("riscv64"), |_| false).unwrap_err(), "riscv64");
        let other = "/opt/bin/sizar-worker-riscv64";
        assert_eq!(choose(own, Some("riscv64"), |path| path == other).unwrap(), other);
    }

    #[test]
    fn what_a_shell_says_at_last_is_its_reason() {
        let said = "quota: 90 %\nsh: 1: /x/sizar: Permission denied\n\n";
        assert_eq!(last_words(said), Some("sh: 1: /x/sizar: Permission denied"));
        assert_eq!(last_words(" \n"), None);
    }
}
