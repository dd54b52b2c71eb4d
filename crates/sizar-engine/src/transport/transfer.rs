//! Moves trees and files through a transport, by `tar`.
//!
//! What arrives is built under a temporary name and renamed when it is whole. Contents are
//! checked by the caller against its own manifest; [`digests`] helps where the far side can.

use std::ffi::OsString;
use std::io::{Read, Seek, Write};
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use sizar_model::{Progress, Silent};

use super::diagnose::last_lines;
use super::step::operand;
use super::{Answer, Step, Transport, TransportError};
use crate::acquire::archive;
use crate::acquire::limits::Limits;

/// How long the far side may take after the last byte, or between two of them.
const LIMIT: Duration = Duration::from_mins(10);
/// How many files one step takes the digests of.
const AT_ONCE: usize = 256;

const UNPACK: &str = "\
t=$1.sizar-$$
fail() { rm -rf \"$t\"; exit 1; }
trap fail HUP INT TERM
rm -rf \"$t\" && mkdir -p \"$t\" && tar -xf - -C \"$t\" || fail
if [ -e \"$1\" ] || [ -L \"$1\" ]; then mv \"$1\" \"$t.old\" || fail; fi
if mv \"$t\" \"$1\"; then rm -rf \"$t.old\"; else mv \"$t.old\" \"$1\"; fail; fi";

const DIGESTS: &str = "\
command -v sha256sum >/dev/null 2>&1 || exit 3
for f; do if [ -f \"$f\" ]; then sha256sum <\"$f\" || echo -; else echo -; fi; done";

/// Sends the folder `local`, or only its `paths`, to the folder `remote`, replacing what is there.
///
/// Returns how many bytes went. Links go as links.
///
/// # Errors
///
/// As [`Transport::feed`], and [`TransportError::Failed`] where the far side cannot write it.
pub fn put_tree(
    transport: &mut dyn Transport,
    local: &Utf8Path,
    paths: Option<&[Utf8PathBuf]>,
    remote: &str,
    progress: &dyn Progress,
) -> Result<u64, TransportError> {
    let mut spool = tempfile::tempfile().map_err(TransportError::Read)?;
    pack(local, paths, &mut spool)
        .map_err(|source| TransportError::File { path: local.to_owned(), source })?;
    let length = spool.stream_position().map_err(TransportError::Read)?;
    spool.rewind().map_err(TransportError::Read)?;
    put_archive(transport, &mut spool, length, remote, progress)?;
    Ok(length)
}

/// Unpacks the `length` bytes of a tar archive of ours as the folder `remote`, replacing what is
/// there.
///
/// # Errors
///
/// As [`put_tree`].
pub fn put_archive(
    transport: &mut dyn Transport,
    archive: &mut dyn Read,
    length: u64,
    remote: &str,
    progress: &dyn Progress,
) -> Result<(), TransportError> {
    let step = Step::script(UNPACK).arg(operand(remote.as_ref())).limit(LIMIT);
    let answer = transport.feed(&step, archive, length, progress)?;
    succeeded(transport, "writing the files", &answer)
}

fn pack(
    local: &Utf8Path,
    paths: Option<&[Utf8PathBuf]>,
    spool: &mut impl Write,
) -> std::io::Result<()> {
    let mut builder = tar::Builder::new(spool);
    builder.follow_symlinks(false);
    match paths {
        None => builder.append_dir_all(".", local)?,
        Some(paths) => {
            for path in paths {
                builder.append_path_with_name(local.join(path), path)?;
            }
        }
    }
    builder.into_inner().map(drop)
}

/// Fetches `paths` below the folder `remote`, or all of it, as the new folder `local`.
///
/// What comes is not trusted: it is unpacked as a foreign archive is, and stays inside. Folders
/// named `.git` are left out.
///
/// # Errors
///
/// As [`Transport::drain`]; [`TransportError::Failed`] where the far side cannot read it, and
/// [`TransportError::Archive`] where what came is refused.
pub fn get_tree(
    transport: &mut dyn Transport,
    remote: &str,
    paths: &[OsString],
    local: &Utf8Path,
    limits: Limits,
    progress: &dyn Progress,
) -> Result<(), TransportError> {
    let file_error = |source| TransportError::File { path: local.to_owned(), source };
    let beside = local.parent().unwrap_or(Utf8Path::new("."));
    fs::create_dir_all(beside).map_err(file_error)?;
    let mut spool = tempfile::NamedTempFile::new_in(beside).map_err(file_error)?;
    let mut step = Step::program("tar", ["-cf", "-", "-C"])
        .arg(operand(remote.as_ref()))
        .arg("--")
        .limit(LIMIT);
    step = if paths.is_empty() { step.arg(".") } else { step.args(paths.iter().cloned()) };
    let answer = transport.drain(&step, spool.as_file_mut(), progress)?;
    succeeded(transport, "reading the files", &answer)?;
    let staging =
        tempfile::Builder::new().prefix(".sizar-").tempdir_in(beside).map_err(file_error)?;
    let utf8 = |path: &std::path::Path| {
        Utf8Path::from_path(path)
            .map(Utf8Path::to_owned)
            .ok_or_else(|| file_error(std::io::Error::from(std::io::ErrorKind::InvalidFilename)))
    };
    let into = utf8(&staging.path().join("tree"))?;
    fs::create_dir(&into).map_err(file_error)?;
    archive::unpack(&utf8(spool.path())?, remote, &into, limits, &Silent)?;
    fs::rename(&into, local).map_err(file_error)
}

/// Returns the SHA-256 of files there, in hexadecimal; `None` for what is no readable file.
///
/// Returns nothing at all where the far side has no `sha256sum`.
pub fn digests(
    transport: &mut dyn Transport,
    paths: &[OsString],
) -> Result<Option<Vec<Option<String>>>, TransportError> {
    let mut steps = Vec::new();
    for some in paths.chunks(AT_ONCE) {
        steps.push(Step::script(DIGESTS).args(some.iter().map(|path| operand(path))).limit(LIMIT));
    }
    let mut digests = Vec::with_capacity(paths.len());
    for answer in transport.run(&steps)? {
        if answer.status() == Some(3) {
            return Ok(None);
        }
        succeeded(transport, "taking digests", &answer)?;
        digests.extend(answer.text().lines().map(|line| {
            let digest = line.split(' ').next().unwrap_or_default();
            (digest.len() == 64).then(|| digest.to_owned())
        }));
    }
    if digests.len() != paths.len() {
        return Err(TransportError::Garbled { target: transport.name() });
    }
    Ok(Some(digests))
}

fn succeeded(
    transport: &dyn Transport,
    doing: &'static str,
    answer: &Answer,
) -> Result<(), TransportError> {
    if answer.is_success() {
        return Ok(());
    }
    let said = last_lines(&String::from_utf8_lossy(&answer.stderr));
    Err(TransportError::Failed { target: transport.name(), doing, said })
}
