//! An environment as one file, so that a node does not ask a file server for each of its modules.
//!
//! One that was made elsewhere is sent as such a file. Of others, the first job that copied one to its
//! node leaves it packed beside the environments. Later ones read that one file from its beginning to its end. It is made of segments that are
//! unpacked side by side: each is a zstd frame with a checksum and holds a tar archive of some
//! megabytes, or of one large file. Where the segments lie says a skippable frame at the end
//! (RFC 8878, 3.1.2), so that `tar --zstd --ignore-zeros -x` reads it, too.

mod write;

use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::Path;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use sizar_model::Digest;

pub(in super::super) use self::write::{archive, list, pack};
use crate::home::Home;

/// Where packed environments lie, below the root.
pub(in super::super) const FOLDER: &str = "cache/packed";
/// From so many files on it is worth it.
const FILES: u64 = 500;
/// A frame that decoders skip, and how the one of ours ends.
const SKIPPABLE: u32 = 0x184D_2A50;
const END: &[u8; 8] = b"sizarpck";
/// The longest list of segments that is believed.
const LONGEST: u64 = 64 << 20;
/// After how long a job that packs is taken for killed.
const PACKING: Duration = Duration::from_hours(1);

/// What is in a file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Contents {
    bytes: u64,
    files: u64,
    /// Where the segments begin, and how long they are.
    segments: Vec<(u64, u64)>,
}

/// A packed folder.
#[derive(Debug)]
pub(super) struct Packed {
    path: Utf8PathBuf,
    /// What bears the name later may be another packing of the same, with segments of its own.
    file: fs::File,
    contents: Contents,
}

impl Packed {
    /// Finds the packed form of a folder as it is now, or as it was sent.
    pub fn find(shared: &Home, folder: &Utf8Path) -> Option<Self> {
        let path = match sent_as(folder) {
            Some(path) => path,
            None => path_of(shared, folder).ok()?,
        };
        let mut file = fs::File::open(&path).ok()?;
        let contents = read_contents(&mut file).ok()?;
        // it was wanted: what sweeps looks at the time
        if let Ok(file) = fs::OpenOptions::new().append(true).open(&path) {
            let _ = file.file().set_modified(std::time::SystemTime::now());
        }
        Some(Self { path, file, contents })
    }

    /// Names it as it is now.
    pub fn name(&self) -> io::Result<String> {
        name_of(&self.path)
    }

    pub fn bytes(&self) -> u64 {
        self.contents.bytes
    }

    pub fn files(&self) -> u64 {
        self.contents.files
    }

    /// Removes it, where it failed because it is not what it should be: it is made or sent anew.
    pub fn remove_if_rotten(&self, error: &io::Error) {
        // what the operating system says may be true of a moment
        if error.raw_os_error().is_none() {
            let _ = fs::remove_file(&self.path);
        }
    }

    /// Unpacks it to `to`, which does not exist.
    ///
    /// # Errors
    ///
    /// Also where it was damaged.
    pub fn unpack(&self, to: &Utf8Path) -> io::Result<()> {
        fs::create_dir_all(to)?;
        self.contents.segments.par_iter().with_max_len(1).try_for_each(|(offset, length)| {
            let segment = Segment { file: &self.file, at: *offset };
            let segment = zstd::Decoder::new(segment.take(*length))?;
            let mut archive = tar::Archive::new(segment);
            // whoever made a file writable only for itself is the one who reads it
            archive.set_preserve_permissions(true);
            archive.unpack(to)?;
            // the checksum comes last
            io::copy(&mut archive.into_inner(), &mut io::sink()).map(drop)
        })
    }
}

/// A file from one place on; several are read at once.
struct Segment<'a> {
    file: &'a fs::File,
    at: u64,
}

impl io::Read for Segment<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.file().read_at(buffer, self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}

/// Leaves the packed form of `folder`, of which `copy` is a copy nearby; returns whether it did: of
/// jobs that want to at once, one does.
///
/// # Errors
///
/// What the operating system says; nothing is left under the name then.
pub(super) fn leave(shared: &Home, folder: &Utf8Path, copy: &Utf8Path) -> io::Result<bool> {
    let path = path_of(shared, folder)?;
    let members = list(copy, Path::new(""), |_| true)?;
    if (members.len() as u64) < FILES || path.exists() {
        return Ok(false);
    }
    let parent = path.parent().unwrap_or(Utf8Path::new("."));
    fs::create_dir_all(parent)?;
    let Some(_turn) = Turn::take(path.with_extension("packing"))? else { return Ok(false) };
    let mut new = tempfile::Builder::new().prefix(".new-").tempfile_in(parent)?;
    pack(new.as_file_mut(), members, &[])?;
    new.as_file().sync_all()?;
    new.persist(&path).map_err(|error| error.error)?;
    Ok(true)
}

/// Returns where the packed form of a folder lies.
fn path_of(shared: &Home, folder: &Utf8Path) -> io::Result<Utf8PathBuf> {
    Ok(shared.root().join(FOLDER).join(format!("{}.tar.zst", name_of(folder)?)))
}

/// Names a folder as it is now: one that was made anew has another name.
pub(super) fn name_of(folder: &Utf8Path) -> io::Result<String> {
    let now = fs::metadata(folder)?;
    let text = format!("{folder}\0{}\0{}\0{}", now.ino(), now.mtime(), now.mtime_nsec());
    Ok(Digest::of(text.as_bytes()).short())
}

/// The packed form of what was sent lies beside its folder.
pub(in super::super) const SENT: &str = "packed.tar.zst";
/// The folder that it is the packed form of.
pub(in super::super) const TREE: &str = "tree";

/// Returns where the packed form of a folder lies that was sent as one file.
fn sent_as(folder: &Utf8Path) -> Option<Utf8PathBuf> {
    let path = folder.parent()?.join(SENT);
    (folder.file_name() == Some(TREE) && path.is_file()).then_some(path)
}

/// The right to pack, for one of several jobs: a folder, which also file servers make only once.
struct Turn(Utf8PathBuf);

impl Turn {
    fn take(path: Utf8PathBuf) -> io::Result<Option<Self>> {
        let left = fs::metadata(&path).and_then(|metadata| metadata.modified());
        if left.is_ok_and(|time| time.elapsed().is_ok_and(|elapsed| elapsed > PACKING)) {
            let _ = fs::remove_dir(&path);
        }
        match fs::create_dir(&path) {
            Ok(()) => Ok(Some(Self(path))),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}

fn read_contents(file: &mut fs::File) -> io::Result<Contents> {
    let torn = || io::Error::other("it is torn");
    let whole = file.metadata()?.len();
    let tail = 4 + 4 + END.len() as u64;
    file.seek(SeekFrom::Start(whole.checked_sub(tail).ok_or_else(torn)?))?;
    let mut end = Vec::new();
    file.read_to_end(&mut end)?;
    let (sum, rest) = end.split_first_chunk::<4>().ok_or_else(torn)?;
    let (length, rest) = rest.split_first_chunk::<4>().ok_or_else(torn)?;
    let length = u64::from(u32::from_le_bytes(*length));
    if rest != END || length > LONGEST.min(whole) || length < tail {
        return Err(torn());
    }
    file.seek(SeekFrom::Start(whole - length))?;
    let mut text = vec![0; (length - tail) as usize];
    file.read_exact(&mut text)?;
    if crc32fast::hash(&text).to_le_bytes() != *sum {
        return Err(torn());
    }
    Ok(serde_json::from_slice(&text)?)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    /// A folder with many small files, a large one, a program, links, and one with nothing in it.
    fn environment(root: &Utf8Path) -> Utf8PathBuf {
        let folder = root.join("env");
        for number in 0..FILES {
            let package = folder.join(format!("lib/package{}", number % 7));
            fs::create_dir_all(&package).unwrap();
            fs::write(package.join(format!("m{number}.py")), number.to_string()).unwrap();
        }
        let large: Vec<u8> =
            (0..write::SEGMENT / 2).flat_map(|n| (n as u32).to_le_bytes()).collect();
        fs::write(folder.join("lib/large.so"), large).unwrap();
        fs::create_dir_all(folder.join("bin")).unwrap();
        fs::create_dir_all(folder.join("share/none")).unwrap();
        fs::write(folder.join("bin/tool"), "#!/bin/sh\n").unwrap();
        let program = std::fs::Permissions::from_mode(0o555);
        fs::set_permissions(folder.join("bin/tool"), program).unwrap();
        fs_err::os::unix::fs::symlink("lib", folder.join("lib64")).unwrap();
        fs_err::os::unix::fs::symlink("/usr/bin/python3", folder.join("bin/python")).unwrap();
        folder
    }

    /// What counts of a tree: bytecode is looked up by the times of its sources.
    fn tree(root: &Utf8Path) -> Vec<(Utf8PathBuf, u32, i64, String)> {
        let one = |member: write::Member| {
            let path = Utf8PathBuf::try_from(member.name).unwrap();
            let full = root.join(&path);
            let metadata = fs::symlink_metadata(&full).unwrap();
            let content = match fs::read_link(&full) {
                Ok(target) => target.to_string_lossy().into_owned(),
                Err(_) => Digest::of(&fs::read(&full).unwrap_or_default()).short(),
            };
            let mode = if metadata.is_symlink() { 0 } else { metadata.mode() };
            let time = if metadata.is_file() { metadata.mtime() } else { 0 };
            (path, mode, time, content)
        };
        list(root, Path::new(""), |_| true).unwrap().into_iter().map(one).collect()
    }

    #[test]
    fn what_is_unpacked_is_what_was_packed_and_damage_is_found() {
        let temporary = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(temporary.path()).unwrap();
        let (home, folder) = (Home::at(root.join("home")), environment(root));
        assert!(Packed::find(&home, &folder).is_none());
        assert!(leave(&home, &folder, &folder).unwrap());
        assert!(!leave(&home, &folder, &folder).unwrap(), "it is there already");
        let packed = Packed::find(&home, &folder).unwrap();
        assert!(packed.contents.segments.len() >= 3, "{:?}", packed.contents);
        assert_eq!(packed.files(), FILES + 5);
        let copy = root.join("copy");
        packed.unpack(&copy).unwrap();
        let (came, was) = (tree(&copy), tree(&folder));
        assert_eq!(came.len(), was.len());
        came.iter().zip(&was).for_each(|(came, was)| assert_eq!(came, was));
        // another that was sent at the same time takes the name meanwhile
        fs::rename(&packed.path, root.join("aside")).unwrap();
        fs::write(&packed.path, "another packing").unwrap();
        packed.unpack(&root.join("meanwhile")).unwrap();
        assert_eq!(tree(&root.join("meanwhile")), was);
        fs::rename(root.join("aside"), &packed.path).unwrap();
        // one that is made anew at the same place is another
        fs::rename(&folder, root.join("old")).unwrap();
        fs::create_dir_all(&folder).unwrap();
        assert!(Packed::find(&home, &folder).is_none());
        // what rotted is not taken for an environment
        let mut bytes = fs::read(&packed.path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0x10;
        fs::write(&packed.path, &bytes).unwrap();
        assert!(packed.unpack(&root.join("rotten")).is_err());
        bytes.truncate(bytes.len() - 1);
        fs::write(&packed.path, &bytes).unwrap();
        let mut file = fs::File::open(&packed.path).unwrap();
        assert!(read_contents(&mut file).is_err());
    }

    #[test]
    fn of_two_that_pack_one_does() {
        let temporary = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(temporary.path()).unwrap().join("x.packing");
        let turn = Turn::take(path.clone()).unwrap();
        assert!(turn.is_some());
        assert!(Turn::take(path.clone()).unwrap().is_none());
        drop(turn);
        assert!(Turn::take(path).unwrap().is_some());
    }
}
