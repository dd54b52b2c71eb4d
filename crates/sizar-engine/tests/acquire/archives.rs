//! Honest archives, and broken ones.

use std::io::{Cursor, Write};

use camino::Utf8Path;
use fs_err as fs;
use sizar_engine::acquire::AcquireError;
use sizar_engine::acquire::archive::ArchiveError;
use zip::write::SimpleFileOptions;

use crate::world::{World, said, tree};

/// Packs files into a tar archive; their time is 2020-01-01.
pub fn tar_of(files: &[(&str, &str)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(if Utf8Path::new(name).extension() == Some("sh") { 0o4755 } else { 0o644 });
        header.set_mtime(1_577_836_800);
        builder.append_data(&mut header, name, content.as_bytes()).unwrap();
    }
    builder.into_inner().unwrap()
}

pub fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub fn zip_of(files: &[(&str, &str)]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in files {
        let mode = if Utf8Path::new(name).extension() == Some("sh") { 0o755 } else { 0o644 };
        writer.start_file(*name, SimpleFileOptions::default().unix_permissions(mode)).unwrap();
        writer.write_all(content.as_bytes()).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

const FILES: &[(&str, &str)] =
    &[("p-1/setup.py", "setup()"), ("p-1/p/__init__.py", ""), ("p-1/run.sh", "#!/bin/sh\n")];

#[test]
fn every_format_is_told_by_its_content() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::new();
    let plain = tar_of(FILES);
    let bz2 = {
        let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
        encoder.write_all(&plain).unwrap();
        encoder.finish().unwrap()
    };
    let xz = {
        let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 1);
        encoder.write_all(&plain).unwrap();
        encoder.finish().unwrap()
    };
    let zst = zstd::encode_all(&plain[..], 1).unwrap();
    let archives = [gz(&plain), plain.clone(), bz2, xz, zst, zip_of(FILES)];
    let mut digests = Vec::new();
    for (number, archive) in archives.iter().enumerate() {
        // a wrong name
        let path = world.write(&format!("{number}.tar.bz2"), archive);
        let checkout = world.acquire(path.as_str()).unwrap();
        assert!(!checkout.source.own);
        let names: Vec<_> = tree(&checkout.path).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["p/__init__.py", "run.sh", "setup.py"]);
        let mode = fs::metadata(checkout.path.join("run.sh")).unwrap().permissions().mode();
        assert_eq!(mode & 0o7100, 0o100, "executable, but not setuid");
        if number < 5 {
            let date = checkout.source.date.unwrap().to_string();
            assert_eq!(date, "2020-01-01T00:00:00Z");
        }
        digests.push(checkout.source.digest);
    }
    digests.dedup();
    assert_eq!(digests.len(), 1);
}

#[test]
fn a_file_without_an_archives_name_is_looked_into() {
    let world = World::new();
    let path = world.write("download", gz(&tar_of(FILES)));
    assert!(world.acquire(path.as_str()).unwrap().path.join("setup.py").exists());
}

#[test]
fn several_things_at_the_top_are_kept_so() {
    let world = World::new();
    let path =
        world.write("x.zip", zip_of(&[("a.py", "1"), ("d/b.py", "2"), ("__MACOSX/._a", "")]));
    let checkout = world.acquire(path.as_str()).unwrap();
    let names: Vec<_> = tree(&checkout.path).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["a.py", "d/b.py"]);
    assert_eq!(checkout.notes, ["1 members in `.git` or `__MACOSX` folders were left out"]);
}

#[test]
fn an_archive_is_cached_by_its_content() {
    let world = World::new();
    // made once: an archive says when its members were written
    let bytes = zip_of(FILES);
    let one = world.write("one.zip", bytes.clone());
    let other = world.write("other.zip", bytes);
    let first = world.acquire(one.as_str()).unwrap();
    let second = world.acquire(other.as_str()).unwrap();
    assert_eq!(first.path, second.path);
    assert_eq!(second.source.locator, other.as_str());
    // another content under the same name is another source
    fs::write(&one, zip_of(&[("x.py", "1")])).unwrap();
    assert_ne!(world.acquire(one.as_str()).unwrap().path, first.path);
}

#[test]
fn the_commit_of_a_git_archive_is_known() {
    let world = World::new();
    let repository = world.repository("r", &[("a.py", "1")]);
    let commit = repository.git(&["rev-parse", "HEAD"]);
    for format in ["zip", "tar.gz"] {
        let path = world.path(&format!("r.{format}"));
        repository.git(&["archive", "--prefix=r-main/", "-o", path.as_str(), "main"]);
        let source = world.acquire(path.as_str()).unwrap().source;
        assert_eq!(source.revision.as_deref(), Some(commit.as_str()));
        assert_eq!(source.date.unwrap().to_string().get(..10), Some("2018-03-04"));
    }
}

#[test]
fn links_inside_the_tree_are_made() {
    let world = World::new();
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(1);
    builder.append_data(&mut header.clone(), "p/d/a.py", &b"1"[..]).unwrap();
    for (kind, name, target) in [
        (tar::EntryType::Symlink, "p/soft", "d/a.py"),
        (tar::EntryType::Symlink, "p/folder", "./d/../d"),
        (tar::EntryType::Symlink, "p/through", "folder/a.py"),
        (tar::EntryType::Symlink, "p/dangling", "nowhere"),
        (tar::EntryType::Link, "p/hard", "p/d/a.py"),
    ] {
        header.set_size(0);
        header.set_entry_type(kind);
        builder.append_link(&mut header, name, target).unwrap();
    }
    let path = world.write("x.tar", builder.into_inner().unwrap());
    let checkout = world.acquire(path.as_str()).unwrap();
    assert_eq!(
        tree(&checkout.path),
        [
            ("d/a.py", "1"),
            ("dangling", "-> nowhere"),
            ("folder", "-> ./d/../d"),
            ("hard", "1"),
            ("soft", "-> d/a.py"),
            ("through", "-> folder/a.py"),
        ]
        .map(|(name, content)| (name.to_owned(), content.to_owned()))
    );
}

#[test]
fn what_is_no_archive_is_said_to_be_what_it_looks_like() {
    let world = World::new();
    for (content, expected) in [
        ("", "is empty"),
        ("<!DOCTYPE html><p>Please log in", "it begins like an HTML page"),
        ("hello", "it begins like a text"),
        ("PK\x03\x04 nothing more", "is corrupt or cut off at its beginning"),
    ] {
        let path = world.write("x.tar.gz", content);
        let error = world.acquire(path.as_str()).unwrap_err();
        assert!(said(&error).contains(expected), "{}", said(&error));
        assert!(world.leftovers().is_empty(), "{:?}", world.leftovers());
    }
    let error = world.acquire(world.path("missing.zip").as_str()).unwrap_err();
    assert!(matches!(error, AcquireError::MissingArchive { .. }));
}

#[test]
fn a_cut_archive_names_the_member_and_leaves_nothing() {
    let world = World::new();
    let long = "0123456789abcdef".repeat(4096);
    let files = [("p/first.txt", "1"), ("p/second.txt", long.as_str())];
    let plain = tar_of(&files);
    let packed = gz(&plain);
    let zipped = zip_of(&files);
    let cut = |bytes: &[u8], length: usize| bytes[..length].to_vec();
    for (content, member) in [
        (cut(&plain, plain.len() / 2), "`p/second.txt`"),
        (cut(&packed, packed.len() / 2), "`p/second.txt`"),
        (cut(&packed, packed.len() - 4), "`p/second.txt`"),
        (cut(&zipped, zipped.len() / 2), "its beginning"),
    ] {
        let path = world.write("x.tar.gz", content);
        let error = world.acquire(path.as_str()).unwrap_err();
        let expected = format!("`{path}` is corrupt or cut off at {member}");
        assert!(said(&error).starts_with(&expected), "{}", said(&error));
        assert!(world.leftovers().is_empty(), "{:?}", world.leftovers());
    }
    // a wrong bit in the middle is found by the checksum
    for mut content in [packed, zipped] {
        let middle = content.len() / 3;
        content[middle] ^= 0x10;
        let path = world.write("y.zip", content);
        let error = world.acquire(path.as_str()).unwrap_err();
        assert!(
            matches!(
                error,
                AcquireError::Archive(
                    ArchiveError::Corrupt { .. } | ArchiveError::CorruptZip { .. }
                )
            ),
            "{}",
            said(&error)
        );
    }
}

#[test]
fn an_archive_of_folders_only_holds_no_files() {
    let world = World::new();
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    writer.add_directory("a/b/", SimpleFileOptions::default()).unwrap();
    let path = world.write("x.zip", writer.finish().unwrap().into_inner());
    let error = world.acquire(path.as_str()).unwrap_err();
    assert!(matches!(error, AcquireError::Archive(ArchiveError::NoFiles { .. })));
}

#[test]
fn a_folder_may_be_called_like_an_archive() {
    let world = World::new();
    world.write("data.zip/a.py", "1");
    assert!(world.acquire(world.path("data.zip").as_str()).unwrap().source.own);
}
