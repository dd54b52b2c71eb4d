//! Contents on their way: readers make frames of them, and one or several lines take these.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sizar_model::progress::Unit;
use sizar_model::{Activity, Progress};

use super::manifest::{Content, Manifest};
use super::outline::Outline;
use super::packer::Packer;
use super::segment::SMALL;
use super::store::Blob;
use super::wire::{Frame, Kind, Peer, pack};
use super::{Pace, TransferError};
use crate::transport::WINDOW;

/// How many files are read at once.
const READERS: usize = 2;
/// How many small files one reader takes.
const AT_ONCE: usize = 128;
/// The most lines beside the first: sites allow ten channels of a connection, other sizars have some.
const MOST: u32 = 3;
/// The round trip up to which one channel fills a line of a gigabit.
const NEAR: Duration = Duration::from_millis(16);

type Made = Result<Vec<u8>, TransferError>;

/// What goes in one round.
pub(super) struct Outgoing<'a> {
    manifest: &'a Manifest,
    from: &'a Path,
    blobs: &'a [(Blob, usize)],
    pace: &'a Mutex<Pace>,
    progress: &'a dyn Progress,
    /// How many bytes are missing there.
    total: u64,
    small: Vec<(u32, u64)>,
    /// What large contents are like that are there.
    outlines: HashMap<u32, Outline>,
    /// Large contents of which a part is there already, or one like them: the first line has it.
    begun: Vec<(u32, u64)>,
    large: Vec<(u32, u64)>,
    next_small: AtomicUsize,
    next_large: AtomicUsize,
    /// How many bytes are safe there.
    safe: AtomicU64,
    over: AtomicBool,
    /// Why a file cannot go.
    failed: Mutex<Option<TransferError>>,
}

/// The frames of small contents, for whichever line is free.
type Frames = Mutex<Receiver<Made>>;

impl<'a> Outgoing<'a> {
    pub fn new(
        (manifest, from): (&'a Manifest, &'a Path),
        blobs: &'a [(Blob, usize)],
        (missing, outlines): (Vec<(u32, u64)>, HashMap<u32, Outline>),
        pace: &'a Mutex<Pace>,
        progress: &'a dyn Progress,
    ) -> Result<Self, TransferError> {
        let mut total = 0;
        for (index, have) in &missing {
            total += one(blobs, *index)?.0.size.saturating_sub(*have);
        }
        let is_small = |(index, _): &(u32, u64)| {
            blobs.get(*index as usize).is_some_and(|(blob, _)| blob.size <= SMALL)
        };
        let (small, large): (Vec<_>, Vec<_>) = missing.into_iter().partition(is_small);
        let is_begun = |(index, have): &(u32, u64)| *have > 0 || outlines.contains_key(index);
        let (begun, large) = large.into_iter().partition(is_begun);
        Ok(Self {
            manifest,
            from,
            blobs,
            pace,
            progress,
            total,
            small,
            outlines,
            begun,
            large,
            next_small: AtomicUsize::new(0),
            next_large: AtomicUsize::new(0),
            safe: AtomicU64::new(0),
            over: AtomicBool::new(false),
            failed: Mutex::new(None),
        })
    }

    /// Returns how many bytes are missing there.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Returns how many bytes of this round are safe there.
    pub fn safe(&self) -> u64 {
        self.safe.load(Ordering::SeqCst)
    }

    /// Returns how many lines beside the first are worth their while, where a round trip takes so long.
    pub fn further_lines(&self, round_trip: Duration) -> u32 {
        let limit = self.pace.lock().unwrap_or_else(PoisonError::into_inner).limit();
        further_lines(self.total, self.small.len() / AT_ONCE + self.large.len(), limit, round_trip)
    }

    /// Sends all over `peer`, and over as many further lines as `beside` is called for.
    ///
    /// What a further line loses is asked for again by the other end.
    pub fn send(
        &self,
        peer: &mut Peer<'_>,
        lines: u32,
        beside: &(dyn Fn(&Ready<'_>) -> Result<(), TransferError> + Sync),
    ) -> Result<(), TransferError> {
        let (small, frames) = sync_channel::<Made>(READERS * 2 + lines as usize);
        let (large, pieces) = sync_channel::<Made>(READERS * 2);
        let frames: Frames = Mutex::new(frames);
        let sent = std::thread::scope(|scope| {
            for number in 0..READERS {
                // what is in one piece has one reader for the first line
                let (small, large) = (small.clone(), (number == 0).then(|| large.clone()));
                scope.spawn(move || self.read(small, large));
            }
            drop((small, large));
            for _ in 0..lines {
                scope.spawn(|| {
                    if let Err(error) = beside(&Ready { going: self, frames: &frames }) {
                        tracing::debug!(%error, "a further line ended");
                    }
                });
            }
            let mut count = Count::default();
            let sent = (|| {
                while let Some(frame) = next(&frames) {
                    self.pass(peer, &frame?, &mut count)?;
                }
                for frame in &pieces {
                    self.pass(peer, &frame?, &mut count)?;
                }
                Ok(())
            })();
            if sent.is_err() {
                self.over.store(true, Ordering::SeqCst);
            }
            drop(pieces);
            // readers wait for somebody to take what they have made
            while next(&frames).is_some() {}
            sent
        });
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner).take();
        failed.map_or(sent, Err)
    }

    /// Reads small contents, and large ones for the first line.
    fn read(&self, small: SyncSender<Made>, large: Option<SyncSender<Made>>) {
        let mut packer = Packer::default();
        let read = self.read_small(&mut packer, &small);
        if let Err(error) = read {
            let _ = small.send(Err(error));
            return;
        }
        drop(small);
        let Some(large) = large else { return };
        let begun = self.begun.iter().copied();
        for missing in begun.chain(std::iter::from_fn(|| self.next_large())) {
            if let Err(error) = self.file(missing, &mut packer, &mut |frame| emit(&large, frame)) {
                let _ = large.send(Err(error));
                return;
            }
        }
    }

    fn read_small(&self, packer: &mut Packer, to: &SyncSender<Made>) -> Result<(), TransferError> {
        while !self.over.load(Ordering::Relaxed) {
            let from = self.next_small.fetch_add(AT_ONCE, Ordering::Relaxed);
            let Some(some) = self.small.get(from..).filter(|some| !some.is_empty()) else { break };
            for missing in some.iter().take(AT_ONCE) {
                self.file(*missing, packer, &mut |frame| emit(to, frame))?;
            }
        }
        packer
            .flush(&mut |frame| emit(to, frame))
            .map_err(|error| TransferError::file(self.from, error))
    }

    /// Returns the next large content of which nothing is there, once.
    fn next_large(&self) -> Option<(u32, u64)> {
        if self.over.load(Ordering::Relaxed) {
            return None;
        }
        self.large.get(self.next_large.fetch_add(1, Ordering::Relaxed)).copied()
    }

    fn file(
        &self,
        (index, have): (u32, u64),
        packer: &mut Packer,
        emit: &mut dyn FnMut(Vec<u8>) -> io::Result<()>,
    ) -> Result<(), TransferError> {
        let (blob, entry) = one(self.blobs, index)?;
        let entry = &self.manifest.entries()[entry];
        debug_assert!(matches!(entry.content, Content::File { .. }));
        let path = self.from.join(entry.path());
        let range = have.min(blob.size)..blob.size;
        let packed = match self.outlines.get(&index) {
            Some(outline) => packer.like(&path, index, range, outline, emit),
            None => packer.file(&path, index, range, emit),
        };
        packed.map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::NotFound => {
                TransferError::Changed { path: entry.name() }
            }
            _ => TransferError::file(&path, error),
        })
    }

    /// Sends a frame, and takes what the other end says meanwhile.
    fn pass(
        &self,
        peer: &mut Peer<'_>,
        frame: &[u8],
        count: &mut Count,
    ) -> Result<(), TransferError> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner).hold(frame.len() as u64);
        peer.send(frame)?;
        while let Some(frame) = peer.poll()? {
            self.note(&frame, count);
        }
        Ok(())
    }

    /// Notes what a line says to be safe there.
    fn note(&self, frame: &Frame, count: &mut Count) {
        if frame.kind != Kind::Safe {
            return;
        }
        if let Ok(bytes) = frame.bytes.as_slice().try_into() {
            let more = u64::from_le_bytes(bytes).saturating_sub(count.0);
            count.0 += more;
            let done = self.safe.fetch_add(more, Ordering::SeqCst) + more;
            let total = Some(self.total);
            self.progress.report(Activity::Advanced { done, total, unit: Unit::Bytes });
        }
    }
}

/// How many bytes one line says to be safe.
#[derive(Default)]
struct Count(u64);

/// What a further line takes from.
pub(super) struct Ready<'a> {
    going: &'a Outgoing<'a>,
    frames: &'a Frames,
}

impl Ready<'_> {
    /// Sends over `peer` what nobody else has taken, until nothing is left; returns what came after it.
    pub fn over(&self, mut peer: Peer<'_>) -> Result<Vec<u8>, TransferError> {
        let going = self.going;
        let mut count = Count::default();
        while let Some(frame) = next(self.frames) {
            let frame = frame.map_err(|error| self.give_up(error))?;
            self.check()?;
            going.pass(&mut peer, &frame, &mut count)?;
        }
        let mut packer = Packer::default();
        while let Some(missing) = going.next_large() {
            let mut lost = None;
            let read = going.file(missing, &mut packer, &mut |frame| {
                let passed = self.check().and_then(|()| going.pass(&mut peer, &frame, &mut count));
                passed.map_err(|error| {
                    lost = Some(error);
                    io::ErrorKind::BrokenPipe.into()
                })
            });
            match (lost, read) {
                (Some(error), _) => return Err(error),
                (None, read) => read.map_err(|error| self.give_up(error))?,
            }
        }
        peer.send(&pack(Kind::End, &[], None))?;
        loop {
            let frame = peer.next()?;
            match frame.kind {
                Kind::Done => return Ok(peer.rest()),
                _ => going.note(&frame, &mut count),
            }
        }
    }

    /// Ends all lines: a file cannot go. Returns what is said of this one.
    fn give_up(&self, error: TransferError) -> TransferError {
        self.going.over.store(true, Ordering::SeqCst);
        let mut failed = self.going.failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed.get_or_insert(error);
        TransferError::Protocol("a file could not be read".to_owned())
    }

    fn check(&self) -> Result<(), TransferError> {
        if self.going.over.load(Ordering::Relaxed) {
            return Err(TransferError::Protocol("another line failed".to_owned()));
        }
        Ok(())
    }
}

pub(super) fn one(blobs: &[(Blob, usize)], index: u32) -> Result<(Blob, usize), TransferError> {
    let known = blobs.get(index as usize).copied();
    known.ok_or_else(|| TransferError::Protocol("it misses what it was not told of".to_owned()))
}

fn next(frames: &Frames) -> Option<Made> {
    frames.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
}

fn emit(frames: &SyncSender<Made>, frame: Vec<u8>) -> io::Result<()> {
    // nobody sends any more: why is known there
    frames.send(Ok(frame)).map_err(|_| io::ErrorKind::BrokenPipe.into())
}

/// Returns how many lines beside the first `bytes` in so many `parts` are worth.
fn further_lines(bytes: u64, parts: usize, limit: Option<u64>, round_trip: Duration) -> u32 {
    // what one line carries in a second
    let one = WINDOW as f64 / round_trip.as_secs_f64().max(1e-6);
    let is_short = (bytes as f64) < one;
    if round_trip <= NEAR || is_short || limit.is_some_and(|limit| limit as f64 <= one) {
        return 0;
    }
    let wanted = round_trip.as_secs_f64() / NEAR.as_secs_f64();
    (wanted.ceil() as u32 - 1).min(MOST).min(u32::try_from(parts).unwrap_or(MOST).saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn further_lines_only_where_one_does_not_fill_the_line() {
        let lines = |bytes, parts, limit, milliseconds| {
            further_lines(bytes, parts, limit, Duration::from_millis(milliseconds))
        };
        assert_eq!(lines(1 << 30, 1000, None, 1), 0);
        assert_eq!(lines(1 << 30, 1000, None, 30), 1);
        assert_eq!(lines(1 << 30, 1000, None, 100), 3);
        // over in a second, in one piece, or no faster than one line goes
        assert_eq!(lines(10 << 20, 1000, None, 100), 0);
        assert_eq!(lines(1 << 30, 1, None, 100), 0);
        assert_eq!(lines(1 << 30, 1000, Some(1 << 20), 100), 0);
    }
}
