//! hOCR: what recognition programs write into HTML. It is read only.
//!
//! The rules are those of <https://kba.github.io/hocr-spec/1.2/>. Areas and paragraphs are regions,
//! of the kind that their class or kraken's `data-region-type` says.

mod html;
mod read;

use super::pages::files::{self, read_each};
use super::{Format, Holding, Look, ReadOptions, Recognised};
use crate::error::Result;
use crate::model::{Dataset, Feature};

pub use html::{Tag, Tags};
pub use read::pages;

pub struct Hocr;

const EXTENSIONS: [&str; 4] = ["hocr", "html", "htm", "xhtml"];

impl Format for Hocr {
    fn name(&self) -> &'static str {
        "hocr"
    }

    fn title(&self) -> &'static str {
        "hOCR"
    }

    fn specification(&self) -> &'static str {
        "https://kba.github.io/hocr-spec/1.2/"
    }

    fn holding(&self, _: Feature) -> Holding {
        Holding::Dropped
    }

    fn recognise(&self, look: &Look) -> Option<Recognised> {
        let is_hocr = |head: &str| head.contains("ocr_page") || head.contains("ocr-system");
        files::recognise(look, &EXTENSIONS, "hOCR", is_hocr)
    }

    fn read(&self, look: &Look, _: &ReadOptions) -> Result<Dataset> {
        read_each(look, &EXTENSIONS, |path, relative| {
            pages(path, fs_err::read(path)?, &|named| files::resolve(look, relative, named))
        })
    }

    fn is_written(&self) -> bool {
        false
    }
}
