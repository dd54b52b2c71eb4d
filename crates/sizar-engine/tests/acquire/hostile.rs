//! Archives that want out, or too much.

use std::io::{Cursor, Write};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use proptest::prelude::*;
use sizar_engine::acquire::archive::{ArchiveError, unpack};
use sizar_engine::acquire::limits::Limits;
use sizar_engine::acquire::tree_writer::TreeError;
use sizar_model::Silent;
use tar::EntryType;
use zip::write::SimpleFileOptions;

use crate::archives::{gz, tar_of, zip_of};
use crate::world::tree;

/// A folder to unpack into, beside which nothing may appear.
struct Cell {
    folder: tempfile::TempDir,
}

impl Cell {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("inside")).unwrap();
        fs::write(folder.path().join("guard"), "untouched").unwrap();
        Self { folder }
    }

    fn root(&self) -> &Utf8Path {
        Utf8Path::from_path(self.folder.path()).unwrap()
    }

    fn unpack(&self, bytes: &[u8], limits: Limits) -> Result<Utf8PathBuf, ArchiveError> {
        let archive = self.root().join("archive");
        fs::write(&archive, bytes).unwrap();
        let into = self.root().join("inside");
        let result = unpack(&archive, "x", &into, limits, &Silent);
        fs::remove_file(archive).unwrap();
        let mut names: Vec<_> = self
            .root()
            .read_dir_utf8()
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_owned())
            .collect();
        names.sort();
        names.retain(|name| name != "inside.second");
        assert_eq!(names, ["guard", "inside"], "something was written outside");
        assert_eq!(fs::read_to_string(self.root().join("guard")).unwrap(), "untouched");
        result.map(|unpacked| unpacked.tree)
    }
}

fn refused(bytes: &[u8]) -> TreeError {
    refused_within(bytes, Limits::default())
}

fn refused_within(bytes: &[u8], limits: Limits) -> TreeError {
    match Cell::new().unpack(bytes, limits) {
        Err(ArchiveError::Refused { source, .. }) => source,
        other => panic!("not refused: {other:?}"),
    }
}

/// One member of a hand-made tar archive; the writers of honest ones refuse such names.
struct Member<'a> {
    kind: EntryType,
    name: &'a [u8],
    target: &'a [u8],
    content: &'a [u8],
}

const FILE: Member<'_> =
    Member { kind: EntryType::Regular, name: b"", target: b"", content: b"evil" };

fn tar_with(members: &[Member<'_>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for member in members {
        let mut header = tar::Header::new_ustar();
        header.as_old_mut().name[..member.name.len()].copy_from_slice(member.name);
        header.as_old_mut().linkname[..member.target.len()].copy_from_slice(member.target);
        header.set_entry_type(member.kind);
        header.set_size(member.content.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        bytes.extend_from_slice(header.as_bytes());
        bytes.extend_from_slice(member.content);
        bytes.resize(bytes.len().next_multiple_of(512), 0);
    }
    bytes.resize(bytes.len() + 1024, 0);
    bytes
}

fn link<'a>(name: &'a str, target: &'a str) -> Member<'a> {
    let (name, target) = (name.as_bytes(), target.as_bytes());
    Member { kind: EntryType::Symlink, name, target, content: b"" }
}

fn file(name: &str) -> Member<'_> {
    Member { name: name.as_bytes(), ..FILE }
}

#[test]
fn names_that_lead_out_are_refused() {
    for name in ["../guard", "a/../../guard", "..", "a/.."] {
        assert!(
            matches!(refused(&tar_with(&[file(name)])), TreeError::EscapingMember { member } if member == name)
        );
        assert!(matches!(refused(&zip_of(&[(name, "x")])), TreeError::EscapingMember { .. }));
    }
    for name in ["/tmp/sizar-evil", "C:evil", "C:/evil"] {
        assert!(
            matches!(refused(&tar_with(&[file(name)])), TreeError::AbsoluteMember { member } if member == name)
        );
        assert!(matches!(refused(&zip_of(&[(name, "x")])), TreeError::AbsoluteMember { .. }));
    }
    assert!(matches!(
        refused(&zip_of(&[("..\\..\\guard", "x")])),
        TreeError::Backslash { member } if member == "..\\..\\guard"
    ));
}

#[test]
fn names_that_deceive_are_refused() {
    for name in [&b"a\x1b[2Jb"[..], b"a\nb", b"caf\xe9", b"\xff\xfe"] {
        let member = Member { name, ..FILE };
        assert!(matches!(refused(&tar_with(&[member])), TreeError::UnreadableName { .. }));
    }
    assert!(matches!(refused(&zip_of(&[("a\0b", "x")])), TreeError::UnreadableName { .. }));
}

#[test]
fn long_names_of_pax_and_gnu_are_checked_too() {
    // the header's own name is harmless; the extension before it says otherwise
    let long = Member {
        kind: EntryType::GNULongName,
        name: b"././@LongLink",
        target: b"",
        content: b"../guard\0",
    };
    let mut bytes = tar_with(&[long, file("harmless")]);
    // GNU extensions count in GNU headers only
    bytes[257..265].copy_from_slice(b"ustar  \0");
    let mut header = *bytes.first_chunk::<512>().unwrap();
    let fixed = tar::Header::from_byte_slice(&header).clone();
    let mut fixed = fixed;
    fixed.set_cksum();
    header.copy_from_slice(fixed.as_bytes());
    bytes[..512].copy_from_slice(&header);
    assert!(matches!(refused(&bytes), TreeError::EscapingMember { .. }));
    let pax = Member {
        kind: EntryType::XHeader,
        name: b"x",
        target: b"",
        content: b"17 path=../guard\n",
    };
    assert!(matches!(
        refused(&tar_with(&[pax, file("harmless")])),
        TreeError::EscapingMember { .. }
    ));
}

#[test]
fn links_that_lead_out_are_refused() {
    for target in ["../guard", "/etc/passwd", "a/../../guard", "..", "../../../../etc"] {
        assert!(matches!(
            refused(&tar_with(&[link("l", target), file("x")])),
            TreeError::EscapingLink { member, target: found } if member == "l" && found == target
        ));
    }
    // through another link, whichever comes first: `deep` is at the top, so `deep/..` is outside
    for members in [
        [link("a/b/deep", "../.."), link("out", "a/b/deep/../guard"), file("x")],
        [link("out", "a/b/deep/../guard"), link("a/b/deep", "../.."), file("x")],
    ] {
        assert!(
            matches!(refused(&tar_with(&members)), TreeError::EscapingLink { member, .. } if member == "out")
        );
    }
    // out of the only folder, which becomes the tree
    assert!(matches!(
        refused(&tar_with(&[file("top/x"), link("top/l", "../other")])),
        TreeError::EscapingLink { .. }
    ));
    let hard = Member { kind: EntryType::Link, name: b"h", target: b"../guard", content: b"" };
    assert!(matches!(refused(&tar_with(&[hard])), TreeError::EscapingLink { .. }));
    let hard = Member { kind: EntryType::Link, name: b"h", target: b"nothing", content: b"" };
    assert!(matches!(refused(&tar_with(&[hard])), TreeError::MissingLinkTarget { .. }));
}

#[test]
fn links_in_zip_archives_are_checked() {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    writer.add_symlink("l", "../guard", SimpleFileOptions::default()).unwrap();
    writer.start_file("x", SimpleFileOptions::default()).unwrap();
    let bytes = writer.finish().unwrap().into_inner();
    assert!(matches!(refused(&bytes), TreeError::EscapingLink { .. }));
}

#[test]
fn nothing_is_written_through_a_link() {
    // the classic: a link to the outside, then a file "in" it
    for members in [
        [link("d", ".."), file("d/guard")],
        [link("d", "x"), file("d/guard")],
        [link("guard", "../guard"), file("guard")],
    ] {
        let error = refused(&tar_with(&members));
        assert!(
            matches!(error, TreeError::ThroughLink { .. } | TreeError::Duplicate { .. }),
            "{error}"
        );
    }
    // a hard link to a link is a link again, and judged as one
    let members = [
        link("l", "../guard"),
        Member { kind: EntryType::Link, name: b"h", target: b"l", content: b"" },
        file("x"),
    ];
    assert!(matches!(refused(&tar_with(&members)), TreeError::EscapingLink { .. }));
}

#[test]
fn links_in_circles_end() {
    let members = [link("a", "b/x"), link("b", "a/y"), file("x")];
    assert!(matches!(refused(&tar_with(&members)), TreeError::TangledLink { .. }));
    // each link goes twice through the one before: 2^30 steps for who does not count
    let names: Vec<_> = (0..30).map(|number| format!("l{number}")).collect();
    let targets: Vec<_> = (0..30)
        .map(|number| match number {
            0 => "d".to_owned(),
            number => format!("l{0}/../l{0}", number - 1),
        })
        .collect();
    let mut members: Vec<_> =
        names.iter().zip(&targets).map(|(name, target)| link(name, target)).collect();
    members.push(file("d/x"));
    assert!(matches!(refused(&tar_with(&members)), TreeError::TangledLink { .. }));
}

#[test]
fn devices_and_pipes_are_refused() {
    for (kind, expected) in [
        (EntryType::Char, "device"),
        (EntryType::Block, "device"),
        (EntryType::Fifo, "pipe"),
        (EntryType::new(b'V'), "member of an unknown type"),
    ] {
        let member = Member { kind, name: b"dev", target: b"", content: b"" };
        assert!(matches!(
            refused(&tar_with(&[member])),
            TreeError::SpecialFile { member, kind } if member == "dev" && kind == expected
        ));
    }
}

#[test]
fn members_that_come_twice_must_be_the_same() {
    let other = Member { content: b"good", ..file("a") };
    assert!(matches!(
        refused(&tar_with(&[file("a"), other])),
        TreeError::Duplicate { member } if member == "a"
    ));
    // a file where a folder is needed, and the reverse
    assert!(matches!(refused(&tar_with(&[file("a"), file("a/b")])), TreeError::Duplicate { .. }));
    assert!(matches!(refused(&tar_with(&[file("a/b"), file("a")])), TreeError::Duplicate { .. }));
    let cell = Cell::new();
    let tree_path =
        cell.unpack(&tar_with(&[file("a"), file("./a"), file("A")]), Limits::default()).unwrap();
    let names: Vec<_> = tree(&tree_path).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["A", "a"]);
}

#[test]
fn git_folders_do_not_come_along() {
    let cell = Cell::new();
    let members = [file("a.py"), file(".git/config"), file("sub/.GIT/hooks/post-checkout")];
    let path = cell.unpack(&tar_with(&members), Limits::default()).unwrap();
    assert_eq!(tree(&path).len(), 1);
}

#[test]
fn bombs_are_stopped() {
    let limits = Limits { ratio_from: 1 << 20, ..Limits::default() };
    let zeros = vec![0; 64 << 20];
    let bomb = tar_with(&[Member { content: &zeros, ..file("zeros") }]);
    let zst = zstd::encode_all(&bomb[..], 3).unwrap();
    assert!(matches!(
        refused_within(&zst, limits),
        TreeError::Bomb { member, ratio: 1000 } if member == "zeros"
    ));
    let zip = zip_of(&[("zeros", std::str::from_utf8(&zeros).unwrap())]);
    assert!(matches!(refused_within(&zip, limits), TreeError::Bomb { .. }));
    // below the threshold, such files are honest enough
    assert!(Cell::new().unpack(&zip, Limits::default()).is_ok());
}

#[test]
fn sizes_and_counts_have_limits() {
    let limits = Limits { bytes: 1000, members: 5, ..Limits::default() };
    let long = "x".repeat(600);
    let files = [("a", long.as_str()), ("b", long.as_str())];
    for bytes in [gz(&tar_of(&files)), zip_of(&files)] {
        assert!(matches!(refused_within(&bytes, limits), TreeError::TooLarge { limit: 1000 }));
    }
    let names: Vec<_> = (0..6).map(|number| number.to_string()).collect();
    let many: Vec<_> = names.iter().map(|name| (name.as_str(), "")).collect();
    for bytes in [tar_of(&many), zip_of(&many), tar_of(&[("a/b/c/d/e/f", "")])] {
        assert!(matches!(refused_within(&bytes, limits), TreeError::TooMany { limit: 5 }));
    }
}

#[test]
fn a_header_that_fills_the_memory_is_stopped() {
    let long = vec![b'a'; 20 << 20];
    let pax = Member { kind: EntryType::XHeader, name: b"x", target: b"", content: &long };
    let bytes = zstd::encode_all(&tar_with(&[pax, file("y")])[..], 1).unwrap();
    let result = Cell::new().unpack(&bytes, Limits::default());
    assert!(
        matches!(result, Err(ArchiveError::Refused { source: TreeError::Bomb { .. }, .. })),
        "{result:?}"
    );
}

#[test]
fn an_encrypted_member_is_named() {
    // flag bit 0 of both headers, as an encrypting program sets it
    let mut bytes = zip_of(&[("secret.txt", "x")]);
    bytes[6] |= 1;
    let central = bytes.windows(4).position(|window| window == b"PK\x01\x02").unwrap();
    bytes[central + 8] |= 1;
    let result = Cell::new().unpack(&bytes, Limits::default());
    assert!(
        matches!(&result, Err(ArchiveError::Encrypted { member, .. }) if member == "secret.txt"),
        "{result:?}"
    );
}

#[test]
fn a_zip_with_one_name_twice_is_refused() {
    // `aa` and `ab` are made one name in both headers
    let mut bytes = zip_of(&[("aa", "one"), ("ab", "two")]);
    for at in 0..bytes.len() - 1 {
        if &bytes[at..at + 2] == b"ab" {
            bytes[at + 1] = b'a';
        }
    }
    let result = Cell::new().unpack(&bytes, Limits::default());
    assert!(
        matches!(result, Err(ArchiveError::Refused { source: TreeError::Duplicate { .. }, .. })),
        "{result:?}"
    );
}

#[test]
fn a_tiny_archive_of_many_claims_is_no_memory() {
    // a sparse file that claims a terabyte
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(EntryType::GNUSparse);
    header.set_path("sparse").unwrap();
    header.set_size(0);
    let gnu = header.as_gnu_mut().unwrap();
    let size = 1_u64 << 32;
    gnu.realsize.copy_from_slice(format!("{size:011o}\0").as_bytes());
    gnu.sparse[0].offset.copy_from_slice(format!("{size:011o}\0").as_bytes());
    gnu.sparse[0].numbytes.copy_from_slice(b"00000000000\0");
    header.set_cksum();
    let mut bytes = header.as_bytes().to_vec();
    bytes.resize(2048, 0);
    let limits = Limits { ratio_from: 1 << 20, ..Limits::default() };
    assert!(matches!(refused_within(&bytes, limits), TreeError::Bomb { .. }));
}

/// Changes an archive in a few places.
fn mangled(mut bytes: Vec<u8>, changes: &[(usize, u8)]) -> Vec<u8> {
    for (at, value) in changes {
        let at = at % bytes.len();
        bytes[at] = *value;
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn arbitrary_bytes_stay_inside(
        magic in 0..6_usize,
        bytes in prop::collection::vec(any::<u8>(), 0..2000),
    ) {
        let magics: [&[u8]; 6] =
            [b"", b"PK\x03\x04", &[0x1f, 0x8b, 8], b"BZh9", b"\xfd7zXZ\0", &[0x28, 0xb5, 0x2f, 0xfd]];
        let bytes = [magics[magic], &bytes].concat();
        let _ = Cell::new().unpack(&bytes, Limits::default());
    }

    #[test]
    fn mangled_archives_stay_inside(
        packing in 0..3,
        changes in prop::collection::vec((any::<usize>(), any::<u8>()), 0..8),
    ) {
        let members = [file("p/a"), link("p/l", "a"), file("p/b/c")];
        let bytes = match packing {
            0 => tar_with(&members),
            1 => gz(&tar_with(&members)),
            _ => zip_of(&[("p/a", "x"), ("p/b/c", "yyyyyyyyyyyyyy")]),
        };
        let limits = Limits { bytes: 10 << 20, ..Limits::default() };
        let _ = Cell::new().unpack(&mangled(bytes, &changes), limits);
    }

    #[test]
    fn any_names_and_targets_stay_inside(
        members in prop::collection::vec(
            ("[a-c./]{1,12}", prop::option::of("[a-c./]{1,12}")), 1..8),
    ) {
        let members: Vec<_> = members
            .iter()
            .map(|(name, target)| match target {
                Some(target) => link(name, target),
                None => file(name),
            })
            .collect();
        let cell = Cell::new();
        if let Ok(path) = cell.unpack(&tar_with(&members), Limits::default()) {
            // what was accepted never leads out, as the kernel sees it
            let root = path.canonicalize_utf8().unwrap();
            for (name, content) in tree(&path) {
                if content.starts_with("-> ")
                    && let Ok(real) = path.join(&name).canonicalize_utf8()
                {
                    prop_assert!(real.starts_with(&root), "{name} {content}");
                }
            }
        }
    }
}

#[test]
fn refusals_leave_no_second_copy() {
    let mut file_bytes = Vec::new();
    file_bytes.write_all(b"other").unwrap();
    let other = Member { content: &file_bytes, ..file("a") };
    let cell = Cell::new();
    let _ = cell.unpack(&tar_with(&[file("a"), other]), Limits::default());
    assert!(!cell.root().join("inside.second").exists());
}
