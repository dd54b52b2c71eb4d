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

use super::outline::Outline;
use super::segment::{Bytes, CHUNK, Piece, SMALL, push};
use super::wire::{Kind, pack};
use crate::sparse::data_from;

/// How hard it packs at first, and at most.
const LEVELS: Range<i32> = 1..10;
/// How many frames go as they are after one that did not pack.
const LEAVE: u32 = 15;

#[derive(Debug)]
pub(super) struct Packer {
    batch: Vec<u8>,
    level: i32,
    /// How many frames go as they are.
    leave: u32,
}

impl Default for Packer {
    fn default() -> Self {
        Self { batch: Vec::new(), level: LEVELS.start, leave: 0 }
    }
}

/// Bytes of a file that another content has, too.
#[derive(Clone, Copy)]
struct Same {
    offset: u64,
    /// Where the other has them.
    from: u64,
    length: u64,
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
        push(&mut self.batch, Piece { index, offset: 0, bytes: Bytes::Data(&bytes) });
        self.flush_when_full(emit)
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
        let mut at = range.start;
        let mut same: Option<Same> = None;
        while at < range.end {
            let data = data_from(&file, at, range.end);
            if at < data.start {
                self.copied(index, same.take(), emit)?;
                let bytes = Bytes::Hole(data.start - at);
                push(&mut self.batch, Piece { index, offset: at, bytes });
            }
            at = data.end;
            let mut offset = data.start;
            outline.compare(&file, data, |chunk| {
                let length = chunk.bytes.len() as u64;
                match (&mut same, chunk.known) {
                    (Some(same), Some(from)) if same.from + same.length == from => {
                        same.length += length;
                    }
                    (_, Some(from)) => {
                        let before = same.replace(Same { offset, from, length });
                        self.copied(index, before, emit)?;
                    }
                    (_, None) => {
                        self.copied(index, same.take(), emit)?;
                        // a chunk may be longer than a frame
                        for bytes in chunk.bytes.chunks(CHUNK) {
                            let bytes = Bytes::Data(bytes);
                            push(&mut self.batch, Piece { index, offset, bytes });
                            offset += bytes.len();
                            self.flush_when_full(emit)?;
                        }
                        return Ok(());
                    }
                }
                offset += length;
                Ok(())
            })?;
        }
        self.copied(index, same, emit)?;
        self.flush(emit)
    }

    /// Adds what is there already, a frame's worth at a time: so much the other end says at once.
    fn copied(&mut self, index: u32, same: Option<Same>, emit: &mut Emit<'_>) -> io::Result<()> {
        let Some(Same { offset, from, length }) = same else { return Ok(()) };
        for at in (0..length).step_by(CHUNK) {
            let length = (length - at).min(CHUNK as u64);
            let bytes = Bytes::Copy { from: from + at, length };
            push(&mut self.batch, Piece { index, offset: offset + at, bytes });
            self.flush_when_full(emit)?;
        }
        Ok(())
    }

    fn flush_when_full(&mut self, emit: &mut Emit<'_>) -> io::Result<()> {
        if self.batch.len() >= CHUNK { self.flush(emit) } else { Ok(()) }
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
