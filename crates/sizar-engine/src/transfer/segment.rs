//! The contents in a frame: whole small files together, or a piece of a large one.

use sizar_model::Digest;

/// Up to this size a file goes whole.
pub(super) const SMALL: u64 = 1 << 20;
/// How much of contents one frame holds: so much is lost at most by a cut.
pub(super) const CHUNK: usize = 1 << 20;

const DATA: u8 = 0;
const HOLE: u8 = 1;
const COPY: u8 = 2;

/// A piece of a content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Piece<'a> {
    /// The content, by its number in a list that both ends have.
    pub index: u32,
    pub offset: u64,
    pub bytes: Bytes<'a>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bytes<'a> {
    Data(&'a [u8]),
    /// So many zeros, of which a file keeps nothing.
    Hole(u64),
    /// So many bytes from a place on of the content that the other end said this one is like.
    Copy {
        from: u64,
        length: u64,
    },
}

impl Bytes<'_> {
    pub fn len(&self) -> u64 {
        match self {
            Self::Data(bytes) => bytes.len() as u64,
            Self::Hole(length) | Self::Copy { length, .. } => *length,
        }
    }
}

/// Adds a piece to a frame.
pub(super) fn push(to: &mut Vec<u8>, piece: Piece<'_>) {
    to.push(match piece.bytes {
        Bytes::Data(_) => DATA,
        Bytes::Hole(_) => HOLE,
        Bytes::Copy { .. } => COPY,
    });
    to.extend_from_slice(&piece.index.to_le_bytes());
    to.extend_from_slice(&piece.offset.to_le_bytes());
    to.extend_from_slice(&piece.bytes.len().to_le_bytes());
    match piece.bytes {
        Bytes::Data(bytes) => to.extend_from_slice(bytes),
        Bytes::Hole(_) => {}
        Bytes::Copy { from, .. } => to.extend_from_slice(&from.to_le_bytes()),
    }
}

/// Takes the next piece of a frame; an error where it is none.
pub(super) fn pull<'a>(from: &mut &'a [u8]) -> Option<Result<Piece<'a>, ()>> {
    if from.is_empty() {
        return None;
    }
    Some(read(from).ok_or(()))
}

fn read<'a>(from: &mut &'a [u8]) -> Option<Piece<'a>> {
    let (tag, rest) = from.split_first()?;
    let (index, rest) = rest.split_first_chunk::<4>()?;
    let (offset, rest) = rest.split_first_chunk::<8>()?;
    let (length, rest) = rest.split_first_chunk::<8>()?;
    let length = u64::from_le_bytes(*length);
    let (bytes, rest) = match *tag {
        DATA => {
            let (bytes, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
            (Bytes::Data(bytes), rest)
        }
        HOLE => (Bytes::Hole(length), rest),
        COPY => {
            let (from, rest) = rest.split_first_chunk::<8>()?;
            (Bytes::Copy { from: u64::from_le_bytes(*from), length }, rest)
        }
        _ => return None,
    };
    *from = rest;
    Some(Piece { index: u32::from_le_bytes(*index), offset: u64::from_le_bytes(*offset), bytes })
}

/// Which contents are missing: their numbers, and from where on.
pub(super) fn write_missing(missing: &[(u32, u64)]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(missing.len() * 12);
    for (index, have) in missing {
        bytes.extend_from_slice(&index.to_le_bytes());
        bytes.extend_from_slice(&have.to_le_bytes());
    }
    bytes
}

pub(super) fn read_missing(bytes: &[u8]) -> Option<Vec<(u32, u64)>> {
    let one = |entry: &[u8]| {
        let (index, have) = entry.split_first_chunk::<4>()?;
        Some((u32::from_le_bytes(*index), u64::from_le_bytes(have.try_into().ok()?)))
    };
    bytes.chunks(12).map(one).collect()
}

pub(super) fn finish(hasher: &blake3::Hasher) -> Digest {
    Digest::from_bytes(*hasher.finalize().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_survive_their_frame() {
        let pieces = [
            Piece { index: 1, offset: 0, bytes: Bytes::Data(b"abc") },
            Piece { index: 70_000, offset: 1 << 40, bytes: Bytes::Hole(1 << 50) },
            Piece { index: 3, offset: 9, bytes: Bytes::Copy { from: 1 << 41, length: 8 } },
            Piece { index: 2, offset: 5, bytes: Bytes::Data(b"") },
        ];
        let mut frame = Vec::new();
        for piece in pieces {
            push(&mut frame, piece);
        }
        let mut rest = frame.as_slice();
        let read: Vec<_> = std::iter::from_fn(|| pull(&mut rest)).map(Result::unwrap).collect();
        assert_eq!(read, pieces);
        let mut torn = &frame[..frame.len() - 1];
        assert!(std::iter::from_fn(|| pull(&mut torn)).take(4).any(|piece| piece.is_err()));
        let missing = [(1, 0), (7, 1 << 33)];
        assert_eq!(read_missing(&write_missing(&missing)).unwrap(), missing);
        assert_eq!(read_missing(&[1, 2]), None);
    }
}
