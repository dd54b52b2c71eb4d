//! Carries trees to a target, unless they are there.

use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;

use camino::Utf8Path;
use fs_err as fs;
use sizar_model::Progress;
use sizar_model::resources::ByteSize;

use super::last_sent::LastSent;
use super::there::HAS;
use super::{ElsewhereError, Layout};
use crate::home::{Home, Lock};
use crate::target::Place;
use crate::transfer::{Manifest, Pace, Sharing, Upload, alike, alike_words};
use crate::transport::transfer::{To, put_tree};
use crate::transport::{Answer, Step};
use crate::tree_digest::write_by_rename;

/// How long looking at trees may take: at each file of them, on a file server.
const LOOK: Duration = Duration::from_mins(30);

/// Makes the folder `$2`, and tells of each tree below `$1` whether it is there.
const HAS_PLAINLY: &str = r#"umask 077
trees=$1; mkdir -p "$trees" "$2" || exit 1; shift 2
for name; do [ -d "$trees/$name" ] && echo 1 || echo 0; done"#;

/// Says whether a file in the folder `$1` is found under another case.
const FOLDS_CASE: &str = r#"umask 077; mkdir -p "$1" && cd "$1" || exit 1
: > ".case-$$" && [ -e ".CASE-$$" ] && echo 1; rm -f ".case-$$""#;

/// A look at what is there.
#[derive(Clone, Debug)]
pub(super) struct Look<'a> {
    /// A folder that is made.
    pub folder: &'a Utf8Path,
    /// Trees by their names.
    pub names: Vec<String>,
}

impl Look<'_> {
    /// Has the sizar there look, which the words of `step` come to.
    pub fn by(&self, step: Step, layout: &Layout) -> Step {
        let step = step.args([HAS, layout.root().as_str(), self.folder.as_str()]);
        step.args(&self.names).limit(LOOK)
    }

    /// Returns which trees are there and sound.
    pub fn read(&self, answer: Option<&Answer>) -> Result<HashSet<String>, ElsewhereError> {
        let Some(answer) = answer.filter(|answer| answer.is_success()) else {
            let said = answer.map(|answer| String::from_utf8_lossy(&answer.stderr));
            let message = said.unwrap_or_default().trim().to_owned();
            return Err(ElsewhereError::Step { step: "look at what is there", message });
        };
        let text = answer.text();
        let named = self.names.iter().zip(text.lines());
        Ok(named.filter(|(_, is_there)| *is_there == "1").map(|(name, _)| name.clone()).collect())
    }
}

/// What carrying needs.
#[derive(Clone, Copy)]
pub(super) struct Carrier<'a> {
    pub home: &'a Home,
    pub layout: &'a Layout,
    /// The sizar there; none where it does not execute.
    pub program: Option<&'a Utf8Path>,
    pub progress: &'a dyn Progress,
}

impl Carrier<'_> {
    /// Makes the folder of `look` there; returns which of its trees are there and sound.
    pub fn look(
        &self,
        place: &mut Place,
        look: &Look<'_>,
    ) -> Result<HashSet<String>, ElsewhereError> {
        let step = match self.program {
            Some(program) => look.by(Step::program(program.as_str(), [""; 0]), self.layout),
            None => Step::script(HAS_PLAINLY)
                .arg(self.layout.trees().as_str())
                .arg(look.folder.as_str())
                .args(&look.names)
                .limit(LOOK),
        };
        look.read(place.transport.run(&[step])?.first())
    }

    /// Sends what is missing of a tree, and has it laid out there; `here` is the place that it is of.
    pub fn tree(
        &self,
        place: &mut Place,
        manifest: &Manifest,
        (from, here): (&Path, &Utf8Path),
        what: &str,
    ) -> Result<(), ElsewhereError> {
        let Some(program) = self.program else {
            return self.plainly(place, manifest, from, what);
        };
        let Sender { client, .. } = &Sender::alone(self.home, place, self.progress)?;
        let size = ByteSize(manifest.bytes());
        self.progress.begin(format!("sending {what} ({size}) to {}", place.name));
        let pace = Pace::new(place.pace);
        let profile = &place.profile;
        let (lenders, others): (Vec<_>, Vec<_>) =
            profile.lab_stores.iter().cloned().partition(|lender| lender.is_absolute());
        for lender in others {
            let name = &place.name;
            self.progress.note(format!(
                "`lab_stores` of {name}: `{lender}` does not begin with `/` and is left out"
            ));
        }
        let sharing = Sharing { group: profile.group_readable, lenders };
        let last = LastSent::of(self.home, place.name.as_str(), here);
        let before = last.read();
        let (sent, moved) = place.sending(|place| {
            Upload {
                transport: &mut *place.transport,
                program,
                root: self.layout.root(),
                client,
                pace,
                sharing,
                before: before.as_ref(),
                progress: self.progress,
            }
            .tree(manifest, from)
        });
        sent.map_err(|error| error.on(place.name.as_str()))?;
        last.write(manifest);
        let line = ByteSize(moved);
        self.progress
            .end(format!("sent {what} ({size}, {line} of it on the line) to {}", place.name));
        Ok(())
    }
}

impl Carrier<'_> {
    /// Sends a whole tree as one archive, for want of a sizar there that knows what is missing.
    fn plainly(
        &self,
        place: &mut Place,
        manifest: &Manifest,
        from: &Path,
        what: &str,
    ) -> Result<(), ElsewhereError> {
        let size = ByteSize(manifest.bytes());
        let failed = |path: &Path| ElsewhereError::File {
            path: path.to_string_lossy().into_owned().into(),
            source: std::io::ErrorKind::InvalidFilename.into(),
        };
        let root = Utf8Path::from_path(from).ok_or_else(|| failed(from))?;
        if let Some(names) = alike(manifest) {
            let trees = self.layout.trees();
            let step = Step::script(FOLDS_CASE).arg(trees.as_str());
            let answers = place.transport.run(&[step])?;
            if answers.first().is_some_and(|answer| answer.text().trim() == "1") {
                let message = alike_words(&names, &trees);
                return Err(ElsewhereError::Step { step: "send a tree", message });
            }
        }
        let paths = manifest.entries().iter().map(|entry| {
            let path = Utf8Path::from_path(entry.path()).map(Utf8Path::to_owned);
            path.ok_or_else(|| failed(entry.path()))
        });
        let paths = paths.collect::<Result<Vec<_>, _>>()?;
        self.progress.begin(format!("sending {what} ({size}) to {}", place.name));
        let there = self.layout.tree(&manifest.name());
        let sender = Sender::alone(self.home, place, self.progress)?;
        let sent = place.sending(|place| {
            let transport = &mut *place.transport;
            let to = To { path: there.as_str(), sender: &sender.word };
            put_tree(transport, root, Some(&paths), to, self.progress)
        });
        sent.0?;
        self.progress.end(format!("sent {what} ({size}) to {}", place.name));
        Ok(())
    }
}

/// The one process of this home that sends something to a target.
pub(super) struct Sender {
    /// Names the home.
    pub client: String,
    /// Names the home and the target, of which several may have the same files.
    pub word: String,
    _turn: Lock,
}

impl Sender {
    /// Waits until no other process of this home sends anything to the target.
    pub fn alone(
        home: &Home,
        place: &Place,
        progress: &dyn Progress,
    ) -> Result<Self, ElsewhereError> {
        let client = client(home)?;
        let word = format!("{}-{}", &client[..8], place.name);
        let turn = home.lock(&format!("sending-{}", place.name), || {
            progress.note("another sizar sends something there; this one waits for it");
        })?;
        Ok(Self { client, word, _turn: turn })
    }
}

/// Returns the word by which targets know this home again.
fn client(home: &Home) -> Result<String, ElsewhereError> {
    let path = home.folder("cache")?.join("client");
    let known = fs::read_to_string(&path).unwrap_or_default();
    if known.len() == 32 && known.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(known);
    }
    let failed = |source| ElsewhereError::File { path: path.clone(), source };
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(|error| failed(std::io::Error::other(error)))?;
    let word = format!("{:032x}", u128::from_be_bytes(random));
    write_by_rename(&path, word.as_bytes()).map_err(failed)?;
    Ok(word)
}
