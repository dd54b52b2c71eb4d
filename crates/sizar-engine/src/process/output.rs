//! What a program prints: kept, shown, never in the way of watching it.
//!
//! One thread reads both pipes, only when there is something to read. What goes to this
//! process's own output is written only when that takes it; so a reader who pauses (`| less`)
//! slows the program down, but neither its walltime nor Ctrl-C.

use std::collections::VecDeque;
use std::io::Write as _;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

/// Where a program's output goes.
#[derive(Clone, Copy)]
pub enum Io<'a> {
    /// Both outputs are collected, up to [`super::Limits::output`] or 32 MiB each (then the middle is left
    /// out), and each line is shown to `line`.
    Captured { line: &'a dyn Fn(&str) },
    /// Both outputs go to one log file as they come, and to this process's own if `echo`. The
    /// last of each is collected. What it uses over time is kept as a table in `usage`.
    Live { log: &'a Utf8Path, echo: bool, usage: Option<&'a Utf8Path> },
}

/// The longest line that is shown in one piece.
const LINE: usize = 64 << 10;
/// What may wait for this process's own output before the program has to.
const WAITING: usize = 1 << 20;
/// The largest write to a pipe that does not block once the pipe is writable (`PIPE_BUF`).
const PIECE: usize = 4096;

/// One of a program's two outputs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    Out = 0,
    Err = 1,
}

/// Reads, keeps and shows both outputs of one program.
pub struct Output<'a> {
    channels: [Channel; 2],
    sink: Sink<'a>,
    notes: Vec<String>,
}

struct Channel {
    pipe: Option<OwnedFd>,
    kept: Kept,
    /// For lines: what came after the last line's end.
    partial: Vec<u8>,
    /// For `echo`: what is not written yet. `None` where nothing is, or can be any longer, echoed.
    echo: Option<VecDeque<u8>>,
}

enum Sink<'a> {
    Lines(&'a dyn Fn(&str)),
    Log { file: Option<fs::File>, path: Utf8PathBuf, room: u64, over: Kept },
}

impl<'a> Output<'a> {
    /// Opens the log; the pipes are attached by [`Output::attach`].
    pub fn new(io: &Io<'a>, most: u64) -> std::io::Result<Self> {
        let (sink, keep, echo) = match *io {
            Io::Captured { line } => (Sink::Lines(line), most.min(32 << 20) as usize, false),
            Io::Live { log, echo, .. } => {
                let file = Some(fs::OpenOptions::new().create(true).append(true).open(log)?);
                let room = most;
                let over = Kept::new(0, LINE);
                (Sink::Log { file, path: log.to_owned(), room, over }, 256 << 10, echo)
            }
        };
        let channel = || Channel {
            pipe: None,
            kept: Kept::new(keep / 2, keep / 2),
            partial: Vec::new(),
            echo: echo.then(VecDeque::new),
        };
        Ok(Self { channels: [channel(), channel()], sink, notes: Vec::new() })
    }

    /// Takes the reading ends of the program's outputs.
    pub fn attach(&mut self, out: Option<OwnedFd>, err: Option<OwnedFd>) {
        let [first, second] = &mut self.channels;
        (first.pipe, second.pipe) = (out, err);
    }

    fn channel(&mut self, stream: Stream) -> &mut Channel {
        let [out, err] = &mut self.channels;
        if stream == Stream::Out { out } else { err }
    }

    /// Returns the pipes that should be read when they can be.
    pub fn readable(&self) -> impl Iterator<Item = (Stream, BorrowedFd<'_>)> {
        let room =
            |channel: &Channel| channel.echo.as_ref().is_none_or(|echo| echo.len() < WAITING);
        [Stream::Out, Stream::Err].into_iter().zip(&self.channels).filter_map(
            move |(stream, channel)| {
                let pipe = channel.pipe.as_ref()?;
                room(channel).then_some((stream, pipe.as_fd()))
            },
        )
    }

    /// Returns the outputs of this process that something waits for.
    pub fn writable(&self) -> impl Iterator<Item = Stream> {
        [Stream::Out, Stream::Err].into_iter().zip(&self.channels).filter_map(
            |(stream, channel)| {
                channel.echo.as_ref().is_some_and(|echo| !echo.is_empty()).then_some(stream)
            },
        )
    }

    /// Returns whether both outputs have ended and everything is written.
    pub fn is_done(&self) -> bool {
        self.channels.iter().all(|channel| channel.pipe.is_none())
            && self.writable().next().is_none()
    }

    /// Reads what is there.
    pub fn read(&mut self, stream: Stream, buffer: &mut [u8]) {
        let channel = self.channel(stream);
        let Some(pipe) = &channel.pipe else { return };
        let count = match rustix::io::read(pipe, &mut *buffer) {
            Ok(count) => count,
            Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => return,
            Err(_) => 0,
        };
        let Some(bytes) = buffer.get(..count).filter(|bytes| !bytes.is_empty()) else {
            channel.pipe = None;
            return;
        };
        channel.kept.push(bytes);
        if let Some(echo) = &mut channel.echo {
            echo.extend(bytes);
        }
        match &mut self.sink {
            Sink::Lines(show) => {
                let show = *show;
                lines(&mut self.channel(stream).partial, bytes, show);
            }
            Sink::Log { file, path, room, over } => {
                let (fits, rest) = bytes.split_at(bytes.len().min(*room as usize));
                over.push(rest);
                *room -= fits.len() as u64;
                if let Some(open) = file
                    && let Err(error) = open.write_all(fits)
                {
                    self.notes.push(format!("the log `{path}` is incomplete: {error}"));
                    *file = None;
                }
            }
        }
    }

    /// Writes to this process's own output as much as it takes without waiting.
    pub fn echo(&mut self, stream: Stream) {
        let channel = self.channel(stream);
        let Some(waiting) = &mut channel.echo else { return };
        let (piece, _) = waiting.as_slices();
        let piece = piece.get(..piece.len().min(PIECE)).unwrap_or_default();
        let written = match stream {
            Stream::Out => rustix::io::write(std::io::stdout(), piece),
            Stream::Err => rustix::io::write(std::io::stderr(), piece),
        };
        match written {
            Ok(count) => drop(waiting.drain(..count)),
            Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => {}
            // The reader has gone (`| head`): the program and its log go on.
            Err(_) => channel.echo = None,
        }
    }

    /// Returns what was kept of both outputs, and what the reader should know.
    pub fn finish(mut self) -> (String, String, Vec<String>) {
        match self.sink {
            Sink::Lines(show) => {
                for channel in &mut self.channels {
                    if !channel.partial.is_empty() {
                        show(&String::from_utf8_lossy(&channel.partial));
                    }
                }
            }
            Sink::Log { file: Some(mut file), over, .. } if over.total > 0 => {
                let note = format!("{} bytes of output are left out of the log", over.left_out());
                let end = write!(file, "\n[sizar: {note}]\n")
                    .and_then(|()| file.write_all(&over.bytes()));
                self.notes.push(note);
                if let Err(error) = end {
                    self.notes.push(format!("the log has no end: {error}"));
                }
            }
            Sink::Log { .. } => {}
        }
        let [out, err] = self.channels.map(|channel| channel.kept.text());
        (out, err, self.notes)
    }
}

/// Shows the lines that `bytes` completes. A carriage return ends a line too: progress bars.
fn lines(partial: &mut Vec<u8>, bytes: &[u8], show: &dyn Fn(&str)) {
    for piece in bytes.split_inclusive(|byte| matches!(byte, b'\n' | b'\r')) {
        partial.extend_from_slice(piece);
        let ended = matches!(partial.last(), Some(b'\n' | b'\r'));
        if ended || partial.len() >= LINE {
            let text = String::from_utf8_lossy(partial);
            let text = text.trim_end_matches(['\n', '\r']);
            if !text.is_empty() {
                show(text);
            }
            partial.clear();
        }
    }
}

/// The beginning and the end of a stream of bytes.
struct Kept {
    head: Vec<u8>,
    head_most: usize,
    tail: VecDeque<u8>,
    tail_most: usize,
    total: u64,
}

impl Kept {
    fn new(head_most: usize, tail_most: usize) -> Self {
        Self { head: Vec::new(), head_most, tail: VecDeque::new(), tail_most, total: 0 }
    }

    fn push(&mut self, bytes: &[u8]) {
        self.total += bytes.len() as u64;
        let room = self.head_most.saturating_sub(self.head.len()).min(bytes.len());
        let (head, rest) = bytes.split_at(room);
        self.head.extend_from_slice(head);
        let rest = rest.get(rest.len().saturating_sub(self.tail_most)..).unwrap_or_default();
        let excess = (self.tail.len() + rest.len()).saturating_sub(self.tail_most);
        self.tail.drain(..excess);
        self.tail.extend(rest);
    }

    fn left_out(&self) -> u64 {
        self.total - (self.head.len() + self.tail.len()) as u64
    }

    fn bytes(mut self) -> Vec<u8> {
        let left_out = self.left_out();
        if left_out > 0 && self.head_most > 0 {
            self.head.extend(format!("\n[… {left_out} bytes …]\n").into_bytes());
        }
        self.head.extend(self.tail);
        self.head
    }

    fn text(self) -> String {
        String::from_utf8(self.bytes())
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[test]
    fn the_beginning_and_the_end_are_kept() {
        let mut kept = Kept::new(3, 4);
        for piece in ["ab", "cdef", "g", "hijklmnop"] {
            kept.push(piece.as_bytes());
        }
        assert_eq!(kept.text(), "abc\n[… 9 bytes …]\nmnop");
        let mut kept = Kept::new(3, 4);
        kept.push(b"abcdefg");
        assert_eq!(kept.text(), "abcdefg");
    }

    #[test]
    fn lines_come_whole_whatever_the_pieces() {
        let seen = RefCell::new(Vec::new());
        let mut partial = Vec::new();
        for piece in [b"one\ntw".as_slice(), b"o\r\n 10%\r 20%\r", b"\xc3", b"\xa9t", b"\n\nrest"] {
            lines(&mut partial, piece, &|line| seen.borrow_mut().push(line.to_owned()));
        }
        assert_eq!(*seen.borrow(), ["one", "two", " 10%", " 20%", "ét"]);
        assert_eq!(partial, b"rest");
    }
}
