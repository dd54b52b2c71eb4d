//! Measures a packed stream while it is read, and stops bombs.

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

use crate::acquire::limits::Limits;

/// The most bytes of headers between two members: names and PAX records, which the reader of
/// tar archives keeps in memory.
const HEADERS: u64 = 16 << 20;

/// What is known about a stream.
#[derive(Debug, Default)]
pub struct Meter {
    packed: Cell<u64>,
    unpacked: Cell<u64>,
    /// What may still be read before the next member begins.
    headers: Cell<Option<u64>>,
    tripped: Cell<bool>,
    /// Whether the last block that was read is all zeros, as the end of a tar archive is.
    zeros: Cell<bool>,
}

impl Meter {
    /// Limits what is read until [`Meter::begin_content`].
    pub fn begin_headers(&self) {
        self.headers.set(Some(HEADERS));
    }

    /// Lifts the limit of the headers.
    pub fn begin_content(&self) {
        self.headers.set(None);
    }

    /// Returns whether the stream was stopped because it unpacks to too much.
    pub fn has_tripped(&self) -> bool {
        self.tripped.get()
    }

    /// Returns whether what was read last are zeros.
    pub fn ends_in_zeros(&self) -> bool {
        self.zeros.get()
    }
}

/// The packed side: counts.
#[derive(Debug)]
pub struct Packed<R>(pub R, pub Rc<Meter>);

impl<R: Read> Read for Packed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.0.read(buffer)?;
        self.1.packed.set(self.1.packed.get() + count as u64);
        Ok(count)
    }
}

/// The unpacked side: counts, and stops when the limits are passed.
pub struct Unpacked<R>(pub R, pub Rc<Meter>, pub Limits);

impl<R: Read> Read for Unpacked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.0.read(buffer)?;
        let meter = &self.1;
        let unpacked = meter.unpacked.get() + count as u64;
        meter.unpacked.set(unpacked);
        let within_headers = match meter.headers.get() {
            None => true,
            Some(left) => {
                meter.headers.set(Some(left.saturating_sub(count as u64)));
                left >= count as u64
            }
        };
        if !within_headers || !self.2.allows_ratio(meter.packed.get(), unpacked) {
            meter.tripped.set(true);
            return Err(io::Error::other("the stream unpacks to too much"));
        }
        if let Some(read) = buffer.get(..count).filter(|read| !read.is_empty()) {
            meter.zeros.set(read.iter().rev().take(512).all(|byte| *byte == 0));
        }
        Ok(count)
    }
}
