//! A git repository, fetched and laid out.

use camino::Utf8Path;
use fs_err as fs;
use sizar_model::{Digest, SafeUrl, Source};

use super::AcquireError;
use super::acquisition::Acquisition;
use super::archive::collision_note;
use super::cache::{Found, Key, NewCheckout};
use super::git::{GitError, LayOut, Mirror};
use super::limits::Limits;
use super::tree_writer::{EscapingLinks, TreeWriter};
use crate::failpoint;

/// Brings the commit that `revision` means.
pub(super) fn fetch(
    work: &Acquisition<'_>,
    url: &SafeUrl,
    revision: Option<&str>,
) -> Result<Found, AcquireError> {
    let Acquisition { home, options, progress, cache, .. } = *work;
    progress.begin(format!("fetching {}", work.name));
    let mut mirror = Mirror::open(home, url, options, progress)?;
    let commit = mirror.resolve(home, revision, options, progress)?;
    failpoint::hit("acquire:after-download");
    let short = commit.get(..10).unwrap_or(&commit).to_owned();
    let identity = Key::new("commit", &[mirror.url().expose(), &commit]);
    let again = options.refresh && !options.offline;
    if let Some(found) = cache.find(&identity, None)
        && !(again && found.incomplete)
    {
        progress.end(format!("fetched {} ({short})", work.name));
        return Ok(found);
    }
    let staging = home.staging()?;
    let stage = Utf8Path::from_path(staging.path()).unwrap_or(home.root());
    let into = stage.join("unpacked");
    fs::create_dir(&into).map_err(|source| AcquireError::Write { path: into.clone(), source })?;
    let mut writer = TreeWriter::new(&into, Limits::from_environment());
    let laid_out = LayOut::new(home, options, progress, &mut writer).run(&mirror, &commit)?;
    let written = writer
        .finish(false, EscapingLinks::Drop)
        .map_err(|source| GitError::Tree { url: url.clone(), source })?;
    let mut notes = laid_out.notes;
    for (path, target) in written.dropped_links.iter().take(20) {
        notes.push(format!("the link `{path}` leads out of the tree, to `{target}`: left out"));
    }
    notes.extend(written.pointers.note());
    notes.extend(collision_note(&written.case_collisions));
    let (date, code_date) = mirror.dates(&commit)?;
    let tag = mirror.tag(&commit)?;
    let source = Source {
        locator: work.name.clone(),
        revision: Some(commit),
        digest: Digest::of(&[]),
        date,
        code_date,
        tag,
        own: false,
    };
    let incomplete = laid_out.incomplete;
    let new = NewCheckout { tree: written.path, source, notes, incomplete };
    let found = cache.keep(stage, new)?;
    cache.remember(&identity, &format!("{} at {short}", work.name), &found, None)?;
    progress.end(format!("fetched {} ({short})", work.name));
    Ok(found)
}
