//! Makes frames of files: small ones together, large ones in pieces, holes as holes.
//!
//! How hard it packs follows what it sees: what does not pack goes as it is, with a look at a later
//! frame now and then, and a line that is slower than packing gets smaller frames.

use std::io::{self, Read as _};
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use fs_err as fs;

use super::outline::{Chunk, Outline};
use super::segment::{Bytes, CHUNK, Piece, SMALL, push};
use super::wire::{Kind, pack};
use crate::sparse::data_from;

/// How hard it packs at first, and at most.
const LEVELS: Range<i32> = 1..10;
/// How many frames go as they are after one that did not pack.
const LEAVE: u32 = 15;
/// How much of contents one frame stands for at most: so much is lost by a cut among copies.
const MOST_COVERED: u64 = 16 << 20;
/// After how much without anything known a content is taken for another; at least a quarter of it.
const UNLIKE: u64 = 64 << 20;

#[derive(Debug)]
pub(super) struct Packer {
    batch: Vec<u8>,
    /// How many bytes of contents it stands for.
    covered: u64,
    /// Its last piece, where that is a copy, and where it begins.
    last: Option<(usize, Same)>,
    level: i32,
    /// How many frames go as they are.
    leave: u32,
}

impl Default for Packer {
    fn default() -> Self {
        Self { batch: Vec::new(), covered: 0, last: None, level: LEVELS.start, leave: 0 }
    }
}

/// Bytes of a file that another content has, too.
#[derive(Clone, Copy, Debug)]
struct Same {
    at: u64,
    /// Where the other has them.
    from: u64,
    length: u64,
}

impl Same {
    /// Returns whether both can be one piece.
    fn goes_on_with(&self, next: &Self) -> bool {
        let ends = |start: u64| start.checked_add(self.length);
        ends(self.at) == Some(next.at)
            && ends(self.from) == Some(next.from)
            && self.length + next.length <= CHUNK as u64
    }
}

type Emit<'a> = dyn FnMut(Vec<u8>) -> io::Result<()> + 'a;

impl Packer {
    /// Adds the bytes `range` of the file at `path`, which ends there.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::UnexpectedEof`] where the file is not as long as it was.
    pub fn file(
        &mut self,
        path: &Path,
        index: u32,
        range: Range<u64>,
        emit: &mut Emit<'_>,
    ) -> io::Result<()> {
        if range.end > SMALL {
            self.flush(emit)?;
            return self.large(path, index, range, emit);
        }
        let mut bytes = Vec::with_capacity(range.end as usize);
        fs::File::open(path)?.take(range.end + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 != range.end {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.add(Piece { index, offset: 0, bytes: Bytes::Data(&bytes) }, emit)
    }

    fn large(
        &mut self,
        path: &Path,
        index: u32,
        range: Range<u64>,
        emit: &mut Emit<'_>,
    ) -> io::Result<()> {
        let file = fs::File::open(path)?;
        if file.metadata()?.len() != range.end {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut buffer = vec![0; CHUNK];
        let mut at = range.start;
        let mut data = at..at;
        while at < range.end {
            if at >= data.end {
                data = data_from(&file, at, range.end);
            }
            let bytes = if at < data.start {
                Bytes::Hole(data.start - at)
            } else {
                let most = (data.end - at).min(CHUNK as u64) as usize;
                file.file().read_exact_at(&mut buffer[..most], at)?;
                Bytes::Data(&buffer[..most])
            };
            push(&mut self.batch, Piece { index, offset: at, bytes });
            at += bytes.len();
            self.flush(emit)?;
        }
        Ok(())
    }

    /// Adds the bytes `range` of a large file, which ends there; of what the content of `outline` has,
    /// only where it is.
    ///
    /// # Errors
    ///
    /// As [`Self::file`].
    pub fn like(
        &mut self,
        path: &Path,
        index: u32,
        range: Range<u64>,
        outline: &Outline,
        emit: &mut Emit<'_>,
    ) -> io::Result<()> {
        self.flush(emit)?;
        let file = fs::File::open(path)?;
        if file.metadata()?.len() != range.end {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let patience = UNLIKE.max((range.end - range.start) / 4);
        let mut at = range.start;
        let (mut read, mut found) = (0, false);
        while at < range.end {
            let data = data_from(&file, at, range.end);
            if at < data.start {
                self.add(Piece { index, offset: at, bytes: Bytes::Hole(data.start - at) }, emit)?;
                at = data.start;
            }
            for chunk in outline.chunks(&file, data.clone()) {
                let Chunk { bytes, known } = chunk?;
                let length = bytes.len() as u64;
                match known {
                    Some(from) => self.copied(index, &Same { at, from, length }, emit)?,
                    // a chunk may be longer than a frame
                    None => {
                        for (number, bytes) in bytes.chunks(CHUNK).enumerate() {
                            let offset = at + (number * CHUNK) as u64;
                            self.add(Piece { index, offset, bytes: Bytes::Data(bytes) }, emit)?;
                        }
                    }
                }
                at += length;
                read += length;
                found |= known.is_some();
                if !found && read > patience {
                    // nothing like it: looking on costs more than it finds
                    self.flush(emit)?;
                    return self.large(path, index, at..range.end, emit);
                }
            }
            // it is not as long as it was
            if at != data.end {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        self.flush(emit)
    }

    /// Adds what the other end has, in one piece with the last where it goes on from that; a piece is no
    /// more than a frame's worth.
    fn copied(&mut self, index: u32, same: &Same, emit: &mut Emit<'_>) -> io::Result<()> {
        let mut same = *same;
        if let Some((start, last)) = self.last.take_if(|(_, last)| last.goes_on_with(&same)) {
            self.batch.truncate(start);
            self.covered -= last.length;
            same = Same { length: last.length + same.length, ..last };
        }
        for ahead in (0..same.length).step_by(CHUNK) {
            let (at, from) = (same.at + ahead, same.from + ahead);
            let length = (same.length - ahead).min(CHUNK as u64);
            let start = self.batch.len();
            let bytes = Bytes::Copy { from, length };
            self.add(Piece { index, offset: at, bytes }, emit)?;
            // a frame that went takes no more
            self.last = (self.batch.len() > start).then_some((start, Same { at, from, length }));
        }
        Ok(())
    }

    /// Adds a piece, and sends what is enough for a frame.
    fn add(&mut self, piece: Piece<'_>, emit: &mut Emit<'_>) -> io::Result<()> {
        self.last = None;
        push(&mut self.batch, piece);
        self.covered += piece.bytes.len();
        let full = self.batch.len() >= CHUNK || self.covered >= MOST_COVERED;
        if full { self.flush(emit) } else { Ok(()) }
    }

    /// Sends what is left.
    pub fn flush(&mut self, emit: &mut Emit<'_>) -> io::Result<()> {
        if self.batch.is_empty() {
            return Ok(());
        }
        let began = Instant::now();
        let level = if self.leave > 0 { None } else { Some(self.level) };
        let frame = pack(Kind::Data, &self.batch, level);
        let packing = began.elapsed();
        match level {
            None => self.leave -= 1,
            Some(_) if frame.len() > self.batch.len() => self.leave = LEAVE,
            Some(_) => {}
        }
        self.batch.clear();
        self.covered = 0;
        self.last = None;
        let began = Instant::now();
        emit(frame)?;
        self.adapt(packing, began.elapsed());
        Ok(())
    }

    /// Packs harder while the line keeps it waiting, and less hard while it keeps the line waiting.
    fn adapt(&mut self, packing: Duration, waiting: Duration) {
        if waiting > packing * 3 && waiting > Duration::from_millis(20) {
            self.level = (self.level + 1).min(LEVELS.end - 1);
        } else if waiting < packing {
            self.level = (self.level - 1).max(LEVELS.start);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::segment::pull;
    use super::super::wire::Frame;
    use super::*;

    #[test]
    fn holes_cost_nothing_and_what_shrank_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sparse");
        let file = fs::File::create(&path).unwrap();
        file.set_len(1 << 33).unwrap();
        file.file().write_all_at(b"here", 1 << 32).unwrap();
        let mut packer = Packer::default();
        let (mut bytes, mut holes, mut frames) = (0, 0, 0);
        let mut emit = |frame: Vec<u8>| {
            let frame = Frame::read(&mut frame.as_slice())?.unwrap().bytes;
            let mut rest = frame.as_slice();
            while let Some(piece) = pull(&mut rest) {
                match piece.unwrap().bytes {
                    Bytes::Data(data) => bytes += data.len() as u64,
                    Bytes::Hole(hole) => holes += hole,
                    Bytes::Copy { .. } => panic!("of what?"),
                }
            }
            frames += 1;
            Ok(())
        };
        packer.file(&path, 0, 0..1 << 33, &mut emit).unwrap();
        assert!(packer.file(&path, 0, 0..1 << 34, &mut emit).is_err());
        assert_eq!(bytes + holes, 1 << 33);
        assert!(bytes < 1 << 24 && frames < 20, "{bytes} {frames}");
    }
}
