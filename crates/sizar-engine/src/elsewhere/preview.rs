//! What would go to a target, before it goes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use camino::Utf8Path;
use fs_err as fs;
use sizar_model::resources::ByteSize;
use sizar_model::{Locator, Progress, counted};

use super::ElsewhereError;
use super::beforehand::Beforehand;
use super::manifest::code;
use crate::acquire::acquire;
use crate::dataset::is_address;
use crate::home::Home;
use crate::run::{self, PrepareError, RunRequest};
use crate::target::Profile;
use crate::transfer::Scan;

/// Folders from this size on are named.
const WORTH_A_NAME: u64 = 10 << 20;
/// How many are named.
const MOST: usize = 5;
/// How deep folders are looked at.
const DEEP: usize = 4;

/// Says what of a source and of the user's data would go, and in which folders most of it is.
///
/// What is there already would not go again.
///
/// # Errors
///
/// [`ElsewhereError`] of the file that cannot be read.
pub fn preview(
    home: &Home,
    locator: &Locator,
    request: &RunRequest,
    profile: &Profile,
    progress: &dyn Progress,
) -> Result<Vec<String>, ElsewhereError> {
    let checkout = acquire(home, locator, &request.environment.acquire(), progress)
        .map_err(PrepareError::from)?;
    let root = &checkout.path;
    let (sizes, mut sentences) =
        code(home, root, &request.job.args, None, |scan| Ok(scan.sizes()?))?;
    let mut goes = of("of the source", &sizes);
    let found = run::inputs(home, &checkout, &request.job.args, request);
    let inputs = found.inputs.iter().map(|input| &input.binding);
    for binding in request.job.data.iter().chain(inputs) {
        if is_address(binding.here.as_str()) {
            goes.push(format!("would have `{}` fetched there", binding.there));
            continue;
        }
        let sizes = data(&binding.here)?;
        goes.extend(of(&format!("as `{}`", binding.seen_as()), &sizes));
    }
    goes.append(&mut sentences);
    goes.extend(Beforehand::of(&checkout, request, profile).sentences);
    Ok(goes)
}

fn data(here: &Utf8Path) -> Result<Vec<(PathBuf, u64)>, ElsewhereError> {
    let failed = |source| ElsewhereError::File { path: here.to_owned(), source };
    let metadata = fs::metadata(here).map_err(failed)?;
    if metadata.is_dir() {
        return Ok(Scan::data(here.as_std_path()).sizes()?);
    }
    Ok(vec![(PathBuf::from(here.file_name().unwrap_or_default()), metadata.len())])
}

/// Says how much something is, and where most of it is.
fn of(what: &str, sizes: &[(PathBuf, u64)]) -> Vec<String> {
    let bytes = ByteSize(sizes.iter().map(|(_, size)| size).sum());
    let files = counted(sizes.len() as u64, "file", "files");
    let largest: Vec<String> = largest(sizes)
        .into_iter()
        .map(|(folder, size)| format!("`{}` ({})", folder.display(), ByteSize(size)))
        .collect();
    let mut sentence = format!("would send {files} ({bytes}) {what}, as far as it is not there");
    if !largest.is_empty() {
        sentence.push_str(&format!("; the largest: {}", largest.join(", ")));
    }
    vec![sentence]
}

/// Finds the folders that hold most: of nested ones the innermost that holds nearly all.
fn largest(sizes: &[(PathBuf, u64)]) -> Vec<(&Path, u64)> {
    let mut folders: BTreeMap<&Path, u64> = BTreeMap::new();
    for (path, size) in sizes {
        let above = path.ancestors().skip(1).filter(|folder| !folder.as_os_str().is_empty());
        for folder in above.filter(|folder| folder.components().count() <= DEEP) {
            *folders.entry(folder).or_default() += size;
        }
    }
    let holds_nearly_all = |folder: &Path, size: u64| {
        folders
            .iter()
            .any(|(inner, inside)| inner.parent() == Some(folder) && *inside >= size - size / 10)
    };
    let mut found: Vec<(&Path, u64)> = folders
        .iter()
        .map(|(folder, size)| (*folder, *size))
        .filter(|(folder, size)| *size >= WORTH_A_NAME && !holds_nearly_all(folder, *size))
        .collect();
    found.sort_by_key(|(_, size)| std::cmp::Reverse(*size));
    found.truncate(MOST);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_folder_that_holds_it_is_named() {
        let file = |path: &str, megabytes: u64| (PathBuf::from(path), megabytes << 20);
        let sizes = [
            file("a/b/c/x.bin", 100),
            file("a/y.bin", 1),
            file("runs/1/z.bin", 30),
            file("runs/2/z.bin", 30),
            file("small/s.py", 1),
            file("train.py", 1),
        ];
        let found: Vec<_> =
            largest(&sizes).into_iter().map(|(path, _)| path.to_str().unwrap()).collect();
        assert_eq!(found, ["a/b/c", "runs", "runs/1", "runs/2"]);
        assert!(of("of it", &sizes)[0].contains("6 files (163 MiB)"), "{:?}", of("of it", &sizes));
    }
}
