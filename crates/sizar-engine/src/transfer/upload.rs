//! Sends trees: what is missing there, and no more.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Mutex;

use camino::Utf8Path;
use sizar_model::Progress;

use super::change::Change;
use super::manifest::Manifest;
use super::outgoing::{Outgoing, Ready, one};
use super::outline::Outline;
use super::segment::read_missing;
use super::store::{Blob, blobs_of};
use super::wire::{Kind, PIECE, Peer, Request, json, pack};
use super::{Pace, Sharing, TransferError};
use crate::sparse::digest_of;
use crate::transport::{Beside, Line, Step, Transport, TransportError};

/// The hidden first argument of the target's end.
pub const SERVE: &str = "__there-transfer";
/// How often the line may break without anything having become safe before it is given up.
const TRIES: u32 = 4;
/// How much longer a list may be that says what changed.
const LITTLE: usize = 4 << 10;

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
    /// What was sent before from the same place: if it is still there, only what changed goes.
    pub before: Option<&'a Manifest>,
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
                // what comparing cost the other end too much goes plainly
                before: self.before.filter(|_| tries < 2),
                pace: Mutex::new(self.pace.clone()),
                progress: self.progress,
                beside: self.transport.beside().map(|beside| (beside, &step)),
                rounds: 0,
                safe: 0,
                missing: u64::MAX,
            };
            let mut failed = None;
            let talked = self.transport.talk(&step, &mut |line| {
                sending.over(line).map_err(|error| transport_error(error, &mut failed))
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
    pub before: Option<&'a Manifest>,
    pub pace: Mutex<Pace>,
    pub progress: &'a dyn Progress,
    /// A way to further lines, and the program that listens at their other ends.
    pub beside: Option<(Box<dyn Beside>, &'a Step)>,
    /// How often contents were sent.
    pub rounds: u32,
    /// How many bytes are safe there.
    pub safe: u64,
    /// How many bytes were missing there at first.
    pub missing: u64,
}

impl Sending<'_> {
    /// Holds the conversation; returns what came after it.
    pub fn over(&mut self, line: &mut dyn Line) -> Result<Vec<u8>, TransferError> {
        let mut peer = Peer::new(line);
        match self.before.and_then(|before| self.change(before)) {
            Some(change) => peer.send(&change)?,
            None => self.list(&mut peer)?,
        }
        let blobs = blobs_of(self.manifest);
        let mut sent = HashSet::new();
        let mut outlines = HashMap::new();
        let mut missing = Vec::new();
        loop {
            let frame = peer.next()?;
            match frame.kind {
                Kind::Whole => self.list(&mut peer)?,
                Kind::Outline => {
                    let (index, outline) = Outline::from_bytes(&frame.bytes).ok_or_else(torn)?;
                    outlines.insert(index, outline);
                }
                Kind::More => missing.extend(read_missing(&frame.bytes).ok_or_else(torn)?),
                Kind::Missing => {
                    missing.extend(read_missing(&frame.bytes).ok_or_else(torn)?);
                    let missing = std::mem::take(&mut missing);
                    if missing.is_empty() {
                        continue;
                    }
                    self.check_again(&blobs, &missing, &mut sent)?;
                    let outlines = std::mem::take(&mut outlines);
                    self.contents(&mut peer, &blobs, (missing, outlines))?;
                    peer.send(&pack(Kind::End, &[], None))?;
                }
                // the rest of what was sent
                Kind::Safe => {}
                Kind::Done => return Ok(peer.rest()),
                other => return Err(TransferError::Protocol(format!("{other:?} came"))),
            }
        }
    }

    /// Sends what the tree holds.
    fn list(&self, peer: &mut Peer<'_>) -> Result<(), TransferError> {
        let (client, list) = (self.client.to_owned(), self.manifest.length() as u64);
        let mut head = json(Kind::Request, &Request::Store { client, list });
        for piece in self.manifest.pieces(PIECE) {
            head.extend(pack(Kind::List, &piece, Some(1)));
            if head.len() > PIECE {
                peer.send(&head)?;
                head.clear();
            }
        }
        peer.send(&head)
    }

    /// Makes the frames that say what makes the tree of `before`, unless that is longer than to say what it
    /// holds.
    fn change(&self, before: &Manifest) -> Option<Vec<u8>> {
        let change = Change::between(before, self.manifest).to_bytes();
        // a little more is worth it where there is one large file, and another before it
        if change.len() > self.manifest.length() + LITTLE {
            return None;
        }
        let (client, list) = (self.client.to_owned(), change.len() as u64);
        let (base, tree) = (before.name(), self.manifest.name());
        let mut frames = json(Kind::Request, &Request::Change { client, base, tree, list });
        for piece in change.chunks(PIECE) {
            frames.extend(pack(Kind::List, piece, Some(1)));
        }
        Some(frames)
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

    /// Sends contents: the small ones first, over further lines too where one does not fill the line.
    fn contents(
        &mut self,
        peer: &mut Peer<'_>,
        blobs: &[(Blob, usize)],
        missing: (Vec<(u32, u64)>, HashMap<u32, Outline>),
    ) -> Result<(), TransferError> {
        let tree = (self.manifest, self.from);
        let going = Outgoing::new(tree, blobs, missing, &self.pace, self.progress)?;
        self.missing = self.missing.min(going.total());
        let round_trip = self.beside.as_ref().and_then(|(beside, _)| beside.round_trip());
        // what was lost once goes over this line alone
        let lines = round_trip.filter(|_| self.rounds == 0).map_or(0, |it| going.further_lines(it));
        self.rounds += 1;
        let (client, tree) = (self.client.to_owned(), self.manifest.name());
        let request = json(Kind::Request, &Request::Assist { client, tree });
        let further = |ready: &Ready<'_>| -> Result<(), TransferError> {
            let Some((beside, step)) = self.beside.as_ref() else { return Ok(()) };
            let mut failed = None;
            let talked = beside.talk(step, &mut |line| {
                let mut peer = Peer::new(line);
                peer.send(&request)
                    .and_then(|()| ready.over(peer))
                    .map_err(|error| transport_error(error, &mut failed))
            });
            failed.map_or(talked.map(drop).map_err(Into::into), Err)
        };
        let sent = going.send(peer, lines, &further);
        self.safe += going.safe();
        sent
    }
}

fn torn() -> TransferError {
    TransferError::Protocol("a list is torn".to_owned())
}

/// Makes an error of the connection of any, and keeps in `failed` what it really was.
fn transport_error(error: TransferError, failed: &mut Option<TransferError>) -> TransportError {
    match error {
        TransferError::Transport(error) => error,
        other => {
            *failed = Some(other);
            TransportError::Garbled { target: String::new() }
        }
    }
}
