//! The lists of images in `ImageSets`, and the names by which lists and masks know an image.

use camino::{Utf8Path, Utf8PathBuf};
use rustc_hash::FxHashMap;

use crate::error::Result;
use crate::formats::Look;
use crate::model::Dataset;

/// Images by their names in lists: the path below the folder of annotations, without its ending.
#[derive(Default)]
pub struct Names {
    whole: FxHashMap<Utf8PathBuf, u32>,
    /// `None` where several data sets of one folder have the name.
    inner: FxHashMap<String, Option<u32>>,
    stems: FxHashMap<String, Option<u32>>,
}

/// Returns where `folder` lies and what is below it, without the ending: `("base", "x/001")` for
/// `base/JPEGImages/x/001.png`.
pub fn below(file: &Utf8Path, folder: &str) -> Option<(Utf8PathBuf, String)> {
    let above = file.ancestors().skip(1).find(|above| above.file_name() == Some(folder))?;
    let inner = file.strip_prefix(above).ok()?.with_extension("");
    Some((above.parent().unwrap_or("".into()).to_owned(), inner.into_string()))
}

impl Names {
    /// Adds the image that is called `inner` in the data set at `base`.
    pub fn insert(&mut self, base: &Utf8Path, inner: &str, image: u32) {
        let add = |names: &mut FxHashMap<String, Option<u32>>, name: &str| {
            names.entry(name.to_owned()).and_modify(|known| *known = None).or_insert(Some(image));
        };
        add(&mut self.inner, inner);
        if let Some(stem) = Utf8Path::new(inner).file_name() {
            add(&mut self.stems, stem);
        }
        self.whole.insert(base.join(inner), image);
    }

    /// Returns the image that a list or a mask of the data set at `base` names.
    ///
    /// Where either has no folders, the last part of the name is enough if it is of one image only.
    pub fn find(&self, base: &Utf8Path, name: &str) -> Option<u32> {
        let same = self.whole.get(&base.join(name)).copied();
        same.or_else(|| self.inner.get(name).copied().flatten()).or_else(|| {
            let stem = Utf8Path::new(name).file_name()?;
            let found = self.stems.get(stem).copied().flatten()?;
            let is_flat = stem == name || self.inner.get(stem) == Some(&Some(found));
            is_flat.then_some(found)
        })
    }
}

/// Reads `ImageSets`: each list is a split; those per class are evaluations, not splits.
pub fn read(look: &Look, names: &Names, dataset: &mut Dataset) -> Result<()> {
    for list in files(look) {
        let Some((base, _)) = below(&list, "ImageSets") else { continue };
        let text = fs_err::read_to_string(&list)?;
        let images = listed(&text, |name| names.find(&base, name));
        if images.is_empty() {
            continue;
        }
        let split = dataset.split(list.file_stem().unwrap_or_default());
        for image in images {
            dataset.images[image as usize].splits.insert(split);
        }
    }
    Ok(())
}

/// Returns the lists of a folder, in the order in which people name them, whatever the file
/// system's is.
pub fn files(look: &Look) -> Vec<Utf8PathBuf> {
    let is_list = |file: &&Utf8PathBuf| {
        let mut folders = file.parent().into_iter().flat_map(Utf8Path::components);
        file.extension() == Some("txt") && folders.any(|part| part.as_str() == "ImageSets")
    };
    let mut lists: Vec<Utf8PathBuf> =
        look.files().iter().filter(is_list).map(|file| look.path().join(file)).collect();
    let rank = |file: &Utf8PathBuf| {
        let known = ["train", "val", "trainval", "test"];
        known.iter().position(|name| file.file_stem() == Some(name)).unwrap_or(known.len())
    };
    lists.sort_by_key(rank);
    lists
}

/// Returns the names in a list, whose lines may be in quotes.
pub fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty())
}

/// Returns a name without the quotes that datumaro puts around names with spaces.
pub fn unquoted(name: &str) -> &str {
    name.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(name)
}

/// Returns the images of a list; none of one per class or object, where numbers follow the name.
fn listed(text: &str, find: impl Fn(&str) -> Option<u32>) -> Vec<u32> {
    let known = |name: &str| {
        let bare = unquoted(name);
        find(name).or_else(|| (bare != name).then(|| find(bare)).flatten())
    };
    let (mut images, mut with_numbers) = (Vec::new(), 0);
    for line in lines(text) {
        match known(line) {
            // a name may end with a number after a space
            Some(image) => images.push(image),
            None => {
                let mut shorter = without_numbers(line);
                with_numbers += usize::from(shorter.any(|name| known(name).is_some()));
            }
        }
    }
    if with_numbers > images.len() {
        images.clear();
    }
    images
}

/// Returns what is left of a line when the numbers at its end are taken away, one after the other.
fn without_numbers(line: &str) -> impl Iterator<Item = &str> {
    fn shorter(line: &str) -> Option<&str> {
        let (rest, last) = line.rsplit_once(char::is_whitespace)?;
        last.parse::<i32>().ok()?;
        Some(rest.trim_end())
    }
    // the number of an object, and whether it does what the list is of
    std::iter::successors(shorter(line), |line| shorter(line)).take(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_images_and_of_classes_are_told_apart() {
        let mut names = Names::default();
        for (at, name) in
            ["img one", "sub/b c", "x/001", "y/001", "img 1", "img"].iter().enumerate()
        {
            names.insert("base".into(), name, at as u32);
        }
        let found = |text: &str| listed(text, |name| names.find("base".into(), name));
        assert_eq!(found("img one\r\nsub/b c\n\ny/001\nnowhere\n"), [0, 1, 3]);
        assert_eq!(found("\"img one\"\nimg 1\nimg\n"), [0, 4, 5]);
        assert_eq!(found("img one  1\nsub/b c -1\nimg  0\n"), [0; 0]);
        assert_eq!(found("\"img one\"  2  1\nimg  1 -1\n"), [0; 0]);
        // of which folder it is no list says
        assert_eq!(found("001\nz/001\n"), [0; 0]);
        assert_eq!(names.find("elsewhere".into(), "sub/b c"), Some(1));
        assert_eq!(names.find("base".into(), "b c"), Some(1));
        assert_eq!(names.find("base".into(), "other/b c"), None);
        assert_eq!(names.find("base".into(), "other/img"), Some(5));
    }
}
