//! What the two ends of a transfer say to each other, in frames that nothing else can be taken for.
//!
//! A frame is two bytes `ZS`, one for its kind, one for how it is packed, the length of what follows
//! and its CRC-32 (32 bits each, little endian). What another process writes into the channel makes a
//! frame that fails; contents have their digests besides.

use std::io::{Read, Write};
use std::time::Duration;

use camino::Utf8PathBuf;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sizar_model::counted;
use sizar_model::resources::ByteSize;

use super::TransferError;
pub use crate::transport::Line;

/// The most that one frame holds, packed or not.
pub(super) const MOST: usize = 8 << 20;
const HEAD: usize = 12;
const PLAIN: u8 = 0;
const ZSTD: u8 = 1;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// What the client wants; JSON.
    Request,
    /// A piece of a manifest, or of a list of what is wanted.
    List,
    /// The tree that one was to be made of is not there: the whole list is wanted.
    Whole,
    /// What a content is made of that one of those that are missing is like: see
    /// [`outline`](super::outline).
    Outline,
    /// Which contents are missing, and from where on: the list goes on.
    More,
    /// As [`Kind::More`], and the list ends.
    Missing,
    /// Contents: see [`segment`](super::segment).
    Data,
    /// No more contents come in this round.
    End,
    /// How many bytes of contents are safe there.
    Safe,
    /// It still works.
    Alive,
    /// The tree is there, or all has been sent; neither end says more.
    Done,
    /// It cannot go on; JSON.
    Failed,
}

const KINDS: [(Kind, u8); 12] = [
    (Kind::Request, b'q'),
    (Kind::List, b'l'),
    (Kind::Whole, b'w'),
    (Kind::Outline, b'u'),
    (Kind::More, b'n'),
    (Kind::Missing, b'm'),
    (Kind::Data, b'd'),
    (Kind::End, b'e'),
    (Kind::Safe, b's'),
    (Kind::Alive, b'a'),
    (Kind::Done, b'o'),
    (Kind::Failed, b'x'),
];

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub kind: Kind,
    pub bytes: Vec<u8>,
}

/// What the client wants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Request {
    /// A tree is to be there: its manifest follows, of so many bytes.
    Store {
        /// Names the home that sends: what it sent before a cut is its own.
        client: String,
        list: u64,
    },
    /// A tree is to be there, made of one that was sent before: what changed follows, of so many
    /// bytes.
    Change { client: String, base: String, tree: String, list: u64 },
    /// Contents of the tree of this name, which another conversation brings there just now, come over
    /// this one, too.
    Assist { client: String, tree: String },
    /// Contents below a folder are to come here: their list follows, of so many bytes.
    Give {
        folder: String,
        list: u64,
        /// The most bytes in a second.
        pace: Option<u64>,
    },
}

/// Why the other end cannot go on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Failed {
    pub message: String,
    /// Where there was no room.
    pub full: Option<Room>,
}

/// A disk that has no room for what comes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Room {
    /// The folder on it.
    pub folder: Utf8PathBuf,
    pub free: ByteSize,
    pub free_files: Option<u64>,
    /// What was still to come, in bytes; what is there already does not count.
    pub needed: ByteSize,
    pub needed_files: u64,
}

impl std::fmt::Display for Room {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { folder, free, free_files, needed, needed_files } = self;
        write!(f, "the disk of `{folder}` is full, or a quota used up: {free}")?;
        if let Some(files) = free_files {
            write!(f, " and {}", counted(*files, "file", "files"))?;
        }
        let files = counted(*needed_files, "file", "files");
        write!(f, " are free on it, {needed} in {files} were still to come")
    }
}

/// Packs what will be smaller for it.
pub(super) fn pack(kind: Kind, bytes: &[u8], level: Option<i32>) -> Vec<u8> {
    let packed = level
        .and_then(|level| zstd::bulk::compress(bytes, level).ok())
        .filter(|packed| packed.len() < bytes.len() - bytes.len() / 16);
    let how = if packed.is_some() { ZSTD } else { PLAIN };
    let body = packed.as_deref().unwrap_or(bytes);
    let byte = KINDS.iter().find(|(one, _)| *one == kind).map_or(0, |(_, byte)| *byte);
    let mut frame = Vec::with_capacity(HEAD + body.len());
    frame.extend_from_slice(&[b'Z', b'S', byte, how]);
    frame.extend_from_slice(&(body.len() as u32).to_le_bytes());
    frame.extend_from_slice(&check(body));
    frame.extend_from_slice(body);
    frame
}

/// Makes a frame of JSON.
pub(super) fn json(kind: Kind, value: &impl Serialize) -> Vec<u8> {
    let text = serde_json::to_vec(value).expect("numbers and strings have a form in JSON");
    pack(kind, &text, None)
}

fn check(body: &[u8]) -> [u8; 4] {
    crc32fast::hash(body).to_le_bytes()
}

/// The head of a frame.
struct Head {
    kind: Kind,
    how: u8,
    length: usize,
    check: [u8; 4],
}

impl Head {
    fn read(head: [u8; HEAD]) -> Option<Self> {
        let [b'Z', b'S', kind, how, a, b, c, d, check @ ..] = head else { return None };
        let kind = KINDS.iter().find(|(_, byte)| *byte == kind)?.0;
        let length = u32::from_le_bytes([a, b, c, d]) as usize;
        (length <= MOST && how <= ZSTD).then_some(Self { kind, how, length, check })
    }

    fn open(&self, body: Vec<u8>) -> Option<Frame> {
        if check(&body) != self.check {
            return None;
        }
        let bytes = if self.how == ZSTD { zstd::bulk::decompress(&body, MOST).ok()? } else { body };
        Some(Frame { kind: self.kind, bytes })
    }
}

impl Frame {
    /// Reads one from a stream; nothing where that ended before it began.
    pub fn read(from: &mut impl Read) -> std::io::Result<Option<Self>> {
        let garbled = || std::io::Error::new(std::io::ErrorKind::InvalidData, "a garbled frame");
        let mut head = [0; HEAD];
        let count = from.read(&mut head[..1])?;
        if count == 0 {
            return Ok(None);
        }
        from.read_exact(&mut head[1..])?;
        let head = Head::read(head).ok_or_else(garbled)?;
        let mut body = vec![0; head.length];
        from.read_exact(&mut body)?;
        head.open(body).map(Some).ok_or_else(garbled)
    }

    pub fn json<T: DeserializeOwned>(&self) -> Result<T, TransferError> {
        serde_json::from_slice(&self.bytes)
            .map_err(|error| TransferError::Protocol(error.to_string()))
    }
}

/// How much of a list goes in one frame.
pub(super) const PIECE: usize = 1 << 20;

/// Writes a long list as frames.
pub(super) fn write_list(to: &mut impl Write, list: &[u8]) -> std::io::Result<()> {
    list.chunks(PIECE).try_for_each(|piece| to.write_all(&pack(Kind::List, piece, Some(1))))
}

/// The client's end.
pub(super) struct Peer<'a> {
    line: &'a mut dyn Line,
    buffer: Vec<u8>,
    at: usize,
}

/// How long the other end may say nothing: it shows that it is alive every few seconds.
const SILENCE: Duration = Duration::from_mins(2);
/// How often is looked whether the user wants to stop.
const REGULARLY: Duration = Duration::from_millis(100);

impl<'a> Peer<'a> {
    pub fn new(line: &'a mut dyn Line) -> Self {
        Self { line, buffer: Vec::new(), at: 0 }
    }

    pub fn send(&mut self, bytes: &[u8]) -> Result<(), TransferError> {
        let sent = self.line.send(bytes);
        sent.map_err(|error| self.reason().unwrap_or_else(|| error.into()))
    }

    /// Looks whether the other end said why it does not listen any more.
    fn reason(&mut self) -> Option<TransferError> {
        for _ in 0..20 {
            match self.poll() {
                Ok(Some(_)) => {}
                Ok(None) => drop(self.line.receive(REGULARLY).map(|came| self.take(came))),
                Err(error @ (TransferError::There { .. } | TransferError::Full { .. })) => {
                    return Some(error);
                }
                Err(_) => return None,
            }
        }
        None
    }

    fn take(&mut self, came: Option<Vec<u8>>) {
        self.buffer.drain(..self.at);
        self.at = 0;
        self.buffer.extend_from_slice(&came.unwrap_or_default());
    }

    /// Returns a frame that has come, without waiting for more.
    pub fn poll(&mut self) -> Result<Option<Frame>, TransferError> {
        loop {
            match self.parse()? {
                Some(Frame { kind: Kind::Alive, .. }) => {}
                Some(frame) if frame.kind == Kind::Failed => {
                    let Failed { message, full } = frame.json()?;
                    return Err(match full {
                        Some(room) => TransferError::Full { target: None, room },
                        None => TransferError::There { message },
                    });
                }
                Some(frame) => return Ok(Some(frame)),
                None => match self.line.receive(Duration::ZERO)? {
                    Some(came) => self.take(Some(came)),
                    None => return Ok(None),
                },
            }
        }
    }

    /// Waits for a frame.
    pub fn next(&mut self) -> Result<Frame, TransferError> {
        let mut silent = Duration::ZERO;
        loop {
            if let Some(frame) = self.poll()? {
                return Ok(frame);
            }
            match self.line.receive(REGULARLY)? {
                Some(came) => {
                    silent = Duration::ZERO;
                    self.take(Some(came));
                }
                None if silent < SILENCE => silent += REGULARLY,
                None => return Err(TransferError::Protocol("it says nothing".to_owned())),
            }
        }
    }

    /// Takes a frame out of what has come.
    fn parse(&mut self) -> Result<Option<Frame>, TransferError> {
        let garbled = || TransferError::Protocol("a frame is garbled".to_owned());
        let have = &self.buffer[self.at..];
        let Some(head) = have.first_chunk::<HEAD>() else { return Ok(None) };
        let head = Head::read(*head).ok_or_else(garbled)?;
        let Some(body) = have.get(HEAD..HEAD + head.length) else { return Ok(None) };
        let frame = head.open(body.to_vec()).ok_or_else(garbled)?;
        self.at += HEAD + head.length;
        Ok(Some(frame))
    }

    /// Returns what has come and was not ours.
    pub fn rest(self) -> Vec<u8> {
        self.buffer[self.at..].to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_comes_whole_or_not_at_all() {
        let text = b"some text, some text, some text, some text, some text, some text".repeat(9);
        for level in [None, Some(1)] {
            let packed = pack(Kind::Data, &text, level);
            let read = Frame::read(&mut packed.as_slice()).unwrap().unwrap();
            assert_eq!(read, Frame { kind: Kind::Data, bytes: text.clone() });
            for at in 0..packed.len() {
                let mut torn = packed.clone();
                torn[at] ^= 4;
                let read = Frame::read(&mut torn.as_slice()).ok().flatten();
                assert!(read.is_none_or(|read| read.kind != Kind::Data || read.bytes == text));
            }
        }
        assert_eq!(Frame::read(&mut [].as_slice()).unwrap(), None);
        // what does not pack goes as it is
        assert_eq!(pack(Kind::Data, b"abc", Some(1)).len(), HEAD + 3);
    }
}
