//! Data sets that the code expects.

use std::sync::LazyLock;

use ruff_python_ast::Expr;
use rustc_hash::FxHashMap;
use serde::Deserialize;

use super::facts::sighting;
use super::reading::{Call, Reading};

/// One row of `knowledge/datasets.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    kind: String,
    title: String,
    #[expect(dead_code, reason = "for people who read the table")]
    home: String,
    words: Vec<String>,
    modules: Vec<String>,
    calls: Vec<String>,
}

/// The rows of data sets; those of shapes are [`super::shapes`]'s.
#[derive(Deserialize)]
struct Table {
    dataset: Vec<Row>,
}

/// The table, turned round.
#[derive(Default)]
struct Known {
    words: FxHashMap<String, String>,
    /// By the first letter of a word, which lengths there are, as bits.
    lengths: Vec<u64>,
    modules: FxHashMap<String, String>,
    calls: FxHashMap<String, String>,
    titles: FxHashMap<String, String>,
}

static KNOWN: LazyLock<Known> = LazyLock::new(|| {
    let table: Table = toml::from_str(include_str!("../../../../knowledge/datasets.toml"))
        .expect("a test reads the table");
    let mut known = Known::default();
    for row in table.dataset {
        let kind = || row.kind.clone();
        known.words.extend(row.words.iter().map(|word| (word.clone(), kind())));
        known.modules.extend(row.modules.iter().map(|module| (module.clone(), kind())));
        known.titles.insert(kind(), row.title.clone());
        known.calls.extend(row.calls.iter().map(|call| (call.clone(), kind())));
    }
    known.lengths = vec![0; 256];
    for word in known.words.keys() {
        if let Some(lengths) = word.bytes().next().and_then(|it| known.lengths.get_mut(it as usize))
        {
            *lengths |= bit(word.len());
        }
    }
    known
});

/// The bit of a length.
fn bit(length: usize) -> u64 {
    1 << length.min(63)
}

impl Known {
    /// Whether one of the words may be the beginning of `word`, by its first letter and length.
    fn has_beginning_of(&self, word: &[u8]) -> bool {
        let lengths = word.first().and_then(|&first| self.lengths.get(usize::from(first)));
        let shortest = lengths.map_or(u32::MAX, |lengths| lengths.trailing_zeros());
        shortest as usize <= word.len()
    }

    fn word(&self, word: &str) -> Option<&String> {
        // most words differ from all others by what is cheap to see
        let first = word.bytes().next()?;
        let lengths = self.lengths.get(usize::from(first))?;
        if lengths & bit(word.len()) == 0 {
            return None;
        }
        self.words.get(word)
    }
}

/// Returns the name of a data set for people, by its kind.
pub fn title(kind: &str) -> Option<&'static str> {
    KNOWN.titles.get(kind).map(String::as_str)
}

/// Modules whose classes or functions are data sets.
const LIBRARIES: &[&str] = &[
    "torchvision.datasets.",
    "torchaudio.datasets.",
    "torchtext.datasets.",
    "torch_geometric.datasets.",
    "dgl.data.",
    "torchtext.vocab.",
];

/// Looks at a call: `torchvision.datasets.MNIST`, `load_dataset("squad")`, `tfds.load(…)`.
pub(super) fn call(reading: &mut Reading<'_>, call: &Call<'_, '_>) {
    let by_library = LIBRARIES.iter().any(|library| call.name.starts_with(library));
    let named = match call.name {
        "datasets.load_dataset" => Some(("hf_dataset", call.text(0, "path"))),
        "tensorflow_datasets.load" => Some(("tfds", call.text(0, "name"))),
        "sklearn.datasets.fetch_openml" => Some(("openml", call.text(0, "name"))),
        "openml.datasets.get_dataset" => Some(("openml", call.text(0, "dataset_id"))),
        "kagglehub.dataset_download" => Some(("kaggle_dataset", call.text(0, "handle"))),
        _ => None,
    };
    if let Some((kind, name)) = named {
        let text = name.map_or_else(|| reading.snippet(call.node), str::to_owned);
        return see(reading, kind, &text, call.line());
    }
    if call.name.starts_with("sklearn.datasets.fetch_") {
        return see(reading, "sklearn_fetch", call.method(), call.line());
    }
    // `keras.datasets.mnist.load_data()`
    if let Some((module, "load_data")) = call.name.rsplit_once('.')
        && let Some(name) = module.split("keras.datasets.").nth(1)
    {
        let kind = if name.starts_with("cifar") { "cifar" } else { name };
        return see(reading, kind, module, call.line());
    }
    match KNOWN.calls.get(call.method()) {
        Some(kind)
            if call.name.contains("datasets") || by_library || distinctive(call.method()) =>
        {
            see(reading, kind, call.name, call.line());
        }
        None if by_library => {
            let generic = matches!(call.method(), "ImageFolder" | "DatasetFolder" | "FakeData")
                || call.name.contains(".utils.")
                || call.method().starts_with(|letter: char| letter.is_lowercase());
            if !generic {
                let kind = call.method().to_ascii_lowercase();
                see(reading, &kind, call.name, call.line());
            }
        }
        _ => {}
    }
}

/// Class names that only the library of that data set uses.
fn distinctive(name: &str) -> bool {
    name.len() > 8 && name.chars().filter(char::is_ascii_uppercase).count() > 1
}

/// Looks at an imported module.
pub(super) fn import(reading: &mut Reading<'_>, module: &str, line: u32) {
    let known = prefixes(module).find_map(|prefix| KNOWN.modules.get(prefix));
    if let Some(kind) = known {
        see(reading, kind, &format!("import {module}"), line);
    }
}

/// Looks at a text: its words may be the names of a data set's folders and files.
pub(super) fn string(reading: &mut Reading<'_>, text: &str, place: &Expr) {
    if let Some((kind, word)) = in_text(text) {
        let line = reading.line(place);
        see(reading, kind, word, line);
    }
}

/// Returns the first data set whose folder or file a text names, with the word that says so.
pub fn in_text(text: &str) -> Option<(&'static str, &str)> {
    if text.len() < 3 || text.len() > 300 || text.contains('\n') {
        return None;
    }
    let known = &*KNOWN;
    let in_word = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    let words = text.as_bytes().split(|byte| !in_word(byte)).filter(|word| word.len() > 2);
    // what is looked up are beginnings of the word
    let words = words.filter(|word| known.has_beginning_of(word));
    for word in words.filter_map(|word| std::str::from_utf8(word).ok()) {
        // `glove.6B.300d.txt` is `glove.6B`
        let shorter = std::iter::successors(Some(word), |word| Some(word.rsplit_once('.')?.0));
        // `VOCtrainval_06-Nov-2007.tar` is `VOCtrainval`
        let begin = word.split_once('_').map(|(begin, _)| begin).filter(|begin| begin.len() > 5);
        for candidate in shorter.chain(begin) {
            if let Some(kind) = known.word(candidate) {
                return Some((kind, word));
            }
        }
    }
    None
}

/// Returns the module, its parent, and so on.
pub(super) fn prefixes(module: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(module), |module| module.rsplit_once('.').map(|(parent, _)| parent))
}

fn see(reading: &mut Reading<'_>, kind: &str, text: &str, line: u32) {
    let seen = sighting(kind, text, reading.path, line);
    reading.facts.datasets.push(seen);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::python::parse::Module;

    fn kinds(source: &str) -> Vec<String> {
        let module = Module::parse(source.to_owned());
        Reading::of(&module, "a.py").datasets.into_iter().map(|seen| seen.kind).collect()
    }

    #[test]
    fn data_sets_are_seen() {
        for (source, kind) in [
            ("from torchvision import datasets\ndatasets.MNIST('.')", "mnist"),
            ("import torchvision\ntorchvision.datasets.Food101('.')", "food101"),
            ("x = osp.join(root, 'VOC/VOCdevkit/VOC2012')", "voc"),
            ("from pycocotools.coco import COCO", "coco"),
            ("from datasets import load_dataset\nload_dataset('squad')", "hf_dataset"),
            ("import tensorflow_datasets as tfds\ntfds.load('cats_vs_dogs')", "tfds"),
            ("from keras.datasets import mnist\nmnist.load_data()", "mnist"),
            ("import tensorflow as tf\ntf.keras.datasets.cifar10.load_data()", "cifar"),
            (
                "from sklearn.datasets import fetch_20newsgroups\nfetch_20newsgroups()",
                "sklearn_fetch",
            ),
            ("x = 'data/leftImg8bit/train'", "cityscapes"),
            ("x = 'glove.6B.300d.txt'", "glove"),
        ] {
            assert_eq!(kinds(source).first().map(String::as_str), Some(kind), "{source}");
        }
    }

    #[test]
    fn words_in_prose_and_other_names_are_no_data_sets() {
        for source in [
            "from torchvision import datasets\ndatasets.ImageFolder('.')",
            "x = 'I AM here'",
            "'''Trains on VOC2012.'''",
            "x = ShapeNet()",
            "class MNIST: pass\nx = model.MNIST()",
        ] {
            assert_eq!(kinds(source), Vec::<String>::new(), "{source}");
        }
    }
}
