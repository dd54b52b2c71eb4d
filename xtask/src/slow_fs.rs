//! A file system that shows a folder and lets each question about names and attributes wait, as a
//! busy file server does; it counts them.
//!
//! What it stands for: an NFS server that takes its time for LOOKUP, GETATTR, OPEN, CREATE and the like.
//! Reading and writing of what is open goes at full speed. Attributes are believed for a second, as
//! a client of NFS does at least for three (nfs(5), `acregmin`).

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::fs::{
    DirBuilderExt as _, FileExt as _, FileTypeExt as _, MetadataExt as _, PermissionsExt as _,
    chown, lchown, symlink,
};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use fs_err::os::unix::fs::OpenOptionsExt as _;
use fuser::{
    FileAttr, FileType, Filesystem, MountOption, ReplyAttr, ReplyCreate, ReplyData, ReplyDirectory,
    ReplyEmpty, ReplyEntry, ReplyOpen, ReplyStatfs, ReplyWrite, Request, TimeOrNow,
};

/// How long the kernel believes what it was told.
const BELIEVED: Duration = Duration::from_secs(1);

#[derive(clap::Args)]
pub struct SlowFs {
    /// The folder that is shown
    from: PathBuf,
    /// Where it is shown
    to: PathBuf,
    /// The file that holds the number of questions
    #[arg(long)]
    count: PathBuf,
    /// How long each of them waits, in milliseconds
    #[arg(long)]
    delay: f64,
}

/// Shows it until it is unmounted.
pub fn mount(args: &SlowFs) -> anyhow::Result<()> {
    let count = fs_err::File::create(&args.count)?;
    count.file().write_all_at(b"0", 0)?;
    let shared = Arc::new(Shared {
        delay: Duration::from_secs_f64(args.delay / 1e3),
        asked: Mutex::new((0, count)),
        names: Mutex::new(Names {
            paths: HashMap::from([(1, args.from.clone())]),
            next: 2,
            ..Names::default()
        }),
        open: Mutex::default(),
    });
    let options = [
        MountOption::FSName("slow".to_owned()),
        MountOption::AllowOther,
        MountOption::DefaultPermissions,
        MountOption::Dev,
        MountOption::Suid,
    ];
    Ok(fuser::mount2(Slow(shared), &args.to, &options)?)
}

#[derive(Default)]
struct Names {
    paths: HashMap<u64, PathBuf>,
    numbers: HashMap<PathBuf, u64>,
    next: u64,
}

impl Names {
    fn number(&mut self, path: &Path) -> u64 {
        if let Some(number) = self.numbers.get(path) {
            return *number;
        }
        let number = self.next;
        self.next += 1;
        self.numbers.insert(path.to_owned(), number);
        self.paths.insert(number, path.to_owned());
        number
    }

    /// A name leads elsewhere now: what was known below it is forgotten.
    fn moved(&mut self, from: &Path, to: &Path) {
        self.numbers.retain(|path, _| !path.starts_with(to));
        let below: Vec<PathBuf> =
            self.numbers.keys().filter(|path| path.starts_with(from)).cloned().collect();
        for old in below {
            let Some(number) = self.numbers.remove(&old) else { continue };
            let Ok(rest) = old.strip_prefix(from) else { continue };
            let new = if rest.as_os_str().is_empty() { to.to_owned() } else { to.join(rest) };
            self.paths.insert(number, new.clone());
            self.numbers.insert(new, number);
        }
    }
}

struct Shared {
    delay: Duration,
    /// How many questions there were, and the file that holds the number.
    asked: Mutex<(u64, fs_err::File)>,
    names: Mutex<Names>,
    open: Mutex<HashMap<u64, Arc<fs_err::File>>>,
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    /// Counts a question, before it is answered: who saw the answer sees the count.
    fn count(&self) {
        let mut asked = held(&self.asked);
        asked.0 += 1;
        // of a fixed length, so that no older number shines through
        let text = format!("{:020}", asked.0);
        let _ = asked.1.file().write_all_at(text.as_bytes(), 0);
    }

    fn path(&self, number: u64) -> io::Result<PathBuf> {
        held(&self.names).paths.get(&number).cloned().ok_or(io::ErrorKind::NotFound.into())
    }

    fn child(&self, parent: u64, name: &OsStr) -> io::Result<PathBuf> {
        Ok(self.path(parent)?.join(name))
    }

    fn attributes(&self, path: &Path) -> io::Result<FileAttr> {
        let data = fs_err::symlink_metadata(path)?;
        let kind = kind_of(data.file_type());
        let time = |seconds: i64, nanos: i64| {
            let since = Duration::new(seconds.unsigned_abs(), nanos.unsigned_abs() as u32);
            SystemTime::UNIX_EPOCH + since
        };
        Ok(FileAttr {
            ino: held(&self.names).number(path),
            size: data.size(),
            blocks: data.blocks(),
            atime: time(data.atime(), data.atime_nsec()),
            mtime: time(data.mtime(), data.mtime_nsec()),
            ctime: time(data.ctime(), data.ctime_nsec()),
            crtime: SystemTime::UNIX_EPOCH,
            kind,
            perm: (data.mode() & 0o7777) as u16,
            nlink: data.nlink() as u32,
            uid: data.uid(),
            gid: data.gid(),
            rdev: 0,
            blksize: 4096,
            flags: 0,
        })
    }

    fn remove(
        &self,
        parent: u64,
        name: &OsStr,
        remove: fn(PathBuf) -> io::Result<()>,
    ) -> io::Result<()> {
        let path = self.child(parent, name)?;
        remove(path.clone())?;
        held(&self.names).numbers.remove(&path);
        Ok(())
    }

    fn opened(&self, file: fs_err::File) -> u64 {
        let mut open = held(&self.open);
        let handle = open.keys().max().map_or(1, |most| most + 1);
        open.insert(handle, Arc::new(file));
        handle
    }

    fn file(&self, handle: u64) -> io::Result<Arc<fs_err::File>> {
        held(&self.open).get(&handle).cloned().ok_or(io::ErrorKind::NotFound.into())
    }
}

fn kind_of(kind: std::fs::FileType) -> FileType {
    match kind {
        kind if kind.is_dir() => FileType::Directory,
        kind if kind.is_symlink() => FileType::Symlink,
        kind if kind.is_fifo() => FileType::NamedPipe,
        kind if kind.is_socket() => FileType::Socket,
        _ => FileType::RegularFile,
    }
}

fn number_of(error: &io::Error) -> i32 {
    /// "No such file", for what has no number of its own.
    const ENOENT: i32 = 2;
    error.raw_os_error().unwrap_or(ENOENT)
}

struct Slow(Arc<Shared>);

/// Answers a question after the delay, while others are asked.
macro_rules! ask {
    ($self:ident, $reply:ident, |$shared:ident| $work:expr, $good:expr) => {{
        let $shared = Arc::clone(&$self.0);
        std::thread::spawn(move || {
            std::thread::sleep($shared.delay);
            $shared.count();
            let work = || -> io::Result<_> { $work };
            match work() {
                Ok(done) => $good($reply, done),
                Err(error) => $reply.error(number_of(&error)),
            }
        });
    }};
}

fn entry(reply: ReplyEntry, attributes: FileAttr) {
    reply.entry(&BELIEVED, &attributes, 0);
}

fn empty(reply: ReplyEmpty, (): ()) {
    reply.ok();
}

impl Filesystem for Slow {
    fn lookup(&mut self, _: &Request<'_>, parent: u64, name: &OsStr, reply: ReplyEntry) {
        let name = name.to_owned();
        ask!(self, reply, |shared| shared.attributes(&shared.child(parent, &name)?), entry);
    }

    fn getattr(&mut self, _: &Request<'_>, ino: u64, _: Option<u64>, reply: ReplyAttr) {
        let good = |reply: ReplyAttr, attributes| reply.attr(&BELIEVED, &attributes);
        ask!(self, reply, |shared| shared.attributes(&shared.path(ino)?), good);
    }

    fn setattr(
        &mut self,
        _: &Request<'_>,
        ino: u64,
        mode: Option<u32>,
        uid: Option<u32>,
        gid: Option<u32>,
        size: Option<u64>,
        _: Option<TimeOrNow>,
        mtime: Option<TimeOrNow>,
        _: Option<SystemTime>,
        _: Option<u64>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<u32>,
        reply: ReplyAttr,
    ) {
        let good = |reply: ReplyAttr, attributes| reply.attr(&BELIEVED, &attributes);
        ask!(
            self,
            reply,
            |shared| {
                let path = shared.path(ino)?;
                if uid.is_some() || gid.is_some() {
                    lchown(&path, uid, gid)?;
                }
                if let Some(mode) = mode {
                    fs_err::set_permissions(&path, std::fs::Permissions::from_mode(mode & 0o7777))?;
                }
                if let Some(size) = size {
                    fs_err::OpenOptions::new().write(true).open(&path)?.set_len(size)?;
                }
                if let Some(time) = mtime {
                    let time = match time {
                        TimeOrNow::SpecificTime(time) => time,
                        TimeOrNow::Now => SystemTime::now(),
                    };
                    fs_err::File::open(&path)?.file().set_modified(time)?;
                }
                shared.attributes(&path)
            },
            good
        );
    }

    fn readlink(&mut self, _: &Request<'_>, ino: u64, reply: ReplyData) {
        let good = |reply: ReplyData, target: PathBuf| {
            reply.data(target.as_os_str().as_encoded_bytes());
        };
        ask!(self, reply, |shared| fs_err::read_link(shared.path(ino)?), good);
    }

    fn mkdir(
        &mut self,
        request: &Request<'_>,
        parent: u64,
        name: &OsStr,
        mode: u32,
        umask: u32,
        reply: ReplyEntry,
    ) {
        let (name, uid, gid) = (name.to_owned(), request.uid(), request.gid());
        ask!(
            self,
            reply,
            |shared| {
                let path = shared.child(parent, &name)?;
                std::fs::DirBuilder::new().mode(mode & !umask).create(&path)?;
                chown(&path, Some(uid), Some(gid))?;
                shared.attributes(&path)
            },
            entry
        );
    }

    fn unlink(&mut self, _: &Request<'_>, parent: u64, name: &OsStr, reply: ReplyEmpty) {
        let name = name.to_owned();
        ask!(self, reply, |shared| shared.remove(parent, &name, fs_err::remove_file), empty);
    }

    fn rmdir(&mut self, _: &Request<'_>, parent: u64, name: &OsStr, reply: ReplyEmpty) {
        let name = name.to_owned();
        ask!(self, reply, |shared| shared.remove(parent, &name, fs_err::remove_dir), empty);
    }

    fn symlink(
        &mut self,
        request: &Request<'_>,
        parent: u64,
        name: &OsStr,
        target: &Path,
        reply: ReplyEntry,
    ) {
        let (name, target) = (name.to_owned(), target.to_owned());
        let (uid, gid) = (request.uid(), request.gid());
        ask!(
            self,
            reply,
            |shared| {
                let path = shared.child(parent, &name)?;
                symlink(&target, &path)?;
                lchown(&path, Some(uid), Some(gid))?;
                shared.attributes(&path)
            },
            entry
        );
    }

    fn rename(
        &mut self,
        _: &Request<'_>,
        parent: u64,
        name: &OsStr,
        new_parent: u64,
        new_name: &OsStr,
        _: u32,
        reply: ReplyEmpty,
    ) {
        let (name, new_name) = (name.to_owned(), new_name.to_owned());
        ask!(
            self,
            reply,
            |shared| {
                let (from, to) =
                    (shared.child(parent, &name)?, shared.child(new_parent, &new_name)?);
                fs_err::rename(&from, &to)?;
                held(&shared.names).moved(&from, &to);
                Ok(())
            },
            empty
        );
    }

    fn link(
        &mut self,
        _: &Request<'_>,
        ino: u64,
        new_parent: u64,
        new_name: &OsStr,
        reply: ReplyEntry,
    ) {
        let new_name = new_name.to_owned();
        ask!(
            self,
            reply,
            |shared| {
                let path = shared.child(new_parent, &new_name)?;
                fs_err::hard_link(shared.path(ino)?, &path)?;
                shared.attributes(&path)
            },
            entry
        );
    }

    fn open(&mut self, _: &Request<'_>, ino: u64, flags: i32, reply: ReplyOpen) {
        let good = |reply: ReplyOpen, handle| reply.opened(handle, 0);
        ask!(
            self,
            reply,
            |shared| {
                let path = shared.path(ino)?;
                Ok(shared.opened(options(flags).open(path)?))
            },
            good
        );
    }

    fn create(
        &mut self,
        request: &Request<'_>,
        parent: u64,
        name: &OsStr,
        mode: u32,
        umask: u32,
        flags: i32,
        reply: ReplyCreate,
    ) {
        let (name, uid, gid) = (name.to_owned(), request.uid(), request.gid());
        let good = |reply: ReplyCreate, (attributes, handle): (FileAttr, u64)| {
            reply.created(&BELIEVED, &attributes, 0, handle, 0);
        };
        ask!(
            self,
            reply,
            |shared| {
                let path = shared.child(parent, &name)?;
                let file = options(flags)
                    .create(true)
                    .truncate(false)
                    .mode(mode & !umask & 0o7777)
                    .open(&path)?;
                chown(&path, Some(uid), Some(gid))?;
                Ok((shared.attributes(&path)?, shared.opened(file)))
            },
            good
        );
    }

    fn read(
        &mut self,
        _: &Request<'_>,
        _: u64,
        fh: u64,
        offset: i64,
        size: u32,
        _: i32,
        _: Option<u64>,
        reply: ReplyData,
    ) {
        let shared = Arc::clone(&self.0);
        std::thread::spawn(move || {
            let mut bytes = vec![0; size as usize];
            let read =
                shared.file(fh).and_then(|file| fill(&file, &mut bytes, offset.unsigned_abs()));
            match read {
                Ok(count) => reply.data(&bytes[..count]),
                Err(error) => reply.error(number_of(&error)),
            }
        });
    }

    fn write(
        &mut self,
        _: &Request<'_>,
        _: u64,
        fh: u64,
        offset: i64,
        data: &[u8],
        _: u32,
        _: i32,
        _: Option<u64>,
        reply: ReplyWrite,
    ) {
        let written =
            self.0.file(fh).and_then(|file| file.file().write_all_at(data, offset.unsigned_abs()));
        match written {
            Ok(()) => reply.written(data.len() as u32),
            Err(error) => reply.error(number_of(&error)),
        }
    }

    fn release(
        &mut self,
        _: &Request<'_>,
        _: u64,
        fh: u64,
        _: i32,
        _: Option<u64>,
        _: bool,
        reply: ReplyEmpty,
    ) {
        held(&self.0.open).remove(&fh);
        reply.ok();
    }

    fn flush(&mut self, _: &Request<'_>, _: u64, _: u64, _: u64, reply: ReplyEmpty) {
        reply.ok();
    }

    fn fsync(&mut self, _: &Request<'_>, _: u64, _: u64, _: bool, reply: ReplyEmpty) {
        reply.ok();
    }

    fn readdir(
        &mut self,
        _: &Request<'_>,
        ino: u64,
        _: u64,
        offset: i64,
        mut reply: ReplyDirectory,
    ) {
        let shared = Arc::clone(&self.0);
        std::thread::spawn(move || {
            std::thread::sleep(shared.delay);
            shared.count();
            let listed = || -> io::Result<Vec<(OsString, FileType)>> {
                let mut all = Vec::new();
                for entry in fs_err::read_dir(shared.path(ino)?)? {
                    let entry = entry?;
                    all.push((entry.file_name(), kind_of(entry.file_type()?)));
                }
                all.sort_by(|one, other| one.0.cmp(&other.0));
                Ok(all)
            };
            let listed = match listed() {
                Ok(listed) => listed,
                Err(error) => return reply.error(number_of(&error)),
            };
            for (at, (name, kind)) in listed.iter().enumerate().skip(offset.unsigned_abs() as usize)
            {
                // the number is asked for again by name
                if reply.add(u64::MAX, at as i64 + 1, *kind, name) {
                    break;
                }
            }
            reply.ok();
        });
    }

    fn statfs(&mut self, _: &Request<'_>, _: u64, reply: ReplyStatfs) {
        const MANY: u64 = 1 << 28;
        reply.statfs(MANY, MANY, MANY, MANY, MANY, 4096, 255, 4096);
    }
}

fn options(flags: i32) -> fs_err::OpenOptions {
    // the last two bits of `open`'s flags (fcntl(2)); O_TRUNC is told by `setattr`
    let (write, read_write) = (flags & 3 == 1, flags & 3 == 2);
    let mut options = fs_err::OpenOptions::new();
    options.read(!write).write(write || read_write);
    options
}

fn fill(file: &fs_err::File, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut count = 0;
    while count < bytes.len() {
        match file.file().read_at(&mut bytes[count..], offset + count as u64)? {
            0 => break,
            some => count += some,
        }
    }
    Ok(count)
}
