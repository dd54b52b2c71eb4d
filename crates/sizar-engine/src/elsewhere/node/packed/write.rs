//! Writes a packed folder.

use std::io;
use std::path::{Path, PathBuf};

use camino::Utf8Path;
use fs_err as fs;
use rayon::prelude::*;

use super::super::relocate::{LARGEST_TEXT, Move, as_rewritten, place_of};
use super::{Contents, END, SKIPPABLE};

/// How much of files one segment holds.
pub(super) const SEGMENT: u64 = 8 << 20;
/// How hard it packs: for reading once by many, at the speed of a disk.
const LEVEL: i32 = 3;

/// A file, a link, or an empty folder.
#[derive(Debug)]
pub(in super::super::super) struct Member {
    pub from: PathBuf,
    /// What it is called in the packed form.
    pub name: PathBuf,
    size: u64,
    is_link: bool,
}

/// Lists what lies below `root` and is `wanted`, under names that begin with `prefix`.
///
/// # Errors
///
/// What the operating system says.
pub(in super::super::super) fn list(
    root: &Utf8Path,
    prefix: &Path,
    wanted: impl Fn(&Path) -> bool + Send + Sync + 'static,
) -> io::Result<Vec<Member>> {
    let mut members = Vec::new();
    let mut walk = ignore::WalkBuilder::new(root);
    walk.standard_filters(false).sort_by_file_path(Ord::cmp);
    for entry in walk.filter_entry(move |entry| wanted(entry.path())).build() {
        let entry = entry.map_err(io::Error::other)?;
        let below = entry.path().strip_prefix(root).map_err(io::Error::other)?;
        let name = prefix.join(below);
        let metadata = entry.metadata().map_err(io::Error::other)?;
        let is_empty = || fs::read_dir(entry.path()).is_ok_and(|mut inner| inner.next().is_none());
        let has_name = !below.as_os_str().is_empty();
        if metadata.is_file()
            || metadata.is_symlink()
            || (metadata.is_dir() && has_name && is_empty())
        {
            let size = if metadata.is_file() { metadata.len() } else { 0 };
            let is_link = metadata.is_symlink();
            members.push(Member { from: entry.path().to_owned(), name, size, is_link });
        }
    }
    Ok(members)
}

/// Writes the packed form of `members`, with the places that `moves` renames.
///
/// The same members give the same bytes, so that what was sent in part can go on.
///
/// # Errors
///
/// What the operating system says.
pub(in super::super::super) fn pack(
    to: &mut impl io::Write,
    mut members: Vec<Member>,
    moves: &[Move],
) -> io::Result<()> {
    // links last: nothing is unpacked through one
    members.sort_by_key(|member| member.is_link);
    let bytes = members.iter().map(|member| member.size).sum();
    let mut contents = Contents { bytes, files: members.len() as u64, segments: Vec::new() };
    let mut at = 0;
    // so many at once are in memory
    let at_once = 2 * rayon::current_num_threads();
    for some in groups(&members).chunks(at_once) {
        let segments: Vec<Vec<u8>> =
            some.par_iter().map(|group| segment(group, moves)).collect::<io::Result<_>>()?;
        for segment in segments {
            to.write_all(&segment)?;
            contents.segments.push((at, segment.len() as u64));
            at += segment.len() as u64;
        }
    }
    write_contents(to, &contents)
}

/// Writes `members` as one plain archive, with the places that `moves` renames.
///
/// # Errors
///
/// What the operating system says.
pub(in super::super::super) fn archive(
    to: &mut impl io::Write,
    members: &[Member],
    moves: &[Move],
) -> io::Result<()> {
    let mut archive = tar::Builder::new(to);
    archive.follow_symlinks(false);
    members.iter().try_for_each(|member| append(&mut archive, member, moves))?;
    archive.finish()
}

/// Parts members into groups of about [`SEGMENT`], and links from the rest.
fn groups(members: &[Member]) -> Vec<&[Member]> {
    let mut groups = Vec::new();
    let (mut from, mut size) = (0, 0);
    for (number, member) in members.iter().enumerate() {
        let first_link = member.is_link && number > 0 && !members[number - 1].is_link;
        if (size > 0 && size + member.size > SEGMENT) || first_link {
            groups.push(&members[from..number]);
            (from, size) = (number, 0);
        }
        // a member takes a header and what fills its last block
        size += member.size + 1024;
    }
    groups.push(&members[from..]);
    groups
}

fn segment(members: &[Member], moves: &[Move]) -> io::Result<Vec<u8>> {
    let mut packed = zstd::Encoder::new(Vec::new(), LEVEL)?;
    packed.include_checksum(true)?;
    let mut archive = tar::Builder::new(packed);
    archive.follow_symlinks(false);
    archive.mode(tar::HeaderMode::Complete);
    members.iter().try_for_each(|member| append(&mut archive, member, moves))?;
    archive.into_inner()?.finish()
}

fn append(
    archive: &mut tar::Builder<impl io::Write>,
    member: &Member,
    moves: &[Move],
) -> io::Result<()> {
    let Member { from, name, .. } = member;
    if member.is_link && !moves.is_empty() {
        let target = fs::read_link(from)?;
        let target = match Utf8Path::from_path(&target) {
            Some(target) if target.is_absolute() => place_of(target, moves).into_std_path_buf(),
            _ => target,
        };
        let mut header = tar::Header::new_gnu();
        header.set_metadata(&fs::symlink_metadata(from)?);
        header.set_size(0);
        return archive.append_link(&mut header, name, target);
    }
    if !moves.is_empty() && (1..=LARGEST_TEXT).contains(&member.size) {
        let metadata = fs::symlink_metadata(from)?;
        if let Some(text) = as_rewritten(&fs::read(from)?, moves) {
            let mut header = tar::Header::new_gnu();
            header.set_metadata(&metadata);
            header.set_size(text.len() as u64);
            return archive.append_data(&mut header, name, text.as_slice());
        }
    }
    archive.append_path_with_name(from, name)
}

/// Writes the list of segments as a frame that decoders skip.
fn write_contents(to: &mut impl io::Write, contents: &Contents) -> io::Result<()> {
    let text = serde_json::to_vec(contents)?;
    let sum = crc32fast::hash(&text);
    let length = u32::try_from(text.len() + 4 + 4 + END.len()).map_err(io::Error::other)?;
    to.write_all(&SKIPPABLE.to_le_bytes())?;
    to.write_all(&length.to_le_bytes())?;
    to.write_all(&text)?;
    to.write_all(&sum.to_le_bytes())?;
    to.write_all(&length.to_le_bytes())?;
    to.write_all(END)
}
