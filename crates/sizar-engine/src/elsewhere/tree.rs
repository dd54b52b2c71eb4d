//! The source's files on their way: each tree is there once, named after its content, and one that
//! differs little from one that is there goes as what changed.

use std::io::{Seek as _, Write};

use camino::{Utf8Path, Utf8PathBuf};
use sizar_model::resources::ByteSize;
use sizar_model::{Checkout, Progress};

use super::manifest::{Change, Kind, Manifest};
use super::whole::{CHANGE, FILES};
use super::{ElsewhereError, Layout, there};
use crate::target::Place;
use crate::transport::transfer::put_tree;
use crate::transport::{Step, TransportError};

/// The most that goes along with other steps, in one round trip; more is sent by itself.
const ALONG: u64 = 256 << 10;

/// A program that ended with this found that something is not there that it builds on.
pub(super) const NOT_THERE: i32 = 75;

/// Unpacks what changed to `$1`, once what it builds on is there: `$2` and further.
const TAKE: &str = r#"umask 077
patch=$1; shift
for path; do [ -e "$path" ] || { echo "\`$path\` is not there" >&2; exit 75; }; done
[ -d "$patch" ] && exit 0
new=$patch.new-$$
fail() { rm -rf "$new"; exit 1; }
mkdir -p "$new" && tar -xf - -C "$new" || fail
mv "$new" "$patch" 2>/dev/null || { rm -rf "$new"; [ -d "$patch" ]; }"#;

/// Makes the folder `$1`, and tells of each folder that follows whether it is there.
const HAS: &str = r#"umask 077
mkdir -p "$1" || exit 1; shift
for path; do [ -d "$path" ] && echo 1 || echo 0; done"#;

/// A tree, and where it lies here.
pub(super) struct Source<'a> {
    pub checkout: &'a Checkout,
    pub manifest: &'a Manifest,
}

/// Where a tree goes.
#[derive(Clone, Copy)]
pub(super) struct Destination<'a> {
    pub layout: &'a Layout,
    /// The folder of the run.
    pub run: &'a Utf8Path,
    /// The sizar there.
    pub program: &'a Utf8Path,
}

impl Source<'_> {
    /// Returns the checkout as it is there.
    pub fn there(&self, layout: &Layout) -> Checkout {
        let path = layout.tree(&self.manifest.name());
        Checkout { path, ..self.checkout.clone() }
    }

    /// Returns the step that leaves what changed there, if it is little, once all of `needed` is
    /// there.
    pub fn along(
        &self,
        layout: &Layout,
        change: &Change,
        needed: &[Utf8PathBuf],
    ) -> Result<Option<Step>, ElsewhereError> {
        if change.bytes() > ALONG {
            return Ok(None);
        }
        let mut packed = Vec::new();
        self.pack(change, &mut packed)?;
        if packed.len() as u64 > 2 * ALONG {
            return Ok(None);
        }
        Ok(Some(self.take(layout, change, needed).stdin(packed).stop_on_failure()))
    }

    fn take(&self, layout: &Layout, change: &Change, needed: &[Utf8PathBuf]) -> Step {
        let name = self.manifest.name();
        Step::script(TAKE)
            .arg(layout.patch(&name).into_string())
            .arg(layout.tree(&change.base).into_string())
            .args(needed.iter().map(|path| path.as_str()))
    }

    /// Brings the tree there, as what changed since `before` if that is there; makes the folder
    /// `run`.
    ///
    /// # Errors
    ///
    /// [`ElsewhereError`] of the file or the connection that failed; what is half sent does not
    /// bear its name.
    pub fn send(
        &self,
        place: &mut Place,
        to: &Destination<'_>,
        before: Option<&Manifest>,
        progress: &dyn Progress,
    ) -> Result<Checkout, ElsewhereError> {
        let Destination { layout, run, program } = *to;
        let there = self.there(layout);
        let mut question = Step::script(HAS).arg(run.as_str()).arg(there.path.as_str());
        if let Some(before) = before {
            question = question.arg(layout.tree(&before.name()).into_string());
        }
        let answers = place.transport.run(&[question])?;
        for answer in &answers {
            succeeded("make the folder of the run", answer)?;
        }
        let text = answers.first().map(|answer| answer.text().into_owned()).unwrap_or_default();
        let mut has = text.lines().map(|line| line == "1");
        if has.next() == Some(true) {
            return Ok(there);
        }
        if let Some(before) = before.filter(|_| has.next() == Some(true)) {
            let change = self.manifest.since(before);
            if change.bytes() < self.manifest.bytes() / 2 {
                self.send_change(place, layout, program, &change, progress)?;
                return Ok(there);
            }
        }
        let files = self.manifest.entries.len();
        let what = format!("{files} files ({}) to {}", ByteSize(self.manifest.bytes()), place.name);
        progress.begin(format!("sending {what}"));
        let paths: Vec<Utf8PathBuf> = self.manifest.entries.keys().map(Utf8PathBuf::from).collect();
        put_tree(
            &mut *place.transport,
            &self.checkout.path,
            Some(&paths),
            there.path.as_str(),
            progress,
        )?;
        progress.end(format!("sent {what}"));
        Ok(there)
    }

    /// Sends what changed, and has the tree made there.
    fn send_change(
        &self,
        place: &mut Place,
        layout: &Layout,
        program: &Utf8Path,
        change: &Change,
        progress: &dyn Progress,
    ) -> Result<(), ElsewhereError> {
        let files = change.entries.len();
        let what =
            format!("{files} changed files ({}) to {}", ByteSize(change.bytes()), place.name);
        progress.begin(format!("sending {what}"));
        let mut spool = tempfile::tempfile().map_err(TransportError::Read)?;
        self.pack(change, &mut spool)?;
        let length = spool.stream_position().map_err(TransportError::Read)?;
        spool.rewind().map_err(TransportError::Read)?;
        let step = self.take(layout, change, &[]).limit(std::time::Duration::from_hours(1));
        let answer = place.transport.feed(&step, &mut spool, length, progress)?;
        succeeded("send what changed", &answer)?;
        let make = Step::program(
            program.as_str(),
            [there::WHOLE, layout.root().as_str(), &self.manifest.name()],
        )
        .limit(std::time::Duration::from_hours(1));
        let answers = place.transport.run(&[make])?;
        for answer in &answers {
            succeeded("put the source together", answer)?;
        }
        progress.end(format!("sent {what}"));
        Ok(())
    }

    /// Writes what changed as an archive.
    fn pack(&self, change: &Change, to: &mut dyn Write) -> Result<(), ElsewhereError> {
        let root = &self.checkout.path;
        let failed = |source| ElsewhereError::File { path: root.clone(), source };
        let text = serde_json::to_vec(change)
            .map_err(|source| ElsewhereError::Json { what: "change", source })?;
        let mut builder = tar::Builder::new(to);
        builder.follow_symlinks(false);
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o600);
        builder.append_data(&mut header, CHANGE, text.as_slice()).map_err(failed)?;
        for (path, entry) in &change.entries {
            if entry.kind != Kind::Folder {
                let name = Utf8Path::new(FILES).join(path);
                builder.append_path_with_name(root.join(path), name).map_err(failed)?;
            }
        }
        builder.into_inner().map(drop).map_err(failed)
    }
}

fn succeeded(step: &'static str, answer: &crate::transport::Answer) -> Result<(), ElsewhereError> {
    if answer.is_success() {
        return Ok(());
    }
    let message = String::from_utf8_lossy(&answer.stderr).trim().to_owned();
    Err(ElsewhereError::Step { step, message })
}
