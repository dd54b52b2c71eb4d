use camino::Utf8PathBuf;

use super::*;

fn tree() -> (tempfile::TempDir, Utf8PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let root = Utf8PathBuf::from_path_buf(folder.path().to_owned()).unwrap();
    for path in ["t/.git/objects", "t/a/empty", "t/env/lib"] {
        fs::create_dir_all(root.join(path)).unwrap();
    }
    for path in ["t/a/x.py", "t/.gitignore", "t/env/pyvenv.cfg", "t/env/lib/y.py"] {
        fs::write(root.join(path), path).unwrap();
    }
    (folder, root)
}

fn paths(manifest: &Manifest) -> Vec<String> {
    manifest.entries().iter().map(Entry::name).collect()
}

#[test]
fn code_is_what_authors_wrote_and_data_is_all() {
    let (_folder, root) = tree();
    let top = root.join("t");
    let leave = |path: &Path, _| path == Path::new("nothing");
    let code = Scan { rules: Rules::Code { leave: &leave }, ..Scan::data(top.as_std_path()) };
    assert_eq!(paths(&code.run().unwrap().manifest), [".gitignore", "a/empty", "a/x.py"]);
    let data = Scan::data(top.as_std_path()).run().unwrap();
    assert_eq!(data.manifest.entries().len(), 5);
    let one = Scan { rules: Rules::Only(OsStr::new("x.py")), ..Scan::data(top.as_std_path()) };
    let below = top.join("a");
    let one = Scan { root: below.as_std_path(), ..one }.run().unwrap();
    assert_eq!(paths(&one.manifest), ["x.py"]);
    std::os::unix::fs::symlink("../../etc", top.join("a/z")).unwrap();
    assert!(matches!(code.run(), Err(TransferError::EscapingLink { .. })));
}

#[test]
fn what_did_not_change_is_not_read_and_what_may_change_unseen_is() {
    let (_folder, root) = tree();
    let top = root.join("t");
    let cache = root.join("cache");
    let scan = Scan { cache: Some(&cache), ..Scan::data(top.as_std_path()) };
    // all is young: it may change again within the file system's step of time
    assert_eq!(scan.run().unwrap().hashed, 4);
    assert_eq!(scan.run().unwrap().hashed, 4);
    let scan = Scan { settle: Duration::ZERO, ..scan };
    let first = scan.run().unwrap();
    assert_eq!(scan.run().unwrap().hashed, 0);
    // the same size and time of modification, and another content
    let path = top.join("a/x.py");
    let modified = fs::metadata(&path).unwrap().modified().unwrap();
    fs::write(&path, "T/a/x.py").unwrap();
    fs::File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();
    let changed = scan.run().unwrap();
    assert_eq!(changed.hashed, 1);
    assert_ne!(changed.manifest.name(), first.manifest.name());
}

#[test]
fn names_are_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let long = vec![b'n'; 255];
    for name in [&b"a\nb"[..], b"\xff\xfe", &long] {
        fs::write(folder.path().join(std::ffi::OsStr::from_bytes(name)), "1").unwrap();
    }
    let scanned = Scan::data(folder.path()).run().unwrap();
    assert_eq!(scanned.manifest.entries().len(), 3);
    assert!(scanned.manifest.get(b"\xff\xfe").is_some());
}

/// Keeps what it is told.
#[derive(Default)]
struct Heard(std::sync::Mutex<Vec<Activity>>);

impl Progress for Heard {
    fn report(&self, activity: Activity) {
        self.0.lock().unwrap().push(activity);
    }
}

#[test]
fn what_takes_long_to_read_is_said_once() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    let large = fs::File::create(data.join("large")).unwrap();
    large.set_len(TOLD).unwrap();
    fs::write(data.join("small"), "x").unwrap();
    let cache = Utf8Path::from_path(folder.path()).unwrap().join("cache");
    let heard = Heard::default();
    let scan =
        Scan { cache: Some(&cache), settle: Duration::ZERO, progress: &heard, ..Scan::data(&data) };
    scan.run().unwrap();
    let said = std::mem::take(&mut *heard.0.lock().unwrap());
    let began = said.first().unwrap();
    assert!(matches!(began, Activity::Began { what } if what.starts_with("reading `data`")));
    assert!(matches!(said.last().unwrap(), Activity::Ended { .. }));
    let advanced = |one: &Activity| matches!(one, Activity::Advanced { total, .. } if *total == Some(TOLD + 1));
    assert!(said.len() > 2 && said[1..said.len() - 1].iter().all(advanced), "{said:?}");
    // what is known is not read
    scan.run().unwrap();
    assert!(heard.0.lock().unwrap().is_empty());
}
