//! What lies at a path: the listing that formats recognise their own by.

use std::io::{ErrorKind, Read as _, Seek as _, SeekFrom};

use camino::{Utf8Path, Utf8PathBuf};

use crate::error::{FormatError, Result};

/// A path and, if it is a folder, all files below it.
pub struct Look {
    path: Utf8PathBuf,
    is_folder: bool,
    files: Vec<Utf8PathBuf>,
}

/// Folders deeper than this are left alone.
const DEEPEST: usize = 12;

impl Look {
    /// Lists what lies at `path`, without opening a file.
    ///
    /// # Errors
    ///
    /// [`FormatError::Missing`] where nothing is there.
    pub fn at(path: &Utf8Path) -> Result<Self> {
        let is_folder = match fs_err::metadata(path) {
            Ok(metadata) => metadata.is_dir(),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(FormatError::Missing { path: path.to_owned() });
            }
            Err(error) => return Err(error.into()),
        };
        let mut files = Vec::new();
        if is_folder {
            walk(path, Utf8Path::new(""), 0, &mut files)?;
            files.sort_unstable();
        }
        Ok(Self { path: path.to_owned(), is_folder, files })
    }

    /// The path that was looked at.
    pub fn path(&self) -> &Utf8Path {
        &self.path
    }

    pub fn is_folder(&self) -> bool {
        self.is_folder
    }

    /// The folder itself, or the one in which the file lies.
    pub fn folder(&self) -> &Utf8Path {
        if self.is_folder {
            &self.path
        } else {
            self.path.parent().filter(|parent| !parent.as_str().is_empty()).unwrap_or(".".into())
        }
    }

    /// The files below the folder, relative to it, in order; empty for a file.
    pub fn files(&self) -> &[Utf8PathBuf] {
        &self.files
    }

    /// The full paths of what has one of these extensions (in any case), of a file or a folder.
    pub fn with_extension(&self, extensions: &[&str]) -> Vec<Utf8PathBuf> {
        let fits = |path: &Utf8Path| {
            path.extension().is_some_and(|ending| {
                extensions.iter().any(|extension| ending.eq_ignore_ascii_case(extension))
            })
        };
        if self.is_folder {
            self.files.iter().filter(|file| fits(file)).map(|file| self.path.join(file)).collect()
        } else if fits(&self.path) {
            vec![self.path.clone()]
        } else {
            Vec::new()
        }
    }

    /// Tells whether a file with this relative name is there.
    pub fn has(&self, file: &str) -> bool {
        self.files.binary_search_by(|known| known.as_path().cmp(Utf8Path::new(file))).is_ok()
    }

    /// Tells whether a folder with this relative name is there and not empty.
    pub fn has_folder(&self, folder: &str) -> bool {
        let folder = Utf8Path::new(folder);
        let at = self.files.partition_point(|file| file.as_path() < folder);
        self.files.get(at).is_some_and(|file| file.starts_with(folder))
    }

    /// Returns the first 8 KiB of a file, as text with replacement characters.
    pub fn head(file: &Utf8Path) -> String {
        let mut head = Vec::with_capacity(8192);
        match fs_err::File::open(file).map(|opened| opened.take(8192).read_to_end(&mut head)) {
            Ok(Ok(_)) => String::from_utf8_lossy(&head).into_owned(),
            _ => String::new(),
        }
    }

    /// Returns the last 8 KiB of a file, as text with replacement characters.
    pub fn tail(file: &Utf8Path) -> String {
        let mut tail = Vec::with_capacity(8192);
        let read = fs_err::File::open(file).and_then(|mut opened| {
            let length = opened.seek(SeekFrom::End(0))?;
            opened.seek(SeekFrom::Start(length.saturating_sub(8192)))?;
            opened.read_to_end(&mut tail)
        });
        if read.is_ok() { String::from_utf8_lossy(&tail).into_owned() } else { String::new() }
    }
}

fn walk(
    root: &Utf8Path,
    relative: &Utf8Path,
    depth: usize,
    files: &mut Vec<Utf8PathBuf>,
) -> Result<()> {
    for entry in fs_err::read_dir(root.join(relative))? {
        let entry = entry?;
        let name = entry.file_name();
        // a name that isn't UTF-8 can't be named by any of the formats
        let Some(name) = name.to_str().filter(|name| !name.starts_with('.')) else { continue };
        let here = relative.join(name);
        let mut kind = entry.file_type()?;
        if kind.is_symlink() {
            match fs_err::metadata(root.join(&here)) {
                Ok(target) => kind = target.file_type(),
                Err(_) => continue,
            }
        }
        if kind.is_dir() {
            if depth < DEEPEST && name != "__MACOSX" {
                walk(root, &here, depth + 1, files)?;
            }
        } else if kind.is_file() {
            files.push(here);
        }
    }
    Ok(())
}
