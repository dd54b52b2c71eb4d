//! The user's data on their way to the target.

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use ignore::WalkBuilder;
use sizar_model::resources::ByteSize;
use sizar_model::{DataBinding, Progress, RunId};

use super::manifest::check_link;
use super::{ElsewhereError, Layout};
use crate::run::{Input, RunRequest};
use crate::target::Place;
use crate::transport::transfer::put_tree;

/// What lies in a tree, to be sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Cargo {
    /// Files and links, relative to the root.
    pub paths: Vec<Utf8PathBuf>,
    pub bytes: u64,
}

/// Lists what of `root` is sent: all but git's own folder and what sizar keeps.
///
/// # Errors
///
/// [`ElsewhereError::EscapingLink`] for a symbolic link out of the tree: what it leads to is not
/// there on the target.
pub(super) fn list(root: &Utf8Path, without: &Utf8Path) -> Result<Cargo, ElsewhereError> {
    let mut cargo = Cargo::default();
    let without = without.to_owned();
    let walk = WalkBuilder::new(root)
        .standard_filters(false)
        .follow_links(false)
        .filter_entry(move |entry| {
            entry.file_name() != ".git" && entry.path() != without.as_std_path()
        })
        .build();
    for entry in walk {
        let entry = entry.map_err(|error| ElsewhereError::File {
            path: root.to_owned(),
            source: error.into_io_error().unwrap_or_else(|| std::io::Error::other("unreadable")),
        })?;
        let Some(path) = Utf8Path::from_path(entry.path()) else { continue };
        let Ok(below) = path.strip_prefix(root) else { continue };
        let Some(kind) = entry.file_type() else { continue };
        if kind.is_symlink() {
            check_link(below, &path.read_link_utf8().unwrap_or_default())?;
            cargo.paths.push(below.to_owned());
        } else if kind.is_file() {
            cargo.bytes += entry.metadata().map_or(0, |metadata| metadata.len());
            cargo.paths.push(below.to_owned());
        } else if kind.is_dir() && !below.as_str().is_empty() {
            // an empty folder may be where the program writes to
            let empty = fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none());
            if empty {
                cargo.paths.push(below.to_owned());
            }
        }
    }
    cargo.paths.sort();
    Ok(cargo)
}

/// Sends the user's data; returns the request and the inputs as they are there.
///
/// # Errors
///
/// [`ElsewhereError`] of the file or the connection that failed; what is half sent does not bear
/// its name.
pub(super) fn data(
    place: &mut Place,
    layout: &Layout,
    run: &RunId,
    request: &RunRequest,
    inputs: &[Input],
    progress: &dyn Progress,
) -> Result<(RunRequest, Vec<Input>), ElsewhereError> {
    let mut request = request.clone();
    let mut inputs = inputs.to_vec();
    let mut sent: BTreeMap<Utf8PathBuf, Utf8PathBuf> = BTreeMap::new();
    let bindings =
        request.job.data.iter_mut().chain(inputs.iter_mut().map(|input| &mut input.binding));
    for binding in bindings {
        let here = binding.here.clone();
        // a file of a folder that goes anyway goes with it
        let within = sent.iter().find_map(|(folder, there): (&Utf8PathBuf, &Utf8PathBuf)| {
            let below = here.strip_prefix(folder).ok()?;
            let inside = !below.components().any(|part| part.as_str() == ".git");
            inside
                .then(|| if below.as_str().is_empty() { there.clone() } else { there.join(below) })
        });
        let there = match within {
            Some(there) => there,
            None => one(place, &layout.data(run, sent.len()), binding, progress)?,
        };
        binding.here.clone_from(&there);
        sent.insert(here, there);
    }
    Ok((request, inputs))
}

fn one(
    place: &mut Place,
    folder: &Utf8Path,
    binding: &DataBinding,
    progress: &dyn Progress,
) -> Result<Utf8PathBuf, ElsewhereError> {
    let here = &binding.here;
    let name = here.file_name().unwrap_or("data");
    let metadata =
        fs::metadata(here).map_err(|source| ElsewhereError::File { path: here.clone(), source })?;
    let (root, cargo) = if metadata.is_dir() {
        (here.clone(), list(here, Utf8Path::new("/nowhere"))?)
    } else {
        let root = here.parent().unwrap_or(Utf8Path::new("/")).to_owned();
        (root, Cargo { paths: vec![name.into()], bytes: metadata.len() })
    };
    let what = format!("`{name}` ({}) to {}", ByteSize(cargo.bytes), place.name);
    progress.begin(format!("sending {what}"));
    let paths = Some(cargo.paths.as_slice());
    put_tree(&mut *place.transport, &root, paths, folder.as_str(), progress)?;
    progress.end(format!("sent {what}"));
    Ok(if metadata.is_dir() { folder.to_owned() } else { folder.join(name) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn git_stays_here_and_links_stay_inside() {
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8PathBuf::from_path_buf(folder.path().to_owned()).unwrap();
        fs::create_dir_all(root.join(".git/objects")).unwrap();
        fs::create_dir_all(root.join("a/empty")).unwrap();
        fs::write(root.join("a/x.py"), "1").unwrap();
        fs::write(root.join(".gitignore"), "*.py").unwrap();
        std::os::unix::fs::symlink("../a/x.py", root.join("a/y.py")).unwrap();
        let cargo = list(&root, Utf8Path::new("/nowhere")).unwrap();
        assert_eq!(cargo.paths, [".gitignore", "a/empty", "a/x.py", "a/y.py"]);
        std::os::unix::fs::symlink("../../etc", root.join("a/z")).unwrap();
        let error = list(&root, Utf8Path::new("/nowhere")).unwrap_err();
        assert!(matches!(error, ElsewhereError::EscapingLink { .. }), "{error}");
    }
}
