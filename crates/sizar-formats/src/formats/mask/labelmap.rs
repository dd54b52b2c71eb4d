//! `labelmap.txt`: the classes of masks and their colours, as CVAT and datumaro write them beside
//! VOC and segmentation masks.
//!
//! A line is `name:red,green,blue:parts:actions`, and its place is the class's number
//! (<https://github.com/open-edge-platform/datumaro/blob/develop/docs/source/docs/data-formats/formats/pascal_voc.md>).

use camino::{Utf8Path, Utf8PathBuf};

use super::palette::{Ink, voc_colour};
use crate::formats::Look;

/// The name of the file.
pub const FILE: &str = "labelmap.txt";
/// The remark in files of sizar's own: CVAT's and datumaro's boxes count from 0, VOC's from 1.
const FROM_ONE: &str = "# boxes count pixels from 1";
/// Longer files name no classes.
const LONGEST: u64 = 1 << 22;

/// A class of `labelmap.txt`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub name: String,
    pub colour: [u8; 3],
}

/// What `labelmap.txt` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelMap {
    pub file: Utf8PathBuf,
    /// The classes by their numbers, the background among them.
    pub rows: Vec<Row>,
    /// Whether it says that boxes count from 1.
    pub from_one: bool,
}

impl Row {
    /// Tells whether it is the background or what is to be ignored, which are no classes.
    pub fn is_void(&self) -> bool {
        self.name == "background"
            || self.colour == voc_colour(0)
            || (self.name == "ignored" && self.colour == voc_colour(255))
    }
}

impl LabelMap {
    /// Finds the file that is highest in a folder, and reads it; `None` where there is none, or
    /// where it is something else of that name.
    pub fn find(look: &Look) -> Option<Self> {
        let named = look.files().iter().filter(|file| file.file_name() == Some(FILE));
        let highest = named.min_by_key(|file| file.components().count())?;
        Self::read(&look.path().join(highest))
    }

    /// Reads a file; `None` where it is not there or something else.
    pub fn read(file: &Utf8Path) -> Option<Self> {
        if file.metadata().ok()?.len() > LONGEST {
            return None;
        }
        Self::parse(file, &fs_err::read_to_string(file).ok()?)
    }

    fn parse(file: &Utf8Path, text: &str) -> Option<Self> {
        let mut said: Vec<(&str, Option<[u8; 3]>)> = Vec::new();
        for line in text.lines().map(str::trim) {
            if line.is_empty() {
                continue;
            }
            // a name may have colons, what comes after it hasn't
            let mut fields = line.rsplitn(4, ':').skip(2);
            let row = fields.next().zip(fields.next()).and_then(|(colour, name)| {
                Some((name, if colour.is_empty() { None } else { Some(colour_of(colour)?) }))
            });
            // a name may begin like a remark, too
            match row {
                Some((_, None)) | None if line.starts_with('#') => {}
                Some(row) => said.push(row),
                None => return None,
            }
        }
        if said.is_empty() {
            return None;
        }
        let is_background = |(name, colour): &(&str, Option<[u8; 3]>)| {
            *name == "background" || *colour == Some(voc_colour(0))
        };
        // as datumaro does
        if !said.iter().any(is_background) {
            said.insert(0, ("background", None));
        }
        let rows = said
            .into_iter()
            .enumerate()
            .map(|(at, (name, colour))| Row {
                name: name.to_owned(),
                colour: colour.unwrap_or_else(|| voc_colour(at as u8)),
            })
            .collect();
        let from_one = text.lines().any(|line| line.starts_with(FROM_ONE));
        Some(Self { file: file.to_owned(), rows, from_one })
    }

    /// Lists the names of the classes, in order.
    pub fn classes(&self) -> impl Iterator<Item = &str> {
        self.rows.iter().filter(|row| !row.is_void()).map(|row| &*row.name)
    }

    /// Returns the number of the class that is drawn so: by the colour, else by the file's own
    /// number.
    pub fn number(&self, ink: Ink) -> Option<usize> {
        let by_colour =
            ink.colour.and_then(|colour| self.rows.iter().position(|row| row.colour == colour));
        let own = || ink.number.filter(|_| ink.colour.is_none()).map(|number| number as usize);
        by_colour.or_else(own).filter(|at| *at < self.rows.len())
    }

    /// Returns the class that is drawn so.
    pub fn row(&self, ink: Ink) -> Option<&Row> {
        self.rows.get(self.number(ink)?)
    }
}

/// Reads `red,green,blue`.
fn colour_of(text: &str) -> Option<[u8; 3]> {
    let mut parts = text.split(',').map(|part| part.trim().parse::<u8>().ok());
    let colour = [parts.next()??, parts.next()??, parts.next()??];
    parts.next().is_none().then_some(colour)
}

/// Returns a file for classes that are numbered from 1 and painted with VOC's palette; `None` where
/// it has no more colours.
pub fn text<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> Option<String> {
    if names.len() > 254 {
        return None;
    }
    let mut text = format!("# label:color_rgb:parts:actions\n{FROM_ONE}\nbackground:0,0,0::\n");
    for (at, name) in names.enumerate() {
        let [red, green, blue] = voc_colour(at as u8 + 1);
        let name = name.replace(['\n', '\r'], " ");
        text.push_str(&format!("{name}:{red},{green},{blue}::\n"));
    }
    let [red, green, blue] = voc_colour(255);
    // the border between things
    text.push_str(&format!("ignored:{red},{green},{blue}::\n"));
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Option<LabelMap> {
        LabelMap::parse("labelmap.txt".into(), text)
    }

    #[test]
    fn names_may_have_colons_and_colours_may_be_missing() {
        let map = parsed("# label:color_rgb:parts:actions\ncat: big:1,2,3:head,tail:\ndog:::\n");
        let map = map.unwrap();
        let rows: Vec<(&str, [u8; 3])> =
            map.rows.iter().map(|row| (&*row.name, row.colour)).collect();
        assert_eq!(rows, [("background", [0; 3]), ("cat: big", [1, 2, 3]), ("dog", voc_colour(2))]);
        assert_eq!(map.classes().collect::<Vec<_>>(), ["cat: big", "dog"]);
        assert!(!map.from_one);
    }

    #[test]
    fn a_list_of_names_is_something_else() {
        for text in ["", "cat\ndog\n", "cat:red::\n", "cat:1,2::\n", "cat:1,2,300::\n"] {
            assert_eq!(parsed(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let map = parsed(&text(["#1 cat", "dog: 2"].into_iter()).unwrap()).unwrap();
        assert_eq!(map.classes().collect::<Vec<_>>(), ["#1 cat", "dog: 2"]);
        assert!(map.from_one);
        assert_eq!(text(vec!["x"; 255].into_iter()), None);
    }
}
