//! The vocabulary of pages, which is PAGE's: what ALTO and hOCR name otherwise is brought to it.
//!
//! A region of a known type is of the category that its type names, like `marginalia`, with the
//! element (`TextRegion`) as supercategory; one without a type is of the category of its element.
//! Types of lines are names of their own (`line:heading`), as they often are those of regions too.

use crate::model::{Category, CategoryIx, Dataset, Level};

/// The regions of PAGE.
pub const REGIONS: [&str; 15] = [
    "TextRegion",
    "ImageRegion",
    "LineDrawingRegion",
    "GraphicRegion",
    "TableRegion",
    "ChartRegion",
    "MapRegion",
    "SeparatorRegion",
    "MathsRegion",
    "ChemRegion",
    "MusicRegion",
    "AdvertRegion",
    "NoiseRegion",
    "UnknownRegion",
    "CustomRegion",
];

/// Types of `TextRegion` in PAGE 2019.
pub const TEXT_TYPES: [&str; 18] = [
    "paragraph",
    "heading",
    "caption",
    "header",
    "footer",
    "page-number",
    "drop-capital",
    "credit",
    "floating",
    "signature-mark",
    "catch-word",
    "marginalia",
    "footnote",
    "footnote-continued",
    "endnote",
    "TOC-entry",
    "list-label",
    "other",
];

/// Types of `GraphicRegion`.
pub const GRAPHIC_TYPES: [&str; 11] = [
    "logo",
    "letterhead",
    "decoration",
    "frame",
    "handwritten-annotation",
    "stamp",
    "signature",
    "barcode",
    "paper-grow",
    "punch-hole",
    "other",
];

/// Types of `ChartRegion`.
pub const CHART_TYPES: [&str; 6] = ["bar", "line", "pie", "scatter", "surface", "other"];

/// Areas of a page that hold its regions; PAGE has at most one of each.
pub const FRAMES: [&str; 2] = ["Border", "PrintSpace"];

/// The categories of one page, made as they come.
#[derive(Default)]
pub struct Kinds {
    pub categories: Vec<Category>,
}

impl Kinds {
    /// Returns the category of a region or a line: an `element`, perhaps of a type.
    pub fn of(&mut self, element: &str, kind: Option<&str>) -> CategoryIx {
        let kind = kind.filter(|kind| !kind.is_empty() && *kind != "other");
        let prefix = if element == "TextLine" { "line:" } else { "" };
        let has_name = |category: &Category| match kind {
            None => &*category.name == element && category.supercategory.is_none(),
            Some(kind) => {
                category.name.strip_prefix(prefix) == Some(kind)
                    && category.supercategory.as_deref() == Some(element)
            }
        };
        if let Some(at) = self.categories.iter().position(has_name) {
            return at as CategoryIx;
        }
        self.categories.push(match kind {
            None => Category::named(element),
            Some(kind) => Category {
                name: format!("{prefix}{kind}").into(),
                supercategory: Some(element.into()),
                ..Category::default()
            },
        });
        self.categories.len() as CategoryIx - 1
    }
}

/// What a category is on a page: an element of PAGE and perhaps a type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Element<'a> {
    pub name: &'static str,
    pub kind: Option<&'a str>,
}

/// Returns the element that an annotation of `level` and `category` is.
///
/// A category that is no word of PAGE's is a `TextRegion` of that type.
pub fn element<'a>(
    dataset: &'a Dataset,
    category: Option<CategoryIx>,
    level: Level,
    region_type: Option<&'a str>,
) -> Element<'a> {
    let category = category.and_then(|at| dataset.categories.get(at as usize));
    let name = category.map_or("", |category| &*category.name);
    let above = category.and_then(|category| category.supercategory.as_deref()).unwrap_or("");
    match level {
        Level::Word => return Element { name: "Word", kind: None },
        Level::Glyph => return Element { name: "Glyph", kind: None },
        Level::Line => {
            let name = name.strip_prefix("line:").unwrap_or(name);
            let plain = name.is_empty() || name.eq_ignore_ascii_case("TextLine");
            let kind = if plain { region_type } else { Some(name) };
            return Element { name: "TextLine", kind };
        }
        Level::Region => {}
    }
    let known = |word: &str| REGIONS.iter().chain(&FRAMES).copied().find(|known| *known == word);
    if let Some(found) = known(name) {
        return Element { name: found, kind: region_type };
    }
    if let Some(found) = known(above) {
        return Element { name: found, kind: Some(name) };
    }
    if name.is_empty() {
        return Element { name: "TextRegion", kind: region_type };
    }
    if TEXT_TYPES.contains(&name) {
        return Element { name: "TextRegion", kind: Some(name) };
    }
    // words of other fields for what PAGE has a region for
    let found = match &*name.to_lowercase() {
        "text" | "textregion" | "text_block" | "textblock" => Some("TextRegion"),
        "image" | "illustration" | "figure" | "picture" | "photograph" => Some("ImageRegion"),
        "table" => Some("TableRegion"),
        "separator" | "rule" => Some("SeparatorRegion"),
        "graphic" => Some("GraphicRegion"),
        "chart" => Some("ChartRegion"),
        "map" => Some("MapRegion"),
        "music" => Some("MusicRegion"),
        "advert" | "advertisement" => Some("AdvertRegion"),
        "noise" => Some("NoiseRegion"),
        _ => None,
    };
    Element { name: found.unwrap_or("TextRegion"), kind: Some(name) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_of_regions_and_lines_stay_apart() {
        let mut kinds = Kinds::default();
        let region = kinds.of("TextRegion", Some("heading"));
        let line = kinds.of("TextLine", Some("heading"));
        let plain = kinds.of("TextLine", None);
        assert_eq!((region, line, plain), (0, 1, 2));
        assert_eq!(kinds.of("TextRegion", Some("heading")), 0);
        assert_eq!(kinds.of("TextRegion", Some("other")), 3);
        let dataset = Dataset { categories: kinds.categories, ..Dataset::default() };
        let of = |at, level| {
            let found = element(&dataset, Some(at), level, None);
            (found.name, found.kind)
        };
        assert_eq!(of(0, Level::Region), ("TextRegion", Some("heading")));
        assert_eq!(of(1, Level::Line), ("TextLine", Some("heading")));
        assert_eq!(of(2, Level::Line), ("TextLine", None));
        assert_eq!(of(3, Level::Region), ("TextRegion", None));
    }

    #[test]
    fn words_of_other_fields_find_their_region() {
        let dataset = Dataset {
            categories: ["figure", "margin text", "footnote"].map(Category::named).to_vec(),
            ..Dataset::default()
        };
        let of = |at| element(&dataset, Some(at), Level::Region, None);
        assert_eq!(of(0), Element { name: "ImageRegion", kind: Some("figure") });
        assert_eq!(of(1), Element { name: "TextRegion", kind: Some("margin text") });
        assert_eq!(of(2), Element { name: "TextRegion", kind: Some("footnote") });
    }
}
