//! Writes an untrusted tree into an empty folder, and nothing outside it.
//!
//! While members are written, the folder holds real folders and files only: links are kept in
//! memory and made at the very end, so nothing is ever written through one. Then each link is
//! followed in thought, through all other links, and must stay inside.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Read, Write};
use std::time::SystemTime;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use fs_err::os::unix::fs::{OpenOptionsExt, symlink};
use jiff::Timestamp;

use super::lfs::Pointers;
use super::limits::Limits;
use crate::failpoint;

/// How many links a path may go through, as in the kernel.
const LINK_BUDGET: usize = 40;

/// A member of an untrusted tree that is refused, or cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    #[error("member `{member}` would be written outside the target folder")]
    EscapingMember { member: String },
    #[error("member `{member}` has an absolute path")]
    AbsoluteMember { member: String },
    #[error("member `{member}` has a backslash in its name")]
    Backslash { member: String },
    #[error("member `{member}` has a name with control characters, or that is not UTF-8")]
    UnreadableName { member: String },
    #[error("link `{member}` leads to `{target}`, outside the target folder")]
    EscapingLink { member: String, target: String },
    #[error("link `{member}` goes through more than {LINK_BUDGET} other links")]
    TangledLink { member: String },
    #[error("member `{member}` would be written through the link `{link}`")]
    ThroughLink { member: String, link: String },
    #[error("hard link `{member}` is to `{target}`, which is no earlier file")]
    MissingLinkTarget { member: String, target: String },
    #[error("member `{member}` is a {kind}")]
    SpecialFile { member: String, kind: &'static str },
    #[error("member `{member}` comes twice with different contents")]
    Duplicate { member: String },
    #[error("the files have more than {limit} bytes")]
    TooLarge { limit: u64 },
    #[error("there are more than {limit} files and folders")]
    TooMany { limit: u64 },
    #[error("member `{member}` unpacks to more than {ratio} times its packed size")]
    Bomb { member: String, ratio: u64 },
    #[error("`{path}` cannot be written")]
    Write {
        path: Utf8PathBuf,
        #[source]
        source: io::Error,
    },
}

/// A file that could not be copied from its container.
#[derive(Debug)]
pub enum MemberError {
    /// The container's side: it is corrupt, or ends too early.
    Read(io::Error),
    /// Our side.
    Tree(TreeError),
}

impl From<TreeError> for MemberError {
    fn from(error: TreeError) -> Self {
        Self::Tree(error)
    }
}

/// A file to be written.
#[derive(Clone, Copy, Debug)]
pub struct NewFile<'a> {
    /// A path from [`member_path`](super::member::member_path).
    pub path: &'a str,
    pub executable: bool,
    /// Seconds since 1970.
    pub modified: Option<i64>,
    /// How many bytes of the container hold it, where the container packs each by itself.
    pub packed: Option<u64>,
}

/// What lies at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Node {
    Folder,
    File,
    Link(String),
}

/// What was written.
#[derive(Debug)]
pub struct WrittenTree {
    /// The folder of the tree: the target, or its only folder.
    pub path: Utf8PathBuf,
    /// The links that were left out, with their targets, where the caller wanted that.
    pub dropped_links: Vec<(String, String)>,
    /// Pairs of names that differ in case only.
    pub case_collisions: Vec<(String, String)>,
    /// Git LFS pointers among the files.
    pub pointers: Pointers,
    /// The newest time of change of a file, but never a time to come.
    pub newest: Option<Timestamp>,
    pub files: usize,
}

/// What becomes of a link that leaves the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EscapingLinks {
    Refuse,
    Drop,
}

/// Writes members into a folder.
#[derive(Debug)]
pub struct TreeWriter {
    root: Utf8PathBuf,
    limits: Limits,
    nodes: HashMap<String, Node>,
    folded: HashMap<String, String>,
    case_collisions: Vec<(String, String)>,
    links: BTreeMap<String, String>,
    pointers: Pointers,
    newest: i64,
    now: i64,
    bytes: u64,
    files: usize,
}

impl TreeWriter {
    /// Writes into `root`, which is an empty folder.
    pub fn new(root: &Utf8Path, limits: Limits) -> Self {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self {
            root: root.to_owned(),
            limits,
            nodes: HashMap::new(),
            folded: HashMap::new(),
            case_collisions: Vec::new(),
            links: BTreeMap::new(),
            pointers: Pointers::default(),
            newest: 0,
            now: now.as_secs() as i64,
            bytes: 0,
            files: 0,
        }
    }

    /// Returns how many members there are.
    pub fn members(&self) -> u64 {
        self.nodes.len() as u64
    }

    /// Makes a folder, and those above it.
    pub fn folder(&mut self, path: &str) -> Result<(), TreeError> {
        if path.is_empty() {
            return Ok(());
        }
        self.parents(path)?;
        match self.nodes.get(path) {
            Some(Node::Folder) => Ok(()),
            Some(_) => Err(TreeError::Duplicate { member: path.to_owned() }),
            None => self.make_folder(path),
        }
    }

    /// Writes a file.
    pub fn file(&mut self, new: NewFile<'_>, content: impl Read) -> Result<(), MemberError> {
        let member = || new.path.to_owned();
        if new.path.is_empty() {
            return Err(TreeError::EscapingMember { member: ".".into() }.into());
        }
        self.parents(new.path)?;
        let target = self.root.join(new.path);
        match self.nodes.get(new.path) {
            None => {
                self.add(new.path, Node::File)?;
                self.copy(new, &target, content)?;
                self.files += 1;
                failpoint::hit("acquire:while-unpacking");
                Ok(())
            }
            Some(Node::File) => {
                // twice the same is clumsy, but harmless; two contents leave open what is meant
                let second = self.root.with_extension("second");
                self.copy(new, &second, content)?;
                let same = same_content(&target, &second)
                    .map_err(|source| TreeError::Write { path: second.clone(), source })?;
                let _ = fs::remove_file(&second);
                if same { Ok(()) } else { Err(TreeError::Duplicate { member: member() }.into()) }
            }
            Some(_) => Err(TreeError::Duplicate { member: member() }.into()),
        }
    }

    /// Remembers a symbolic link.
    pub fn link(&mut self, path: &str, target: &[u8]) -> Result<(), TreeError> {
        let member = || path.to_owned();
        let Ok(target) = std::str::from_utf8(target) else {
            return Err(TreeError::UnreadableName { member: member() });
        };
        if path.is_empty() || target.is_empty() || target.chars().any(char::is_control) {
            return Err(TreeError::UnreadableName { member: member() });
        }
        self.parents(path)?;
        let link = Node::Link(target.to_owned());
        match self.nodes.get(path) {
            Some(same) if *same == link => return Ok(()),
            Some(_) => return Err(TreeError::Duplicate { member: member() }),
            None => self.add(path, link)?,
        }
        self.links.insert(path.to_owned(), target.to_owned());
        Ok(())
    }

    /// Makes a copy for a hard link: the same file under two names would let a program that
    /// changes one change the other.
    pub fn hard_link(&mut self, new: NewFile<'_>, target: &str) -> Result<(), MemberError> {
        match self.nodes.get(target).cloned() {
            Some(Node::File) if target != new.path => {
                let path = self.root.join(target);
                let content = fs::File::open(&path)
                    .map_err(|source| TreeError::Write { path: path.clone(), source })?;
                self.file(new, content)
            }
            Some(Node::Link(link)) => Ok(self.link(new.path, link.as_bytes())?),
            _ => Err(TreeError::MissingLinkTarget {
                member: new.path.to_owned(),
                target: target.to_owned(),
            }
            .into()),
        }
    }

    /// Makes the links and ends the tree.
    ///
    /// With `strip`, a single folder at the top that holds everything is the tree.
    pub fn finish(
        mut self,
        strip: bool,
        escaping: EscapingLinks,
    ) -> Result<WrittenTree, TreeError> {
        let top = if strip { self.single_top() } else { None };
        let mut dropped_links = Vec::new();
        for (path, target) in std::mem::take(&mut self.links) {
            match self.follow(&path, &target, usize::from(top.is_some())) {
                Ok(()) => {
                    let at = self.root.join(&path);
                    symlink(&target, &at)
                        .map_err(|source| TreeError::Write { path: at, source })?;
                }
                Err(_) if escaping == EscapingLinks::Drop => dropped_links.push((path, target)),
                Err(error) => return Err(error),
            }
        }
        let path = top.map_or_else(|| self.root.clone(), |top| self.root.join(top));
        Ok(WrittenTree {
            path,
            dropped_links,
            case_collisions: self.case_collisions,
            pointers: self.pointers,
            newest: Some(self.newest)
                .filter(|newest| *newest > 0)
                .and_then(|newest| Timestamp::from_second(newest).ok()),
            files: self.files,
        })
    }

    /// Returns the only member at the top, if it is a folder.
    fn single_top(&self) -> Option<String> {
        let mut tops = self.nodes.iter().filter(|(path, _)| !path.contains('/'));
        match (tops.next(), tops.next()) {
            (Some((top, Node::Folder)), None) => Some(top.clone()),
            _ => None,
        }
    }

    /// Follows a link in thought; `depth` is how many parts of a path the tree's own root has.
    fn follow(&self, path: &str, target: &str, depth: usize) -> Result<(), TreeError> {
        let escapes =
            || TreeError::EscapingLink { member: path.to_owned(), target: target.to_owned() };
        let mut here: Vec<&str> = path.split('/').collect();
        here.pop();
        // the parts still to go, the next one last
        let mut ahead: Vec<&str> = target.split('/').rev().collect();
        let mut budget = LINK_BUDGET;
        if target.starts_with('/') || here.len() < depth {
            return Err(escapes());
        }
        while let Some(part) = ahead.pop() {
            match part {
                "" | "." => {}
                ".." if here.len() <= depth => return Err(escapes()),
                ".." => {
                    here.pop();
                }
                part => {
                    here.push(part);
                    if let Some(Node::Link(inner)) = self.nodes.get(&here.join("/")) {
                        if inner.starts_with('/') {
                            return Err(escapes());
                        }
                        budget = budget
                            .checked_sub(1)
                            .ok_or_else(|| TreeError::TangledLink { member: path.to_owned() })?;
                        here.pop();
                        ahead.extend(inner.split('/').rev());
                    }
                }
            }
        }
        Ok(())
    }

    /// Makes the folders above `path`.
    fn parents(&mut self, path: &str) -> Result<(), TreeError> {
        for (at, _) in path.match_indices('/') {
            let (parent, _) = path.split_at(at);
            match self.nodes.get(parent) {
                Some(Node::Folder) => {}
                Some(Node::Link(_)) => {
                    return Err(TreeError::ThroughLink {
                        member: path.to_owned(),
                        link: parent.to_owned(),
                    });
                }
                Some(Node::File) => {
                    return Err(TreeError::Duplicate { member: parent.to_owned() });
                }
                None => self.make_folder(parent)?,
            }
        }
        Ok(())
    }

    fn make_folder(&mut self, path: &str) -> Result<(), TreeError> {
        self.add(path, Node::Folder)?;
        let path = self.root.join(path);
        fs::create_dir(&path).map_err(|source| TreeError::Write { path, source })
    }

    fn add(&mut self, path: &str, node: Node) -> Result<(), TreeError> {
        if self.members() >= self.limits.members {
            return Err(TreeError::TooMany { limit: self.limits.members });
        }
        self.nodes.insert(path.to_owned(), node);
        if let Some(other) = self.folded.insert(path.to_lowercase(), path.to_owned()) {
            self.case_collisions.push((other, path.to_owned()));
        }
        Ok(())
    }

    fn copy(
        &mut self,
        new: NewFile<'_>,
        target: &Utf8Path,
        mut content: impl Read,
    ) -> Result<(), MemberError> {
        let failed = |source| TreeError::Write { path: target.to_owned(), source };
        let mode = if new.executable { 0o755 } else { 0o644 };
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(target)
            .map_err(failed)?;
        let mut buffer = vec![0; 64 * 1024];
        let mut size = 0_u64;
        let mut beginning = Vec::new();
        loop {
            let count = match content.read(&mut buffer) {
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(MemberError::Read(error)),
            };
            let Some(chunk) = buffer.get(..count).filter(|chunk| !chunk.is_empty()) else { break };
            size += count as u64;
            self.bytes += count as u64;
            if self.bytes > self.limits.bytes {
                return Err(TreeError::TooLarge { limit: self.limits.bytes }.into());
            }
            if new.packed.is_some_and(|packed| !self.limits.allows_ratio(packed, size)) {
                let member = new.path.to_owned();
                return Err(TreeError::Bomb { member, ratio: self.limits.ratio }.into());
            }
            if beginning.len() <= Pointers::LONGEST {
                beginning.extend(chunk.iter().take(Pointers::LONGEST + 1));
            }
            file.write_all(chunk).map_err(failed)?;
        }
        self.pointers.look_at(new.path, &beginning);
        if let Some(modified) = new.modified.filter(|time| (1..=self.now).contains(time)) {
            let time = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(modified as u64);
            file.file().set_modified(time).map_err(failed)?;
            self.newest = self.newest.max(modified);
        }
        Ok(())
    }
}

fn same_content(one: &Utf8Path, other: &Utf8Path) -> io::Result<bool> {
    let digest = |path: &Utf8Path| {
        let mut hasher = blake3::Hasher::new();
        hasher.update_reader(fs::File::open(path)?)?;
        Ok::<_, io::Error>(hasher.finalize())
    };
    Ok(digest(one)? == digest(other)?)
}
