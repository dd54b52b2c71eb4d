//! Files with holes: what is in a hole need be neither read nor written.

use std::io::{self, Read, Seek as _, SeekFrom};
use std::ops::Range;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use fs_err as fs;
use rustix::fs::{SeekFrom as From, seek};
use sizar_model::Digest;

/// From how many bytes in holes on it is worth looking for them.
const WORTH: u64 = 1 << 20;

/// Returns where the next data of a file lie; file systems without holes have data everywhere.
pub(crate) fn data_from(file: &fs::File, at: u64, end: u64) -> Range<u64> {
    match seek(file.file(), From::Data(at)) {
        Ok(start) => {
            let until = seek(file.file(), From::Hole(start)).unwrap_or(end);
            start.min(end)..until.clamp(start.min(end), end)
        }
        Err(rustix::io::Errno::NXIO) => end..end,
        Err(_) => at..end,
    }
}

fn is_sparse(metadata: &std::fs::Metadata) -> bool {
    metadata.blocks() * 512 + WORTH < metadata.len()
}

/// Adds so many zeros to a digest: a hole takes as long as what it stands for, on all cores.
pub(crate) fn update_zeros(hasher: &mut blake3::Hasher, mut count: u64) {
    static ZEROS: [u8; 8 << 20] = [0; 8 << 20];
    while count > 0 {
        let some = count.min(ZEROS.len() as u64);
        let zeros = &ZEROS[..some as usize];
        if some < WORTH {
            hasher.update(zeros)
        } else {
            hasher.update_rayon(zeros)
        };
        count -= some;
    }
}

/// Is told how many bytes more were digested.
pub(crate) type Told<'a> = dyn Fn(u64) + 'a;

/// Adds a file from its start to a digest, and does not read its holes.
pub(crate) fn update_file(
    hasher: &mut blake3::Hasher,
    file: &mut fs::File,
    told: &Told<'_>,
) -> io::Result<()> {
    let metadata = file.metadata()?;
    let end = if is_sparse(&metadata) { metadata.len() } else { 0 };
    let mut at = 0;
    while at < end {
        let data = data_from(file, at, end);
        update_zeros(hasher, data.start - at);
        told(data.start - at);
        file.seek(SeekFrom::Start(data.start))?;
        let before = hasher.count();
        update_reader(
            hasher,
            Read::take(&mut *file, data.end - data.start),
            data.end - data.start,
            told,
        )?;
        if hasher.count() - before < data.end - data.start {
            // it is shorter than it was
            return Ok(());
        }
        at = data.end;
    }
    // also what was added meanwhile
    file.seek(SeekFrom::Start(at))?;
    update_reader(hasher, file, metadata.len().saturating_sub(at), told)
}

/// From this size on, a content is digested by several threads.
const LARGE: u64 = 4 << 20;

/// Adds about `length` bytes, up to the end of what is read.
fn update_reader(
    hasher: &mut blake3::Hasher,
    from: impl Read,
    length: u64,
    told: &Told<'_>,
) -> io::Result<()> {
    if length < LARGE {
        hasher.update_reader(from)?;
        told(length);
        return Ok(());
    }
    let mut from = from;
    let mut buffer = vec![0; LARGE as usize];
    loop {
        let mut count = 0;
        while count < buffer.len() {
            match from.read(&mut buffer[count..]) {
                Ok(0) => break,
                Ok(some) => count += some,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        hasher.update_rayon(&buffer[..count]);
        told(count as u64);
        if count < buffer.len() {
            return Ok(());
        }
    }
}

/// Returns how long a file is, and the digest of what it holds.
pub(crate) fn digest_of(path: &Path) -> io::Result<(u64, Digest)> {
    digest_telling(path, &|_| ())
}

/// As [`digest_of`], and tells how far it has come.
pub(crate) fn digest_telling(path: &Path, told: &Told<'_>) -> io::Result<(u64, Digest)> {
    let mut hasher = blake3::Hasher::new();
    update_file(&mut hasher, &mut fs::File::open(path)?, told)?;
    Ok((hasher.count(), Digest::from_bytes(*hasher.finalize().as_bytes())))
}

/// Copies a file with its holes and its mode, as [`std::fs::copy`] does without holes.
pub(crate) fn copy(from: &Path, to: &Path) -> io::Result<u64> {
    let mut source = fs::File::open(from)?;
    let metadata = source.metadata()?;
    if !metadata.is_file() || !is_sparse(&metadata) {
        return fs::copy(from, to);
    }
    let mut target = fs::File::create(to)?;
    copy_holes(&mut source, target.file_mut(), metadata.len())?;
    target.set_permissions(metadata.permissions())?;
    Ok(metadata.len())
}

/// Copies what a file holds into an empty one, with its holes.
#[expect(clippy::disallowed_types, reason = "temporary files are no other")]
pub(crate) fn copy_into(source: &mut fs::File, target: &mut std::fs::File) -> io::Result<u64> {
    let metadata = source.metadata()?;
    if !is_sparse(&metadata) {
        return io::copy(source.file_mut(), target);
    }
    copy_holes(source, target, metadata.len())?;
    Ok(metadata.len())
}

#[expect(clippy::disallowed_types, reason = "temporary files are no other")]
fn copy_holes(source: &mut fs::File, target: &mut std::fs::File, end: u64) -> io::Result<()> {
    target.set_len(end)?;
    let mut at = 0;
    while at < end {
        let data = data_from(source, at, end);
        source.seek(SeekFrom::Start(data.start))?;
        target.seek(SeekFrom::Start(data.start))?;
        let length = data.end - data.start;
        if io::copy(&mut Read::take(source.file_mut(), length), target)? < length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        at = data.end;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt as _;

    use super::*;

    #[test]
    fn holes_are_digested_as_zeros_and_copied_as_holes() {
        let folder = tempfile::tempdir().unwrap();
        let [path, copied, into] =
            ["sparse", "copied", "into"].map(|name| folder.path().join(name));
        let file = fs::File::create(&path).unwrap();
        file.set_len(20 << 20).unwrap();
        for at in [5 << 20, (12 << 20) + 77] {
            file.file().write_all_at(b"here", at).unwrap();
        }
        // more than what one thread digests
        file.file().write_all_at(&sizar_testkit::noise(1, 5 << 20), 14 << 20).unwrap();
        let read = fs::read(&path).unwrap();
        assert_eq!(digest_of(&path).unwrap(), (20 << 20, Digest::of(&read)));
        copy(&path, &copied).unwrap();
        let mut target = fs::File::create(&into).unwrap();
        copy_into(&mut fs::File::open(&path).unwrap(), target.file_mut()).unwrap();
        let blocks = |path: &Path| fs::metadata(path).unwrap().blocks();
        for made in [&copied, &into] {
            assert_eq!(fs::read(made).unwrap(), read);
            assert_eq!(blocks(made), blocks(&path));
        }
        // one without holes, and one of nothing but a hole
        fs::write(&path, "abc").unwrap();
        assert_eq!(digest_of(&path).unwrap(), (3, Digest::of(b"abc")));
        let hole = 3 << 20;
        fs::File::create(&path).unwrap().set_len(hole).unwrap();
        assert_eq!(digest_of(&path).unwrap(), (hole, Digest::of(&vec![0; hole as usize])));
    }
}
