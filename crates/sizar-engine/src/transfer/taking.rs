//! A tree that arrives on the target: what is missing of it is asked for until it is whole.

use std::io::{self, Read};
use std::os::unix::fs::FileExt as _;
use std::sync::atomic::{AtomicU64, Ordering};

use camino::Utf8PathBuf;
use fs_err as fs;
use sizar_model::Digest;

use super::bases::Bases;
use super::case::refuse_alike;
use super::lay_out::{Bad, Laying};
use super::lend::borrow;
use super::manifest::Manifest;
use super::segment::{Bytes, CHUNK, Piece, SMALL, finish, pull, write_missing};
use super::serve::Output;
use super::store::{Blob, Store, Who, blobs_of};
use super::wire::{Frame, Kind, pack};
use super::writers::Writers;
use crate::sparse::{digest_of, update_zeros};
use crate::transport::WINDOW;

/// How often contents are asked for before it is given up: the network or the disk lies.
const ROUNDS: u32 = 6;
/// How many missing contents one frame lists.
const LISTED: usize = if cfg!(test) { 100 } else { 100_000 };
/// What is still to come.
#[derive(Default)]
pub(super) struct Awaited {
    pub bytes: AtomicU64,
    pub files: AtomicU64,
}

/// A tree that is taken in.
pub(super) struct Taking<'a> {
    pub store: &'a Store,
    pub who: Who<'a>,
    pub output: &'a Output,
    pub awaited: &'a Awaited,
}

impl Taking<'_> {
    pub fn tree(
        &self,
        (manifest, base): (&Manifest, Option<&Manifest>),
        lenders: &[Utf8PathBuf],
        input: &mut impl Read,
    ) -> io::Result<()> {
        let blobs = blobs_of(manifest);
        fs::create_dir_all(self.store.parts())?;
        // before anything goes
        refuse_alike(self.store, manifest)?;
        borrow(self.store, lenders, &blobs);
        for round in 0..ROUNDS {
            // taken over only once: two that took from each other in turns would never end
            let missing = self.store.missing(&blobs, &self.who, round == 0);
            let rest = missing.iter().filter_map(|(index, have)| {
                Some(blobs.get(*index as usize)?.0.size.saturating_sub(*have))
            });
            let rest = rest.sum();
            self.awaited.bytes.store(rest, Ordering::SeqCst);
            // for conversations that help with it
            let _offer = (round == 0 && rest > WINDOW).then(|| self.store.offer(manifest));
            self.awaited.files.store(missing.len() as u64, Ordering::SeqCst);
            // what comes of copies and is not right comes whole
            let base = base.filter(|_| round == 0);
            let bases = match base {
                Some(base) => self.bases(manifest, base, &blobs, &missing)?,
                None => Bases::new(),
            };
            let mut lists = missing.chunks(LISTED).peekable();
            loop {
                let list = write_missing(lists.next().unwrap_or_default());
                let kind = if lists.peek().is_some() { Kind::More } else { Kind::Missing };
                self.output.send(&pack(kind, &list, Some(1)))?;
                if kind == Kind::Missing {
                    break;
                }
            }
            let laying = Laying::begin(self.store, manifest)?;
            if !missing.is_empty() {
                self.contents(&blobs, Some(&laying), &bases, input)?;
                // what came with another content is asked for again
                if missing.iter().any(|(index, _)| !self.is_there(&blobs, *index)) {
                    continue;
                }
            }
            self.awaited.files.store(manifest.entries().len() as u64, Ordering::SeqCst);
            match laying.finish() {
                Ok(name) => return self.output.send(&pack(Kind::Done, name.as_bytes(), None)),
                Err(Bad::Missing) => {}
                Err(Bad::Failed(error)) => return Err(error),
            }
        }
        Err(io::Error::other("what arrives is again and again not what was sent"))
    }

    fn one_less(&self) {
        let less = |files: u64| Some(files.saturating_sub(1));
        let _ = self.awaited.files.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less);
    }

    fn is_there(&self, blobs: &[(Blob, usize)], index: u32) -> bool {
        blobs.get(index as usize).is_some_and(|(blob, _)| self.store.blob(blob).exists())
    }

    /// Takes contents in up to the end of the round: into the tree that is laid out here, if one is.
    pub fn contents(
        &self,
        blobs: &[(Blob, usize)],
        laying: Option<&Laying<'_>>,
        bases: &Bases,
        input: &mut impl Read,
    ) -> io::Result<()> {
        let safe = AtomicU64::new(0);
        let count = |bytes: u64| {
            let left = |left: u64| Some(left.saturating_sub(bytes));
            let _ = self.awaited.bytes.fetch_update(Ordering::SeqCst, Ordering::SeqCst, left);
            let all = safe.fetch_add(bytes, Ordering::SeqCst) + bytes;
            self.output.send(&pack(Kind::Safe, &all.to_le_bytes(), None))
        };
        let write = |pieces: &[u8]| self.small(blobs, laying, pieces);
        let mut large: Option<Arriving> = None;
        Writers::run(&write, &count, |writers| {
            loop {
                let frame = Frame::read(input)?.ok_or(io::ErrorKind::UnexpectedEof)?;
                match frame.kind {
                    Kind::End => return Ok(()),
                    Kind::Data if writers.broken() => return Ok(()),
                    Kind::Data if is_small(blobs, &frame.bytes) => writers.give(frame.bytes)?,
                    Kind::Data => {
                        let came = self.large(blobs, bases, &frame.bytes, &mut large);
                        came.and_then(&count)?;
                    }
                    other => {
                        return Err(io::Error::other(format!("{other:?} came for contents")));
                    }
                }
            }
        })
    }

    /// Keeps small contents of a frame; returns how many bytes they have.
    fn small(
        &self,
        blobs: &[(Blob, usize)],
        laying: Option<&Laying<'_>>,
        mut frame: &[u8],
    ) -> io::Result<u64> {
        let mut bytes = 0;
        while let Some(piece) = pull(&mut frame) {
            let (blob, entry, piece) = known(blobs, piece)?;
            let Bytes::Data(content) = piece.bytes else { return Err(torn()) };
            // what is not what it should be is asked for again
            if content.len() as u64 == blob.size && Digest::of(content) == blob.digest {
                match laying {
                    Some(laying) => laying.put(&blob, entry, content)?,
                    None => self.store.put(&blob, content)?,
                }
                self.one_less();
            }
            bytes += content.len() as u64;
        }
        Ok(bytes)
    }

    /// Keeps a piece of a large content, and the content when it is whole.
    fn large(
        &self,
        blobs: &[(Blob, usize)],
        bases: &Bases,
        mut frame: &[u8],
        arriving: &mut Option<Arriving>,
    ) -> io::Result<u64> {
        let mut bytes = 0;
        while let Some(piece) = pull(&mut frame) {
            let (blob, _, piece) = known(blobs, piece)?;
            let mut content = match arriving.take().filter(|one| one.index == piece.index) {
                Some(content) => content,
                None => {
                    let path = self.store.part(&blob, &self.who);
                    Arriving::at(path, piece.index, piece.offset)?
                }
            };
            content.add(&piece, bases.get(&piece.index))?;
            bytes += piece.bytes.len();
            if content.length < blob.size {
                *arriving = Some(content);
            } else if content.length == blob.size && content.is(&blob.digest) {
                match self.store.adopt(&blob, &content.path) {
                    // another conversation has taken it over: it is asked for again
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    adopted => {
                        adopted?;
                        self.one_less();
                    }
                }
            } else {
                // it begins anew
                let _ = fs::remove_file(&content.path);
            }
        }
        Ok(bytes)
    }
}

fn torn() -> io::Error {
    io::Error::other("what came for contents is torn")
}

fn known<'a>(
    blobs: &[(Blob, usize)],
    piece: Result<Piece<'a>, ()>,
) -> io::Result<(Blob, usize, Piece<'a>)> {
    let piece = piece.map_err(|()| torn())?;
    let (blob, entry) = blobs.get(piece.index as usize).ok_or_else(torn)?;
    Ok((*blob, *entry, piece))
}

/// Returns whether a frame holds small contents; large ones come alone.
fn is_small(blobs: &[(Blob, usize)], mut frame: &[u8]) -> bool {
    let first = pull(&mut frame).and_then(Result::ok);
    first.is_none_or(|piece| {
        blobs.get(piece.index as usize).is_none_or(|(blob, _)| blob.size <= SMALL)
    })
}

/// A large content on its way.
struct Arriving {
    path: Utf8PathBuf,
    index: u32,
    file: fs::File,
    /// None where others wrote a part of it: the disk tells then.
    hasher: Option<blake3::Hasher>,
    length: u64,
    /// What it is like, once a piece is a copy of that.
    base: Option<fs::File>,
    /// Whether a copy could not be made: what comes is not right, and is asked for whole.
    spoiled: bool,
}

impl Arriving {
    /// Begins, or goes on at `offset`, up to which an earlier conversation came.
    fn at(path: Utf8PathBuf, index: u32, offset: u64) -> io::Result<Self> {
        let mut options = fs::OpenOptions::new();
        options.write(true);
        if offset == 0 {
            let _ = fs::remove_file(&path);
            let file = options.create_new(true).open(&path)?;
            let hasher = Some(blake3::Hasher::new());
            return Ok(Self { path, index, file, hasher, length: 0, base: None, spoiled: false });
        }
        let file = options.open(&path).or_else(|error| match error.kind() {
            // taken over meanwhile: what comes is not whole, and is asked for again
            io::ErrorKind::NotFound => options.create_new(true).open(&path),
            _ => Err(error),
        })?;
        file.set_len(offset)?;
        Ok(Self { path, index, file, hasher: None, length: offset, base: None, spoiled: false })
    }

    fn add(&mut self, piece: &Piece<'_>, base: Option<&Utf8PathBuf>) -> io::Result<()> {
        if piece.offset != self.length {
            return Err(io::Error::other("a piece of a content is missing"));
        }
        match piece.bytes {
            Bytes::Data(bytes) => {
                self.file.file().write_all_at(bytes, self.length)?;
                self.hasher.as_mut().map(|hasher| hasher.update(bytes));
            }
            Bytes::Copy { from, length } => self.copy(from, length, base)?,
            Bytes::Hole(length) => {
                // an earlier conversation that is not over may be further on in the same file
                let end = self.length + length;
                if self.file.metadata()?.len() < end {
                    self.file.set_len(end)?;
                }
                if let Some(hasher) = &mut self.hasher {
                    update_zeros(hasher, length);
                }
            }
        }
        self.length += piece.bytes.len();
        Ok(())
    }

    /// Takes bytes of the content that this one is like.
    fn copy(&mut self, from: u64, length: u64, base: Option<&Utf8PathBuf>) -> io::Result<()> {
        if length > CHUNK as u64 {
            return Err(torn());
        }
        let mut bytes = vec![0; length as usize];
        if self.base.is_none() {
            self.base = base.and_then(|base| fs::File::open(base).ok());
        }
        let read = self.base.as_ref().map(|base| base.file().read_exact_at(&mut bytes, from));
        // swept away meanwhile, or not readable any more
        self.spoiled |= !matches!(read, Some(Ok(())));
        self.file.file().write_all_at(&bytes, self.length)?;
        self.hasher.as_mut().map(|hasher| hasher.update(&bytes));
        Ok(())
    }

    fn is(&self, digest: &Digest) -> bool {
        match &self.hasher {
            _ if self.spoiled => false,
            Some(hasher) => finish(hasher) == *digest,
            None => digest_of(self.path.as_std_path()).is_ok_and(|(_, found)| found == *digest),
        }
    }
}
