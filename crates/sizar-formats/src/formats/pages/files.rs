//! Formats with a file for each image: read on all cores, and named beside their images.

use std::collections::BTreeSet;

use camino::{Utf8Path, Utf8PathBuf};
use rayon::prelude::*;

use crate::error::{FormatError, Result};
use crate::formats::{Look, Recognised};
use crate::model::{AnnotationIx, Dataset, Image, Note};
use crate::staging::{Encoding, Placing, Staging};
use crate::xml::XmlFile;

/// Folders that are splits when they lie at the top.
const SPLITS: [&str; 8] =
    ["train", "val", "valid", "validation", "test", "training", "testing", "dev"];

/// Folders beside images that hold files about them (`page` is Transkribus' and LAREX's).
const BESIDE: [&str; 3] = ["page", "alto", "xml"];

/// Reads all files with one of `extensions` at `look`, and puts what they say together in order.
///
/// `read` gets the path and the path relative to the folder; it returns nothing for files that
/// are something else.
pub fn read_each(
    look: &Look,
    extensions: &[&str],
    read: impl Fn(&Utf8Path, &Utf8Path) -> Result<Option<Dataset>> + Sync,
) -> Result<Dataset> {
    let files = look.with_extension(extensions);
    let parts: Vec<Dataset> = files
        .par_iter()
        .map(|path| read(path, path.strip_prefix(look.folder()).unwrap_or(path)))
        .filter_map(Result::transpose)
        .collect::<Result<_>>()?;
    let mut dataset = Dataset { roots: vec![look.folder().to_owned()], ..Dataset::default() };
    dataset.images.reserve(parts.len());
    dataset.annotations.reserve(parts.iter().map(|part| part.annotations.len()).sum());
    for part in parts {
        dataset.append(part);
    }
    Ok(dataset)
}

/// Recognises a format by the heads of a few of the files with `extensions`.
pub fn recognise(
    look: &Look,
    extensions: &[&str],
    title: &str,
    is_its: impl Fn(&str) -> bool,
) -> Option<Recognised> {
    let files = look.with_extension(extensions);
    let last = files.len().checked_sub(1)?;
    let mut tried = [0, 1, 2, last / 3, last / 2, last];
    tried.sort_unstable();
    let mut before = None;
    for at in tried.into_iter().filter(|at| *at <= last) {
        if before.replace(at) == Some(at) {
            continue;
        }
        if is_its(&Look::head(&files[at])) {
            let relative = files[at].strip_prefix(look.folder()).unwrap_or(&files[at]);
            return Recognised::sure(format!("`{relative}` is {title}"));
        }
    }
    None
}

/// Writes a file about each image, with `write`, and places the image beside it.
///
/// `write` gets the image, its annotations, and the name by which the file calls the image.
pub fn write_each(
    dataset: &Dataset,
    output: &Staging,
    extension: &str,
    write: impl Fn(&Image, &[AnnotationIx], &str) -> Result<String> + Sync,
) -> Result<()> {
    let by_image = dataset.by_image();
    if output.is_file() {
        let [image] = &dataset.images[..] else {
            let what = format!("one file holds one image, and there are {}", dataset.images.len());
            return Err(FormatError::cannot_write(what).with_hint("name a folder"));
        };
        let text = write(image, by_image.of(0), &image.name)?;
        std::io::Write::write_all(&mut output.create_single()?, text.as_bytes())?;
        return Ok(());
    }
    let mut names = Names::default();
    let named: Vec<Named> = dataset
        .images
        .iter()
        .map(|image| names.choose(dataset, image, output, extension))
        .collect();
    dataset.images.par_iter().zip(&named).enumerate().try_for_each(|(at, (image, named))| {
        let text = write(image, by_image.of(at), &named.called)?;
        output.write(&named.about, text.as_bytes())?;
        output.place_image(image, &named.image)
    })
}

/// Holds each file against its schema.
pub fn faults_of_each(
    look: &Look,
    extensions: &[&str],
    faults: impl Fn(XmlFile) -> Result<Vec<Note>> + Sync,
) -> Result<Vec<Note>> {
    let files = look.with_extension(extensions);
    let found: Vec<Vec<Note>> = files
        .par_iter()
        .map(|path| match XmlFile::read(path).and_then(&faults) {
            Ok(found) => Ok(found),
            Err(FormatError::Io(error)) => Err(FormatError::Io(error)),
            // what can't be read is a fault like others: the rest is checked all the same
            Err(error) => Ok(vec![Note {
                code: "unreadable",
                at: error.position().cloned().unwrap_or_else(|| crate::Position::whole(path)),
                message: match &error {
                    FormatError::Malformed { what, hint: Some(hint), .. } => {
                        format!("{what}; {hint}")
                    }
                    FormatError::Malformed { what, .. } | FormatError::Refused { what, .. } => {
                        what.to_string()
                    }
                    other => other.to_string(),
                },
            }]),
        })
        .collect::<Result<_>>()?;
    Ok(found.into_iter().flatten().collect())
}

/// Finds the image that the file `beside` (relative to the folder of `look`) calls `named`.
///
/// The name is made relative to the folder, so that pages of two books stay apart.
pub fn resolve(look: &Look, beside: &Utf8Path, named: &str) -> Image {
    let named = named.trim().replace('\\', "/");
    let named = named.strip_prefix("file://").unwrap_or(&named);
    // a path of someone's Windows says no more than its last part
    let named = match named.as_bytes() {
        [letter, b':', b'/', ..] if letter.is_ascii_alphabetic() => {
            named.rsplit('/').next().unwrap_or(named)
        }
        _ => named,
    };
    let here = beside.parent().unwrap_or("".into());
    let mut places = vec![here];
    if here.file_name().is_some_and(|name| BESIDE.contains(&name)) {
        places.insert(0, here.parent().unwrap_or("".into()));
    }
    let exists = |relative: &Utf8Path| match look.is_folder() {
        true => look.has(relative.as_str()),
        false => look.folder().join(relative).is_file(),
    };
    if named.is_empty() {
        return unnamed(look, beside, &places);
    }
    let file_name = Utf8Path::new(named).file_name().unwrap_or(named);
    let found = places
        .iter()
        .flat_map(|place| [clean(&place.join(named)), Some(place.join(file_name))])
        .flatten()
        .find(|path| exists(path));
    match found {
        Some(path) => Image {
            name: path.as_str().into(),
            file: Some(look.folder().join(&path)),
            ..Image::default()
        },
        None => {
            let name = clean(&places[0].join(named)).unwrap_or_else(|| places[0].join(file_name));
            Image { name: name.as_str().into(), ..Image::default() }
        }
    }
}

/// A file that doesn't say its image's name is about the image that is called like it.
fn unnamed(look: &Look, beside: &Utf8Path, places: &[&Utf8Path]) -> Image {
    let stem = beside.file_stem().unwrap_or("image");
    let endings = ["jpg", "png", "tif", "jpeg", "tiff", "jp2", "webp"];
    let candidates = places
        .iter()
        .flat_map(|place| endings.map(|ending| place.join(format!("{stem}.{ending}"))));
    let exists = |relative: &Utf8Path| match look.is_folder() {
        true => look.has(relative.as_str()),
        false => look.folder().join(relative).is_file(),
    };
    let found = candidates.into_iter().find(|path| exists(path));
    let name = found.clone().unwrap_or_else(|| places[0].join(stem));
    let file = found.map(|path| look.folder().join(path));
    Image { name: name.as_str().into(), file, ..Image::default() }
}

/// Resolves `.` and `..`; `None` for what leads out of the folder.
fn clean(path: &Utf8Path) -> Option<Utf8PathBuf> {
    let mut cleaned = Utf8PathBuf::new();
    for part in path.components() {
        match part {
            camino::Utf8Component::Normal(part) => cleaned.push(part),
            camino::Utf8Component::CurDir => {}
            camino::Utf8Component::ParentDir => {
                if !cleaned.pop() {
                    return None;
                }
            }
            _ => return None,
        }
    }
    Some(cleaned)
}

/// Returns the split that the top folder of a relative path names.
pub fn split_of(relative: &Utf8Path) -> Option<&str> {
    let mut parts = relative.components();
    let first = parts.next()?.as_str();
    parts.next()?;
    SPLITS.contains(&&*first.to_lowercase()).then_some(first)
}

/// Chooses names for images and the files about them, each once.
#[derive(Default)]
pub struct Names {
    taken: BTreeSet<Utf8PathBuf>,
}

/// Where an image and the file about it go.
pub struct Named {
    pub image: Utf8PathBuf,
    pub about: Utf8PathBuf,
    /// How the file calls the image: by its file name where that lies beside it.
    pub called: String,
}

impl Names {
    /// Names `image` and its file of `extension`, in the folder of its first split.
    pub fn choose(
        &mut self,
        dataset: &Dataset,
        image: &Image,
        output: &Staging,
        extension: &str,
    ) -> Named {
        let mut relative = clean(Utf8Path::new(image.name.trim_start_matches('/')))
            .filter(|path| !path.as_str().is_empty())
            .unwrap_or_else(|| "image".into());
        let split = image.splits.iter().next().and_then(|at| dataset.splits.get(at as usize));
        if let Some(split) = split
            && split_of(&relative) != Some(split)
        {
            relative = Utf8Path::new(&**split).join(relative);
        }
        match output.placing() {
            Placing::Encode(Encoding::Png) => {
                relative.set_extension("png");
            }
            Placing::Encode(Encoding::Jpeg) => {
                relative.set_extension("jpg");
            }
            Placing::Leave | Placing::Link | Placing::Copy => {}
        }
        let stem = relative.file_stem().unwrap_or("image").to_owned();
        let ending = relative.extension().map(|ending| format!(".{ending}")).unwrap_or_default();
        let mut count = 1;
        loop {
            let numbered = if count == 1 { stem.clone() } else { format!("{stem}_{count}") };
            let image_file = relative.with_file_name(format!("{numbered}{ending}"));
            let about = relative.with_file_name(format!("{numbered}.{extension}"));
            if !self.taken.contains(&image_file) && !self.taken.contains(&about) {
                self.taken.insert(image_file.clone());
                self.taken.insert(about.clone());
                let called = match output.placing() {
                    Placing::Leave => image.name.to_string(),
                    _ => format!("{numbered}{ending}"),
                };
                return Named { image: image_file, about, called };
            }
            count += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_inside() {
        assert_eq!(clean("a/./b/../c.jpg".into()).unwrap(), "a/c.jpg");
        assert_eq!(clean("../c.jpg".into()), None);
        assert_eq!(clean("/c.jpg".into()), None);
        assert_eq!(split_of("train/a/b.xml".into()), Some("train"));
        assert_eq!(split_of("train.xml".into()), None);
    }

    #[test]
    fn two_images_of_one_stem_get_two_files() {
        let folder = tempfile::tempdir().unwrap();
        let folder = Utf8Path::from_path(folder.path()).unwrap();
        let output = Staging::folder(&folder.join("out"), Placing::Link).unwrap();
        let dataset = Dataset::default();
        let mut names = Names::default();
        let mut of = |name: &str| {
            let image = Image { name: name.into(), ..Image::default() };
            names.choose(&dataset, &image, &output, "xml")
        };
        assert_eq!(of("x/a.jpg").about, "x/a.xml");
        let second = of("x/a.png");
        assert_eq!(
            (second.image.as_str(), second.about.as_str(), second.called.as_str()),
            ("x/a_2.png", "x/a_2.xml", "a_2.png")
        );
        assert_eq!(of("../../a.png").image, "image");
    }
}
