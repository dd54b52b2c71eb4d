//! Changes the folders that a format's writer made into those of a shape.

use camino::Utf8Path;
use fs_err as fs;
use sizar_inspect::Shape;

use super::FittingError;

/// Moves what the shape calls otherwise.
pub(super) fn move_folders(
    data: &Utf8Path,
    shape: &Shape,
    splits: &[&str],
) -> Result<(), FittingError> {
    for (from, to) in &shape.moves {
        let to = data.join(to);
        let from: Vec<&str> = match from.as_str() {
            "{split}" => splits.to_vec(),
            folder => vec![folder],
        };
        for folder in from {
            let folder = data.join(folder);
            if folder != to && folder.exists() {
                merge(&folder, &to, shape)?;
            }
        }
    }
    Ok(())
}

/// Moves a folder, or all that is in it where the other is there already.
fn merge(from: &Utf8Path, to: &Utf8Path, shape: &Shape) -> Result<(), FittingError> {
    let failed = |source| FittingError::File { path: from.to_owned(), source };
    if !to.exists() {
        return fs::rename(from, to).map_err(failed);
    }
    for entry in from.read_dir_utf8().map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let there = to.join(entry.file_name());
        if there.exists() {
            let same =
                fs::read(entry.path()).map_err(failed)? == fs::read(&there).map_err(failed)?;
            if !same {
                let name = entry.file_name().to_owned();
                return Err(FittingError::Collision { name, title: shape.title.clone() });
            }
        } else {
            fs::rename(entry.path(), &there).map_err(failed)?;
        }
    }
    fs::remove_dir_all(from).map_err(failed)
}

/// Changes the lines that say where the data are, and calls the shape's own file `file`.
pub(super) fn edit(
    data: &Utf8Path,
    shape: &Shape,
    place: &str,
    file: Option<&str>,
) -> Result<(), FittingError> {
    for (name, [before, after]) in &shape.edits {
        let path = data.join(name);
        let failed = |source| FittingError::File { path: path.clone(), source };
        let text = fs::read_to_string(&path).map_err(failed)?;
        let after = after.replace("{place}", if place.is_empty() { "." } else { place });
        let lines = text.lines().map(|line| if line == before { after.as_str() } else { line });
        let edited: String = lines.flat_map(|line| [line, "\n"]).collect();
        // the file is ours: the writer made it a moment ago
        fs::write(&path, edited).map_err(failed)?;
    }
    if let (Some(own), Some(file)) = (&shape.file, file)
        && own != file
    {
        let (from, to) = (data.join(own), data.join(file));
        fs::rename(&from, &to).map_err(|source| FittingError::File { path: to, source })?;
    }
    Ok(())
}
