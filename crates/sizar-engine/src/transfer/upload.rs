//! Sends trees: what is missing there, and no more.

use std::collections::HashSet;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};

use camino::Utf8Path;
use sizar_model::progress::Unit;
use sizar_model::{Activity, Progress};

use super::manifest::{Content, Manifest};
use super::packer::Packer;
use super::segment::{SMALL, read_missing};
use super::store::{Blob, blobs_of};
use super::wire::{Frame, Kind, PIECE, Peer, Request, json, pack};
use super::{Pace, Sharing, TransferError};
use crate::sparse::digest_of;
use crate::transport::{Line, Step, Transport};

/// The hidden first argument of the target's end.
pub const SERVE: &str = "__there-transfer";
/// How often the line may break without anything having become safe before it is given up.
const TRIES: u32 = 4;
/// How many files are read at once.
const READERS: usize = 2;
/// How many small files one reader takes.
const AT_ONCE: usize = 128;

/// The way to a target's store.
pub struct Upload<'a> {
    pub transport: &'a mut dyn Transport,
    /// The sizar there.
    pub program: &'a Utf8Path,
    /// The root there.
    pub root: &'a Utf8Path,
    /// Names this home: see [`Store`](super::Store).
    pub client: &'a str,
    pub pace: Pace,
    pub sharing: Sharing,
    pub progress: &'a dyn Progress,
}

impl Upload<'_> {
    /// Brings the tree at `from` there, from wherever an earlier try came to.
    ///
    /// # Errors
    ///
    /// [`TransferError::Changed`] where a file is not any more what the manifest says.
    pub fn tree(&mut self, manifest: &Manifest, from: &Path) -> Result<(), TransferError> {
        let step = Step::program(self.program.as_str(), [SERVE, self.root.as_str()])
            .args(self.sharing.words())
            .limit(std::time::Duration::from_hours(24));
        let mut tries = 0;
        // what is missing at the beginning of a try says what became of the one before
        let mut least = u64::MAX;
        loop {
            let mut sending = Sending {
                manifest,
                from,
                client: self.client,
                pace: self.pace.clone(),
                progress: self.progress,
                safe: 0,
                missing: u64::MAX,
            };
            let mut failed = None;
            let talked = self.transport.talk(&step, &mut |line| {
                sending.over(line).map_err(|error| match error {
                    TransferError::Transport(error) => error,
                    other => {
                        failed = Some(other);
                        crate::transport::TransportError::Garbled { target: String::new() }
                    }
                })
            });
            if sending.safe > 0 || sending.missing < least {
                (tries, least) = (0, least.min(sending.missing));
            }
            let error = match (failed, talked) {
                (Some(error), _) => error,
                (None, Err(error)) => error.into(),
                (None, Ok(_)) => return Ok(()),
            };
            tries += 1;
            if !error.is_broken_line() || tries >= TRIES {
                return Err(error);
            }
            self.progress.note("the connection broke; it goes on from where it was");
        }
    }
}

/// One try.
pub(super) struct Sending<'a> {
    pub manifest: &'a Manifest,
    pub from: &'a Path,
    pub client: &'a str,
    pub pace: Pace,
    pub progress: &'a dyn Progress,
    /// How many bytes are safe there.
    pub safe: u64,
    /// How many bytes were missing there at first.
    pub missing: u64,
}

impl Sending<'_> {
    /// Holds the conversation; returns what came after it.
    pub fn over(&mut self, line: &mut dyn Line) -> Result<Vec<u8>, TransferError> {
        let mut peer = Peer::new(line);
        let (client, list) = (self.client.to_owned(), self.manifest.length() as u64);
        let mut head = json(Kind::Request, &Request::Store { client, list });
        for piece in self.manifest.pieces(PIECE) {
            head.extend(pack(Kind::List, &piece, Some(1)));
            if head.len() > PIECE {
                peer.send(&head)?;
                head.clear();
            }
        }
        peer.send(&head)?;
        drop(head);
        let blobs = blobs_of(self.manifest);
        let mut sent = HashSet::new();
        loop {
            let frame = peer.next()?;
            match frame.kind {
                Kind::Missing => {
                    let missing = read_missing(&frame.bytes)
                        .ok_or_else(|| TransferError::Protocol("a list is torn".to_owned()))?;
                    if missing.is_empty() {
                        continue;
                    }
                    self.check_again(&blobs, &missing, &mut sent)?;
                    self.contents(&mut peer, &blobs, missing)?;
                    peer.send(&pack(Kind::End, &[], None))?;
                }
                Kind::Safe => self.note_safe(&frame, None),
                Kind::Done => return Ok(peer.rest()),
                other => return Err(TransferError::Protocol(format!("{other:?} came"))),
            }
        }
    }

    fn note_safe(&mut self, frame: &Frame, total: Option<u64>) {
        if let Ok(bytes) = frame.bytes.as_slice().try_into() {
            self.safe = u64::from_le_bytes(bytes);
        }
        self.progress.report(Activity::Advanced { done: self.safe, total, unit: Unit::Bytes });
    }

    /// Looks at files that are asked for once more: they may not be any more what they were.
    fn check_again(
        &self,
        blobs: &[(Blob, usize)],
        missing: &[(u32, u64)],
        sent: &mut HashSet<u32>,
    ) -> Result<(), TransferError> {
        for (index, _) in missing {
            if sent.insert(*index) {
                continue;
            }
            let (blob, entry) = one(blobs, *index)?;
            let entry = &self.manifest.entries()[entry];
            let now = digest_of(&self.from.join(entry.path()));
            if !now.is_ok_and(|(_, digest)| digest == blob.digest) {
                return Err(TransferError::Changed { path: entry.name() });
            }
        }
        Ok(())
    }

    /// Sends contents: the small ones first.
    fn contents(
        &mut self,
        peer: &mut Peer<'_>,
        blobs: &[(Blob, usize)],
        missing: Vec<(u32, u64)>,
    ) -> Result<(), TransferError> {
        let mut total = 0;
        for (index, have) in &missing {
            let (blob, _) = one(blobs, *index)?;
            total += blob.size.saturating_sub(*have);
        }
        self.missing = self.missing.min(total);
        let is_small = |(index, _): &(u32, u64)| {
            blobs.get(*index as usize).is_some_and(|(blob, _)| blob.size <= SMALL)
        };
        let (small, large): (Vec<_>, Vec<_>) = missing.into_iter().partition(is_small);
        let (frames, ready) = sync_channel::<Result<Vec<u8>, TransferError>>(READERS * 2);
        let next = AtomicUsize::new(0);
        let over = AtomicBool::new(false);
        let reading = Reading { manifest: self.manifest, from: self.from, blobs };
        std::thread::scope(|scope| {
            for number in 0..READERS {
                let frames = frames.clone();
                let (small, large, next, over, reading) = (&small, &large, &next, &over, &reading);
                scope.spawn(move || {
                    let mut packer = Packer::default();
                    let mut read = || -> Result<(), TransferError> {
                        while !over.load(Ordering::Relaxed) {
                            let from = next.fetch_add(AT_ONCE, Ordering::Relaxed);
                            let Some(some) = small.get(from..) else { break };
                            for missing in some.iter().take(AT_ONCE) {
                                reading.file(*missing, &mut packer, &frames)?;
                            }
                            if some.is_empty() {
                                break;
                            }
                        }
                        reading.flush(&mut packer, &frames)?;
                        // what is in one piece has one reader
                        for missing in large.iter().filter(|_| number == 0) {
                            reading.file(*missing, &mut packer, &frames)?;
                        }
                        Ok(())
                    };
                    if let Err(error) = read() {
                        let _ = frames.send(Err(error));
                    }
                });
            }
            drop(frames);
            let sent = (|| {
                for frame in &ready {
                    let frame = frame?;
                    self.pace.hold(frame.len() as u64);
                    peer.send(&frame)?;
                    while let Some(frame) = peer.poll()? {
                        self.note_safe(&frame, Some(total));
                    }
                }
                Ok(())
            })();
            over.store(true, Ordering::Relaxed);
            drop(ready);
            sent
        })
    }
}

fn one(blobs: &[(Blob, usize)], index: u32) -> Result<(Blob, usize), TransferError> {
    let known = blobs.get(index as usize).copied();
    known.ok_or_else(|| TransferError::Protocol("it misses what it was not told of".to_owned()))
}

/// What readers read.
struct Reading<'a> {
    manifest: &'a Manifest,
    from: &'a Path,
    blobs: &'a [(Blob, usize)],
}

type Frames = SyncSender<Result<Vec<u8>, TransferError>>;

impl Reading<'_> {
    fn file(
        &self,
        (index, have): (u32, u64),
        packer: &mut Packer,
        frames: &Frames,
    ) -> Result<(), TransferError> {
        let (blob, entry) = one(self.blobs, index)?;
        let entry = &self.manifest.entries()[entry];
        debug_assert!(matches!(entry.content, Content::File { .. }));
        let path = self.from.join(entry.path());
        packer
            .file(&path, index, have.min(blob.size)..blob.size, &mut |frame| emit(frames, frame))
            .map_err(|error| match error.kind() {
                io::ErrorKind::UnexpectedEof | io::ErrorKind::NotFound => {
                    TransferError::Changed { path: entry.name() }
                }
                _ => TransferError::file(&path, error),
            })
    }

    fn flush(&self, packer: &mut Packer, frames: &Frames) -> Result<(), TransferError> {
        packer
            .flush(&mut |frame| emit(frames, frame))
            .map_err(|error| TransferError::file(self.from, error))
    }
}

fn emit(frames: &Frames, frame: Vec<u8>) -> io::Result<()> {
    // nobody sends any more: why is known there
    frames.send(Ok(frame)).map_err(|_| io::ErrorKind::BrokenPipe.into())
}
