//! `--data FORMAT:PATH[:THERE][:copy]`.

use camino::{Utf8Path, Utf8PathBuf};
use sizar_formats::formats::{self, Format};
use sizar_model::{DataBinding, DataMode};

use crate::dataset::is_address;
use crate::run::{InvalidBinding, data_parts, data_place, parse_data_binding, real_path_of};

/// What a `--data` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Typed {
    /// A file or folder is shown as it is; where its name is a format's, a word on that.
    Binding(DataBinding, Option<String>),
    /// A data set is shown in a format.
    Format(FormatWish),
}

/// A data set of the user's that a driver expects in some format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormatWish {
    /// The format's name in `sizar data`; none where the driver's own is meant.
    pub format: Option<&'static str>,
    /// The data set, as it was typed.
    pub typed: String,
    pub path: Utf8PathBuf,
    /// The folder in which the program looks, where that was said.
    pub there: Option<Utf8PathBuf>,
    pub mode: DataMode,
}

/// The word for whatever format the driver expects.
const AUTO: &str = "auto";
/// Other words for formats.
const ALIASES: [(&str, &str); 3] = [("masks", "mask"), ("pascal", "voc"), ("ultralytics", "yolo")];

/// Reads what follows `--data`, with paths relative to `cwd`.
///
/// Where a file or folder is called like a format, it is meant.
///
/// # Errors
///
/// [`InvalidBinding`] where the form is another one, the data do not exist, or THERE is nowhere
/// that a program may have its data.
pub fn parse(text: &str, cwd: &Utf8Path) -> Result<Typed, InvalidBinding> {
    let parts = data_parts(text);
    let Some(meant) = parts.first().and_then(|word| format_of(word)) else {
        return Ok(Typed::Binding(parse_data_binding(text, cwd)?, None));
    };
    let word = parts.first().cloned().unwrap_or_default();
    if cwd.join(&word).exists() {
        let binding = parse_data_binding(text, cwd)?;
        let note = format!(
            "`{word}` is a name in your folder, so `--data {text}` shows that; in a folder without \
             it, `{word}:` means the format"
        );
        return Ok(Typed::Binding(binding, Some(note)));
    }
    let rest = text.split_once(':').map_or("", |(_, rest)| rest);
    if is_address(rest) {
        return Err(InvalidBinding::Remote { address: rest.to_owned() });
    }
    let form = || InvalidBinding::Form { text: text.to_owned() };
    let (path, there, mode) = match parts.get(1..).unwrap_or_default() {
        [path] => (path, None, DataMode::ReadOnly),
        [path, mode] if mode == "copy" => (path, None, DataMode::Copy),
        [path, there] => (path, Some(there), DataMode::ReadOnly),
        [path, there, mode] if mode == "copy" => (path, Some(there), DataMode::Copy),
        [_, _, mode] => {
            return Err(InvalidBinding::Mode { text: text.to_owned(), mode: mode.clone() });
        }
        _ => return Err(form()),
    };
    if path.is_empty() || there.is_some_and(String::is_empty) {
        return Err(form());
    }
    Ok(Typed::Format(FormatWish {
        format: meant.format.map(Format::name),
        typed: path.clone(),
        path: real_path_of(path, cwd)?,
        there: there.map(|there| data_place(there)).transpose()?,
        mode,
    }))
}

/// What a word before the colon means.
struct Meant {
    /// None where it is whichever format the driver expects.
    format: Option<&'static dyn Format>,
}

/// Returns what a word means, if it is one for a format.
fn format_of(word: &str) -> Option<Meant> {
    if word == AUTO {
        return Some(Meant { format: None });
    }
    let name = ALIASES.iter().find(|(alias, _)| *alias == word).map_or(word, |(_, name)| *name);
    formats::named(name).ok().map(|format| Meant { format: Some(format) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_is_told_from_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        let cwd = Utf8PathBuf::from_path_buf(folder.path().canonicalize().unwrap()).unwrap();
        for name in ["pages", "coco", "a:b"] {
            fs_err::create_dir(cwd.join(name)).unwrap();
        }
        let wish = |text: &str| match parse(text, &cwd).unwrap() {
            Typed::Format(wish) => {
                (wish.format, wish.there.map(Utf8PathBuf::into_string), wish.mode)
            }
            Typed::Binding(binding, _) => panic!("{text} is {binding:?}"),
        };
        use DataMode::{Copy, ReadOnly};
        let there = |text: &str| Some(text.to_owned());
        assert_eq!(wish("voc:./pages"), (Some("voc"), None, ReadOnly));
        assert_eq!(wish("masks:pages:copy"), (Some("mask"), None, Copy));
        assert_eq!(wish("auto:pages:~/d/./x:copy"), (None, there("~/d/x"), Copy));
        assert_eq!(wish("yolo:a\\:b:/mnt/d"), (Some("yolo"), there("/mnt/d"), ReadOnly));

        // what exists under that name is meant, and said
        let Typed::Binding(binding, Some(note)) = parse("coco:pages", &cwd).unwrap() else {
            panic!("a folder of that name exists");
        };
        assert_eq!((binding.here, binding.there.as_str()), (cwd.join("coco"), "pages"));
        assert!(note.contains("`coco`"), "{note}");
        assert!(matches!(parse("./coco:x", &cwd), Ok(Typed::Binding(_, None))));

        for text in [
            "voc:nosuch",
            "voc:pages:../x",
            "voc:pages:x:rw",
            "voc:",
            "voc:pages:",
            "x:y",
            "voc:zenodo:1",
        ] {
            assert!(parse(text, &cwd).is_err(), "{text}");
        }
    }
}
