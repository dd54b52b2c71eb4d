//! Brings files here: in the order in which they are wanted, each verified before it has its name.

use std::io;
use std::os::unix::fs::FileExt as _;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use sizar_model::progress::Unit;
use sizar_model::{Activity, Digest, Progress};

use super::segment::{Bytes, CHUNK, SMALL, finish, pull};
use super::upload::SERVE;
use super::wire::{Kind, Peer, Request, json, write_list};
use super::{Pace, TransferError};
use crate::sparse::{update_file, update_zeros};
use crate::transport::{Line, Step, Transport, TransportError};

/// How often the line may break without anything having come before it is given up.
const TRIES: u32 = 4;

/// A file that is wanted, as the other end is told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Below the folder; any bytes.
    pub path: Vec<u8>,
    /// From where on.
    pub offset: u64,
    pub size: u64,
}

fn write_wanted(wanted: &[Wanted]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for one in wanted {
        bytes.extend_from_slice(&(one.path.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&one.path);
        bytes.extend_from_slice(&one.offset.to_le_bytes());
        bytes.extend_from_slice(&one.size.to_le_bytes());
    }
    bytes
}

pub(super) fn read_list(mut bytes: &[u8]) -> Option<Vec<Wanted>> {
    let mut wanted = Vec::new();
    while !bytes.is_empty() {
        let (length, rest) = bytes.split_first_chunk::<4>()?;
        let (path, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        let (offset, rest) = rest.split_first_chunk::<8>()?;
        let (size, rest) = rest.split_first_chunk::<8>()?;
        bytes = rest;
        wanted.push(Wanted {
            path: path.to_vec(),
            offset: u64::from_le_bytes(*offset),
            size: u64::from_le_bytes(*size),
        });
    }
    Some(wanted)
}

/// A file that comes, and where it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coming {
    /// Below the folder there.
    pub path: Utf8PathBuf,
    pub size: u64,
    pub digest: Digest,
    pub to: Utf8PathBuf,
}

impl Coming {
    /// Returns the file in which it arrives: beside its place, under a name that is short enough
    /// whatever its own is.
    pub fn part(&self) -> Utf8PathBuf {
        self.to.with_file_name(format!(".sizar-{}.part", self.digest.short()))
    }
}

/// The way from a target.
pub struct Download<'a> {
    pub transport: &'a mut dyn Transport,
    /// The sizar there.
    pub program: &'a Utf8Path,
    /// The root there.
    pub root: &'a Utf8Path,
    pub pace: Pace,
    pub progress: &'a dyn Progress,
}

impl Download<'_> {
    /// Brings files of the folder `folder` there.
    ///
    /// Of a large one what has come stays beside it, in [`Coming::part`], and is not brought again.
    ///
    /// # Errors
    ///
    /// [`TransferError::Corrupt`] where a file came with another content than it should have.
    pub fn files(&mut self, folder: &Utf8Path, coming: &[Coming]) -> Result<(), TransferError> {
        let step = Step::program(self.program.as_str(), [SERVE, self.root.as_str()])
            .limit(std::time::Duration::from_hours(24));
        let mut open: Vec<&Coming> = coming.iter().collect();
        let total = coming.iter().map(|one| one.size).sum();
        let mut done = 0;
        let mut tries = 0;
        while !open.is_empty() {
            let mut receiving = Receiving {
                folder,
                coming: &open,
                pace: self.pace.limit(),
                progress: self.progress,
                came: 0,
                whole: 0,
                before: done,
                total,
            };
            let mut failed = None;
            let talked = self.transport.talk(&step, &mut |line| {
                receiving.over(line).map_err(|error| match error {
                    TransferError::Transport(error) => error,
                    other => {
                        failed = Some(other);
                        TransportError::Garbled { target: String::new() }
                    }
                })
            });
            let Receiving { came, whole, .. } = receiving;
            done += open.drain(..whole).map(|one| one.size).sum::<u64>();
            if came > 0 {
                tries = 0;
            }
            let error = match (failed, talked) {
                (Some(error), _) => error,
                (None, Err(error)) => error.into(),
                (None, Ok(_)) if open.is_empty() => return Ok(()),
                (None, Ok(_)) => TransferError::Protocol("it gave too little".to_owned()),
            };
            tries += 1;
            if !error.is_broken_line() || tries >= TRIES {
                return Err(error);
            }
            self.progress.note("the connection broke; it goes on from where it was");
        }
        Ok(())
    }
}

/// One try.
pub(super) struct Receiving<'a> {
    pub folder: &'a Utf8Path,
    pub coming: &'a [&'a Coming],
    pub pace: Option<u64>,
    pub progress: &'a dyn Progress,
    /// How many bytes came.
    pub came: u64,
    /// How many files are here: they come in order.
    pub whole: usize,
    pub before: u64,
    pub total: u64,
}

impl Receiving<'_> {
    /// Holds the conversation; returns what came after it.
    pub fn over(&mut self, line: &mut dyn Line) -> Result<Vec<u8>, TransferError> {
        let mut peer = Peer::new(line);
        let wanted: Vec<Wanted> = self
            .coming
            .iter()
            .map(|one| Wanted {
                path: one.path.as_str().into(),
                offset: arrived(one),
                size: one.size,
            })
            .collect();
        let list = write_wanted(&wanted);
        let mut head = json(
            Kind::Request,
            &Request::Give {
                folder: self.folder.to_string(),
                list: list.len() as u64,
                pace: self.pace,
            },
        );
        write_list(&mut head, &list)
            .map_err(|error| TransferError::file(self.folder.as_std_path(), error))?;
        peer.send(&head)?;
        let mut large: Option<Arriving> = None;
        loop {
            let frame = peer.next()?;
            match frame.kind {
                Kind::Data => {
                    let mut rest = frame.bytes.as_slice();
                    while let Some(piece) = pull(&mut rest) {
                        let torn = || TransferError::Protocol("a piece is torn".to_owned());
                        let piece = piece.map_err(|()| torn())?;
                        let index = piece.index as usize;
                        let (Some(one), true) = (self.coming.get(index), index == self.whole)
                        else {
                            return Err(torn());
                        };
                        self.came += piece.bytes.len();
                        if one.size <= SMALL {
                            let Bytes::Data(bytes) = piece.bytes else { return Err(torn()) };
                            small(one, bytes)?;
                            self.whole += 1;
                        } else {
                            let mut arriving = match large.take() {
                                Some(arriving) => arriving,
                                None => Arriving::at(one, piece.offset)?,
                            };
                            if arriving.add(one, piece.offset, piece.bytes)? {
                                self.whole += 1;
                            } else {
                                large = Some(arriving);
                            }
                        }
                    }
                    self.progress.report(Activity::Advanced {
                        done: self.before + self.came,
                        total: Some(self.total),
                        unit: Unit::Bytes,
                    });
                }
                Kind::Done => return Ok(peer.rest()),
                other => return Err(TransferError::Protocol(format!("{other:?} came"))),
            }
        }
    }
}

/// Returns how much of a file has come, in whole chunks.
fn arrived(one: &Coming) -> u64 {
    if one.size <= SMALL {
        return 0;
    }
    let length = fs::metadata(one.part()).map_or(0, |metadata| metadata.len());
    // at least a byte comes, so that its end is seen
    length.min(one.size - 1) / CHUNK as u64 * CHUNK as u64
}

fn failed(one: &Coming) -> impl FnOnce(io::Error) -> TransferError {
    let path = one.to.clone();
    move |source| TransferError::File { path, source }
}

fn corrupt(one: &Coming) -> TransferError {
    TransferError::Corrupt { path: one.path.to_string() }
}

fn parent(one: &Coming) -> Result<&Utf8Path, TransferError> {
    let parent = one.to.parent().unwrap_or(Utf8Path::new("."));
    if !parent.is_dir() {
        fs::create_dir_all(parent).map_err(failed(one))?;
    }
    Ok(parent)
}

fn small(one: &Coming, bytes: &[u8]) -> Result<(), TransferError> {
    if bytes.len() as u64 != one.size || Digest::of(bytes) != one.digest {
        return Err(corrupt(one));
    }
    parent(one)?;
    let new = one.part();
    let written = fs::write(&new, bytes).and_then(|()| fs::rename(&new, &one.to));
    written.map_err(|error| {
        let _ = fs::remove_file(&new);
        failed(one)(error)
    })
}

/// A large file on its way.
struct Arriving {
    file: fs::File,
    hasher: blake3::Hasher,
    length: u64,
}

impl Arriving {
    fn at(one: &Coming, offset: u64) -> Result<Self, TransferError> {
        parent(one)?;
        let opened = || -> io::Result<(fs::File, blake3::Hasher)> {
            let mut options = fs::OpenOptions::new();
            let mut file =
                options.create(true).truncate(false).read(true).write(true).open(one.part())?;
            file.set_len(offset)?;
            let mut hasher = blake3::Hasher::new();
            update_file(&mut hasher, &mut file, &|_| ())?;
            Ok((file, hasher))
        };
        let (file, hasher) = opened().map_err(failed(one))?;
        Ok(Self { file, hasher, length: offset })
    }

    /// Adds a piece; returns whether the file is whole now, and has its name.
    fn add(&mut self, one: &Coming, offset: u64, bytes: Bytes<'_>) -> Result<bool, TransferError> {
        if offset != self.length {
            return Err(TransferError::Protocol("a piece is missing".to_owned()));
        }
        match bytes {
            Bytes::Data(bytes) => {
                self.file.file().write_all_at(bytes, self.length).map_err(failed(one))?;
                self.hasher.update(bytes);
            }
            // the other end knows of nothing that is here
            Bytes::Copy { .. } => {
                return Err(TransferError::Protocol("a piece is a copy".to_owned()));
            }
            Bytes::Hole(length) => {
                self.file.set_len(self.length + length).map_err(failed(one))?;
                update_zeros(&mut self.hasher, length);
            }
        }
        self.length += bytes.len();
        if self.length < one.size {
            return Ok(false);
        }
        if self.length > one.size || finish(&self.hasher) != one.digest {
            // it begins anew, if at all
            fs::remove_file(one.part()).map_err(failed(one))?;
            return Err(corrupt(one));
        }
        fs::rename(one.part(), &one.to).map_err(failed(one))?;
        Ok(true)
    }
}
