//! A file that is one object with long lists of objects, or one such list, read in pieces.
//!
//! One thread reads and looks for braces and quotes only, to cut the lists between two objects;
//! the pieces are parsed by as many threads as there are cores, and come back in order. Of the
//! text, no more than a few pieces are in memory at a time.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Mutex;
use std::sync::mpsc;

use camino::Utf8Path;

use super::JsonError;
use crate::error::{FormatError, Position, Result};

/// Objects of a list, separated by commas, or one whole value.
pub struct Piece {
    /// The key of the outermost object; empty where the file is a list.
    pub key: String,
    /// Whether these are objects of a list.
    pub is_list: bool,
    /// The index of the first object in the list.
    pub first: usize,
    /// The number of objects.
    pub count: usize,
    pub text: Vec<u8>,
    /// The byte of the file that `text` begins at.
    offset: u64,
    /// Its place in the file's order.
    index: usize,
}

/// A piece is cut at the first object's end after so many bytes.
const PIECE: usize = 1 << 19;
/// How much is read at a time.
const BLOCK: usize = 1 << 17;
/// One object, or a value that isn't a list, may not be longer.
const LONGEST: usize = 1 << 28;

/// Reads `file` and gives `take` what `parse` made of its pieces, in order and as soon as it can, so
/// that nothing is there twice.
///
/// `parse` gets whole values and lists alike; an error's byte is one of the piece's text.
pub fn read_lists<T: Send>(
    file: &Utf8Path,
    parse: impl Fn(&Piece) -> Result<T, JsonError> + Sync,
    take: impl FnMut(T) + Send,
) -> Result<()> {
    let opened = fs_err::File::open(file)?;
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    let done = Mutex::new(InOrder { next: 0, early: BTreeMap::new(), take });
    let failed: Mutex<Option<(u64, JsonError)>> = Mutex::new(None);
    // texts are used again: fresh memory costs as much as reading it
    let spare: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());
    let fail = |offset: u64, error: JsonError| {
        if let Ok(mut failed) = failed.lock()
            && failed.as_ref().is_none_or(|(before, _)| *before > offset)
        {
            *failed = Some((offset, error));
        }
    };
    let read = std::thread::scope(|scope| {
        let (sender, receiver) = mpsc::sync_channel::<Piece>(threads);
        let receiver = std::sync::Arc::new(Mutex::new(receiver));
        for _ in 0..threads {
            let receiver = std::sync::Arc::clone(&receiver);
            let (parse, done, fail, spare) = (&parse, &done, &fail, &spare);
            scope.spawn(move || {
                loop {
                    let Ok(Ok(piece)) = receiver.lock().map(|receiver| receiver.recv()) else {
                        return;
                    };
                    match parse(&piece) {
                        Ok(parsed) => {
                            if let Ok(mut done) = done.lock() {
                                done.push(piece.index, parsed);
                            }
                            if let Ok(mut spare) = spare.lock() {
                                spare.push(piece.text);
                            }
                        }
                        Err(error) => {
                            fail(piece.offset + error.at as u64, error);
                            // the rest of the file can only fail later in it
                            return;
                        }
                    }
                }
            });
        }
        drop(receiver);
        // when all threads have given up, sending fails: their error is the one to say
        let mut cutter = Cutter::new(opened, &spare, |piece| sender.send(piece).is_ok());
        cutter.document()
    });
    let failure = failed.into_inner().unwrap_or_default();
    let failure = match (failure, read) {
        (Some((at, error)), _) => Some((at, error)),
        (None, Err(Cut::Json(at, what))) => Some((at, JsonError::new(0, what))),
        (None, Err(Cut::Io(error))) => return Err(error.into()),
        (None, _) => None,
    };
    if let Some((offset, error)) = failure {
        return Err(located(file, offset, &error));
    }
    Ok(())
}

/// Gives things in the order of their numbers.
struct InOrder<T, F> {
    next: usize,
    /// What came before its turn.
    early: BTreeMap<usize, T>,
    take: F,
}

impl<T, F: FnMut(T)> InOrder<T, F> {
    fn push(&mut self, number: usize, thing: T) {
        self.early.insert(number, thing);
        while let Some(thing) = self.early.remove(&self.next) {
            (self.take)(thing);
            self.next += 1;
        }
    }
}

/// Makes an error with line and column, for which the file is read once more.
pub fn located(file: &Utf8Path, offset: u64, error: &JsonError) -> FormatError {
    let at = place(file, offset).unwrap_or_else(|_| Position::whole(file));
    let path = error.path();
    let what = match path.is_empty() {
        true => error.what.to_string(),
        false => format!("`{path}`: {}", error.what),
    };
    FormatError::malformed(at, what)
}

fn place(file: &Utf8Path, offset: u64) -> Result<Position> {
    let mut opened = fs_err::File::open(file)?;
    let mut block = vec![0; BLOCK];
    let (mut line, mut line_start, mut at) = (1, 0, 0_u64);
    while at < offset {
        let length = opened.read(&mut block)?;
        if length == 0 {
            break;
        }
        let here = &block[..length.min((offset - at) as usize)];
        line += memchr::memchr_iter(b'\n', here).count() as u64;
        if let Some(last) = memchr::memrchr(b'\n', here) {
            line_start = at + last as u64 + 1;
        }
        at += here.len() as u64;
    }
    Ok(Position::line(file, line, offset - line_start + 1))
}

/// Why cutting ended early.
enum Cut {
    Json(u64, std::borrow::Cow<'static, str>),
    Io(std::io::Error),
    /// Nobody takes pieces any more.
    Stopped,
}

/// Cuts a file into pieces.
struct Cutter<'a, R, S> {
    input: R,
    spare: &'a Mutex<Vec<Vec<u8>>>,
    send: S,
    /// What was read and not sent yet.
    buffer: Vec<u8>,
    /// The byte of the file that `buffer` begins at.
    offset: u64,
    /// The byte of `buffer` that comes next.
    at: usize,
    index: usize,
}

impl<'a, R: Read, S: FnMut(Piece) -> bool> Cutter<'a, R, S> {
    fn new(input: R, spare: &'a Mutex<Vec<Vec<u8>>>, send: S) -> Self {
        let buffer = Vec::with_capacity(PIECE + 2 * BLOCK);
        Self { input, spare, send, buffer, offset: 0, at: 0, index: 0 }
    }

    /// Gives away the buffer as the text up to `end`, and goes on in another with what is read
    /// and comes after `self.at`.
    fn text(&mut self, end: usize) -> Vec<u8> {
        let spare = self.spare.lock().ok().and_then(|mut spare| spare.pop());
        let mut next = spare.unwrap_or_else(|| Vec::with_capacity(PIECE + 2 * BLOCK));
        next.clear();
        next.extend_from_slice(&self.buffer[self.at..]);
        let mut text = std::mem::replace(&mut self.buffer, next);
        text.truncate(end);
        self.offset += self.at as u64;
        self.at = 0;
        text
    }

    fn document(&mut self) -> Result<(), Cut> {
        if self.peek()? == Some(0xef) {
            // a byte order mark: not JSON, but Windows writes it
            for byte in [0xef, 0xbb, 0xbf] {
                self.take(byte, "JSON")?;
            }
        }
        if self.peek()? == Some(b'[') {
            self.list("")?;
            return self.nothing_follows();
        }
        self.take(b'{', "an object")?;
        if self.peek()? == Some(b'}') {
            self.at += 1;
            return self.nothing_follows();
        }
        loop {
            let key = self.key()?;
            self.take(b':', "`:`")?;
            match self.peek()? {
                Some(b'[') => self.list(&key)?,
                _ => self.whole(&key)?,
            }
            match self.peek()? {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    return self.nothing_follows();
                }
                _ => return Err(self.error("expected `,` or `}`")),
            }
        }
    }

    fn nothing_follows(&mut self) -> Result<(), Cut> {
        match self.peek()? {
            None => Ok(()),
            Some(_) => Err(self.error("something follows the end")),
        }
    }

    fn key(&mut self) -> Result<String, Cut> {
        self.mark()?;
        if self.peek()? != Some(b'"') {
            return Err(self.error("expected a key in quotes"));
        }
        self.value()?;
        match serde_json::from_slice::<String>(&self.buffer[..self.at]) {
            Ok(key) => Ok(key),
            Err(_) => Err(Cut::Json(self.offset, "expected a key in quotes".into())),
        }
    }

    /// Sends a value as one piece.
    fn whole(&mut self, key: &str) -> Result<(), Cut> {
        self.mark()?;
        self.value()?;
        let offset = self.offset;
        let text = self.text(self.at);
        self.deliver(key, false, [0, 0], offset, text)
    }

    /// Sends the objects of a list in pieces.
    fn list(&mut self, key: &str) -> Result<(), Cut> {
        self.mark()?;
        self.take(b'[', "a list")?;
        match self.peek()? {
            Some(b']') => {
                self.at += 1;
                return self.deliver(key, true, [0, 0], self.offset + self.at as u64, Vec::new());
            }
            Some(b'{') => {}
            // a list of numbers or the like is short: it is one value
            _ => {
                self.at = 0;
                return self.whole(key);
            }
        }
        let (mut first, mut count) = (0, 0);
        self.mark()?;
        loop {
            if self.peek()? != Some(b'{') {
                return Err(self.error(format!("`{key}[{count}]`: expected an object")));
            }
            self.value()?;
            count += 1;
            let end = self.at;
            let is_last = match self.peek()? {
                Some(b',') => false,
                Some(b']') => true,
                _ => return Err(self.error(format!("`{key}`: expected `,` or `]`"))),
            };
            self.at += 1;
            if is_last || end >= PIECE {
                let offset = self.offset;
                let text = self.text(end);
                self.deliver(key, true, [first, count], offset, text)?;
                if is_last {
                    return Ok(());
                }
                first = count;
                self.mark()?;
            }
        }
    }

    fn deliver(
        &mut self,
        key: &str,
        is_list: bool,
        objects: [usize; 2],
        offset: u64,
        text: Vec<u8>,
    ) -> Result<(), Cut> {
        let [first, end] = objects;
        let count = end - first;
        let index = self.index;
        let piece = Piece { key: key.to_owned(), is_list, first, count, text, offset, index };
        self.index += 1;
        if (self.send)(piece) { Ok(()) } else { Err(Cut::Stopped) }
    }

    /// Skips space and lets go of everything before: the next byte is the buffer's first.
    fn mark(&mut self) -> Result<(), Cut> {
        self.peek()?;
        self.buffer.drain(..self.at);
        self.offset += self.at as u64;
        self.at = 0;
        Ok(())
    }

    /// Goes past a value: an object or list by its brackets, a string by its quotes, anything
    /// else up to what can't be part of it.
    fn value(&mut self) -> Result<(), Cut> {
        let next = self.peek()?;
        let start = self.offset + self.at as u64;
        match next {
            Some(b'{') => self.nested(b'{', b'}', start),
            Some(b'[') => self.nested(b'[', b']', start),
            Some(b'"') => {
                self.at += 1;
                self.string(start)
            }
            Some(_) => loop {
                match self.buffer.get(self.at) {
                    Some(b',' | b'}' | b']' | b' ' | b'\n' | b'\r' | b'\t' | b':') => return Ok(()),
                    Some(_) => self.at += 1,
                    None => {
                        if !self.fill()? {
                            return Ok(());
                        }
                    }
                }
            },
            None => Err(self.error("the file ends where a value should be")),
        }
    }

    /// Goes past an object or a list, by its braces or brackets.
    fn nested(&mut self, open: u8, close: u8, start: u64) -> Result<(), Cut> {
        let mut depth = 0_u32;
        loop {
            match memchr::memchr3(open, close, b'"', &self.buffer[self.at..]) {
                Some(found) => {
                    self.at += found + 1;
                    match self.buffer[self.at - 1] {
                        b'"' => self.string(start)?,
                        byte if byte == open => depth += 1,
                        _ => {
                            depth -= 1;
                            if depth == 0 {
                                return Ok(());
                            }
                        }
                    }
                }
                None => {
                    self.at = self.buffer.len();
                    self.more(start)?;
                }
            }
        }
    }

    /// Goes past the rest of a string.
    fn string(&mut self, start: u64) -> Result<(), Cut> {
        loop {
            match memchr::memchr2(b'"', b'\\', &self.buffer[self.at..]) {
                Some(found) => {
                    self.at += found + 1;
                    if self.buffer[self.at - 1] == b'"' {
                        return Ok(());
                    }
                    if self.at == self.buffer.len() {
                        self.more(start)?;
                    }
                    self.at += 1;
                }
                None => {
                    self.at = self.buffer.len();
                    self.more(start)?;
                }
            }
        }
    }

    /// Reads on within a value that began at `start`.
    fn more(&mut self, start: u64) -> Result<(), Cut> {
        if self.fill()? {
            return Ok(());
        }
        let end = self.offset + self.buffer.len() as u64;
        Err(Cut::Json(
            end,
            format!("the file is cut off within the value that begins at byte {start}").into(),
        ))
    }

    fn peek(&mut self) -> Result<Option<u8>, Cut> {
        loop {
            match self.buffer.get(self.at) {
                Some(b' ' | b'\n' | b'\t' | b'\r') => self.at += 1,
                Some(byte) => return Ok(Some(*byte)),
                None => {
                    if !self.fill()? {
                        return Ok(None);
                    }
                }
            }
        }
    }

    fn take(&mut self, byte: u8, wanted: &str) -> Result<(), Cut> {
        if self.peek()? == Some(byte) {
            self.at += 1;
            return Ok(());
        }
        Err(self.error(format!("expected {wanted}")))
    }

    fn error(&mut self, what: impl Into<std::borrow::Cow<'static, str>>) -> Cut {
        let what = what.into();
        let found = match self.peek() {
            Ok(None) => "; the file ends here".to_owned(),
            Ok(Some(byte)) => format!(", found `{}`", byte.escape_ascii()),
            Err(_) => String::new(),
        };
        Cut::Json(self.offset + self.at as u64, format!("{what}{found}").into())
    }

    /// Reads another block; tells whether there was one.
    fn fill(&mut self) -> Result<bool, Cut> {
        if self.buffer.len() > LONGEST {
            return Err(Cut::Json(self.offset, "a single value is larger than 256 MiB".into()));
        }
        let before = self.buffer.len();
        self.buffer.resize(before + BLOCK, 0);
        let length = loop {
            match self.input.read(&mut self.buffer[before..]) {
                Ok(length) => break length,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Cut::Io(error)),
            }
        };
        self.buffer.truncate(before + length);
        Ok(length > 0)
    }
}
