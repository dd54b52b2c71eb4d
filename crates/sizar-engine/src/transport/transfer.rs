//! Moves trees and files through a transport, by `tar`.
//!
//! What arrives is built under a temporary name and renamed when it is whole. Contents are
//! checked by the caller against its own manifest; [`digests`] helps where the far side can.
//!
//! What is larger than [`CHUNK`] goes in chunks: after a cut it goes on from the last byte that
//! arrived, also in another process. An archive whose content has changed meanwhile has another
//! name, and begins anew: two versions are never joined.

use std::ffi::OsString;
use std::io::{Read, Seek, Write};
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use sizar_model::progress::Unit;
use sizar_model::{Activity, Progress, Silent};

use super::checksum::Checksum;
use super::diagnose::last_lines;
use super::step::operand;
use super::{Answer, Step, Transport, TransportError};
use crate::acquire::archive;
use crate::acquire::limits::Limits;

/// How long the far side may take after the last byte, or between two of them.
const LIMIT: Duration = Duration::from_mins(10);
/// How much goes at once: a cut costs that, and once more where the far side still took in the rest
/// when it was asked how far it had come.
pub const CHUNK: u64 = 4 << 20;
/// How often the line may break without a byte having arrived before it is given up.
const TRIES: u32 = 4;
/// How many files one step takes the digests of.
const AT_ONCE: usize = 256;

const UNPACK: &str = "\
t=$1.sizar-$$
fail() { rm -rf \"$t\"; exit 1; }
trap fail HUP INT TERM
rm -rf \"$t\" && mkdir -p \"$t\" && tar -xf - -C \"$t\" || fail
if [ -e \"$1\" ] || [ -L \"$1\" ]; then mv \"$1\" \"$t.old\" || fail; fi
if mv \"$t\" \"$1\"; then rm -rf \"$t.old\"; else mv \"$t.old\" \"$1\"; fail; fi";

/// As [`UNPACK`], of the file `$2` if its checksum is `$3`.
const UNPACK_PART: &str = "\
s=$(cksum <\"$2\") && [ \"$s\" = \"$3\" ] || { rm -f \"$2\"; echo 'what arrived is not what was sent' >&2; exit 1; }
t=$1.sizar-$$
fail() { rm -rf \"$t\"; exit 1; }
trap fail HUP INT TERM
rm -rf \"$t\" && mkdir -p \"$t\" && tar -xf \"$2\" -C \"$t\" || fail
if [ -e \"$1\" ] || [ -L \"$1\" ]; then mv \"$1\" \"$t.old\" || fail; fi
if mv \"$t\" \"$1\"; then rm -rf \"$t.old\" \"$2\"; else mv \"$t.old\" \"$1\"; fail; fi";

/// Gives the file `$2` the name `$1`, if its checksum is `$3`.
const KEEP_PART: &str = "\
s=$(cksum <\"$2\") && [ \"$s\" = \"$3\" ] || { rm -f \"$2\"; echo 'what arrived is not what was sent' >&2; exit 1; }
mv -f \"$2\" \"$1\"";

const SIZE: &str = "\
mkdir -p \"${1%/*}\" 2>/dev/null
if [ -f \"$1\" ]; then wc -c <\"$1\"; else echo 0; fi";

/// Appends standard input to the file `$1`, if it has `$2` bytes.
const APPEND: &str = "\
umask 077
if [ -f \"$1\" ]; then s=$(wc -c <\"$1\"); else s=0; fi
[ $((s)) = \"$2\" ] || exit 4
cat >>\"$1\"";

const PIECE: &str = "tail -c \"+$2\" <\"$1\" | head -c \"$3\"";

const DIGESTS: &str = "\
command -v sha256sum >/dev/null 2>&1 || exit 3
for f; do if [ -f \"$f\" ]; then sha256sum <\"$f\" || echo -; else echo -; fi; done";

/// Where something goes.
#[derive(Clone, Copy, Debug)]
pub struct To<'a> {
    pub path: &'a str,
    /// Who sends it: no other process that sends at the same time has the same word. Two that add to
    /// one file would spoil it; one word of the sender's next try is what it goes on by.
    pub sender: &'a str,
}

impl To<'_> {
    /// Returns the path, and the file in which the content `name` arrives.
    fn remote_and_part(&self, name: &str) -> (OsString, OsString) {
        let remote = operand(self.path.as_ref());
        let mut part = remote.clone();
        part.push(format!(".sizar-{name}-{}.part", self.sender));
        (remote, part)
    }
}

/// Sends the folder `local`, or only its `paths`, to a folder, replacing what is there.
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
    to: To<'_>,
    progress: &dyn Progress,
) -> Result<u64, TransportError> {
    let mut spool = tempfile::tempfile().map_err(TransportError::Read)?;
    pack(local, paths, &mut spool)
        .map_err(|source| TransportError::File { path: local.to_owned(), source })?;
    let length = spool.stream_position().map_err(TransportError::Read)?;
    spool.rewind().map_err(TransportError::Read)?;
    put_archive(transport, &mut spool, length, to, progress)?;
    Ok(length)
}

/// Unpacks the `length` bytes of a tar archive of ours as a folder, replacing what is there.
///
/// # Errors
///
/// As [`put_tree`].
pub fn put_archive(
    transport: &mut dyn Transport,
    archive: &mut (impl Read + Seek),
    length: u64,
    to: To<'_>,
    progress: &dyn Progress,
) -> Result<(), TransportError> {
    if length <= CHUNK {
        let step = Step::script(UNPACK).arg(operand(to.path.as_ref())).limit(LIMIT);
        let mut tries = 0;
        let answer = loop {
            archive.rewind().map_err(TransportError::Read)?;
            match transport.feed(&step, archive, length, progress) {
                Err(error) if may_try_again(&error, &mut tries) => progress.note(AGAIN),
                answer => break answer?,
            }
        };
        return succeeded(transport, "writing the files", &answer);
    }
    let (checksum, name) = sums(archive)?;
    let (remote, part) = to.remote_and_part(&name);
    put_chunks(transport, archive, length, &part, progress)?;
    let step = Step::script(UNPACK_PART)
        .arg(remote)
        .arg(part)
        .arg(format!("{checksum} {length}"))
        .limit(LIMIT * 3);
    let answers = transport.run(&[step])?;
    answers.iter().try_for_each(|answer| succeeded(transport, "writing the files", answer))
}

/// Writes the `length` bytes of `content` to a file: under its name only when it is whole.
///
/// # Errors
///
/// As [`put_tree`].
pub fn put_file(
    transport: &mut dyn Transport,
    content: &mut (impl Read + Seek),
    length: u64,
    to: To<'_>,
    progress: &dyn Progress,
) -> Result<(), TransportError> {
    let (checksum, name) = sums(content)?;
    let (remote, part) = to.remote_and_part(&name);
    put_chunks(transport, content, length, &part, progress)?;
    let step = Step::script(KEEP_PART)
        .arg(remote)
        .arg(part)
        .arg(format!("{checksum} {length}"))
        .limit(LIMIT);
    let answers = transport.run(&[step])?;
    answers.iter().try_for_each(|answer| succeeded(transport, "writing the file", answer))
}

/// Returns the checksum of a content, as `cksum` has it, and a name after what it holds.
fn sums(content: &mut impl Read) -> Result<(u32, String), TransportError> {
    let mut checksum = Checksum::default();
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        let count = content.read(&mut buffer).map_err(TransportError::Read)?;
        if count == 0 {
            break;
        }
        checksum.update(&buffer[..count]);
        hasher.update(&buffer[..count]);
    }
    Ok((checksum.value(), hasher.finalize().to_hex()[..16].to_owned()))
}

const AGAIN: &str = "the connection broke; it is sent again from where it was";

/// Returns whether trying again may help, and counts the tries.
fn may_try_again(error: &TransportError, tries: &mut u32) -> bool {
    *tries += 1;
    matches!(error, TransportError::Lost { .. } | TransportError::Garbled { .. }) && *tries < TRIES
}

/// Sends an archive to the file `part`, from where an earlier try ended.
fn put_chunks(
    transport: &mut dyn Transport,
    archive: &mut (impl Read + Seek),
    length: u64,
    part: &std::ffi::OsStr,
    progress: &dyn Progress,
) -> Result<(), TransportError> {
    let mut tries = 0;
    let mut arrived = None;
    let mut furthest = 0;
    loop {
        let at = match arrived {
            Some(at) => at,
            None => match size_of(transport, part) {
                Err(error) if may_try_again(&error, &mut tries) => continue,
                size => size?.min(length),
            },
        };
        if at == length {
            return Ok(());
        }
        if at > furthest {
            (furthest, tries) = (at, 0);
        }
        let more = CHUNK.min(length - at);
        archive.seek(std::io::SeekFrom::Start(at)).map_err(TransportError::Read)?;
        let step = Step::script(APPEND).arg(part).arg(at.to_string()).limit(LIMIT);
        match transport.feed(&step, archive, more, progress) {
            Ok(answer) if answer.status() == Some(4) => arrived = None,
            Ok(answer) if answer.is_success() => {
                arrived = Some(at + more);
                progress.report(Activity::Advanced {
                    done: at + more,
                    total: Some(length),
                    unit: Unit::Bytes,
                });
            }
            Ok(answer) => {
                // what is half there helps nobody on a full disk
                let _ = transport.run(&[Step::program("rm", ["-f"]).arg(part)]);
                return succeeded(transport, "writing the files", &answer);
            }
            Err(error) if may_try_again(&error, &mut tries) => {
                progress.note(AGAIN);
                arrived = None;
            }
            Err(error) => return Err(error),
        }
    }
}

/// Asks how much of a file has arrived.
fn size_of(transport: &mut dyn Transport, part: &std::ffi::OsStr) -> Result<u64, TransportError> {
    let answers = transport.run(&[Step::script(SIZE).arg(part)])?;
    Ok(answers.first().and_then(|answer| answer.text().trim().parse().ok()).unwrap_or(0))
}

/// Fetches the file `remote` of `size` bytes to the file `local`, from where an earlier try ended.
///
/// Its content is for the caller to verify.
///
/// # Errors
///
/// As [`Transport::drain`]; what has come stays.
pub fn get_file(
    transport: &mut dyn Transport,
    remote: &str,
    size: u64,
    local: &Utf8Path,
    progress: &dyn Progress,
) -> Result<(), TransportError> {
    let failed = |source| TransportError::File { path: local.to_owned(), source };
    let mut file = fs::OpenOptions::new().create(true).append(true).open(local).map_err(failed)?;
    loop {
        let at = file.metadata().map_err(failed)?.len();
        if at > size {
            file.set_len(0).map_err(failed)?;
            continue;
        }
        if at == size {
            return Ok(());
        }
        let step = Step::script(PIECE)
            .arg(operand(remote.as_ref()))
            .arg((at + 1).to_string())
            .arg(CHUNK.min(size - at).to_string())
            .limit(LIMIT);
        let came = transport.drain(&step, &mut file, progress);
        if matches!(came, Err(TransportError::Garbled { .. })) {
            file.set_len(at).map_err(failed)?;
        }
        let answer = came?;
        succeeded(transport, "reading the files", &answer)?;
        let now = file.metadata().map_err(failed)?.len();
        if now == at {
            let said = vec![format!("`{remote}` is shorter than it was")];
            return Err(TransportError::Failed {
                target: transport.name(),
                doing: "reading the files",
                said,
            });
        }
        progress.report(Activity::Advanced { done: now, total: Some(size), unit: Unit::Bytes });
    }
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
