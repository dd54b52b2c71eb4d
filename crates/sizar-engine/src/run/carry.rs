//! What an earlier attempt made, for the next to go on from.

use camino::Utf8Path;
use fs_err as fs;
use sizar_model::Artifact;

use super::Attempt;
use super::checkpoint::is_whole;

/// What is put behind the name of a file that was cut off.
pub(crate) const PARTIAL: &str = "partial";

/// Puts what the attempt `from` made into the working copy of `to`, and says in words what it did.
///
/// A file that its own format shows to be cut off is put beside its name, as `NAME.partial`: a
/// program that looks for its newest checkpoint then finds the last whole one.
///
/// # Errors
///
/// What the operating system says; a full disk, above all.
pub(super) fn carry(from: &Attempt, to: &Attempt) -> std::io::Result<Vec<String>> {
    let Some(receipt) = from.receipt() else {
        return Ok(vec![
            "the attempt before left no receipt: nothing of it is gone on from".into(),
        ]);
    };
    let mut notes = Vec::new();
    let mut count = 0;
    for result in &receipt.results {
        match one(from, to, result)? {
            Carried::Whole => count += 1,
            Carried::Partial => notes
                .push(format!("`{}` was cut off; it is put aside as `{0}.{PARTIAL}`", result.path)),
            Carried::Gone => {}
        }
    }
    notes.insert(0, format!("{count} files of attempt {} are gone on from", receipt.attempt));
    Ok(notes)
}

enum Carried {
    Whole,
    Partial,
    Gone,
}

fn one(from: &Attempt, to: &Attempt, result: &Artifact) -> std::io::Result<Carried> {
    let source = from.result(&result.path);
    let plain = fs::symlink_metadata(&source)
        .is_ok_and(|metadata| metadata.is_file() && metadata.len() == result.size);
    if !plain {
        return Ok(Carried::Gone);
    }
    let whole = is_whole(&source)?;
    let target = to.result(&result.path);
    let target = if whole { target } else { format!("{target}.{PARTIAL}").into() };
    if let Some(parent) = target.parent() {
        fs::create_dir_all(parent)?;
    }
    replace(&source, &target)?;
    Ok(if whole { Carried::Whole } else { Carried::Partial })
}

/// Copies `source` over whatever the source's tree has at `target`.
fn replace(source: &Utf8Path, target: &Utf8Path) -> std::io::Result<()> {
    // the working copy may hold a link here, and nothing is written through it
    match fs::remove_file(target) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    crate::sparse::copy(source.as_ref(), target.as_ref()).map(drop)
}
