//! Reads zip archives.

use std::io::{BufReader, Read};

use ::zip::ZipArchive;
use ::zip::result::ZipError;
use fs_err::File;

use super::ArchiveError;
use super::unpack::{Aside, Job, commit_in, is_left_out};
use crate::acquire::member::{NameRules, member_path};
use crate::acquire::tree_writer::{MemberError, NewFile, TreeError};

/// The most bytes of a link's target.
const TARGET: u64 = 4096;

/// Writes all members.
pub(super) fn read(job: &mut Job<'_>, file: BufReader<File>) -> Result<Aside, ArchiveError> {
    let name = job.archive.to_owned();
    let corrupt = |member: Option<&str>, source| ArchiveError::CorruptZip {
        archive: name.clone(),
        member: member.map(str::to_owned),
        source,
    };
    let mut archive = ZipArchive::new(file).map_err(|error| corrupt(None, error))?;
    // of two members with one name the reader keeps one, and programs differ in which
    if archive.has_duplicate_names() {
        let member = name.clone();
        return Err(ArchiveError::of_tree(&name, TreeError::Duplicate { member }));
    }
    let members = archive.len() as u64;
    if members > job.limits.members {
        let limit = job.limits.members;
        return Err(ArchiveError::of_tree(&name, TreeError::TooMany { limit }));
    }
    job.total = Some(members);
    let commit = commit_in(archive.comment());
    for at in 0..archive.len() {
        let member = match archive.name_for_index(at) {
            Some(Ok(name)) => name.into_owned(),
            Some(Err(error)) => return Err(corrupt(None, error)),
            None => continue,
        };
        let entry = archive.by_index(at).map_err(|source| match source {
            ZipError::UnsupportedArchive(ZipError::PASSWORD_REQUIRED) => {
                ArchiveError::Encrypted { archive: name.clone(), member: member.clone() }
            }
            ZipError::CompressionMethodNotSupported(method) => ArchiveError::UnknownMethod {
                archive: name.clone(),
                member: member.clone(),
                method: method.to_string(),
            },
            ZipError::UnsupportedArchive(method) => ArchiveError::UnknownMethod {
                archive: name.clone(),
                member: member.clone(),
                method: method.to_owned(),
            },
            source => corrupt(Some(&member), source),
        })?;
        read_member(job, &member, entry).map_err(|error| match error {
            MemberError::Read(source) => corrupt(Some(&member), ZipError::Io(source)),
            MemberError::Tree(source) => ArchiveError::of_tree(&name, source),
        })?;
        job.advance();
    }
    Ok(Aside { commit, notes: Vec::new() })
}

fn read_member(
    job: &mut Job<'_>,
    name: &str,
    mut entry: ::zip::read::ZipFile<'_, BufReader<File>>,
) -> Result<(), MemberError> {
    let path = member_path(name.as_bytes(), NameRules::Zip)?;
    if is_left_out(&path) {
        job.left_out += 1;
        return Ok(());
    }
    let mode = entry.unix_mode();
    // the kind of file, as in `stat`: 0 where the archive was not made on Unix
    match mode.map_or(0, |mode| mode & 0o170_000) {
        0o010_000 => return Err(TreeError::SpecialFile { member: path, kind: "pipe" }.into()),
        0o020_000 | 0o060_000 => {
            return Err(TreeError::SpecialFile { member: path, kind: "device" }.into());
        }
        0o140_000 => return Err(TreeError::SpecialFile { member: path, kind: "socket" }.into()),
        _ => {}
    }
    if entry.is_symlink() {
        let mut target = Vec::new();
        entry.by_ref().take(TARGET).read_to_end(&mut target).map_err(MemberError::Read)?;
        return Ok(job.writer.link(&path, &target)?);
    }
    if name.ends_with('/') {
        return Ok(job.writer.folder(&path)?);
    }
    let new = NewFile {
        path: &path,
        executable: mode.is_some_and(|mode| mode & 0o100 != 0),
        modified: entry.last_modified().and_then(seconds),
        packed: Some(entry.compressed_size()),
    };
    job.writer.file(new, &mut entry)
}

/// Reads the time of change, which zip keeps without a zone: as if in UTC.
fn seconds(time: ::zip::DateTime) -> Option<i64> {
    let part = |part: u8| i8::try_from(part).ok();
    let civil = jiff::civil::DateTime::new(
        i16::try_from(time.year()).ok()?,
        part(time.month())?,
        part(time.day())?,
        part(time.hour())?,
        part(time.minute())?,
        part(time.second())?,
        0,
    )
    .ok()?;
    // 1980-01-01 is what writes who does not know
    let known = civil.year() > 1980;
    known.then(|| jiff::tz::TimeZone::UTC.to_timestamp(civil).ok())?.map(jiff::Timestamp::as_second)
}
