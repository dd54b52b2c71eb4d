//! The target's end of a transfer: it takes trees into its store, and gives what is asked for.

use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{RecvTimeoutError, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use camino::Utf8Path;
use fs_err as fs;
use sizar_model::resources::ByteSize;

use super::Pace;
use super::bases::Bases;
use super::change::Change;
use super::download::{self, Wanted};
use super::lay_out::is_full;
use super::lend::{Sharing, open_to_group};
use super::manifest::Manifest;
use super::packer::Packer;
use super::store::{Store, Who, blobs_of, token};
use super::taking::{Awaited, Taking};
use super::wire::{Failed, Frame, Kind, Request, Room, json, pack};
use crate::home::free_bytes;

/// How often it shows that it is alive.
const BEAT: Duration = Duration::from_secs(5);
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
pub(super) struct Output(Arc<Mutex<dyn Write + Send>>);

impl Output {
    fn new(output: impl Write + Send + 'static) -> Self {
        Self(Arc::new(Mutex::new(output)))
    }

    pub fn send(&self, frame: &[u8]) -> io::Result<()> {
        let mut output = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        output.write_all(frame)?;
        output.flush()
    }
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
    let mut request: Request = expect(input, Kind::Request)?.json().map_err(io::Error::other)?;
    if let Request::Change { client, base, tree, list } = &request {
        let change = Change::from_bytes(&read_list(input, *list)?).map_err(io::Error::other)?;
        let base = Store::at(root).read_manifest(&plain(base));
        let made = base.as_ref().map(|base| change.of(base));
        drop(change);
        if let Some(made) = made.filter(|made| made.name() == *tree) {
            return take((root, sharing), client, (&made, base.as_ref()), input, (output, awaited));
        }
        output.send(&pack(Kind::Whole, &[], None))?;
        request = expect(input, Kind::Request)?.json().map_err(io::Error::other)?;
    }
    match request {
        Request::Change { .. } => return Err(io::Error::other("the whole list was asked for")),
        Request::Store { client, list } => {
            let manifest =
                Manifest::from_bytes(&read_list(input, list)?).map_err(io::Error::other)?;
            take((root, sharing), &client, (&manifest, None), input, (output, awaited))?;
        }
        Request::Assist { client, tree } => {
            let store = Store::at(root);
            let list = fs::read(store.offered(&plain(&tree)))?;
            let manifest = Manifest::from_bytes(&list).map_err(io::Error::other)?;
            drop(list);
            let (client, token) = (plain(&client), token());
            let who = Who { client: &client, token: &token };
            let taking = Taking { store: &store, who, output, awaited };
            taking.contents(&blobs_of(&manifest), None, &Bases::new(), input)?;
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

/// Takes a tree in; `base` is one that it was made of.
fn take(
    (root, sharing): (&Utf8Path, &Sharing),
    client: &str,
    (manifest, base): (&Manifest, Option<&Manifest>),
    input: &mut impl Read,
    (output, awaited): (&Output, &Awaited),
) -> io::Result<()> {
    let store = Store::at(root);
    if sharing.group {
        open_to_group(&store, root)?;
    }
    let (client, token) = (plain(client), token());
    let who = Who { client: &client, token: &token };
    let taking = Taking { store: &store, who, output, awaited };
    taking.tree((manifest, base), &sharing.lenders, input)
}

fn expect(input: &mut impl Read, kind: Kind) -> io::Result<Frame> {
    match Frame::read(input)? {
        Some(frame) if frame.kind == kind => Ok(frame),
        Some(frame) => Err(io::Error::other(format!("{:?} came, and not {kind:?}", frame.kind))),
        None => Err(io::ErrorKind::UnexpectedEof.into()),
    }
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
