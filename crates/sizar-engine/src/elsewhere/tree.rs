//! What changed of a source's files, on its way together with other steps: each tree is there once,
//! named after its content, and one that differs little from one that is there goes as that.

use std::os::unix::ffi::OsStrExt as _;

use camino::Utf8PathBuf;
use sizar_model::{Checkout, counted};

use super::carry::Carrier;
use super::manifest::{Change, Manifest};
use super::whole::{CHANGE, FILES};
use super::{ElsewhereError, Layout};
use crate::target::Place;
use crate::transfer::{Content, Store};
use crate::transport::Step;

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

/// A tree, and where it lies here.
pub(super) struct Source<'a> {
    pub checkout: &'a Checkout,
    pub manifest: &'a Manifest,
}

impl Source<'_> {
    /// Returns the checkout as it is there.
    pub fn there(&self, layout: &Layout) -> Checkout {
        let path = layout.tree(&self.manifest.name());
        Checkout { path, ..self.checkout.clone() }
    }

    /// Brings its tree there.
    pub fn send(&self, place: &mut Place, carrier: &Carrier<'_>) -> Result<(), ElsewhereError> {
        let files = self.manifest.tree.entries().len() as u64;
        let what = counted(files, "file", "files");
        let path = &self.checkout.path;
        carrier.tree(place, &self.manifest.tree, (path.as_std_path(), path), &what)
    }

    /// Returns the step that leaves what changed there, if it is little, once all of `needed` is
    /// there; and how many bytes of it are the user's.
    pub fn along(
        &self,
        layout: &Layout,
        change: &Change,
        needed: &[Utf8PathBuf],
    ) -> Result<Option<(Step, u64)>, ElsewhereError> {
        if change.new.bytes() > ALONG {
            return Ok(None);
        }
        let packed = self.pack(change)?;
        let size = packed.len() as u64;
        if size > 2 * ALONG {
            return Ok(None);
        }
        let name = self.manifest.name();
        let step = Step::script(TAKE)
            .arg(layout.patch(&name).into_string())
            .arg(layout.tree(&change.base).into_string())
            .arg(Store::at(layout.root()).manifest(&change.base).into_string())
            .args(needed.iter().map(|path| path.as_str()))
            .stdin(packed)
            .stop_on_failure();
        Ok(Some((step, if change.is_nothing() { 0 } else { size })))
    }

    /// Writes what changed as an archive.
    ///
    /// Its files are numbered as the list of what is new: names of any bytes and lengths are in that.
    fn pack(&self, change: &Change) -> Result<Vec<u8>, ElsewhereError> {
        let root = &self.checkout.path;
        let failed = |source| ElsewhereError::File { path: root.clone(), source };
        let text = change.to_bytes();
        let mut builder = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o600);
        builder.append_data(&mut header, CHANGE, text.as_slice()).map_err(failed)?;
        for (number, entry) in change.new.entries().iter().enumerate() {
            if matches!(entry.content, Content::File { size: 1.., .. }) {
                let path = root.as_std_path().join(std::ffi::OsStr::from_bytes(&entry.path));
                let name = format!("{FILES}/{number}");
                builder.append_path_with_name(path, name).map_err(failed)?;
            }
        }
        builder.into_inner().map_err(failed)
    }
}
