//! What tells one state of the user's data from another, without reading them.
//!
//! Data sets are large, and what is laid out holds hard links to the user's images: a file that was
//! edited in its place has changed there, too. So the identity is of sizes, times and inodes, not of
//! contents: what changed has another one, and an older layout is never taken for it.

use std::fmt::Write as _;
use std::os::unix::fs::MetadataExt as _;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use sizar_formats::formats::Look;
use sizar_formats::pixels::is_image_name;
use sizar_model::Digest;

use super::FittingError;

/// Returns the identity of what lies at a path: of a file, or of all files below a folder.
pub(super) fn of_look(look: &Look) -> Result<String, FittingError> {
    let own = [look.path().to_owned()];
    let files: Vec<Utf8PathBuf> = match look.is_folder() {
        true => look.files().iter().map(|file| look.path().join(file)).collect(),
        false => own.to_vec(),
    };
    of_files(&files)
}

/// Returns the identity of some files.
pub(super) fn of_files(files: &[Utf8PathBuf]) -> Result<String, FittingError> {
    let mut text = String::new();
    for file in files {
        let metadata = fs::metadata(file)
            .map_err(|source| FittingError::File { path: file.clone(), source })?;
        let _ = writeln!(
            text,
            "{file}\0{} {}.{} {}",
            metadata.len(),
            metadata.mtime(),
            metadata.mtime_nsec(),
            metadata.ino()
        );
    }
    Ok(Digest::of(text.as_bytes()).to_string())
}

/// Returns the digest of a data set: of the contents of its files, for images of their names and
/// sizes only.
pub(super) fn of_contents(look: &Look) -> Result<Digest, FittingError> {
    let folder = look.folder();
    let files: Vec<&Utf8Path> = match look.is_folder() {
        true => look.files().iter().map(Utf8PathBuf::as_path).collect(),
        false => look.path().file_name().map(Utf8Path::new).into_iter().collect(),
    };
    let mut text = String::new();
    for name in files {
        let path = folder.join(name);
        let failed = |source| FittingError::File { path: path.clone(), source };
        let size = fs::metadata(&path).map_err(failed)?.len();
        let _ = write!(text, "{name}\0{size}");
        if !is_image_name(name) {
            let mut hasher = blake3::Hasher::new();
            let file = fs::File::open(&path).map_err(failed)?;
            hasher.update_reader(file).map_err(failed)?;
            let _ = write!(text, " {}", hasher.finalize().to_hex());
        }
        text.push('\n');
    }
    Ok(Digest::of(text.as_bytes()))
}

/// Returns which of some files are not below a folder.
pub(super) fn outside<'a>(
    files: impl Iterator<Item = &'a Utf8PathBuf>,
    folder: &Utf8Path,
) -> Vec<Utf8PathBuf> {
    let mut outside: Vec<Utf8PathBuf> =
        files.filter(|file| !file.starts_with(folder)).cloned().collect();
    outside.sort_unstable();
    outside.dedup();
    outside
}
