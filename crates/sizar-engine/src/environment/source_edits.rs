//! Changes to the copy of a source that is installed; the checkout stays as it is.

use camino::Utf8Path;
use fs_err as fs;
use sizar_model::{Checkout, Deviation, SourceEdit};

use super::SetupError;
use super::error::io;

const PYPROJECT: &str = "pyproject.toml";

/// Finds the changes without which the source cannot be installed today.
pub fn needed(checkout: &Checkout) -> Vec<(SourceEdit, Deviation)> {
    let root = &checkout.path;
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
pub fn apply(edits: &[SourceEdit], copy: &Utf8Path) -> Result<(), SetupError> {
    for edit in edits {
        match edit {
            SourceEdit::DropProjectTable => {
                let path = copy.join(PYPROJECT);
                let text = fs::read_to_string(&path).map_err(io(&path))?;
                let Ok(mut document) = text.parse::<toml::Table>() else { continue };
                document.remove("project");
                fs::write(&path, document.to_string()).map_err(io(&path))?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_without_a_name_is_taken_out() {
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(folder.path()).unwrap();
        let text = "[build-system]\nrequires = [\"setuptools\"]\n\n[project]\nclassifiers = []\n";
        assert!(lacks_name(text) && !lacks_name("[project]\nname = \"x\"\n") && !lacks_name("["));
        fs::write(root.join(PYPROJECT), text).unwrap();
        apply(&[SourceEdit::DropProjectTable], root).unwrap();
        let left = fs::read_to_string(root.join(PYPROJECT)).unwrap();
        assert!(left.contains("[build-system]") && !left.contains("[project]"), "{left}");
    }
}
