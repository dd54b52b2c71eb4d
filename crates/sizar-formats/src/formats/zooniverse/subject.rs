//! What was said of a subject when it was uploaded.

use camino::Utf8Path;
use serde_json::{Map, Value};

use super::manifest::{ORIGINAL, original, shown};
use crate::model::Provenance;
use crate::pixels::is_image_name;

/// An image as volunteers saw it.
#[derive(Clone, Debug, Default)]
pub struct Subject {
    pub name: String,
    /// Width and height; 0 while nobody has said them.
    pub size: [u32; 2],
    pub provenance: Option<Provenance>,
}

impl Subject {
    /// Reads a frame of the subject `id` out of what is `said` of it.
    pub fn new(id: &str, frame: u64, said: &Map<String, Value>) -> Self {
        let mut name = image_name(said).unwrap_or_else(|| format!("subject-{id}"));
        if frame > 0 {
            name = format!("{name}[{}]", frame.saturating_add(1));
        }
        Self { name, size: [0, 0], provenance: provenance(said) }
    }

    /// Takes its size from a classification, where that says it.
    pub fn measure(&mut self, metadata: &Value, frame: u64) {
        if self.size == [0, 0] {
            self.size = size(metadata, frame);
        }
    }
}

/// The size of the image itself, not of what was on a screen.
fn size(metadata: &Value, frame: u64) -> [u32; 2] {
    let frames = metadata.get("subject_dimensions").and_then(Value::as_array);
    let frame = frames.and_then(|frames| frames.get(frame as usize));
    let side = |name: &str| {
        let side = frame.and_then(|frame| frame.get(name)).and_then(Value::as_f64);
        side.unwrap_or(0.0).clamp(0.0, 65_535.0) as u32
    };
    [side("naturalWidth"), side("naturalHeight")]
}

/// The name of the image among what was said of it: ours, a column called so, or any name of one.
fn image_name(said: &Map<String, Value>) -> Option<String> {
    let text = |value: &Value| value.as_str().map(str::to_owned).filter(|text| !text.is_empty());
    if let Some(name) = said.get(ORIGINAL).and_then(text) {
        return Some(original(&name));
    }
    let known = ["image", "filename", "file_name", "image_name", "file", "image_file", "name"];
    let named = said.iter().find_map(|(key, value)| {
        let key = key.trim_start_matches(['#', '!', '/']).to_lowercase().replace([' ', '-'], "_");
        known.contains(&&*key).then(|| text(value)).flatten()
    });
    let any = || {
        said.values()
            .filter_map(text)
            .find(|text| is_image_name(Utf8Path::new(text)) && !text.starts_with("http"))
    };
    named.or_else(any)
}

fn provenance(said: &Map<String, Value>) -> Option<Provenance> {
    let get = |names: &[&str]| names.iter().find_map(|name| shown(said.get(*name)?.as_str()?));
    let urls = get(&["origin", "link", "url"]).filter(|url| url.starts_with("http"));
    let found = Provenance {
        urls: urls.into_iter().collect(),
        author: get(&["author", "attribution"]),
        source: get(&["source"]),
        ..Provenance::default()
    };
    (found != Provenance::default()).then_some(found)
}
