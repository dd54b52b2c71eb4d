//! The target's end of a transfer: it takes trees into its store, and gives what is asked for.

use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use sizar_model::Digest;
use sizar_model::resources::ByteSize;

use super::Pace;
use super::case::refuse_alike;
use super::download::{self, Wanted};
use super::lay_out::{Bad, Laying, is_full};
use super::lend::{Sharing, borrow, open_to_group};
use super::manifest::Manifest;
use super::packer::Packer;
use super::segment::{Bytes, Piece, SMALL, finish, pull, write_missing};
use super::store::{Blob, Store, Who, blobs_of, token};
use super::wire::{Failed, Frame, Kind, Request, Room, json, pack};
use crate::home::free_bytes;
use crate::sparse::{digest_of, update_zeros};

/// How often it shows that it is alive.
const BEAT: Duration = Duration::from_secs(5);
/// How many small files are written at once: on a file server each waits for an answer.
const WRITERS: usize = 8;
/// How often contents are asked for before it is given up: the network or the disk lies.
const ROUNDS: u32 = 6;
/// The most bytes of a list: two million long paths.
const LONGEST_LIST: u64 = 1 << 30;

/// Serves one transfer over `input` and `output`.
///
/// What went wrong is told to the client; nothing is read after its last word.
///
/// # Errors
///
/// Where the client is not told any more: it is gone, or spoke another language.
pub fn serve(
    root: &Utf8Path,
    sharing: &Sharing,
    input: &mut impl Read,
    output: impl Write + Send + 'static,
) -> io::Result<()> {
    let output = Output::new(output);
    let (stop, stopped) = channel::<()>();
    let beating = output.clone();
    let beat = std::thread::spawn(move || {
        while stopped.recv_timeout(BEAT) == Err(RecvTimeoutError::Timeout) {
            let _ = beating.send(&pack(Kind::Alive, &[], None));
        }
    });
    let awaited = Awaited::default();
    let served = answer((root, sharing), input, &output, &awaited);
    drop(stop);
    let _ = beat.join();
    match served {
        Ok(()) => Ok(()),
        // the line broke: the client begins anew
        Err(error)
            if [io::ErrorKind::UnexpectedEof, io::ErrorKind::InvalidData]
                .contains(&error.kind()) =>
        {
            Err(error)
        }
        Err(error) => {
            let full = is_full(&error).then(|| room(root, &awaited));
            let failed = Failed { message: error.to_string(), full };
            let _ = output.send(&json(Kind::Failed, &failed));
            Err(error)
        }
    }
}

/// What several threads say.
#[derive(Clone)]
struct Output(Arc<Mutex<dyn Write + Send>>);

impl Output {
    fn new(output: impl Write + Send + 'static) -> Self {
        Self(Arc::new(Mutex::new(output)))
    }

    fn send(&self, frame: &[u8]) -> io::Result<()> {
        let mut output = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        output.write_all(frame)?;
        output.flush()
    }
}

/// What is still to come.
#[derive(Default)]
struct Awaited {
    bytes: AtomicU64,
    files: AtomicU64,
}

/// Says how much room there is, and how much is missing.
fn room(root: &Utf8Path, awaited: &Awaited) -> Room {
    let files = rustix::fs::statvfs(root.as_std_path()).ok().filter(|disk| disk.f_files > 0);
    Room {
        folder: root.to_owned(),
        free: free_bytes(root).unwrap_or(ByteSize(0)),
        free_files: files.map(|disk| disk.f_favail),
        needed: ByteSize(awaited.bytes.load(Ordering::SeqCst)),
        needed_files: awaited.files.load(Ordering::SeqCst),
    }
}

fn answer(
    (root, sharing): (&Utf8Path, &Sharing),
    input: &mut impl Read,
    output: &Output,
    awaited: &Awaited,
) -> io::Result<()> {
    let request = expect(input, Kind::Request)?;
    match request.json().map_err(io::Error::other)? {
        Request::Store { client, list } => {
            let manifest = read_manifest(input, list)?;
            let store = Store::at(root);
            if sharing.group {
                open_to_group(&store, root)?;
            }
            let (client, token) = (plain(&client), token());
            let who = Who { client: &client, token: &token };
            let taking = Taking { store: &store, who, output, awaited };
            taking.tree(&manifest, &sharing.lenders, input)?;
        }
        Request::Assist { client, list } => {
            let manifest = read_manifest(input, list)?;
            let store = Store::at(root);
            fs::create_dir_all(store.parts())?;
            let (client, token) = (plain(&client), token());
            let who = Who { client: &client, token: &token };
            let taking = Taking { store: &store, who, output, awaited };
            taking.contents(&blobs_of(&manifest), None, input)?;
            output.send(&pack(Kind::Done, &[], None))?;
        }
        Request::Give { folder, list, pace } => {
            let wanted = download::read_list(&read_list(input, list)?)
                .ok_or_else(|| io::Error::other("the list of what is wanted is torn"))?;
            give(Utf8Path::new(&folder), &wanted, Pace::new(pace), output)?;
        }
    }
    Ok(())
}

fn expect(input: &mut impl Read, kind: Kind) -> io::Result<Frame> {
    match Frame::read(input)? {
        Some(frame) if frame.kind == kind => Ok(frame),
        Some(frame) => Err(io::Error::other(format!("{:?} came, and not {kind:?}", frame.kind))),
        None => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

fn read_manifest(input: &mut impl Read, length: u64) -> io::Result<Manifest> {
    Manifest::from_bytes(&read_list(input, length)?).map_err(io::Error::other)
}

fn read_list(input: &mut impl Read, length: u64) -> io::Result<Vec<u8>> {
    if length > LONGEST_LIST {
        return Err(io::Error::other("the list is too long"));
    }
    let mut list = Vec::with_capacity(length as usize);
    while (list.len() as u64) < length {
        list.extend_from_slice(&expect(input, Kind::List)?.bytes);
    }
    Ok(list)
}

/// Makes a word that is part of a file's name.
fn plain(word: &str) -> String {
    word.chars().filter(char::is_ascii_alphanumeric).take(32).collect()
}

/// A tree that is taken in.
struct Taking<'a> {
    store: &'a Store,
    who: Who<'a>,
    output: &'a Output,
    awaited: &'a Awaited,
}

impl Taking<'_> {
    fn tree(
        &self,
        manifest: &Manifest,
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
            self.awaited.bytes.store(rest.sum(), Ordering::SeqCst);
            self.awaited.files.store(missing.len() as u64, Ordering::SeqCst);
            self.output.send(&pack(Kind::Missing, &write_missing(&missing), Some(1)))?;
            let laying = Laying::begin(self.store, manifest)?;
            if !missing.is_empty() {
                self.contents(&blobs, Some(&laying), input)?;
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
    fn contents(
        &self,
        blobs: &[(Blob, usize)],
        laying: Option<&Laying<'_>>,
        input: &mut impl Read,
    ) -> io::Result<()> {
        let safe = AtomicU64::new(0);
        let broken = AtomicBool::new(false);
        let first: Mutex<Option<io::Error>> = Mutex::new(None);
        let fail = |error: io::Error| {
            broken.store(true, Ordering::SeqCst);
            first.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        };
        let count = |bytes: u64| {
            let left = |left: u64| Some(left.saturating_sub(bytes));
            let _ = self.awaited.bytes.fetch_update(Ordering::SeqCst, Ordering::SeqCst, left);
            let all = safe.fetch_add(bytes, Ordering::SeqCst) + bytes;
            self.output.send(&pack(Kind::Safe, &all.to_le_bytes(), None))
        };
        let (frames, waiting) = sync_channel::<Vec<u8>>(2 * WRITERS);
        let waiting = Mutex::new(waiting);
        let mut large: Option<Arriving> = None;
        let read = std::thread::scope(|scope| {
            let writers: Vec<_> = (0..WRITERS)
                .map(|_| {
                    scope.spawn(|| {
                        while let Some(frame) = next(&waiting) {
                            if broken.load(Ordering::SeqCst) {
                                continue;
                            }
                            let written = self.small(blobs, laying, &frame);
                            if let Err(error) = written.and_then(&count) {
                                fail(error);
                            }
                        }
                    })
                })
                .collect();
            let read = (|| {
                loop {
                    let frame = Frame::read(input)?.ok_or(io::ErrorKind::UnexpectedEof)?;
                    match frame.kind {
                        Kind::End => return Ok(()),
                        Kind::Data if broken.load(Ordering::SeqCst) => return Ok(()),
                        Kind::Data if is_small(blobs, &frame.bytes) => {
                            frames.send(frame.bytes).map_err(io::Error::other)?;
                        }
                        Kind::Data => {
                            self.large(blobs, &frame.bytes, &mut large).and_then(&count)?;
                        }
                        other => {
                            return Err(io::Error::other(format!("{other:?} came for contents")));
                        }
                    }
                }
            })();
            drop(frames);
            for writer in writers {
                drop(writer.join());
            }
            read
        });
        match first.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some(error) => Err(error),
            None => read,
        }
    }

    /// Keeps the small contents of a frame; returns how many bytes they have.
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
            content.add(&piece)?;
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

fn next(waiting: &Mutex<Receiver<Vec<u8>>>) -> Option<Vec<u8>> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
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
}

impl Arriving {
    /// Begins, or goes on at `offset`, up to which an earlier conversation came.
    fn at(path: Utf8PathBuf, index: u32, offset: u64) -> io::Result<Self> {
        let mut options = fs::OpenOptions::new();
        options.write(true);
        if offset == 0 {
            let _ = fs::remove_file(&path);
            let file = options.create_new(true).open(&path)?;
            return Ok(Self { path, index, file, hasher: Some(blake3::Hasher::new()), length: 0 });
        }
        let file = options.open(&path).or_else(|error| match error.kind() {
            // taken over meanwhile: what comes is not whole, and is asked for again
            io::ErrorKind::NotFound => options.create_new(true).open(&path),
            _ => Err(error),
        })?;
        file.set_len(offset)?;
        Ok(Self { path, index, file, hasher: None, length: offset })
    }

    fn add(&mut self, piece: &Piece<'_>) -> io::Result<()> {
        if piece.offset != self.length {
            return Err(io::Error::other("a piece of a content is missing"));
        }
        match piece.bytes {
            Bytes::Data(bytes) => {
                self.file.file().write_all_at(bytes, self.length)?;
                self.hasher.as_mut().map(|hasher| hasher.update(bytes));
            }
            Bytes::Hole(length) => {
                self.file.set_len(self.length + length)?;
                if let Some(hasher) = &mut self.hasher {
                    update_zeros(hasher, length);
                }
            }
        }
        self.length += piece.bytes.len();
        Ok(())
    }

    fn is(&self, digest: &Digest) -> bool {
        match &self.hasher {
            Some(hasher) => finish(hasher) == *digest,
            None => digest_of(self.path.as_std_path()).is_ok_and(|(_, found)| found == *digest),
        }
    }
}

/// Sends what is wanted of a folder, in the order of the list.
fn give(folder: &Utf8Path, wanted: &[Wanted], mut pace: Pace, output: &Output) -> io::Result<()> {
    let mut packer = Packer::default();
    // packing goes on while the line is full, a few frames ahead
    let (frames, ready) = sync_channel::<Vec<u8>>(4);
    std::thread::scope(|scope| {
        let sending = scope.spawn(move || -> io::Result<()> {
            for frame in ready {
                pace.hold(frame.len() as u64);
                output.send(&frame)?;
            }
            Ok(())
        });
        let mut emit =
            |frame| frames.send(frame).map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe));
        let packed = wanted
            .iter()
            .enumerate()
            .try_for_each(|(index, one)| {
                let path = Path::new(std::ffi::OsStr::from_bytes(&one.path));
                let path = folder.as_std_path().join(path);
                packer.file(&path, index as u32, one.offset..one.size, &mut emit)
            })
            .and_then(|()| packer.flush(&mut emit));
        drop(frames);
        let sent = sending.join().unwrap_or_else(|_| Err(io::Error::other("sending stopped")));
        sent.and(packed)
    })?;
    output.send(&pack(Kind::Done, &[], None))
}
