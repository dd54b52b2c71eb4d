//! Writes the tree of a commit.

use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::process::{ChildStdout, Stdio};

use sizar_model::progress::Unit;
use sizar_model::{Activity, Progress, SafeUrl};

use super::program::Guard;
use super::{GitError, Mirror};
use crate::acquire::AcquireOptions;
use crate::acquire::member::{NameRules, is_in_git_folder, member_path};
use crate::acquire::tree_writer::{MemberError, NewFile, TreeWriter};
use crate::home::Home;

/// The most bytes of a link's target.
const TARGET: u64 = 4096;
/// How many names a note lists.
const LISTED: usize = 3;

/// The work of writing a commit with its submodules.
pub struct LayOut<'a> {
    pub home: &'a Home,
    pub options: AcquireOptions,
    pub progress: &'a dyn Progress,
    pub writer: &'a mut TreeWriter,
    pub(super) found: LaidOut,
}

/// What was found on the way.
#[derive(Debug, Default)]
pub struct LaidOut {
    /// What a person should know.
    pub notes: Vec<String>,
    /// Whether something is missing that another time may be there.
    pub incomplete: bool,
    /// How many submodules were entered.
    pub submodules: usize,
}

/// An entry of a commit's tree.
struct Entry {
    mode: Mode,
    object: String,
    /// Where it goes, with the folder of the submodule.
    path: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    File,
    Executable,
    Link,
}

/// A commit of another repository in a commit's tree.
pub(super) struct Submodule {
    pub path: String,
    pub commit: String,
}

impl<'a> LayOut<'a> {
    /// Prepares to write through `writer`.
    pub fn new(
        home: &'a Home,
        options: AcquireOptions,
        progress: &'a dyn Progress,
        writer: &'a mut TreeWriter,
    ) -> Self {
        Self { home, options, progress, writer, found: LaidOut::default() }
    }

    /// Writes `commit` of `mirror`, with its submodules.
    ///
    /// # Errors
    ///
    /// [`GitError::Tree`] where the tree is refused or cannot be written.
    pub fn run(mut self, mirror: &Mirror, commit: &str) -> Result<LaidOut, GitError> {
        self.lay_out(mirror, commit, "", 0)?;
        Ok(self.found)
    }

    pub(super) fn lay_out(
        &mut self,
        mirror: &Mirror,
        commit: &str,
        folder: &str,
        depth: usize,
    ) -> Result<(), GitError> {
        let listing = mirror.git().read(&["ls-tree", "-r", "-z", "--full-tree", commit])?;
        let mut entries = Vec::new();
        let mut submodules = Vec::new();
        let mut unnamable = Vec::new();
        for record in listing.split(|byte| *byte == 0).filter(|record| !record.is_empty()) {
            let (mode, object, name) =
                read_record(record).ok_or(GitError::Output { command: "ls-tree" })?;
            let path = match member_path(name, NameRules::Git) {
                Ok(path) if !is_in_git_folder(&path) => path,
                _ => {
                    unnamable.push(String::from_utf8_lossy(name).escape_debug().to_string());
                    continue;
                }
            };
            let whole = if folder.is_empty() { path.clone() } else { format!("{folder}/{path}") };
            let object = object.to_owned();
            match mode {
                "100755" => entries.push(Entry { mode: Mode::Executable, object, path: whole }),
                "120000" => entries.push(Entry { mode: Mode::Link, object, path: whole }),
                "160000" => submodules.push(Submodule { path, commit: object }),
                _ => entries.push(Entry { mode: Mode::File, object, path: whole }),
            }
        }
        if !unnamable.is_empty() {
            let names = list(&unnamable);
            self.found.notes.push(format!("files with unusable names were left out: {names}"));
        }
        self.write_blobs(mirror, &entries)?;
        if !submodules.is_empty() {
            self.submodules(mirror, commit, &submodules, folder, depth)?;
        }
        Ok(())
    }

    fn write_blobs(&mut self, mirror: &Mirror, entries: &[Entry]) -> Result<(), GitError> {
        let pipe = |source| GitError::Pipe { command: "cat-file", source };
        let mut child = mirror
            .git()
            .command(["cat-file", "--batch", "--buffer"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map(Guard)
            .map_err(GitError::Start)?;
        let (Some(stdin), Some(stdout)) = (child.0.stdin.take(), child.0.stdout.take()) else {
            return Err(GitError::Output { command: "cat-file" });
        };
        // questions are asked from a thread of their own: the answers fill the other pipe
        std::thread::scope(|scope| {
            scope.spawn(move || {
                let mut stdin = BufWriter::new(stdin);
                // if git ends early, reading its answers tells so
                let _ = entries.iter().try_for_each(|entry| writeln!(stdin, "{}", entry.object));
            });
            let mut answers = BufReader::with_capacity(128 * 1024, stdout);
            let mut absent = Vec::new();
            for (number, entry) in entries.iter().enumerate() {
                match answer_size(&mut answers).map_err(pipe)? {
                    Some(size) => {
                        self.write_entry(mirror.url(), entry, size, &mut answers)?;
                        answers.read_exact(&mut [0]).map_err(pipe)?;
                    }
                    None => absent.push(entry.path.clone()),
                }
                if number % 128 == 0 {
                    let (done, total) = (number as u64, Some(entries.len() as u64));
                    self.progress.report(Activity::Advanced { done, total, unit: Unit::Items });
                }
            }
            if !absent.is_empty() {
                self.found.incomplete = true;
                self.found.notes.push(format!(
                    "{} of {} files are absent, because the repository is a partial copy: {}",
                    absent.len(),
                    entries.len(),
                    list(&absent)
                ));
            }
            Ok(())
        })
    }

    fn write_entry(
        &mut self,
        url: &SafeUrl,
        entry: &Entry,
        size: u64,
        answers: &mut BufReader<ChildStdout>,
    ) -> Result<(), GitError> {
        let mut content = answers.take(size);
        let written = if entry.mode == Mode::Link {
            let mut target = Vec::new();
            content
                .by_ref()
                .take(TARGET)
                .read_to_end(&mut target)
                .map_err(MemberError::Read)
                .and_then(|_| Ok(self.writer.link(&entry.path, &target)?))
        } else {
            let new = NewFile {
                path: &entry.path,
                executable: entry.mode == Mode::Executable,
                modified: None,
                packed: None,
            };
            self.writer.file(new, &mut content)
        };
        written.map_err(|error| match error {
            MemberError::Read(source) => GitError::Pipe { command: "cat-file", source },
            MemberError::Tree(source) => GitError::Tree { url: url.clone(), source },
        })?;
        // an over-long link: the rest belongs to no answer
        io::copy(&mut content, &mut io::sink())
            .map(drop)
            .map_err(|source| GitError::Pipe { command: "cat-file", source })
    }
}

/// Reads `MODE TYPE OBJECT\tNAME`.
fn read_record(record: &[u8]) -> Option<(&str, &str, &[u8])> {
    let tab = record.iter().position(|byte| *byte == b'\t')?;
    let (head, name) = record.split_at(tab);
    let mut parts = std::str::from_utf8(head).ok()?.split(' ');
    let (mode, _, object) = (parts.next()?, parts.next()?, parts.next()?);
    Some((mode, object, name.get(1..)?))
}

/// Reads `OBJECT blob SIZE`, or `OBJECT missing`, for which it returns `None`.
fn answer_size(answers: &mut impl BufRead) -> io::Result<Option<u64>> {
    let mut line = String::new();
    if answers.read_line(&mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let line = line.trim_end();
    if line.ends_with(" missing") {
        return Ok(None);
    }
    let size = line.rsplit(' ').next().and_then(|size| size.parse().ok());
    size.map(Some).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, line.to_owned()))
}

/// Lists the first few of `names` in backticks.
pub(super) fn list(names: &[String]) -> String {
    let listed: Vec<_> = names.iter().take(LISTED).map(|name| format!("`{name}`")).collect();
    match names.len().saturating_sub(LISTED) {
        0 => listed.join(", "),
        more => format!("{} and {more} more", listed.join(", ")),
    }
}
