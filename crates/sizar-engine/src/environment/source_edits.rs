//! Changes to the copy of a source that is installed; the checkout stays as it is.

use std::sync::LazyLock;

use camino::Utf8Path;
use fs_err as fs;
use regex::Regex;
use sizar_model::{Checkout, Deviation, SourceEdit};

use super::SetupError;
use super::error::io;
use crate::acquire::git;

const PYPROJECT: &str = "pyproject.toml";

/// What in a packaging file says that a build asks git for its version or its files.
static ASKS_GIT: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r#"(?ix) setuptools[-_]scm | use_scm_version | hatch[-_]vcs | flit[-_]scm | vcs[-_]versioning
        | setuptools[-_]git | poetry[-_]dynamic[-_]versioning | versioningit | dunamai | miniver
        | \bpbr\b | git["'\s,]+describe | source\s*=\s*["']scm["'] "#,
    )
    .expect("a constant")
});

/// Finds the changes without which the source cannot be installed today.
pub fn needed(checkout: &Checkout) -> Vec<(SourceEdit, Deviation)> {
    let mut edits = without_name(&checkout.path);
    // the last: what is changed after it is no part of the commit
    edits.extend(without_history(checkout));
    edits
}

/// Finds a build that asks git, in a tree without a repository; an sdist says its version itself.
fn without_history(checkout: &Checkout) -> Option<(SourceEdit, Deviation)> {
    let root = &checkout.path;
    if [".git", "PKG-INFO"].iter().any(|name| root.join(name).exists()) {
        return None;
    }
    let asking = [PYPROJECT, "setup.cfg", "setup.py"].into_iter().find(|file| {
        fs::read_to_string(root.join(file)).is_ok_and(|text| ASKS_GIT.is_match(&text))
    })?;
    let version = match &checkout.source.tag {
        Some(tag) => format!("the tag `{tag}`"),
        None => "no tag".to_owned(),
    };
    let reason = format!(
        "`{asking}` takes the version from git: the build sees a repository of one commit, with \
         {version}"
    );
    let deviation = Deviation { rule: "stand-in-history".into(), reason };
    Some((SourceEdit::StandInHistory, deviation))
}

fn without_name(root: &Utf8Path) -> Vec<(SourceEdit, Deviation)> {
    let text = fs::read_to_string(root.join(PYPROJECT)).unwrap_or_default();
    let older_way = ["setup.py", "setup.cfg"].iter().any(|file| root.join(file).is_file());
    if !older_way || !lacks_name(&text) {
        return Vec::new();
    }
    let reason = format!(
        "the table `[project]` of `{PYPROJECT}` has no name: the setuptools of its time did not read it"
    );
    let deviation = Deviation { rule: "project-table-dropped".into(), reason };
    vec![(SourceEdit::DropProjectTable, deviation)]
}

/// Whether there is a table `[project]` that lacks what every reader asks of it (PEP 621).
fn lacks_name(text: &str) -> bool {
    let Ok(document) = text.parse::<toml::Table>() else { return false };
    let project = document.get("project").and_then(toml::Value::as_table);
    project.is_some_and(|project| !project.contains_key("name"))
}

/// Applies edits to a copy of the source.
pub fn apply(edits: &[SourceEdit], checkout: &Checkout, copy: &Utf8Path) -> Result<(), SetupError> {
    for edit in edits {
        match edit {
            SourceEdit::DropProjectTable => {
                let path = copy.join(PYPROJECT);
                let text = fs::read_to_string(&path).map_err(io(&path))?;
                let Ok(mut document) = text.parse::<toml::Table>() else { continue };
                document.remove("project");
                fs::write(&path, document.to_string()).map_err(io(&path))?;
            }
            SourceEdit::StandInHistory => {
                let source = &checkout.source;
                let made = git::stand_in(copy, source.tag.as_deref(), source.date);
                // without git the build says itself what it misses
                if let Err(error) = made {
                    tracing::warn!(%error, "the build sees no repository");
                }
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use sizar_model::{Digest, Source};

    use super::*;

    fn checkout(root: &Utf8Path) -> Checkout {
        let source = Source {
            locator: "github:a/b".into(),
            revision: None,
            digest: Digest::of(b""),
            date: None,
            code_date: None,
            tag: Some("v1.2".into()),
            own: false,
        };
        Checkout { source, path: root.to_owned(), notes: Vec::new() }
    }

    #[test]
    fn a_build_that_asks_git_gets_a_repository() {
        for text in [
            "[build-system]\nrequires = ['setuptools', 'setuptools_scm']\n",
            "[build-system]\nrequires = ['hatchling', 'hatch-vcs']\n",
            "[tool.pdm.version]\nsource = \"scm\"\n",
        ] {
            let folder = tempfile::tempdir().unwrap();
            let root = Utf8Path::from_path(folder.path()).unwrap();
            fs::write(root.join(PYPROJECT), text).unwrap();
            let edits = needed(&checkout(root));
            assert_eq!(edits.len(), 1, "{text}");
            let edits: Vec<_> = edits.into_iter().map(|(edit, _)| edit).collect();
            apply(&edits, &checkout(root), root).unwrap();
            assert!(root.join(".git").is_dir());
            // a tree with a repository has what it needs
            assert!(needed(&checkout(root)).is_empty());
        }
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(folder.path()).unwrap();
        fs::write(root.join("setup.py"), "setup(setup_requires=['pbr'], pbr=True)\n").unwrap();
        assert_eq!(needed(&checkout(root)).len(), 1);
        fs::write(root.join("PKG-INFO"), "Version: 1\n").unwrap();
        assert!(needed(&checkout(root)).is_empty());
    }

    #[test]
    fn a_table_without_a_name_is_taken_out() {
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(folder.path()).unwrap();
        let text = "[build-system]\nrequires = [\"setuptools\"]\n\n[project]\nclassifiers = []\n";
        assert!(lacks_name(text) && !lacks_name("[project]\nname = \"x\"\n") && !lacks_name("["));
        fs::write(root.join(PYPROJECT), text).unwrap();
        apply(&[SourceEdit::DropProjectTable], &checkout(root), root).unwrap();
        let left = fs::read_to_string(root.join(PYPROJECT)).unwrap();
        assert!(left.contains("[build-system]") && !left.contains("[project]"), "{left}");
    }
}
