//! Brings this very program to a target, once for each build.

use std::io::Write as _;

use camino::Utf8PathBuf;
use flate2::Compression;
use flate2::write::GzEncoder;
use fs_err as fs;
use sizar_model::resources::ByteSize;
use sizar_model::{Digest, Progress};

use super::{ElsewhereError, Layout};
use crate::run::chain;
use crate::target::Place;
use crate::transport::Step;

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
    place: &mut Place,
    layout: &Layout,
    progress: &dyn Progress,
) -> Result<Utf8PathBuf, ElsewhereError> {
    let local = own_program()?;
    let failed = |source| ElsewhereError::File { path: local.clone(), source };
    let mut hasher = blake3::Hasher::new();
    let file = fs::File::open(&local).map_err(failed)?;
    hasher.update_reader(file).map_err(failed)?;
    let digest = Digest::from_bytes(*hasher.finalize().as_bytes()).short();
    let remote = layout.program(&digest);
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
pub fn program(place: &mut Place, progress: &dyn Progress) -> Result<Utf8PathBuf, ElsewhereError> {
    let layout = Layout::at(place.root());
    push(place, &layout, progress)
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
