//! Names that differ only in case, on disks that do not tell them apart.
//!
//! Such a disk would make one file of two, and say nothing. Only the disk knows: it is asked by a file
//! that is looked for under another name.

use std::collections::HashMap;
use std::io;

use camino::Utf8Path;
use fs_err as fs;

use super::manifest::Manifest;
use super::store::{Store, token};

/// Finds two paths of a tree that differ only in case, folders included.
pub fn alike(manifest: &Manifest) -> Option<(String, String)> {
    let text = |path: &[u8]| String::from_utf8_lossy(path).into_owned();
    let mut seen: HashMap<String, &[u8]> = HashMap::new();
    for entry in manifest.entries() {
        let path = &*entry.path;
        let ends = path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(end, _)| end);
        for end in ends.chain([path.len()]) {
            let path = path.get(..end).unwrap_or_default();
            let known = seen.entry(text(path).to_lowercase()).or_insert(path);
            if *known != path {
                return Some((text(known), text(path)));
            }
        }
    }
    None
}

/// Refuses a tree of which the disk of a store would make another one.
///
/// # Errors
///
/// [`io::ErrorKind::Other`] with both names, and what to do; what the file system says otherwise.
pub(super) fn refuse_alike(store: &Store, manifest: &Manifest) -> io::Result<()> {
    refuse(manifest, store.trees().as_path(), folds_case(&store.trees())?)
}

fn refuse(manifest: &Manifest, folder: &Utf8Path, folds_case: bool) -> io::Result<()> {
    match alike(manifest).filter(|_| folds_case) {
        None => Ok(()),
        Some(names) => Err(io::Error::other(words(&names, folder))),
    }
}

/// Says why a tree cannot be there, and what to do.
pub(crate) fn words((one, other): &(String, String), folder: &Utf8Path) -> String {
    format!(
        "`{one}` and `{other}` differ only in case, and the disk of `{folder}` does not tell them \
         apart; rename one of them, or name a folder on another disk as `root` in the profile"
    )
}

/// Returns whether a file that is made in `folder` is found under another case.
fn folds_case(folder: &Utf8Path) -> io::Result<bool> {
    fs::create_dir_all(folder)?;
    let name = format!(".new-case-{}", token());
    let made = folder.join(&name);
    fs::File::create(&made)?;
    let found = folder.join(name.to_uppercase()).exists();
    fs::remove_file(&made)?;
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::super::manifest::{Content, Entry};
    use super::*;

    fn tree(paths: &[&[u8]]) -> Manifest {
        let entry = |path: &&[u8]| Entry { path: (*path).into(), content: Content::Folder };
        Manifest::new(paths.iter().map(entry).collect())
    }

    #[test]
    fn names_that_differ_only_in_case_are_found_and_refused_where_the_disk_folds_them() {
        let pair = |paths: &[&[u8]]| alike(&tree(paths));
        let both = |one: &str, other: &str| Some((one.to_owned(), other.to_owned()));
        assert_eq!(pair(&[b"a/README", b"a/Readme", b"b"]), both("a/README", "a/Readme"));
        // folders become one, too
        assert_eq!(pair(&[b"Data/1", b"data/2"]), both("Data", "data"));
        assert_eq!(pair(&["É".as_bytes(), "é".as_bytes()]), both("É", "é"));
        assert_eq!(pair(&[b"a/b/c", b"a/b/d", b"a/bc", b"b/a"]), None);
        let folder = tempfile::tempdir().unwrap();
        let folder = Utf8Path::from_path(folder.path()).unwrap();
        let alike = tree(&[b"a", b"A"]);
        let error = refuse(&alike, folder, true).unwrap_err().to_string();
        assert!(error.contains("`A` and `a`") && error.contains("`root`"), "{error}");
        refuse(&tree(&[b"a"]), folder, true).unwrap();
        // the disk itself is asked, and nothing of the question stays
        let store = Store::at(folder.join("there"));
        fs::create_dir_all(store.trees()).unwrap();
        fs::write(store.trees().join("x"), "").unwrap();
        let folds = store.trees().join("X").exists();
        assert_eq!(refuse_alike(&store, &alike).is_err(), folds);
        assert_eq!(store.trees().read_dir_utf8().unwrap().count(), 1);
    }
}
