//! The digests of files that have not changed since they were last read.
//!
//! A file is known again by its device, inode, size and both times. The entries are in the order of
//! their paths, and each path says only in what it differs from the one before: a million files are
//! read and written in one pass.

use std::io::{self, Read as _, Write as _};
use std::path::Path;

use camino::Utf8Path;
use fs_err as fs;
use sizar_model::Digest;

const MAGIC: &[u8] = b"sizar stat 1\n";
/// A digest of the whole comes last: a torn cache must not vouch for anything.
const SEAL: usize = 16;

/// By what a file is recognised as unchanged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Stat {
    pub device: u64,
    pub inode: u64,
    pub size: u64,
    /// Nanoseconds since 1970.
    pub modified: i64,
    /// The inode's own time of change, which programs cannot set.
    pub changed: i64,
}

impl Stat {
    pub fn of(metadata: &std::fs::Metadata) -> Self {
        use std::os::unix::fs::MetadataExt as _;
        let time = |seconds: i64, nanoseconds: i64| {
            seconds.saturating_mul(1_000_000_000).saturating_add(nanoseconds)
        };
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.len(),
            modified: time(metadata.mtime(), metadata.mtime_nsec()),
            changed: time(metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    fn numbers(&self) -> [u64; 5] {
        [self.device, self.inode, self.size, self.modified as u64, self.changed as u64]
    }
}

/// A cache that is read along an ordered list of paths.
#[derive(Debug, Default)]
pub(super) struct Known {
    bytes: Vec<u8>,
    at: usize,
    path: Vec<u8>,
    next: Option<(Stat, Digest)>,
}

impl Known {
    /// Reads a cache; one that cannot be read is an empty one.
    pub fn read(path: &Utf8Path) -> Self {
        let Ok(mut bytes) = fs::read(path) else { return Self::default() };
        let Some(end) = bytes.len().checked_sub(SEAL).filter(|end| *end >= MAGIC.len()) else {
            return Self::default();
        };
        let sealed = blake3::hash(&bytes[..end]).as_bytes()[..SEAL] == bytes[end..];
        if !sealed || !bytes.starts_with(MAGIC) {
            return Self::default();
        }
        bytes.truncate(end);
        let mut known = Self { bytes, at: MAGIC.len(), ..Self::default() };
        known.advance();
        known
    }

    /// Returns the digest of the file at `path`, if it is as it was. Paths come in ascending order.
    pub fn digest(&mut self, path: &[u8], stat: &Stat) -> Option<Digest> {
        while self.next.is_some() && self.path.as_slice() < path {
            self.advance();
        }
        let (same, digest) = self.next.as_ref()?;
        (self.path == path && same == stat).then_some(*digest)
    }

    fn advance(&mut self) {
        self.next = self.entry();
    }

    fn entry(&mut self) -> Option<(Stat, Digest)> {
        let shared = self.number::<2>()? as usize;
        let own = self.number::<2>()? as usize;
        let suffix = self.bytes.get(self.at..self.at + own)?.to_vec();
        self.at += own;
        self.path.truncate(shared);
        self.path.extend_from_slice(&suffix);
        let mut numbers = [0; 5];
        for number in &mut numbers {
            *number = self.number::<8>()?;
        }
        let digest = self.bytes.get(self.at..self.at + 32)?.try_into().ok()?;
        self.at += 32;
        let [device, inode, size, modified, changed] = numbers;
        let (modified, changed) = (modified as i64, changed as i64);
        Some((Stat { device, inode, size, modified, changed }, Digest::from_bytes(digest)))
    }

    fn number<const N: usize>(&mut self) -> Option<u64> {
        let mut bytes = [0; 8];
        bytes[..N].copy_from_slice(self.bytes.get(self.at..self.at + N)?);
        self.at += N;
        Some(u64::from_le_bytes(bytes))
    }
}

/// A cache in the making; paths come in ascending order, and go to the disk as they come.
#[derive(Debug)]
pub(super) struct Remembering {
    to: io::BufWriter<tempfile::NamedTempFile>,
    sealed: blake3::Hasher,
    last: Vec<u8>,
    bytes: Vec<u8>,
}

impl Remembering {
    pub fn at(path: &Utf8Path) -> io::Result<Self> {
        let folder = path.parent().unwrap_or(Utf8Path::new("."));
        let file = tempfile::Builder::new().prefix(".new-").tempfile_in(folder)?;
        let mut new = Self {
            to: io::BufWriter::new(file),
            sealed: blake3::Hasher::new(),
            last: Vec::new(),
            bytes: MAGIC.to_vec(),
        };
        new.flush()?;
        Ok(new)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sealed.update(&self.bytes);
        self.to.write_all(&self.bytes)?;
        self.bytes.clear();
        Ok(())
    }

    pub fn add(&mut self, path: &[u8], stat: &Stat, digest: &Digest) -> io::Result<()> {
        let shared = path.iter().zip(&self.last).take_while(|(one, other)| one == other).count();
        // longer paths than the system allows are not remembered
        let (Ok(shared), Ok(own)) = (u16::try_from(shared), u16::try_from(path.len() - shared))
        else {
            return Ok(());
        };
        self.bytes.extend_from_slice(&shared.to_le_bytes());
        self.bytes.extend_from_slice(&own.to_le_bytes());
        self.bytes.extend_from_slice(&path[usize::from(shared)..]);
        for number in stat.numbers() {
            self.bytes.extend_from_slice(&number.to_le_bytes());
        }
        self.bytes.extend_from_slice(digest.as_bytes());
        self.last.clear();
        self.last.extend_from_slice(path);
        self.flush()
    }

    /// Gives it its name, whole.
    pub fn finish(mut self, path: &Utf8Path) -> io::Result<()> {
        let seal = self.sealed.finalize();
        self.to.write_all(&seal.as_bytes()[..SEAL])?;
        let file = self.to.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.persist(path).map_err(|error| error.error)?;
        Ok(())
    }
}

/// Returns the digest of a file's content.
pub(super) fn digest_of(path: &Path) -> io::Result<(u64, Digest)> {
    let mut file = fs::File::open(path)?;
    let mut hasher = blake3::Hasher::new();
    if file.metadata()?.len() < LARGE {
        hasher.update_reader(file)?;
    } else {
        let mut buffer = vec![0; LARGE as usize];
        loop {
            let count = read_full(&mut file, &mut buffer)?;
            hasher.update_rayon(&buffer[..count]);
            if count < buffer.len() {
                break;
            }
        }
    }
    Ok((hasher.count(), Digest::from_bytes(*hasher.finalize().as_bytes())))
}

/// From this size on, a content is digested by several threads.
const LARGE: u64 = 4 << 20;

/// Fills the buffer, unless the file ends before.
fn read_full(file: &mut fs::File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut count = 0;
    while count < buffer.len() {
        match file.read(&mut buffer[count..]) {
            Ok(0) => break,
            Ok(some) => count += some,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_as_it_was_is_known_and_a_torn_cache_knows_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(folder.path()).unwrap().join("cache");
        let stat = |inode| Stat { inode, ..Stat::default() };
        let mut new = Remembering::at(&path).unwrap();
        for (number, name) in [b"a/b".as_slice(), b"a/bc", b"a\xff"].into_iter().enumerate() {
            new.add(name, &stat(number as u64), &Digest::of(name)).unwrap();
        }
        new.finish(&path).unwrap();
        let mut known = Known::read(&path);
        assert_eq!(known.digest(b"a/a", &stat(0)), None);
        assert_eq!(known.digest(b"a/b", &stat(0)), Some(Digest::of(b"a/b")));
        assert_eq!(known.digest(b"a/bc", &stat(7)), None);
        assert_eq!(known.digest(b"a\xff", &stat(2)), Some(Digest::of(b"a\xff")));
        let mut bytes = fs::read(&path).unwrap();
        bytes[40] ^= 1;
        fs::write(&path, bytes).unwrap();
        assert_eq!(Known::read(&path).digest(b"a/b", &stat(0)), None);
    }
}
