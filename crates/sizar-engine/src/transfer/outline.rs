//! What a large content is made of, so that one much like it need not be sent whole.
//!
//! A content is cut where its own bytes say so (FastCDC: Xia et al., USENIX ATC 2016), so that cuts
//! stay where they were whatever is added or removed before them. The end that has an older content
//! lists the digests of its chunks; the other end cuts the newer one in the same way and sends only
//! chunks that are not listed. Half of a digest is enough: the whole is digested in the end.

use std::collections::HashMap;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use fastcdc::v2020::{Error, StreamCDC};
use fs_err as fs;
use rayon::prelude::*;

use super::segment::SMALL;
use crate::sparse::data_from;

/// The length of a chunk in the middle, where a content is no larger than [`FINE`].
const AVERAGE: u64 = 64 << 10;
/// Up to this size chunks are as small as that; of larger contents there are as many.
const FINE: u64 = 4 << 30;
/// The longest chunk in the middle, which is that of contents of 256 GiB.
const MOST_AVERAGE: u64 = 4 << 20;
/// How much one thread cuts at least: where a section begins a chunk does, which the other end has not.
const SECTION: u64 = 64 << 20;
/// How many chunks a section has, more or less.
const IN_SECTION: u64 = 1024;
/// How many sections are cut at once: each takes eight chunks of memory.
const AT_ONCE: usize = 8;
/// The most chunks of a list: three times those of 256 GiB, and no more than one frame holds.
const MOST: usize = 200_000;
/// The bytes of one chunk in a list.
const LISTED: usize = 8 + 4 + 16;

/// Half of a chunk's digest.
type Half = [u8; 16];

/// The chunks of a content.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Outline {
    average: u32,
    /// Where each begins, and how long it is.
    chunks: HashMap<Half, (u64, u32)>,
}

/// A chunk of a file that is read.
pub(super) struct Chunk {
    pub bytes: Vec<u8>,
    /// Where the listed content has the same.
    pub known: Option<u64>,
}

impl Outline {
    /// Lists the chunks of the file at `path`, on all cores; holes have none.
    ///
    /// Returns nothing where the list would be too long.
    pub fn of(path: &Path) -> io::Result<Option<Self>> {
        let file = fs::File::open(path)?;
        let size = file.metadata()?.len();
        let average = average(size);
        if size / u64::from(average) > MOST as u64 {
            return Ok(None);
        }
        let step = SECTION.max(IN_SECTION * u64::from(average));
        let mut sections = Vec::new();
        let mut at = 0;
        while at < size {
            let data = data_from(&file, at, size);
            let starts = (data.start..data.end).step_by(step as usize);
            sections.extend(starts.map(|start| start..(start + step).min(data.end)));
            at = data.end;
        }
        let list = |section: &Range<u64>| -> io::Result<Vec<_>> {
            let file = fs::File::open(path)?;
            cut(&file, section.clone(), average)
                .map(|chunk| {
                    let (at, bytes) = chunk?;
                    Ok((half(&bytes), (section.start + at, bytes.len() as u32)))
                })
                .collect()
        };
        let mut chunks = HashMap::new();
        for some in sections.chunks(AT_ONCE) {
            let listed: Vec<_> = some.par_iter().map(list).collect::<io::Result<_>>()?;
            chunks.extend(listed.into_iter().flatten());
        }
        Ok((chunks.len() <= MOST).then_some(Self { average, chunks }))
    }

    /// Cuts the bytes `range` of a file as the listed content is cut; they are fewer where it is not
    /// as long as that.
    pub fn chunks<'a>(
        &'a self,
        file: &'a fs::File,
        range: Range<u64>,
    ) -> impl Iterator<Item = io::Result<Chunk>> + 'a {
        cut(file, range, self.average).map(|chunk| {
            let (_, bytes) = chunk?;
            let known = self.chunks.get(&half(&bytes));
            let known = known.filter(|(_, length)| *length as usize == bytes.len());
            Ok(Chunk { known: known.map(|(at, _)| *at), bytes })
        })
    }

    /// Writes it, for the content `index` of a list that both ends have.
    pub fn to_bytes(&self, index: u32) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(8 + self.chunks.len() * LISTED);
        bytes.extend_from_slice(&index.to_le_bytes());
        bytes.extend_from_slice(&self.average.to_le_bytes());
        for (half, (at, length)) in &self.chunks {
            bytes.extend_from_slice(&at.to_le_bytes());
            bytes.extend_from_slice(&length.to_le_bytes());
            bytes.extend_from_slice(half);
        }
        bytes
    }

    /// Reads what [`Self::to_bytes`] wrote.
    pub fn from_bytes(bytes: &[u8]) -> Option<(u32, Self)> {
        let (index, rest) = bytes.split_first_chunk::<4>()?;
        let (average, rest) = rest.split_first_chunk::<4>()?;
        let average = u32::from_le_bytes(*average);
        let one = |listed: &[u8]| {
            let (at, rest) = listed.split_first_chunk::<8>()?;
            let (length, half) = rest.split_first_chunk::<4>()?;
            let place = (u64::from_le_bytes(*at), u32::from_le_bytes(*length));
            Some((half.try_into().ok()?, place))
        };
        let chunks = rest.chunks(LISTED).map(one).collect::<Option<_>>()?;
        let is_length = u64::from(average).is_power_of_two()
            && (AVERAGE..=MOST_AVERAGE).contains(&u64::from(average));
        is_length.then_some((u32::from_le_bytes(*index), Self { average, chunks }))
    }
}

/// Returns how long a chunk of a content of this size is in the middle.
fn average(size: u64) -> u32 {
    let wanted = size.div_ceil(FINE / AVERAGE).next_power_of_two();
    wanted.clamp(AVERAGE, MOST_AVERAGE) as u32
}

/// Cuts the bytes `range` of a file; returns each chunk with where it begins in the range.
fn cut(
    file: &fs::File,
    range: Range<u64>,
    average: u32,
) -> impl Iterator<Item = io::Result<(u64, Vec<u8>)>> {
    let average = average as usize;
    let from = Section { file, range };
    // a quarter and four times: what the paper takes
    StreamCDC::new(from, (average / 4).min(SMALL as usize), average, average * 4).map(|chunk| {
        let chunk = chunk.map_err(|error| match error {
            Error::IoError(error) => error,
            other => io::Error::other(other.to_string()),
        })?;
        Ok((chunk.offset, chunk.data))
    })
}

/// Reads a part of a file, wherever others read it.
struct Section<'a> {
    file: &'a fs::File,
    range: Range<u64>,
}

impl io::Read for Section<'_> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let most =
            to.len().min(usize::try_from(self.range.end - self.range.start).unwrap_or(usize::MAX));
        let count = self.file.file().read_at(&mut to[..most], self.range.start)?;
        self.range.start += count as u64;
        Ok(count)
    }
}

fn half(bytes: &[u8]) -> Half {
    let digest = blake3::hash(bytes);
    *digest.as_bytes().first_chunk().expect("a digest has 32 bytes")
}

#[cfg(test)]
mod tests {
    use sizar_testkit::noise;

    use super::*;

    fn write(folder: &Path, name: &str, bytes: &[u8]) -> std::path::PathBuf {
        let path = folder.join(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    /// Returns how many bytes of a file are not in a list, after checking where the others are.
    fn new_bytes(outline: &Outline, old: &[u8], path: &Path) -> u64 {
        let file = fs::File::open(path).unwrap();
        let size = file.metadata().unwrap().len();
        let mut new = 0;
        for chunk in outline.chunks(&file, 0..size) {
            let Chunk { bytes, known } = chunk.unwrap();
            match known {
                Some(at) => assert_eq!(old[at as usize..][..bytes.len()], bytes),
                None => new += bytes.len() as u64,
            }
        }
        new
    }

    #[test]
    fn what_was_put_in_front_moves_no_cut() {
        let folder = tempfile::tempdir().unwrap();
        // more than a section
        let old = noise(1, 80 << 20);
        let outline = Outline::of(&write(folder.path(), "old", &old)).unwrap().unwrap();
        let (index, read) = Outline::from_bytes(&outline.to_bytes(7)).unwrap();
        assert_eq!((index, &read), (7, &outline));
        let middle = old.len() / 2;
        let edits = [
            [b"x".as_slice(), &old].concat(),
            [&old[..middle], b"something new", &old[middle + 5..]].concat(),
            [&old, b"a line more".as_slice()].concat(),
        ];
        for (number, edit) in edits.iter().enumerate() {
            let new = new_bytes(&outline, &old, &write(folder.path(), "new", edit));
            assert!(new < 1 << 20, "edit {number}: {new}");
        }
        let other = write(folder.path(), "other", &noise(2, 4 << 20));
        assert_eq!(new_bytes(&outline, &old, &other), 4 << 20);
    }

    #[test]
    fn what_is_no_list_is_refused() {
        assert_eq!(Outline::from_bytes(b"1234567"), None);
        let bytes = Outline { average: AVERAGE as u32, chunks: HashMap::new() }.to_bytes(0);
        assert!(Outline::from_bytes(&bytes).is_some());
        assert_eq!(Outline::from_bytes(&[&bytes[..], b"torn"].concat()), None);
        for average in [0, 1, AVERAGE as u32 + 1, u32::MAX] {
            let bytes = Outline { average, chunks: HashMap::new() }.to_bytes(0);
            assert_eq!(Outline::from_bytes(&bytes), None, "{average}");
        }
    }

    #[test]
    fn large_contents_have_larger_chunks_and_not_more() {
        assert_eq!(average(1), 64 << 10);
        assert_eq!(average(FINE), 64 << 10);
        assert_eq!(average(FINE + 1), 128 << 10);
        assert_eq!(average(1 << 50), 4 << 20);
    }
}
