//! Both ends of a transfer, over pipes that break.

mod edits;

use std::io::{PipeWriter, Read as _, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use sizar_model::{Digest, Progress, Silent};
use sizar_testkit::noise;

use super::download::{Coming, Download};
use super::manifest::{Content, Manifest};
use super::scan::Scan;
use super::segment::CHUNK;
use super::store::{Store, blobs_of};
use super::{Pace, Sharing, TransferError, Upload, serve};
use crate::transport::{
    Answer, Beside, Counters, Line, LostStep, Step, Talk, Transport, TransportError,
};

/// The program at the other end, as a thread; the line breaks after so many bytes of each try.
struct Pipe {
    root: Utf8PathBuf,
    /// Bytes to there, and bytes from there.
    cuts: Mutex<Vec<(usize, usize)>>,
    counters: Counters,
    sharing: Sharing,
    further: Option<Arc<Far>>,
    /// Removed when the other end has said what it is made of.
    swept: Option<Utf8PathBuf>,
}

impl Pipe {
    fn to(root: &Utf8Path) -> Self {
        Self {
            root: root.to_owned(),
            cuts: Mutex::new(Vec::new()),
            counters: Counters::default(),
            sharing: Sharing::default(),
            further: None,
            swept: None,
        }
    }

    fn cut(root: &Utf8Path, mut cuts: Vec<(usize, usize)>) -> Self {
        cuts.reverse();
        Self { cuts: Mutex::new(cuts), ..Self::to(root) }
    }
}

struct Ends {
    to: Option<PipeWriter>,
    from: Receiver<Vec<u8>>,
    left: (usize, usize),
    sent: u64,
    received: u64,
    swept: Option<Utf8PathBuf>,
}

fn lost() -> TransportError {
    TransportError::Lost {
        target: "pipe".to_owned(),
        step: LostStep { step: 0, sent: true },
        said: Vec::new(),
    }
}

impl Line for Ends {
    fn send(&mut self, bytes: &[u8]) -> Result<(), TransportError> {
        let some = bytes.len().min(self.left.0);
        self.left.0 -= some;
        self.sent += some as u64;
        let to = self.to.as_mut().ok_or_else(lost)?;
        to.write_all(&bytes[..some]).map_err(|_| lost())?;
        if some < bytes.len() {
            self.to = None;
            return Err(lost());
        }
        Ok(())
    }

    fn receive(&mut self, patience: Duration) -> Result<Option<Vec<u8>>, TransportError> {
        if self.left.1 == 0 {
            return Err(lost());
        }
        match self.from.recv_timeout(patience) {
            Ok(mut bytes) => {
                bytes.truncate(self.left.1);
                self.left.1 -= bytes.len();
                self.received += bytes.len() as u64;
                if bytes.windows(3).any(|head| head == b"ZSu")
                    && let Some(path) = self.swept.take()
                {
                    fs::remove_file(path).unwrap();
                }
                Ok(Some(bytes))
            }
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(lost()),
        }
    }
}

impl Transport for Pipe {
    fn run(&mut self, _: &[Step]) -> Result<Vec<Answer>, TransportError> {
        Err(lost())
    }

    fn feed(
        &mut self,
        _: &Step,
        _: &mut dyn std::io::Read,
        _: u64,
        _: &dyn Progress,
    ) -> Result<Answer, TransportError> {
        Err(lost())
    }

    fn drain(
        &mut self,
        _: &Step,
        _: &mut dyn std::io::Write,
        _: &dyn Progress,
    ) -> Result<Answer, TransportError> {
        Err(lost())
    }

    fn talk(&mut self, _: &Step, talk: &mut Talk<'_>) -> Result<Answer, TransportError> {
        let left = self.cuts.lock().unwrap().pop().unwrap_or((usize::MAX, usize::MAX));
        let sweep = self.swept.take();
        let (talked, used) = converse((&self.root, &self.sharing), left, sweep, talk);
        self.counters = self.counters.plus(used);
        talked
    }

    fn beside(&mut self) -> Option<Box<dyn Beside>> {
        Some(Box::new(Further(Arc::clone(self.further.as_ref()?))))
    }

    fn counters(&self) -> Counters {
        self.counters
    }

    fn name(&self) -> String {
        "pipe".to_owned()
    }
}

/// Holds one conversation with the program at the other end, which is a thread.
fn converse(
    (root, sharing): (&Utf8Path, &Sharing),
    left: (usize, usize),
    swept: Option<Utf8PathBuf>,
    talk: &mut Talk<'_>,
) -> (Result<Answer, TransportError>, Counters) {
    let (mut there, to) = std::io::pipe().unwrap();
    let (mut came, back) = std::io::pipe().unwrap();
    let (root, sharing) = (root.to_owned(), sharing.clone());
    let server = std::thread::spawn(move || serve(&root, &sharing, &mut there, back));
    let (bytes, from) = channel();
    std::thread::spawn(move || {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(count @ 1..) = came.read(&mut buffer) {
            if bytes.send(buffer[..count].to_vec()).is_err() {
                break;
            }
        }
    });
    let mut ends = Ends { to: Some(to), from, left, sent: 0, received: 0, swept };
    let talked = talk(&mut ends);
    let used =
        Counters { bytes_sent: ends.sent, bytes_received: ends.received, ..Counters::default() };
    let broken = talked.is_err();
    drop(ends);
    let served = server.join().unwrap();
    assert!(broken || served.is_ok(), "{served:?}");
    let answer = talked.map(|_| Answer {
        end: crate::transport::End::Exited(0),
        stdout: Vec::new(),
        stderr: Vec::new(),
        stdout_size: 0,
        stderr_size: 0,
        duration: Duration::ZERO,
    });
    (answer, used)
}

/// Further lines beside a pipe, which is said to be long.
struct Far {
    root: Utf8PathBuf,
    cuts: Mutex<Vec<(usize, usize)>>,
    /// How many bytes each carried.
    sent: Mutex<Vec<u64>>,
}

impl Far {
    fn to(root: &Utf8Path, cuts: Vec<(usize, usize)>) -> Arc<Self> {
        Arc::new(Self { root: root.to_owned(), cuts: Mutex::new(cuts), sent: Mutex::default() })
    }
}

struct Further(Arc<Far>);

impl Beside for Further {
    fn round_trip(&self) -> Option<Duration> {
        Some(Duration::from_secs(1))
    }

    fn talk(&self, _: &Step, talk: &mut Talk<'_>) -> Result<Answer, TransportError> {
        let left = self.0.cuts.lock().unwrap().pop().unwrap_or((usize::MAX, usize::MAX));
        let (talked, used) = converse((&self.0.root, &Sharing::default()), left, None, talk);
        self.0.sent.lock().unwrap().push(used.bytes_sent);
        talked
    }
}

struct World {
    _folder: tempfile::TempDir,
    root: Utf8PathBuf,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8PathBuf::from_path_buf(folder.path().to_owned()).unwrap();
        fs::create_dir_all(root.join("here/a/empty")).unwrap();
        fs::create_dir_all(root.join("there")).unwrap();
        Self { _folder: folder, root }
    }

    fn here(&self) -> Utf8PathBuf {
        self.root.join("here")
    }

    fn there(&self) -> Utf8PathBuf {
        self.root.join("there")
    }

    fn scan(&self) -> Manifest {
        Scan::data(self.here().as_std_path()).run().unwrap().manifest
    }

    fn send(&self, pipe: &mut Pipe) -> Result<String, TransferError> {
        let manifest = self.scan();
        self.upload(pipe, &manifest).map(|()| manifest.name())
    }

    fn upload(&self, pipe: &mut Pipe, manifest: &Manifest) -> Result<(), TransferError> {
        self.upload_after(pipe, manifest, None)
    }

    fn upload_after(
        &self,
        pipe: &mut Pipe,
        manifest: &Manifest,
        before: Option<&Manifest>,
    ) -> Result<(), TransferError> {
        let mut upload = Upload {
            transport: pipe,
            program: Utf8Path::new("sizar"),
            root: &self.there(),
            client: "me",
            pace: Pace::new(None),
            sharing: Sharing::default(),
            before,
            progress: &Silent,
        };
        upload.tree(manifest, self.here().as_std_path())
    }

    /// Checks that the tree `name` there is the one here.
    fn is_whole(&self, name: &str) {
        let tree = Store::at(self.there()).tree(name);
        assert_eq!(Scan::data(tree.as_std_path()).run().unwrap().manifest, self.scan());
    }
}

#[test]
fn names_of_any_bytes_arrive_and_the_second_time_nothing_goes() {
    let world = World::new();
    let long = vec![b'n'; 255];
    for name in [&b"a\nb"[..], b"\xff\xfe", &long, b"-rf", b"none", b"a/x.sh"] {
        let path = world.here().as_std_path().join(std::ffi::OsStr::from_bytes(name));
        fs::write(path, if name == b"none" { &b""[..] } else { name }).unwrap();
    }
    use std::os::unix::fs::PermissionsExt as _;
    let script = world.here().join("a/x.sh");
    fs::set_permissions(script, std::fs::Permissions::from_mode(0o755)).unwrap();
    std::os::unix::fs::symlink("a/x.sh", world.here().join("link")).unwrap();
    let mut pipe = Pipe::to(&world.there());
    let name = world.send(&mut pipe).unwrap();
    world.is_whole(&name);
    // all contents are there: only the list goes
    fs::rename(world.here().join("a/x.sh"), world.here().join("a/y.sh")).unwrap();
    let mut again = Pipe::to(&world.there());
    let other = world.send(&mut again).unwrap();
    assert_ne!(other, name);
    assert!(again.counters.bytes_sent < 1500, "{:?}", again.counters);
    let store = Store::at(world.there());
    assert!(store.has_tree(&name) && store.has_tree(&other));
}

#[test]
fn a_line_that_breaks_ten_times_costs_a_chunk_each_time_at_most() {
    let world = World::new();
    fs::write(world.here().join("large"), noise(1, 24 << 20)).unwrap();
    for number in 0..400_u64 {
        fs::write(world.here().join(format!("a/{number}")), noise(number + 2, 2048)).unwrap();
    }
    let payload = world.scan().bytes();
    // each time a little further than the last, and a little off the borders of chunks
    let cuts = (1..=10).map(|cut| (cut * 1_000_003 + 500_000, usize::MAX)).collect();
    let mut pipe = Pipe::cut(&world.there(), cuts);
    let name = world.send(&mut pipe).unwrap();
    world.is_whole(&name);
    let sent = pipe.counters.bytes_sent;
    let most = payload + 11 * (CHUNK as u64 + (64 << 10));
    assert!(sent < most, "{sent} of {payload}");
    assert!(fs::read_dir(Store::at(world.there()).parts()).unwrap().next().is_none());
}

#[test]
fn several_lines_share_the_work_and_what_they_lose_goes_again() {
    let cut = |after: usize| (after, usize::MAX);
    for cuts in [Vec::new(), vec![cut(2_000_000), cut(20), cut(700_000)]] {
        let world = World::new();
        for number in 0..4 {
            fs::write(world.here().join(format!("large{number}")), noise(number, 3 << 20)).unwrap();
        }
        for number in 0..600_u64 {
            fs::write(world.here().join(format!("a/{number}")), noise(number + 9, 20_000)).unwrap();
        }
        let payload = world.scan().bytes();
        let far = Far::to(&world.there(), cuts.clone());
        let mut pipe = Pipe { further: Some(Arc::clone(&far)), ..Pipe::to(&world.there()) };
        let name = world.send(&mut pipe).unwrap();
        world.is_whole(&name);
        let further = far.sent.lock().unwrap().clone();
        assert_eq!(further.len(), 3);
        let all = pipe.counters.bytes_sent + further.iter().sum::<u64>();
        if cuts.is_empty() {
            assert!(all < payload + (100 << 10), "{all} of {payload}");
            let parts = Store::at(world.there()).parts();
            assert!(fs::read_dir(parts).unwrap().next().is_none());
        } else {
            assert!(all < payload + 3 * (4 << 20), "{all} of {payload}");
        }
        assert!(pipe.counters.bytes_sent < all, "{:?}", pipe.counters);
    }
    // a file that changed ends all of them
    let world = World::new();
    for number in 0..600_u64 {
        fs::write(world.here().join(format!("a/{number}")), noise(number, 20_000)).unwrap();
    }
    let manifest = world.scan();
    fs::write(world.here().join("a/300"), "short").unwrap();
    let further = Some(Far::to(&world.there(), Vec::new()));
    let error =
        world.upload(&mut Pipe { further, ..Pipe::to(&world.there()) }, &manifest).unwrap_err();
    assert!(matches!(&error, TransferError::Changed { path } if path == "a/300"), "{error}");
}

#[test]
fn what_a_lab_mate_has_is_copied_when_it_is_right() {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    let mate = World::new();
    for (name, seed) in [("large", 1), ("right", 2), ("rotten", 3), ("link", 4)] {
        fs::write(mate.here().join(name), noise(seed, 200_000)).unwrap();
    }
    let open = Sharing { group: true, lenders: Vec::new() };
    mate.send(&mut Pipe { sharing: open, ..Pipe::to(&mate.there()) }).unwrap();
    let store = Store::at(mate.there());
    for (folder, bits) in [(mate.there(), 0o010), (store.blobs(), 0o050)] {
        let mode = fs::metadata(&folder).unwrap().permissions().mode();
        assert_eq!(mode & bits, bits, "{folder}");
    }
    assert_eq!(fs::metadata(store.trees()).unwrap().permissions().mode() & 0o077, 0);
    let manifest = mate.scan();
    let blob = |name: &[u8]| {
        let index = manifest.entries().iter().position(|entry| &*entry.path == name).unwrap();
        blobs_of(&manifest).into_iter().find(|(_, at)| *at == index).unwrap().0
    };
    // neither what is not right any more is taken, nor what a link leads to
    let (rotten, linked) = (store.blob(&blob(b"rotten")), store.blob(&blob(b"link")));
    for path in [&rotten, &linked] {
        fs::remove_file(path).unwrap();
    }
    fs::write(&rotten, noise(9, 200_000)).unwrap();
    std::os::unix::fs::symlink(mate.here().join("link"), &linked).unwrap();
    let own = World::new();
    for name in ["large", "right", "rotten", "link"] {
        fs::copy(mate.here().join(name), own.here().join(name)).unwrap();
    }
    let lenders = vec![Utf8PathBuf::from("/nowhere"), mate.there()];
    let mut pipe = Pipe { sharing: Sharing { group: false, lenders }, ..Pipe::to(&own.there()) };
    let name = own.send(&mut pipe).unwrap();
    own.is_whole(&name);
    let sent = pipe.counters.bytes_sent;
    assert!((400_000..402_000).contains(&sent), "two of four went: {sent}");
    let inode = |store: &Store| fs::metadata(store.blob(&blob(b"right"))).unwrap().ino();
    assert_ne!(inode(&Store::at(own.there())), inode(&store), "it is a copy");
    assert!(fs::read_dir(Store::at(own.there()).parts()).unwrap().next().is_none());
}

#[test]
fn what_rotted_in_the_store_is_sent_again() {
    let world = World::new();
    fs::write(world.here().join("a/x"), "content").unwrap();
    fs::write(world.here().join("a/y"), "other").unwrap();
    let name = world.send(&mut Pipe::to(&world.there())).unwrap();
    let store = Store::at(world.there());
    let (blob, _) = blobs_of(&world.scan())[0];
    let path = store.blob(&blob);
    fs::remove_file(&path).unwrap();
    fs::write(&path, "CONTENT").unwrap();
    fs::remove_file(store.tree(&name).join("a/x")).unwrap();
    fs::hard_link(&path, store.tree(&name).join("a/x")).unwrap();
    assert!(!store.has_tree(&name));
    assert_eq!(world.send(&mut Pipe::to(&world.there())).unwrap(), name);
    world.is_whole(&name);
}

#[test]
fn a_file_that_changes_meanwhile_is_named_and_never_sent_as_what_it_was() {
    for (path, bytes) in [
        ("a/x", b"behind".to_vec()),
        ("a/x", b"longer than before".to_vec()),
        ("large", noise(2, 3 << 20)),
    ] {
        let world = World::new();
        fs::write(world.here().join("a/x"), "before").unwrap();
        fs::write(world.here().join("large"), noise(1, 3 << 20)).unwrap();
        let manifest = world.scan();
        let path = world.here().join(path);
        let was = fs::read(&path).unwrap();
        fs::write(&path, bytes).unwrap();
        let error = world.upload(&mut Pipe::to(&world.there()), &manifest).unwrap_err();
        assert!(
            matches!(&error, TransferError::Changed { path: one } if path.ends_with(one)),
            "{error}"
        );
        assert!(!Store::at(world.there()).tree(&manifest.name()).exists());
        fs::write(&path, was).unwrap();
        world.upload(&mut Pipe::to(&world.there()), &manifest).unwrap();
        world.is_whole(&manifest.name());
    }
}

#[test]
fn two_that_send_the_same_at_once_do_no_harm() {
    let world = World::new();
    for number in 0..100 {
        fs::write(world.here().join(format!("a/{number}")), noise(number, 3000)).unwrap();
    }
    fs::write(world.here().join("large"), noise(1, 5 << 20)).unwrap();
    let names: Vec<String> = std::thread::scope(|scope| {
        let one = |_| scope.spawn(|| world.send(&mut Pipe::to(&world.there())).unwrap());
        let sending: Vec<_> = (0..3).map(one).collect();
        sending.into_iter().map(|one| one.join().unwrap()).collect()
    });
    world.is_whole(&names[0]);
    let trees = fs::read_dir(Store::at(world.there()).trees()).unwrap().count();
    assert_eq!(trees, 1, "nothing half made is left");
}

#[test]
fn results_come_whole_over_a_line_that_breaks() {
    let world = World::new();
    let mut files =
        vec![("a/none".to_owned(), Vec::new()), ("large".to_owned(), noise(9, 9 << 20))];
    files.extend((0..300).map(|number| (format!("a/{number}"), noise(number, 1500))));
    files.sort_by_key(|(_, bytes)| bytes.len());
    let mut coming = Vec::new();
    for (path, bytes) in &files {
        fs::write(world.here().join(path), bytes).unwrap();
        coming.push(Coming {
            path: path.into(),
            size: bytes.len() as u64,
            digest: Digest::of(bytes),
            to: world.there().join("came").join(path),
        });
    }
    let all: u64 = coming.iter().map(|one| one.size).sum();
    let bring = |pipe: &mut Pipe, coming: &[Coming]| {
        let (program, root) = (Utf8Path::new("sizar"), world.there());
        let mut download = Download {
            transport: pipe,
            program,
            root: &root,
            pace: Pace::new(None),
            progress: &Silent,
        };
        download.files(&world.here(), coming)
    };
    let cuts = (1..=8).map(|cut| (usize::MAX, cut * 900_001)).collect();
    let mut pipe = Pipe::cut(&world.there(), cuts);
    bring(&mut pipe, &coming).unwrap();
    for (one, (path, bytes)) in coming.iter().zip(&files) {
        assert_eq!(fs::read(&one.to).unwrap(), *bytes, "{path}");
    }
    let came = pipe.counters.bytes_received;
    assert!(came < all + 9 * (CHUNK as u64 + (64 << 10)), "{came} of {all}");
    // what is not what it should be has no name here
    fs::write(world.here().join("large"), noise(8, 9 << 20)).unwrap();
    let large: Vec<Coming> = coming.iter().filter(|one| one.size > 1 << 20).cloned().collect();
    fs::remove_file(&large[0].to).unwrap();
    let error = bring(&mut Pipe::to(&world.there()), &large).unwrap_err();
    assert!(matches!(error, TransferError::Corrupt { .. }), "{error}");
    assert!(!large[0].to.exists());
}

#[test]
fn a_sparse_file_stays_sparse_and_packs_to_nothing() {
    let world = World::new();
    let file = fs::File::create(world.here().join("sparse")).unwrap();
    file.set_len(300 << 20).unwrap();
    use std::os::unix::fs::{FileExt as _, MetadataExt as _};
    file.file().write_all_at(b"data", 150 << 20).unwrap();
    let mut pipe = Pipe::to(&world.there());
    let name = world.send(&mut pipe).unwrap();
    assert!(pipe.counters.bytes_sent < 64 << 10, "{:?}", pipe.counters);
    let there = fs::metadata(Store::at(world.there()).tree(&name).join("sparse")).unwrap();
    assert_eq!(there.len(), 300 << 20);
    assert!(there.blocks() < 4096);
}

#[test]
fn many_files_are_one_list() {
    let world = World::new();
    for number in 0..2000 {
        fs::write(world.here().join(format!("a/{number}")), "").unwrap();
    }
    let manifest = world.scan();
    assert!(
        manifest
            .entries()
            .iter()
            .all(|entry| matches!(entry.content, Content::File { size: 0, .. } | Content::Folder))
    );
    world.upload(&mut Pipe::to(&world.there()), &manifest).unwrap();
    world.is_whole(&manifest.name());
    assert!(Path::new(&Store::at(world.there()).tree(&manifest.name())).join("a/1999").exists());
}
