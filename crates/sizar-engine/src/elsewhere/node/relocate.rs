//! Folders that lie elsewhere than where they were made: what names their place is rewritten.
//!
//! An environment names its own place in links, in `pyvenv.cfg`, in the first lines of scripts, in
//! `.pth` files, and, as conda's packages do, in programs. Texts may change their length. A program may
//! not: a shorter name is filled up with zeros, which end it, as conda does when it installs
//! (<https://docs.conda.io/projects/conda-build/en/stable/resources/make-relocatable.html>), and a
//! longer one does not fit. Compiled Python names its sources for messages alone.

use std::io::Read as _;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use rayon::prelude::*;

use crate::run::RunPlan;

/// Larger texts are not looked into: what names its own place is a script or a line of settings.
pub(in super::super) const LARGEST_TEXT: u64 = 1 << 20;
/// Larger programs are not looked into.
const LARGEST_PROGRAM: u64 = 64 << 20;
/// How an ELF file begins.
const ELF: &[u8] = b"\x7fELF";

/// One folder that moves: from where, to where.
pub(in super::super) type Move = (Utf8PathBuf, Utf8PathBuf);

/// Returns where a path is after the moves.
pub(in super::super) fn place_of(path: &Utf8Path, moves: &[Move]) -> Utf8PathBuf {
    let under = |(from, to): &Move| Some(to.join(path.strip_prefix(from).ok()?));
    moves.iter().find_map(under).unwrap_or_else(|| path.to_owned())
}

/// Returns a plan as it is where the folders of its environment have moved.
pub(in super::super) fn plan_moved(plan: &RunPlan, moves: &[Move]) -> RunPlan {
    let mut plan = plan.clone();
    plan.prefix = place_of(&plan.prefix, moves);
    plan.python_roots = plan.python_roots.iter().map(|root| place_of(root, moves)).collect();
    for value in plan.variables.values_mut() {
        *value = String::from_utf8_lossy(&rewritten(value.as_bytes(), moves)).into_owned();
    }
    plan
}

/// Returns a file's content with the new places; none where it names none that can be renamed.
pub(in super::super) fn as_rewritten(bytes: &[u8], moves: &[Move]) -> Option<Vec<u8>> {
    let new = if bytes.starts_with(ELF) {
        filled_up(bytes, moves)
    } else if !bytes.contains(&0) {
        rewritten(bytes, moves)
    } else if bytes.starts_with(b"#!") {
        // a program that is packed behind its first line
        let end = memchr::memchr(b'\n', bytes)?;
        let (line, rest) = bytes.split_at(end);
        [rewritten(line, moves).as_slice(), rest].concat()
    } else {
        return None;
    };
    (new != bytes).then_some(new)
}

/// Returns a text with the new places.
pub(in super::super) fn rewritten(bytes: &[u8], moves: &[Move]) -> Vec<u8> {
    let mut new = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((at, (from, to))) = next(rest, moves) {
        new.extend_from_slice(&rest[..at]);
        new.extend_from_slice(to.as_str().as_bytes());
        rest = &rest[at + from.as_str().len()..];
    }
    new.extend_from_slice(rest);
    new
}

/// Returns a program with the new places, as far as they are no longer than the old ones.
fn filled_up(bytes: &[u8], moves: &[Move]) -> Vec<u8> {
    let mut new = bytes.to_vec();
    let mut at = 0;
    while let Some((found, one)) = next(&bytes[at..], moves) {
        let start = at + found;
        let Some(length) = memchr::memchr(0, &bytes[start..]) else { break };
        let text = rewritten(&bytes[start..start + length], moves);
        // the text may hold several names: what is too long for it stays as it was
        if text.len() <= length {
            new[start..start + length].fill(0);
            new[start..start + text.len()].copy_from_slice(&text);
        }
        at = start + length.max(one.0.as_str().len());
    }
    new
}

/// Finds the first name of a folder that moves; `/opt/python3` is none of `/opt/python`.
fn next<'a>(bytes: &[u8], moves: &'a [Move]) -> Option<(usize, &'a Move)> {
    let first = |one: &'a Move| {
        let from = one.0.as_str().as_bytes();
        let ends = |at: usize| {
            let after = bytes.get(at + from.len());
            after.is_none_or(|byte| !byte.is_ascii_alphanumeric() && !b"-_".contains(byte))
        };
        let at = memchr::memmem::find_iter(bytes, from).find(|at| ends(*at))?;
        Some((at, one))
    };
    moves.iter().filter_map(first).min_by_key(|(at, _)| *at)
}

/// Rewrites, below `folder`, what names a place that moves.
///
/// # Errors
///
/// What the operating system says.
pub(super) fn relocate(folder: &Utf8Path, moves: &[Move]) -> std::io::Result<()> {
    let walk = ignore::WalkBuilder::new(folder).standard_filters(false).build();
    let entries: Vec<_> = walk.collect::<Result<_, _>>().map_err(std::io::Error::other)?;
    entries.par_iter().try_for_each(|entry| {
        let path = entry.path();
        match entry.file_type() {
            Some(kind) if kind.is_symlink() => {
                let target = fs::read_link(path)?;
                let Some(target) = Utf8Path::from_path(&target) else { return Ok(()) };
                let new = place_of(target, moves);
                if target.is_absolute() && new != target {
                    fs::remove_file(path)?;
                    fs_err::os::unix::fs::symlink(new, path)?;
                }
                Ok(())
            }
            Some(kind) if kind.is_file() => rewrite_file(path, moves),
            _ => Ok(()),
        }
    })
}

fn rewrite_file(path: &std::path::Path, moves: &[Move]) -> std::io::Result<()> {
    let mut file = fs::File::open(path)?;
    let metadata = file.metadata()?;
    let compiled = path.extension().is_some_and(|extension| extension == "pyc");
    if compiled || metadata.len() > LARGEST_PROGRAM {
        return Ok(());
    }
    let mut bytes = Vec::new();
    if metadata.len() > LARGEST_TEXT {
        file.by_ref().take(ELF.len() as u64).read_to_end(&mut bytes)?;
        if bytes != ELF {
            return Ok(());
        }
    }
    file.read_to_end(&mut bytes)?;
    let Some(new) = as_rewritten(&bytes, moves) else { return Ok(()) };
    // by a new file: this one may be read only. Its time is a new one, too: compiled forms are looked
    // up by it, and hold the old place
    fs::remove_file(path)?;
    fs::write(path, new)?;
    fs::set_permissions(path, metadata.permissions())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;

    use super::*;

    fn moves(from: &str, to: &str) -> Vec<Move> {
        vec![(from.into(), to.into())]
    }

    #[test]
    fn texts_links_first_lines_and_programs_name_the_new_place() {
        let text = |bytes: &[u8], from: &str, to: &str| {
            as_rewritten(bytes, &moves(from, to))
                .map(|new| String::from_utf8_lossy(&new).into_owned())
        };
        assert_eq!(
            text(b"home = /a/env/bin\n", "/a/env", "/node/x").unwrap(),
            "home = /node/x/bin\n"
        );
        assert_eq!(text(b"/a/env2 /a/env-3", "/a/env", "/b"), None);
        let zip = b"#!/a/env/bin/python\nPK\x03\x04\0\0/a/env/x";
        assert_eq!(
            text(zip, "/a/env", "/longer/place").unwrap(),
            "#!/longer/place/bin/python\nPK\u{3}\u{4}\0\0/a/env/x"
        );
        let program = b"\x7fELF\0\0/a/env/lib:/a/env/x\0rest";
        assert_eq!(
            text(program, "/a/env", "/b").unwrap(),
            "\u{7f}ELF\0\0/b/lib:/b/x\0\0\0\0\0\0\0\0\0rest"
        );
        assert_eq!(text(program, "/a/env", "/much/longer"), None);
        assert_eq!(text(b"\0data /a/env/x\0", "/a/env", "/b"), None);
    }

    #[test]
    fn of_two_places_each_is_renamed_once() {
        let both = vec![("/a".into(), "/b/a".into()), ("/b".into(), "/c".into())];
        assert_eq!(rewritten(b"/a:/b:/a/x", &both), b"/b/a:/c:/b/a/x");
        assert_eq!(place_of("/b/x".into(), &both), "/c/x");
        assert_eq!(place_of("/d".into(), &both), "/d");
    }

    #[test]
    fn a_folder_that_moved_works_where_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(folder.path()).unwrap();
        let bin = root.join("bin");
        fs::create_dir(&bin).unwrap();
        fs::write(bin.join("tool"), "#!/old/env/bin/python\n").unwrap();
        fs::set_permissions(bin.join("tool"), std::fs::Permissions::from_mode(0o555)).unwrap();
        fs_err::os::unix::fs::symlink("/old/env/bin/python3", bin.join("python")).unwrap();
        fs_err::os::unix::fs::symlink("python", bin.join("python3")).unwrap();
        fs::write(root.join("m.pyc"), "/old/env").unwrap();
        relocate(root, &moves("/old/env", root.as_str())).unwrap();
        let tool = bin.join("tool");
        assert_eq!(fs::read_to_string(&tool).unwrap(), format!("#!{root}/bin/python\n"));
        assert_eq!(fs::metadata(&tool).unwrap().permissions().mode() & 0o777, 0o555);
        assert_eq!(fs::read_link(bin.join("python")).unwrap(), bin.join("python3").as_std_path());
        assert_eq!(fs::read_link(bin.join("python3")).unwrap(), Path::new("python"));
        assert_eq!(fs::read_to_string(root.join("m.pyc")).unwrap(), "/old/env");
    }
}
