//! YOLO as darknet reads it, and as CVAT exports it under the name "YOLO 1.1": `obj.data` names lists
//! of images and a list of classes, and a label file lies beside its image.
//!
//! Its paths begin where darknet is started, as `data/train.txt` does: what is here is found by the
//! end of a path
//! (<https://github.com/AlexeyAB/darknet#how-to-train-to-detect-your-custom-objects>).

use camino::{Utf8Component, Utf8Path, Utf8PathBuf};
use rustc_hash::FxHashSet;

use crate::error::{FormatError, Position, Result};
use crate::formats::Look;

/// The keys of darknet's lists of images, and the splits that they are.
const LISTS: [(&str, &str); 3] = [("train", "train"), ("valid", "val"), ("test", "test")];

/// Keys of other files.
const OTHERS: [&str; 5] = ["names", "labels", "classes", "difficult", "results"];

/// Longer lines are no paths.
const LONGEST: usize = 4096;
/// So many parts of a path, from its end, are looked for.
const PARTS: usize = 32;

/// What `obj.data` says.
pub struct Darknet {
    pub file: Utf8PathBuf,
    /// The file with a class on each line.
    pub names: Option<Utf8PathBuf>,
    /// The lists of images, by their splits.
    pub lists: Vec<(String, Utf8PathBuf)>,
}

/// Returns the split whose list a field of `obj.data` names: CVAT has the name of its subset as the
/// key and of the list, like `Validation = data/Validation.txt`.
fn split_of<'a>(key: &'a str, path: &str) -> Option<&'a str> {
    let known = LISTS.iter().find(|(name, _)| *name == key).map(|(_, split)| *split);
    let path = Utf8Path::new(path);
    let is_list = path.extension() == Some("txt") && path.file_stem() == Some(key);
    known.or(is_list.then_some(key).filter(|key| !OTHERS.contains(key)))
}

/// Finds `obj.data`, or another file with its fields.
pub fn find(look: &Look) -> Option<Utf8PathBuf> {
    look.with_extension(&["data"]).into_iter().find(|file| {
        let head = Look::head(file);
        fields(&head).any(|(name, _)| name == "names")
            && fields(&head).any(|(name, path)| split_of(name, path).is_some())
    })
}

/// Returns whether a file is left from elsewhere, as in the code of networks: what it lists for
/// training is not here, and there are labels in their own folder.
pub fn is_stray(file: &Utf8Path, look: &Look) -> bool {
    let head = Look::head(file);
    let mut lists = fields(&head).filter(|(name, path)| split_of(name, path).is_some());
    let train = lists.clone().find(|(name, _)| *name == "train").or_else(|| lists.next());
    let name = train.and_then(|(_, path)| Utf8Path::new(path).file_name());
    let has_labels =
        || look.files().iter().any(|file| file.components().any(|part| part.as_str() == "labels"));
    let is_here = |name: &str| look.files().iter().any(|file| file.file_name() == Some(name));
    !name.is_some_and(is_here) && has_labels()
}

impl Darknet {
    /// Reads `obj.data`, whose paths lead to `files`.
    ///
    /// # Errors
    ///
    /// [`FormatError`] where a list that it names is not here.
    pub fn read(file: Utf8PathBuf, files: &FxHashSet<Utf8PathBuf>) -> Result<Self> {
        let base = file.parent().unwrap_or(Utf8Path::new("")).to_owned();
        let text = fs_err::read_to_string(&file)?;
        let mut darknet = Self { names: None, lists: Vec::new(), file };
        let mut missing = Vec::new();
        for (name, path) in fields(&text) {
            let split = split_of(name, path);
            if name != "names" && split.is_none() {
                continue;
            }
            match (below(&base, path, files), split) {
                (Some(found), Some(split)) => darknet.lists.push((split.to_owned(), found)),
                (Some(found), None) => darknet.names = Some(found),
                // darknet's own examples name a list for validation that nobody has; classes may be
                // given, and have numbers without names
                (None, Some(split)) => missing.push((split, path)),
                (None, None) => {}
            }
        }
        let train = missing.iter().find(|(split, _)| *split == "train");
        if let Some((_, path)) =
            train.or_else(|| missing.first().filter(|_| darknet.lists.is_empty()))
        {
            let what = format!("it names `{path}`, which is not here");
            let at = Position::whole(&darknet.file);
            return Err(FormatError::malformed(at, what)
                .with_hint("`obj.data`, `obj.names` and the lists of images go together"));
        }
        Ok(darknet)
    }

    /// Returns the error of a data set whose images are not here.
    pub fn without_images(&self) -> FormatError {
        let what =
            "none of the images that it lists is here, and labels are fractions of their sizes";
        FormatError::malformed(Position::whole(&self.file), what)
            .with_hint("export it with its images: CVAT's box is \"Save images\"")
    }
}

/// Returns the file of `files` that a path leads to: below `base`, or below it by the end of the path.
pub fn below(base: &Utf8Path, path: &str, files: &FxHashSet<Utf8PathBuf>) -> Option<Utf8PathBuf> {
    if path.len() > LONGEST {
        return None;
    }
    let parts: Vec<&str> = Utf8Path::new(path.trim())
        .components()
        .filter_map(|part| match part {
            Utf8Component::Normal(name) => Some(name),
            _ => None,
        })
        .collect();
    (parts.len().saturating_sub(PARTS)..parts.len()).find_map(|from| {
        let mut found = base.to_owned();
        found.extend(&parts[from..]);
        files.contains(&found).then_some(found)
    })
}

/// Lists the fields of `obj.data`: `name = value`, and lines with `#` first are remarks.
fn fields(text: &str) -> impl Iterator<Item = (&str, &str)> + Clone {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with(['#', ';']));
    lines.filter_map(|line| line.split_once('=')).map(|(name, value)| (name.trim(), value.trim()))
}
