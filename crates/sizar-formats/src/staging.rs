//! Output that appears under its final name only when it is whole.

pub mod archive;

use std::io::{BufWriter, Write};
use std::sync::Mutex;

use camino::{Utf8Path, Utf8PathBuf};
use rustc_hash::FxHashSet;

use crate::error::{FormatError, Position, Result};
use crate::model::Image;
use crate::pixels;

/// What happens to the files of images.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Placing {
    /// They stay where they are; only annotations are written.
    Leave,
    /// Hard links; copies where the file system is another one.
    #[default]
    Link,
    Copy,
    /// Read, turned upright never, and written anew.
    Encode(Encoding),
}

/// A file format of images that are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    Png,
    Jpeg,
}

impl Encoding {
    pub fn extension(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Jpeg => "jpg",
        }
    }
}

/// A file or a folder that is being written beside its final place.
///
/// It may be written from several threads. When it is dropped before [`Staging::finish`], what
/// was written is removed.
pub struct Staging {
    destination: Utf8PathBuf,
    temporary: Option<Utf8PathBuf>,
    is_file: bool,
    is_archive: bool,
    placing: Placing,
    folders: Mutex<FxHashSet<Utf8PathBuf>>,
    missing: Mutex<Vec<Box<str>>>,
    notes: Mutex<Vec<String>>,
}

impl Staging {
    /// Begins a folder that will be `destination`.
    pub fn folder(destination: &Utf8Path, placing: Placing) -> Result<Self> {
        let staging = Self::begin(destination, false, placing)?;
        fs_err::create_dir(staging.root())?;
        Ok(staging)
    }

    /// Begins a folder that will be packed into the ZIP archive `destination`.
    pub fn archive(destination: &Utf8Path, placing: Placing) -> Result<Self> {
        let mut staging = Self::folder(destination, placing)?;
        staging.is_archive = true;
        Ok(staging)
    }

    /// Begins a single file that will be `destination`; images stay where they are.
    pub fn file(destination: &Utf8Path) -> Result<Self> {
        Self::begin(destination, true, Placing::Leave)
    }

    fn begin(destination: &Utf8Path, is_file: bool, placing: Placing) -> Result<Self> {
        if destination.symlink_metadata().is_ok() {
            return Err(FormatError::Exists { path: destination.to_owned() });
        }
        let name = destination.file_name().unwrap_or("out");
        let parent = destination.parent().unwrap_or("".into());
        if !parent.as_str().is_empty() {
            fs_err::create_dir_all(parent)?;
        }
        let temporary = parent.join(format!(".{name}.{}.part", std::process::id()));
        Ok(Self {
            destination: destination.to_owned(),
            temporary: Some(temporary),
            is_file,
            is_archive: false,
            placing,
            folders: Mutex::default(),
            missing: Mutex::default(),
            notes: Mutex::default(),
        })
    }

    /// Tells whether the data set is to be one file, written with [`Staging::create_single`].
    pub fn is_file(&self) -> bool {
        self.is_file
    }

    /// What happens to the files of images.
    pub fn placing(&self) -> Placing {
        self.placing
    }

    /// Where it will be.
    pub fn destination(&self) -> &Utf8Path {
        &self.destination
    }

    fn root(&self) -> &Utf8Path {
        self.temporary.as_deref().unwrap_or(&self.destination)
    }

    /// Opens the single file.
    pub fn create_single(&self) -> Result<BufWriter<fs_err::File>> {
        Ok(BufWriter::with_capacity(1 << 17, fs_err::File::create(self.root())?))
    }

    /// Opens a new file of the folder, with the folders above it.
    pub fn create(&self, relative: impl AsRef<Utf8Path>) -> Result<BufWriter<fs_err::File>> {
        Ok(BufWriter::with_capacity(
            1 << 17,
            fs_err::File::create(self.prepare(relative.as_ref())?)?,
        ))
    }

    /// Writes a file of the folder whole.
    pub fn write(&self, relative: impl AsRef<Utf8Path>, content: &[u8]) -> Result<()> {
        let mut file = fs_err::File::create(self.prepare(relative.as_ref())?)?;
        file.write_all(content)?;
        Ok(())
    }

    /// Puts the file of `image` at `relative`; a missing one is remembered, not an error.
    pub fn place_image(&self, image: &Image, relative: impl AsRef<Utf8Path>) -> Result<()> {
        if self.placing == Placing::Leave {
            return Ok(());
        }
        let Some(file) = &image.file else {
            if let Ok(mut missing) = self.missing.lock() {
                missing.push(image.name.clone());
            }
            return Ok(());
        };
        let to = self.prepare(relative.as_ref())?;
        match (self.placing, &image.derivation) {
            (Placing::Leave, _) => {}
            (Placing::Encode(encoding), derivation) => {
                pixels::encode(file, derivation.as_deref(), &to, encoding)?;
            }
            (_, Some(derivation)) => {
                let encoding = pixels::encoding_of(&to);
                pixels::encode(file, Some(derivation), &to, encoding)?;
            }
            // another kind of image than it was
            (Placing::Link | Placing::Copy, None) if becomes_png(file, &to) => {
                pixels::encode(file, None, &to, Encoding::Png)?;
            }
            (Placing::Link, None) => {
                let file = file.canonicalize_utf8()?;
                if fs_err::hard_link(&file, &to).is_err() {
                    fs_err::copy(&file, &to)?;
                }
            }
            (Placing::Copy, None) => {
                fs_err::copy(file, &to)?;
            }
        }
        Ok(())
    }

    /// The names of images that were to be placed and whose files are missing.
    pub fn missing(&self) -> Vec<Box<str>> {
        let mut missing = self.missing.lock().map(|names| names.clone()).unwrap_or_default();
        missing.sort_unstable();
        missing
    }

    /// Returns how many bytes a file of the folder has that was written.
    pub fn size(&self, relative: impl AsRef<Utf8Path>) -> Option<u64> {
        Some(self.root().join(relative).metadata().ok()?.len())
    }

    /// Says something to the user, in whole sentences.
    pub fn note(&self, what: impl Into<String>) {
        if let Ok(mut notes) = self.notes.lock() {
            notes.push(what.into());
        }
    }

    /// What was said to the user.
    pub fn notes(&self) -> Vec<String> {
        self.notes.lock().map(|notes| notes.clone()).unwrap_or_default()
    }

    fn prepare(&self, relative: &Utf8Path) -> Result<Utf8PathBuf> {
        let inside = relative.components().all(|part| {
            matches!(part, camino::Utf8Component::Normal(_) | camino::Utf8Component::CurDir)
        });
        if !inside {
            return Err(FormatError::refused(
                Position::whole(&self.destination),
                format!("`{relative}` leads out of the folder"),
            ));
        }
        let path = self.root().join(relative);
        if let Some(parent) = path.parent()
            && let Ok(mut folders) = self.folders.lock()
            && folders.insert(parent.to_owned())
        {
            fs_err::create_dir_all(parent)?;
        }
        Ok(path)
    }

    /// Gives what was written its final name.
    pub fn finish(mut self) -> Result<()> {
        if self.destination.symlink_metadata().is_ok() {
            return Err(FormatError::Exists { path: self.destination.clone() });
        }
        if self.is_archive {
            let packed = self.root().with_extension("zip.part");
            let renamed = archive::pack(self.root(), &packed)
                .and_then(|()| Ok(fs_err::rename(&packed, &self.destination)?));
            if renamed.is_err() {
                // it keeps its temporary name if it can't be removed either
                let _ = fs_err::remove_file(&packed);
            }
            // dropping removes what was packed
            return renamed;
        }
        fs_err::rename(self.root(), &self.destination)?;
        self.temporary = None;
        Ok(())
    }
}

/// Tells by its ending whether a file that is no PNG is to be one: another kind of image is written
/// anew.
fn becomes_png(file: &Utf8Path, to: &Utf8Path) -> bool {
    let is_png =
        |path: &Utf8Path| path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("png"));
    is_png(to) && !is_png(file)
}

impl Drop for Staging {
    fn drop(&mut self) {
        if let Some(temporary) = &self.temporary {
            // nothing to be done about what can't be removed: it keeps its temporary name
            let _ = if self.is_file {
                fs_err::remove_file(temporary)
            } else {
                fs_err::remove_dir_all(temporary)
            };
        }
    }
}
