//! What the tree lacks, or has too much of: pointers of Git LFS, empty submodules, large files.

use sizar_model::inspection::Finding;

use super::facts::finding;
use crate::tree::{Tree, TreeFile};

/// From this size on a file is worth a word, in bytes.
const LARGE: u64 = 100 << 20;
/// Pointers of Git LFS are between these sizes, in bytes.
const POINTER: std::ops::RangeInclusive<u64> = 90..=300;
/// The most files that are opened to see whether they are pointers.
const MAX_LOOKS: usize = 5_000;
/// The most findings of one kind.
const MAX_EACH: usize = 50;

/// Looks at the files of the tree by size and name, and at few of them inside.
pub fn findings(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    if tree.truncated {
        let message = format!("only the first {} files were looked at", tree.files().len());
        found.push(finding("tree-truncated", message, "", 0));
    }
    for link in tree.broken_links.iter().take(MAX_EACH) {
        found.push(finding("broken-link", "this link points to nothing", link, 0));
    }
    for file in tree.files().iter().filter(|file| file.size >= LARGE).take(MAX_EACH) {
        let message = format!("this file has {} MB", file.size / 1_000_000);
        found.push(finding("large-file", message, &file.path, 0));
    }
    found.extend(pointers(tree));
    found.extend(submodules(tree));
    found
}

fn pointers(tree: &Tree) -> Vec<Finding> {
    let candidate = |file: &&TreeFile| POINTER.contains(&file.size) && file.extension() != "py";
    let pointers = tree.files().iter().filter(candidate).take(MAX_LOOKS).filter(|file| {
        tree.head(file, 64).starts_with(b"version https://git-lfs.github.com/spec/v1")
    });
    let message = "this is a pointer of Git LFS; its content was not fetched";
    pointers.take(MAX_EACH).map(|file| finding("lfs-pointer", message, &file.path, 0)).collect()
}

fn submodules(tree: &Tree) -> Vec<Finding> {
    let text = tree.file(".gitmodules").and_then(|file| tree.read(file, 64 << 10));
    let text = String::from_utf8_lossy(&text.unwrap_or_default()).into_owned();
    let mut found = Vec::new();
    let (mut path, mut line) = (None, 0);
    for (at, text) in text.lines().enumerate() {
        let Some((key, value)) = text.split_once('=') else { continue };
        match key.trim() {
            "path" => (path, line) = (Some(value.trim().trim_matches('/')), at as u32 + 1),
            "url" => {
                let Some(path) = path.take() else { continue };
                if tree.under(path).next().is_none() {
                    let message =
                        format!("the submodule `{path}` is empty; it is at {}", value.trim());
                    found.push(finding("submodule-missing", message, ".gitmodules", line));
                }
            }
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use camino::Utf8Path;
    use fs_err as fs;

    use super::*;

    #[test]
    fn what_is_not_there_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(folder.path()).unwrap();
        let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n";
        fs::write(root.join("model.pth"), pointer).unwrap();
        let modules = "[submodule \"a\"]\n\tpath = lib/a\n\turl = https://me:pw1@host/a.git\n\
                       [submodule \"b\"]\n\tpath = lib/b\n\turl = https://host/b.git\n";
        fs::write(root.join(".gitmodules"), modules).unwrap();
        fs::create_dir_all(root.join("lib/a")).unwrap();
        fs::create_dir_all(root.join("lib/b")).unwrap();
        fs::write(root.join("lib/b/x.py"), "").unwrap();
        fs::File::create(root.join("big.bin")).unwrap().set_len(200_000_000).unwrap();
        let found = findings(&Tree::walk(root).unwrap());
        let seen: Vec<(&str, &str, u32)> =
            found.iter().map(|it| (it.id.as_str(), it.path.as_str(), it.line)).collect();
        assert_eq!(
            seen,
            [
                ("large-file", "big.bin", 0),
                ("lfs-pointer", "model.pth", 0),
                ("submodule-missing", ".gitmodules", 2),
            ]
        );
        assert!(!found[2].message.contains("pw1"), "{}", found[2].message);
    }
}
