//! Reads hOCR.

use camino::Utf8Path;

use super::html::{Tag, Tags, attribute, decoded};
use crate::error::{FormatError, Position, Result};
use crate::formats::pages::{Kinds, files, points, tree};
use crate::model::{
    Annotation, AnnotationIx, Box2, Dataset, Image, Level, Point, Polygon, Shape, Transcription,
};
use crate::xml::XmlFile;

/// An element that is open.
struct Open<'a> {
    name: &'a str,
    annotation: Option<AnnotationIx>,
    is_page: bool,
}

/// Reads one file of one or more pages; `image` makes an image of the name that a page gives it.
///
/// What has no page is nothing.
pub fn pages(
    path: &Utf8Path,
    bytes: Vec<u8>,
    image: &dyn Fn(&str) -> Image,
) -> Result<Option<Dataset>> {
    let file = XmlFile::from_bytes(path, bytes)?;
    let mut reader = Reader {
        path,
        text: file.text(),
        kinds: Kinds::default(),
        dataset: Dataset::default(),
        spoken: Vec::new(),
    };
    let mut open: Vec<Open<'_>> = Vec::new();
    for tag in Tags::of(file.text()) {
        match tag {
            Tag::Open { name, attributes, at, is_empty } => {
                let mut opened = Open { name, annotation: None, is_page: false };
                let class = attribute(attributes, "class").unwrap_or_default();
                let kind = class.split_ascii_whitespace().find(|class| class.starts_with("ocr"));
                if kind == Some("ocr_page") {
                    reader.page(attributes, at, image)?;
                    opened.is_page = true;
                } else if let Some(kind) = kind
                    && !reader.dataset.images.is_empty()
                {
                    let mut above = open.iter().rev().take_while(|open| !open.is_page);
                    let parent = above.find_map(|open| open.annotation);
                    opened.annotation = reader.element(kind, attributes, at, parent)?;
                }
                if !is_empty {
                    if open.len() > 40 * tree::DEEPEST {
                        return Err(FormatError::refused(
                            Position::of_offset(path, file.text().as_bytes(), at),
                            "elements in each other without end",
                        ));
                    }
                    open.push(opened);
                }
            }
            Tag::Close { name } => {
                // an element that was never closed ends with the one it is in
                if let Some(at) = open.iter().rposition(|open| open.name.eq_ignore_ascii_case(name))
                {
                    open.truncate(at);
                }
            }
            Tag::Text(text) => {
                if let Some(inner) = open.iter().rev().find_map(|open| open.annotation) {
                    reader.spoken[inner as usize].push_str(&decoded(text));
                }
            }
        }
    }
    if reader.dataset.images.is_empty() {
        return Ok(None);
    }
    Ok(Some(reader.finish()))
}

struct Reader<'f> {
    path: &'f Utf8Path,
    text: &'f str,
    kinds: Kinds,
    dataset: Dataset,
    /// The text straight in each annotation.
    spoken: Vec<String>,
}

impl Reader<'_> {
    fn broken(&self, at: usize, what: String) -> FormatError {
        FormatError::malformed(Position::of_offset(self.path, self.text.as_bytes(), at), what)
    }

    fn page(&mut self, attributes: &str, at: usize, image: &dyn Fn(&str) -> Image) -> Result<()> {
        let title = decoded(attribute(attributes, "title").unwrap_or_default()).into_owned();
        let named = property(&title, "image").unwrap_or_default();
        let mut found = image(named.trim_matches(['"', '\'']));
        let count = self.dataset.images.len();
        if self.dataset.images.iter().any(|known| known.name == found.name) {
            found.name = format!("{}[{}]", found.name, count + 1).into();
            found.file = None;
        }
        if let Some(bounds) = self.bounds(&title, at)? {
            let side = |side: f64| side.round().clamp(0.0, f64::from(u32::MAX)) as u32;
            (found.width, found.height) = (side(bounds.right()), side(bounds.bottom()));
        }
        if let Some(split) = files::split_of(found.name.as_ref().into()).map(str::to_owned) {
            found.splits.insert(self.dataset.split(&split));
        }
        self.dataset.images.push(found);
        Ok(())
    }

    fn element(
        &mut self,
        class: &str,
        attributes: &str,
        at: usize,
        parent: Option<AnnotationIx>,
    ) -> Result<Option<AnnotationIx>> {
        let region_type = attribute(attributes, "data-region-type");
        let (level, element, kind) = match class {
            "ocr_line" => (Level::Line, "TextLine", None),
            "ocr_header" => (Level::Line, "TextLine", Some("header")),
            "ocr_footer" => (Level::Line, "TextLine", Some("footer")),
            "ocr_caption" => (Level::Line, "TextLine", Some("caption")),
            "ocr_textfloat" => (Level::Line, "TextLine", Some("floating")),
            "ocrx_word" => (Level::Word, "Word", None),
            "ocrx_cinfo" => (Level::Glyph, "Glyph", None),
            "ocr_carea" | "ocr_column" | "ocrx_block" => (Level::Region, "TextRegion", region_type),
            "ocr_par" => (Level::Region, "TextRegion", Some("paragraph")),
            "ocr_separator" => (Level::Region, "SeparatorRegion", None),
            "ocr_table" => (Level::Region, "TableRegion", None),
            "ocr_image" | "ocr_photo" | "ocr_float" => (Level::Region, "ImageRegion", None),
            "ocr_linedrawing" => (Level::Region, "LineDrawingRegion", None),
            "ocr_math" | "ocr_display" => (Level::Region, "MathsRegion", None),
            "ocr_chem" => (Level::Region, "ChemRegion", None),
            _ => return Ok(None),
        };
        let title = decoded(attribute(attributes, "title").unwrap_or_default()).into_owned();
        let category = self.kinds.of(element, kind);
        let image = self.dataset.images.len() as u32 - 1;
        let bbox = self.bounds(&title, at)?;
        let mut annotation =
            Annotation { image, category: Some(category), bbox, ..Annotation::default() };
        if let Some(poly) = property(&title, "poly") {
            let ring = points::parse(poly).map_err(|what| self.broken(at, what))?;
            if !ring.is_empty() {
                annotation.shape = Shape::Polygon(Polygon::simple(ring));
            }
        }
        let baseline = property(&title, "baseline").map(|text| self.baseline(text, bbox, at));
        let confidence = property(&title, "x_wconf")
            .or_else(|| property(&title, "x_conf"))
            .and_then(|text| text.split_ascii_whitespace().next()?.parse::<f32>().ok())
            .filter(|percent| percent.is_finite())
            .map(|percent| percent / 100.0);
        let more = annotation.more_mut();
        more.key = attribute(attributes, "id").map(Into::into);
        more.level = Some(level);
        more.parent = parent;
        more.region_type = kind.map(Into::into);
        more.baseline = baseline.transpose()?.unwrap_or_default();
        // the text is put in at the end
        let language = attribute(attributes, "lang").map(Into::into);
        more.text = vec![Transcription { text: "".into(), confidence, language }];
        self.dataset.annotations.push(annotation);
        self.spoken.push(String::new());
        Ok(Some(self.dataset.annotations.len() as AnnotationIx - 1))
    }

    fn bounds(&self, title: &str, at: usize) -> Result<Option<Box2>> {
        let Some(text) = property(title, "bbox") else { return Ok(None) };
        let corners = points::parse(text).map_err(|what| self.broken(at, what))?;
        match corners[..] {
            [from, to] => Ok(Some(Box2::from_corners(from.x, from.y, to.x, to.y))),
            _ => Err(self.broken(at, format!("`bbox {text}` is not four numbers"))),
        }
    }

    /// A slope and an offset from the lower left corner of the box.
    fn baseline(&self, text: &str, bounds: Option<Box2>, at: usize) -> Result<Vec<Point>> {
        let numbers = points::parse(text).map_err(|what| self.broken(at, what))?;
        let (Some(bounds), [line]) = (bounds, &numbers[..]) else { return Ok(Vec::new()) };
        let left = bounds.bottom() + line.y;
        Ok(vec![
            Point::new(bounds.x, left),
            Point::new(bounds.right(), left + line.x * bounds.width),
        ])
    }

    /// Gives each element its text: its own, else that of what is in it.
    fn finish(self) -> Dataset {
        let Self { kinds, mut dataset, mut spoken, .. } = self;
        for at in (0..dataset.annotations.len()).rev() {
            let whole = std::mem::take(&mut spoken[at]);
            let whole = whole.split_whitespace().collect::<Vec<_>>().join(" ");
            let Some(more) = &mut dataset.annotations[at].more else { continue };
            let (level, parent) = (more.level, more.parent);
            // regions have no text of their own: their lines have it
            if level == Some(Level::Region) || whole.is_empty() {
                more.text.clear();
                continue;
            }
            if let Some(first) = more.text.first_mut() {
                first.text = whole.as_str().into();
            }
            // what is in it comes last first, as we go backwards
            if let Some(above) = parent.map(|parent| &mut spoken[parent as usize]) {
                let space = if level == Some(Level::Glyph) { "" } else { " " };
                *above = match above.trim().is_empty() {
                    true => whole,
                    false => format!("{whole}{space}{above}"),
                };
            }
        }
        dataset.categories = kinds.categories;
        dataset
    }
}

/// Returns what a title says of `name`: `bbox 0 0 1 1; image "a;b.png"`.
fn property<'a>(title: &'a str, name: &str) -> Option<&'a str> {
    let mut rest = title;
    loop {
        let mut quote = None;
        let end = rest.char_indices().find(|(_, c)| {
            match (quote, c) {
                (None, '"' | '\'') => quote = Some(*c),
                (Some(open), close) if open == *close => quote = None,
                _ => {}
            }
            *c == ';' && quote.is_none()
        });
        let (piece, next) = match end {
            Some((at, _)) => (&rest[..at], Some(&rest[at + 1..])),
            None => (rest, None),
        };
        let piece = piece.trim();
        if let Some(value) = piece.strip_prefix(name)
            && (value.is_empty() || value.starts_with(|c: char| c.is_ascii_whitespace()))
        {
            return Some(value.trim());
        }
        rest = next?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = r#"<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN" "http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd">
<html><head><meta charset="utf-8"><meta name='ocr-system' content='tesseract 5.3.0' /></head><body>
<div class='ocr_page' id='page_1' title='image "scans/a;1.png"; bbox 0 0 600 800; ppageno 0; scan_res 70 70'>
 <div class='ocr_carea' id='block_1_1' title="bbox 10 20 500 200">
  <p class='ocr_par' id='par_1_1' lang='fra' title="bbox 10 20 500 200">
   <span class='ocr_line' id='line_1_1' title="bbox 10 20 500 60; baseline 0.01 -5; x_size 30">
    <span class='ocrx_word' id='word_1_1' title='bbox 10 20 100 60; x_wconf 96'>Été</span>
    <span class='ocrx_word' id='word_1_2' title='bbox 110 20 200 60; x_wconf 50'><em>&amp; hiver</em></span>
   </span>
  </p>
 </div>
</div></body></html>"#;

    fn read(text: &str) -> Result<Option<Dataset>> {
        pages("a.hocr".into(), text.as_bytes().to_vec(), &|named| Image {
            name: named.into(),
            ..Image::default()
        })
    }

    #[test]
    fn a_page_of_tesseract_is_read() {
        let dataset = read(PAGE).unwrap().unwrap();
        let image = &dataset.images[0];
        assert_eq!((&*image.name, image.width, image.height), ("scans/a;1.png", 600, 800));
        let text: Vec<_> = dataset.annotations.iter().map(|at| at.text().unwrap_or("-")).collect();
        assert_eq!(text, ["-", "-", "Été & hiver", "Été", "& hiver"]);
        let line = dataset.annotations[2].more.as_ref().unwrap();
        assert_eq!(line.baseline, [Point::new(10.0, 55.0), Point::new(500.0, 59.9)]);
        assert_eq!(line.parent, Some(1));
        let word = dataset.annotations[3].more.as_ref().unwrap();
        assert_eq!(word.text[0].confidence, Some(0.96));
        assert_eq!(dataset.annotations[1].bbox, Some(Box2::new(10.0, 20.0, 490.0, 180.0)));
    }

    #[test]
    fn what_is_broken_is_said_with_its_place() {
        assert!(read("<p>no page</p>").unwrap().is_none());
        let error = read("\n<div class='ocr_page' title='bbox 0 0 5'>").unwrap_err();
        assert!(error.to_string().starts_with("a.hocr:2:1: a point lacks"), "{error}");
        // open elements that nobody closes
        let deep = format!("<div class=ocr_page>{}", "<div>".repeat(100_000));
        assert!(read(&deep).is_err());
    }
}
