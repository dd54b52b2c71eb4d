//! Reads tar archives.

use std::io::{self, BufReader, Read};
use std::rc::Rc;

use ::tar::{Archive, Entry, EntryType};
use fs_err::File;

use super::ArchiveError;
use super::format::Packing;
use super::metered::{Meter, Packed, Unpacked};
use super::unpack::{Aside, Job, commit_in, is_left_out};
use crate::acquire::member::{NameRules, member_path};
use crate::acquire::tree_writer::{MemberError, NewFile, TreeError};

/// The most memory that a packed stream may ask for to be unpacked.
const MEMORY: u64 = 1 << 30;

type Stream = Unpacked<Box<dyn Read>>;

/// Writes all members.
pub(super) fn read(
    job: &mut Job<'_>,
    packing: Packing,
    file: BufReader<File>,
) -> Result<Aside, ArchiveError> {
    let meter = Rc::new(Meter::default());
    let mut member = None;
    let result = unpacked(packing, file, &meter).map_err(MemberError::Read).and_then(|stream| {
        read_members(job, Unpacked(stream, Rc::clone(&meter), job.limits), &mut member)
    });
    result.map_err(|error| match error {
        MemberError::Read(_) if meter.has_tripped() => {
            let member = member.take().unwrap_or_else(|| job.archive.to_owned());
            let ratio = job.limits.ratio;
            ArchiveError::of_tree(job.archive, TreeError::Bomb { member, ratio })
        }
        MemberError::Read(source) => {
            ArchiveError::Corrupt { archive: job.archive.to_owned(), member: member.take(), source }
        }
        MemberError::Tree(source) => ArchiveError::of_tree(job.archive, source),
    })
}

fn unpacked(
    packing: Packing,
    file: BufReader<File>,
    meter: &Rc<Meter>,
) -> io::Result<Box<dyn Read>> {
    let packed = Packed(file, Rc::clone(meter));
    Ok(match packing {
        // what is not packed cannot be a bomb: the ratio is one
        Packing::Plain => Box::new(packed),
        Packing::Gzip => Box::new(flate2::read::MultiGzDecoder::new(packed)),
        Packing::Bzip2 => Box::new(bzip2::read::MultiBzDecoder::new(packed)),
        Packing::Xz => {
            let stream =
                liblzma::stream::Stream::new_stream_decoder(MEMORY, liblzma::stream::CONCATENATED)
                    .map_err(io::Error::from)?;
            Box::new(liblzma::read::XzDecoder::new_stream(packed, stream))
        }
        // zstd's own default limits its memory to 128 MiB
        Packing::Zstd => Box::new(zstd::stream::read::Decoder::new(packed)?),
    })
}

fn read_members(
    job: &mut Job<'_>,
    stream: Stream,
    member: &mut Option<String>,
) -> Result<Aside, MemberError> {
    let meter = Rc::clone(&stream.1);
    let mut aside = Aside::default();
    let mut archive = Archive::new(stream);
    let mut entries = archive.entries().map_err(MemberError::Read)?;
    loop {
        meter.begin_headers();
        let Some(entry) = entries.next() else { break };
        let mut entry = entry.map_err(MemberError::Read)?;
        *member = Some(String::from_utf8_lossy(&entry.path_bytes()).escape_debug().to_string());
        if entry.header().entry_type() == EntryType::XGlobalHeader {
            // `git archive` writes the commit there
            aside.commit = aside.commit.or(global_comment(&mut entry));
        } else {
            meter.begin_content();
            read_member(job, &mut entry)?;
        }
        // what was not wanted of this member is no header of the next one
        meter.begin_content();
        io::copy(&mut entry, &mut io::sink()).map_err(MemberError::Read)?;
        job.advance();
    }
    if !meter.ends_in_zeros() {
        aside.notes.push("the archive has no end mark; it may be cut off".to_owned());
    }
    meter.begin_content();
    check_end(archive.into_inner()).map_err(MemberError::Read)?;
    Ok(aside)
}

/// Reads what follows the archive in its stream, so that the stream's checksum is checked.
fn check_end(mut stream: Stream) -> io::Result<()> {
    match io::copy(&mut stream, &mut io::sink()) {
        // some programs fill the last block of a packed file with anything
        Err(error) if error.kind() == io::ErrorKind::InvalidInput && is_padding(&error) => Ok(()),
        result => result.map(drop),
    }
}

fn is_padding(error: &io::Error) -> bool {
    error.to_string().contains("invalid gzip header")
}

fn read_member(job: &mut Job<'_>, entry: &mut Entry<'_, impl Read>) -> Result<(), MemberError> {
    let path = member_path(&entry.path_bytes(), NameRules::Tar)?;
    if is_left_out(&path) {
        job.left_out += 1;
        return Ok(());
    }
    let kind = entry.header().entry_type();
    let mode = entry.header().mode().unwrap_or(0o644);
    let new = NewFile {
        path: &path,
        executable: mode & 0o100 != 0,
        modified: entry.header().mtime().ok().and_then(|time| i64::try_from(time).ok()),
        // a sparse file is packed by its holes, which no stream counts
        packed: entry.header().entry_size().ok().filter(|_| kind.is_gnu_sparse()),
    };
    let special = |kind| Err(TreeError::SpecialFile { member: path.clone(), kind }.into());
    match kind {
        EntryType::Directory => Ok(job.writer.folder(&path)?),
        // a folder in the tars of before POSIX
        EntryType::Regular if entry.path_bytes().ends_with(b"/") => Ok(job.writer.folder(&path)?),
        EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
            let size = entry.size();
            let mut content = Counted { inner: entry, count: 0 };
            job.writer.file(new, &mut content)?;
            if content.count < size {
                return Err(MemberError::Read(io::ErrorKind::UnexpectedEof.into()));
            }
            Ok(())
        }
        EntryType::Symlink => {
            let target = entry.link_name_bytes().unwrap_or_default().into_owned();
            Ok(job.writer.link(&path, &target)?)
        }
        EntryType::Link => {
            let target = entry.link_name_bytes().unwrap_or_default().into_owned();
            let target = member_path(&target, NameRules::Tar).map_err(|_| {
                let target = String::from_utf8_lossy(&target).escape_debug().to_string();
                TreeError::EscapingLink { member: path.clone(), target }
            })?;
            job.writer.hard_link(new, &target)
        }
        EntryType::Fifo => special("pipe"),
        EntryType::Char | EntryType::Block => special("device"),
        _ => special("member of an unknown type"),
    }
}

struct Counted<R> {
    inner: R,
    count: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.count += count as u64;
        Ok(count)
    }
}

/// Reads the record `comment` of a global PAX header: `52 comment=COMMIT`.
fn global_comment(entry: &mut Entry<'_, impl Read>) -> Option<String> {
    let mut records = Vec::new();
    entry.take(4096).read_to_end(&mut records).ok()?;
    records.split(|byte| *byte == b'\n').find_map(|record| {
        let text = std::str::from_utf8(record).ok()?;
        commit_in(text.split_once(" comment=")?.1.as_bytes())
    })
}
