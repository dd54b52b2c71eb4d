//! Brings this very program to a target, once for each build.

use std::io::Write as _;

use camino::{Utf8Path, Utf8PathBuf};
use flate2::Compression;
use flate2::write::GzEncoder;
use fs_err as fs;
use sizar_model::resources::ByteSize;
use sizar_model::{Digest, Progress};

use super::{ElsewhereError, Layout};
use crate::home::Home;
use crate::run::chain;
use crate::target::Place;
use crate::transport::Step;
use crate::tree_digest::{FileStat, SETTLE, write_by_rename};

/// Names the program that is brought, where it is not this one: a build that runs on older systems.
const VARIABLE: &str = "SIZAR_REMOTE_PROGRAM";

/// Unpacks standard input to `$1`, under its name only when it is whole.
const UNPACK: &str = r#"umask 077
mkdir -p "${1%/*}" || exit 1
gzip -dc > "$1.part-$$" && chmod 700 "$1.part-$$" && mv -f "$1.part-$$" "$1" || { rm -f "$1.part-$$"; exit 1; }"#;

/// Makes sure that this program is on the target and runs there; returns its path.
///
/// # Errors
///
/// [`ElsewhereError::NotExecutable`] where it does not run there: another processor, or an older
/// C library.
pub(super) fn push(
    home: &Home,
    place: &mut Place,
    layout: &Layout,
    progress: &dyn Progress,
) -> Result<Utf8PathBuf, ElsewhereError> {
    let local = own_program()?;
    let failed = |source| ElsewhereError::File { path: local.clone(), source };
    let remote = layout.program(&digest_of(home, &local).map_err(failed)?.short());
    let works = |place: &mut Place| -> Result<Result<(), String>, ElsewhereError> {
        let answers = place.transport.run(&[Step::program(remote.as_str(), ["--version"])])?;
        Ok(match answers.first() {
            Some(answer) if answer.is_success() => Ok(()),
            Some(answer) => Err(String::from_utf8_lossy(&answer.stderr).trim().to_owned()),
            None => Err(String::new()),
        })
    };
    if works(place)?.is_ok() {
        return Ok(remote);
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
    works(place)?.map_err(|message| ElsewhereError::NotExecutable { message })?;
    Ok(remote)
}

/// Makes sure that this program is on the target; returns its path there.
///
/// # Errors
///
/// [`ElsewhereError::NotExecutable`] where it does not run there.
pub fn program(
    home: &Home,
    place: &mut Place,
    progress: &dyn Progress,
) -> Result<Utf8PathBuf, ElsewhereError> {
    let layout = Layout::at(place.root());
    push(home, place, &layout, progress)
}

/// Returns where this program lies on the target, if it was brought.
pub(super) fn path_there(home: &Home, layout: &Layout) -> Option<Utf8PathBuf> {
    let local = own_program().ok()?;
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

fn own_program() -> Result<Utf8PathBuf, ElsewhereError> {
    if let Some(named) = std::env::var(VARIABLE).ok().filter(|value| !value.is_empty()) {
        return Ok(named.into());
    }
    let unknown = |source| ElsewhereError::File { path: "/proc/self/exe".into(), source };
    let path = std::env::current_exe().map_err(unknown)?;
    Utf8PathBuf::try_from(path).map_err(|error| {
        tracing::debug!(error = chain(&error), "the program's own path is not UTF-8");
        unknown(std::io::Error::other("its path is not UTF-8"))
    })
}
