//! Data that the target fetches itself, from where they lie; and what is done where it cannot.

use std::process::ExitCode;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};
use sizar_model::{Activity, Progress, SafeUrl, Silent};

use super::carry::Carrier;
use super::forward::Forward;
use super::there::{GET, Said, Teller, tell};
use super::{ElsewhereError, Layout};
use crate::dataset::{self, Archive, Bounds, DatasetError};
use crate::home::Home;
use crate::run::chain;
use crate::target::Place;
use crate::transfer::make_room;
use crate::transport::{Step, TransportError};

/// How long a target may fetch without saying how far it is.
const PATIENCE: Duration = Duration::from_mins(30);
/// How often the connection may break without anything having come there before it is given up.
const TRIES: u32 = 4;
/// How the address comes there: what may hold a token is in no list of processes.
const VARIABLE: &str = "SIZAR_DATA_ADDRESS";
/// Which servers may be asked for it: [`Reach::word`](crate::http::Reach::word).
const REACH: &str = "SIZAR_DATA_REACH";
/// How many bytes may come.
const MOST: &str = "SIZAR_DATA_MOST";

/// Why a target could not fetch something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Unfetched {
    pub message: String,
    pub hints: Vec<String>,
    pub kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    /// The server was not reached from there: it may be from here.
    Unreachable,
    /// There is no room for it there.
    Full,
    /// It would be the same from anywhere.
    Refused,
}

impl From<&DatasetError> for Unfetched {
    fn from(error: &DatasetError) -> Self {
        let kind = match error {
            _ if error.is_unreachable() => Kind::Unreachable,
            _ if error.is_full() => Kind::Full,
            _ => Kind::Refused,
        };
        Self { message: chain(error), hints: error.hints(), kind }
    }
}

/// Has what lies at an address fetched there; returns where it is, or none where it has to be
/// fetched here.
///
/// # Errors
///
/// [`ElsewhereError::Unfetched`] where it would be the same from here, or has no room there.
pub(super) fn fetch(
    place: &mut Place,
    carrier: &Carrier<'_>,
    address: &Utf8Path,
    bounds: &Bounds,
) -> Result<Option<Utf8PathBuf>, ElsewhereError> {
    let progress = carrier.progress;
    let name = place.name.to_string();
    let shown = SafeUrl::new(address.as_str());
    let Some(program) = carrier.program else {
        progress.note(format!("sizar does not run on {name}: {shown} is fetched here and sent"));
        return Ok(None);
    };
    if place.profile.machine.internet == Some(false) {
        progress
            .note(format!("{name} does not reach the internet: {shown} is fetched here and sent"));
        return Ok(None);
    }
    let archive = Archive::from_environment();
    let step = || {
        let words = [GET, carrier.layout.root().as_str(), archive.zenodo.as_str()];
        Step::program(program.as_str(), words)
            .env(VARIABLE, address.as_str())
            .env(REACH, bounds.reach.word())
            .env(MOST, bounds.most.map(|most| most.to_string()).unwrap_or_default())
            .limit(PATIENCE)
    };
    let mut tries = 0;
    let mut latest = 0;
    progress.begin(format!("{name} fetches {shown}"));
    let fetched = loop {
        let advance = Furthest { progress, done: Mutex::new(0) };
        let mut heard = Forward::to(&advance);
        match place.transport.drain(&step(), &mut heard, &Silent) {
            Ok(answer) => {
                break heard.fetched.unwrap_or_else(|| {
                    let said = String::from_utf8_lossy(&answer.stderr).trim().to_owned();
                    let message =
                        if said.is_empty() { "it ended without a word".into() } else { said };
                    Err(Unfetched { message, hints: Vec::new(), kind: Kind::Refused })
                });
            }
            Err(error @ (TransportError::Lost { .. } | TransportError::Garbled { .. })) => {
                let done = advance.done();
                tries = if done > latest { 1 } else { tries + 1 };
                latest = latest.max(done);
                if tries >= TRIES {
                    return Err(error.into());
                }
                progress.note("the connection broke; the target goes on from where it was");
            }
            Err(error) => return Err(error.into()),
        }
    };
    match fetched {
        Ok(path) => {
            progress.end(format!("{name} fetched {shown}"));
            Ok(Some(path.into()))
        }
        Err(Unfetched { kind: Kind::Unreachable, message, .. }) => {
            progress.note(format!("on {name}: {message}; it is fetched here and sent"));
            Ok(None)
        }
        Err(Unfetched { kind, message, mut hints }) => {
            if kind == Kind::Full {
                hints = vec![make_room(Some(&name))];
            }
            Err(ElsewhereError::Unfetched { target: name, address: shown, message, hints })
        }
    }
}

/// Passes on what happens, and remembers how far it came.
struct Furthest<'a> {
    progress: &'a dyn Progress,
    done: Mutex<u64>,
}

impl Furthest<'_> {
    fn done(&self) -> u64 {
        *self.done.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Progress for Furthest<'_> {
    fn report(&self, activity: Activity) {
        if let Activity::Advanced { done, .. } = &activity {
            *self.done.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = *done;
        }
        // the step is one of this side
        if !matches!(activity, Activity::Began { .. } | Activity::Ended { .. }) {
            self.progress.report(activity);
        }
    }
}

/// Fetches, on the target.
pub(super) fn there(layout: &Layout, zenodo: &str) -> ExitCode {
    let archive = Archive { zenodo: zenodo.to_owned() };
    let address = std::env::var(VARIABLE).unwrap_or_default();
    let Ok(reach) = std::env::var(REACH).unwrap_or_default().parse();
    let most = std::env::var(MOST).ok().and_then(|most| most.parse().ok());
    let bounds = Bounds { reach, most };
    let telling = EverySecond { latest: Mutex::new(None) };
    match dataset::fetch(&Home::at(layout.root()), &address, (&archive, &bounds), &telling) {
        Ok(path) => {
            tell(&Said::Fetched { path: path.into_string() });
            ExitCode::SUCCESS
        }
        Err(error) => {
            tell(&Said::Unfetched { why: Unfetched::from(&error) });
            ExitCode::FAILURE
        }
    }
}

/// Tells how far it is, no more often than a person looks.
struct EverySecond {
    latest: Mutex<Option<Instant>>,
}

impl Progress for EverySecond {
    fn report(&self, activity: Activity) {
        let Activity::Advanced { done, total, .. } = activity else {
            Teller.report(activity);
            return;
        };
        let mut latest = self.latest.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if latest.is_none_or(|latest| latest.elapsed() >= Duration::from_secs(1)) {
            *latest = Some(Instant::now());
            tell(&Said::Advanced { done, total });
        }
    }
}
