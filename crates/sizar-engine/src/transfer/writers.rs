//! Threads that write the small contents of frames: on a file server each content waits for an answer.
//!
//! No more of them wait, or are being written, than two frames hold: what was read from the line and is
//! not written yet is lost when this end is killed, and sent again. So of files above 256 KiB fewer
//! than [`WRITERS`] are written at once.

use std::io;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use super::segment::{CHUNK, pull};

/// How many contents are written at once, at most.
const WRITERS: usize = 8;

/// How many bytes wait, or are being written: a frame, and the next one behind it.
const WAITING: usize = 2 * CHUNK;

/// Writes a piece of a frame; returns how many bytes of contents it holds.
type Write<'a> = dyn Fn(&[u8]) -> io::Result<u64> + Sync + 'a;
/// Notes that so many bytes of contents were written.
type Note<'a> = dyn Fn(u64) -> io::Result<()> + Sync + 'a;

/// What the threads share with the one that reads the line.
pub(super) struct Writers {
    pieces: Mutex<Option<Sender<Part>>>,
    waiting: Waiting,
    broken: AtomicBool,
    first: Mutex<Option<io::Error>>,
}

/// A frame, until all that it holds is written.
struct Batch {
    frame: Vec<u8>,
    left: AtomicUsize,
    written: AtomicU64,
}

/// A piece of a frame.
struct Part {
    batch: Arc<Batch>,
    range: Range<usize>,
}

impl Writers {
    /// Has threads write what `read` gives them; returns when all of it is written.
    ///
    /// # Errors
    ///
    /// The first of writing, or that of `read`.
    pub fn run(
        write: &Write<'_>,
        note: &Note<'_>,
        read: impl FnOnce(&Self) -> io::Result<()>,
    ) -> io::Result<()> {
        let (sender, pieces) = channel();
        let writers = Self {
            pieces: Mutex::new(Some(sender)),
            waiting: Waiting::default(),
            broken: AtomicBool::new(false),
            first: Mutex::default(),
        };
        let pieces = Mutex::new(pieces);
        let read = std::thread::scope(|scope| {
            for _ in 0..WRITERS {
                scope.spawn(|| writers.write(&pieces, write, note));
            }
            let _closing = Closing(&writers);
            read(&writers)
        });
        match writers.first.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some(error) => Err(error),
            None => read,
        }
    }

    /// Returns whether something could not be written: nothing is any more.
    pub fn broken(&self) -> bool {
        self.broken.load(Ordering::SeqCst)
    }

    /// Gives the pieces of a frame to the threads, each as soon as there is room for it to wait.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::Other`] where it is torn.
    pub fn give(&self, frame: Vec<u8>) -> io::Result<()> {
        let mut ranges = Vec::new();
        let mut rest = frame.as_slice();
        loop {
            let from = frame.len() - rest.len();
            match pull(&mut rest) {
                None => break,
                Some(Ok(_)) => ranges.push(from..frame.len() - rest.len()),
                Some(Err(())) => return Err(io::Error::other("what came for contents is torn")),
            }
        }
        let left = AtomicUsize::new(ranges.len());
        let batch = Arc::new(Batch { frame, left, written: AtomicU64::new(0) });
        let sender = self.pieces.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for range in ranges {
            self.waiting.enter(range.len());
            let part = Part { batch: Arc::clone(&batch), range };
            let sent = sender.as_ref().map(|sender| sender.send(part));
            debug_assert!(matches!(sent, Some(Ok(()))), "there are threads while it is read");
        }
        Ok(())
    }

    fn write(&self, pieces: &Mutex<Receiver<Part>>, write: &Write<'_>, note: &Note<'_>) {
        while let Some(part) = next(pieces) {
            // where all of them panicked, the one that reads would wait for ever
            let attempt = AssertUnwindSafe(|| part.write(write, note));
            let panicked = |_| Err(io::Error::other("what came could not be written"));
            if !self.broken()
                && let Err(error) = catch_unwind(attempt).unwrap_or_else(panicked)
            {
                self.broken.store(true, Ordering::SeqCst);
                let mut first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
                first.get_or_insert(error);
            }
            self.waiting.leave(part.range.len());
        }
    }
}

/// Tells the threads that nothing more comes, also where reading panics: they would wait for ever.
struct Closing<'a>(&'a Writers);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.0.pieces.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

impl Part {
    /// Writes it, and notes what its frame holds when it is the last of that.
    fn write(&self, write: &Write<'_>, note: &Note<'_>) -> io::Result<()> {
        let bytes = write(self.batch.frame.get(self.range.clone()).unwrap_or_default())?;
        let written = self.batch.written.fetch_add(bytes, Ordering::SeqCst) + bytes;
        if self.batch.left.fetch_sub(1, Ordering::SeqCst) == 1 { note(written) } else { Ok(()) }
    }
}

fn next(pieces: &Mutex<Receiver<Part>>) -> Option<Part> {
    pieces.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
}

/// How many bytes wait to be written, or are being written.
#[derive(Default)]
struct Waiting {
    bytes: Mutex<usize>,
    fewer: Condvar,
}

impl Waiting {
    /// Adds so many, once there is room for them; there is always for what waits alone.
    fn enter(&self, bytes: usize) {
        let waiting = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        let full = |waiting: &mut usize| *waiting > 0 && *waiting + bytes > WAITING;
        let waited = self.fewer.wait_while(waiting, full);
        *waited.unwrap_or_else(PoisonError::into_inner) += bytes;
    }

    fn leave(&self, bytes: usize) {
        *self.bytes.lock().unwrap_or_else(PoisonError::into_inner) -= bytes;
        self.fewer.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::super::segment::{Bytes, Piece, push};
    use super::*;

    fn frame(first: u32, contents: &[Vec<u8>]) -> Vec<u8> {
        let mut frame = Vec::new();
        for (index, content) in (first..).zip(contents) {
            push(&mut frame, Piece { index, offset: 0, bytes: Bytes::Data(content) });
        }
        frame
    }

    #[test]
    fn all_is_written_and_no_more_waits_than_two_frames_hold() {
        let (most, given, written) =
            (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
        let noted = AtomicU64::new(0);
        let write = |piece: &[u8]| {
            // what was given before this and is not written waits, and perhaps more
            let given = given.load(Ordering::SeqCst);
            let before = written.fetch_add(piece.len(), Ordering::SeqCst);
            most.fetch_max(given.saturating_sub(before), Ordering::SeqCst);
            Ok(piece.len() as u64)
        };
        let note = |bytes| {
            noted.fetch_add(bytes, Ordering::SeqCst);
            Ok(())
        };
        let contents: Vec<_> = (0..64).map(|_| vec![0; CHUNK / 64 - 100]).collect();
        let length = frame(0, &contents).len();
        let read = |writers: &Writers| {
            for number in 0..40 {
                writers.give(frame(number * 64, &contents))?;
                given.fetch_add(length, Ordering::SeqCst);
            }
            Ok(())
        };
        Writers::run(&write, &note, read).unwrap();
        assert_eq!(noted.into_inner(), 40 * length as u64);
        let most = most.into_inner();
        assert!(most <= WAITING, "{most} wait");
    }

    #[test]
    fn the_first_error_is_told_and_nothing_hangs() {
        let write = |piece: &[u8]| match piece.len() {
            ..1000 => Ok(1),
            _ => Err(io::ErrorKind::StorageFull.into()),
        };
        let read = |writers: &Writers| {
            for _ in 0..50 {
                writers.give(frame(0, &[vec![1; 10], vec![2; CHUNK - 1], vec![3; CHUNK - 1]]))?;
            }
            Ok(())
        };
        let error = Writers::run(&write, &|_| Ok(()), read).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        // nor where somebody panics
        let panics = |piece: &[u8]| if piece.len() < 1000 { Ok(1) } else { panic!("a test") };
        let run = |read: fn(&Writers) -> io::Result<()>| {
            catch_unwind(AssertUnwindSafe(|| Writers::run(&panics, &|_| Ok(()), read)))
        };
        let large = |writers: &Writers| {
            for _ in 0..3 * WRITERS {
                writers.give(frame(0, &[vec![2; CHUNK - 1]]))?;
            }
            Ok(())
        };
        assert!(run(large).unwrap().is_err());
        assert!(run(|_| panic!("a test")).is_err());
        let torn = |writers: &Writers| writers.give(vec![9; 30]);
        let error = Writers::run(&|_| Ok(0), &|_| Ok(()), torn).unwrap_err();
        assert!(error.to_string().contains("torn"), "{error}");
    }
}
