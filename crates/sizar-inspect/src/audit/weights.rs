//! Weights that the code downloads, or expects to be there.

use std::sync::LazyLock;

use ruff_python_ast::Expr;
use rustc_hash::FxHashMap;
use serde::Deserialize;

use super::facts::{finding, sighting};
use super::reading::{Call, Reading, literal};

/// One row of `knowledge/weights.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    kind: String,
    #[expect(dead_code, reason = "for people who read the table")]
    title: String,
    #[expect(dead_code, reason = "for those who have to fetch it beforehand")]
    kept: Option<String>,
    #[expect(dead_code, reason = "for those who fetch it beforehand")]
    cached: Option<Vec<String>>,
    #[expect(dead_code, reason = "for people who read the table")]
    source: Option<String>,
    calls: Vec<String>,
    argument: Argument,
    only_if: Option<String>,
    /// The first of them is the argument after the one that names it.
    #[serde(default)]
    unless: Vec<String>,
}

#[derive(Deserialize)]
struct Argument {
    position: usize,
    keyword: String,
}

#[derive(Deserialize)]
struct Table {
    weights: Vec<Row>,
}

struct Known {
    rows: Vec<Row>,
    /// By dotted name.
    calls: FxHashMap<String, usize>,
    /// By the method alone, whatever the receiver.
    methods: FxHashMap<String, usize>,
}

static KNOWN: LazyLock<Known> = LazyLock::new(|| {
    let table: Table = toml::from_str(include_str!("../../../../knowledge/weights.toml"))
        .expect("a test reads the table");
    let (mut calls, mut methods) = (FxHashMap::default(), FxHashMap::default());
    for (at, row) in table.weights.iter().enumerate() {
        for call in &row.calls {
            match call.strip_prefix('.') {
                Some(method) => methods.insert(method.to_owned(), at),
                None => calls.insert(call.clone(), at),
            };
        }
    }
    Known { rows: table.weights, calls, methods }
});

/// Endings of files that hold weights.
const ENDINGS: &[&str] = &[
    ".pth",
    ".pt",
    ".ckpt",
    ".h5",
    ".hdf5",
    ".pb",
    ".onnx",
    ".caffemodel",
    ".safetensors",
    ".tflite",
    ".params",
    ".weights",
    ".mlmodel",
    ".pth.tar",
    ".t7",
    ".joblib",
    ".keras",
];

/// The bytes from the last dot of the longest of them.
const LONGEST_ENDING: usize = ".safetensors".len();

/// Looks at a call.
pub(super) fn call(reading: &mut Reading<'_>, call: &Call<'_, '_>) {
    let by_method = || {
        let method = matches!(&*call.node.func, Expr::Attribute(_)).then(|| call.method())?;
        KNOWN.methods.get(method)
    };
    let row = KNOWN.calls.get(call.name).or_else(by_method).and_then(|&at| KNOWN.rows.get(at));
    if let Some(row) = row {
        return known(reading, call, row);
    }
    unsafe_load(reading, call);
    if let Some(kind) = pretrained(call) {
        let name = call.name.trim_start_matches('.');
        see(reading, kind, name, call.line());
    }
}

fn known(reading: &mut Reading<'_>, call: &Call<'_, '_>, row: &Row) {
    if row.only_if.as_deref().is_some_and(|keyword| !call.keyword(keyword).is_some_and(is_on)) {
        return;
    }
    let argument = call
        .positional(row.argument.position)
        .or_else(|| call.keyword(&row.argument.keyword))
        .or_else(|| call.keyword("id"));
    let text = match argument {
        Some(argument) => match reading.literal_of(argument) {
            // a folder of the tree or of a former run is no download
            Some(text) if text.starts_with(['.', '/']) => return,
            Some(text) => text.to_owned(),
            None => format!("{}({})", call.method(), reading.snippet(argument)),
        },
        None => call.name.trim_start_matches('.').to_owned(),
    };
    let elsewhere = !row.unless.is_empty()
        && (row.unless.iter().any(|keyword| call.keyword(keyword).is_some())
            || call.positional(row.argument.position + 1).is_some());
    let kind = if elsewhere { "url" } else { row.kind.as_str() };
    see(reading, kind, &text, call.line());
}

/// Returns the kind of a call that asks a library for its trained weights.
fn pretrained(call: &Call<'_, '_>) -> Option<&'static str> {
    let vision = call.name.starts_with("torchvision.models.") || call.name.starts_with("models.");
    if call.keyword("pretrained").is_some_and(is_true) {
        return Some(if vision { "torchvision_models" } else { "pretrained" });
    }
    let weights = call.keyword("weights");
    if vision && weights.is_some_and(|weights| !weights.is_none_literal_expr()) {
        return Some("torchvision_models");
    }
    let keras = call.name.contains("keras.applications.")
        && call.method().starts_with(|letter: char| letter.is_uppercase());
    // the default is `imagenet`
    let fetched = weights.is_none_or(|weights| literal(weights) == Some("imagenet"));
    (keras && fetched).then_some("keras_applications")
}

fn is_true(expr: &Expr) -> bool {
    expr.as_boolean_literal_expr().is_some_and(|literal| literal.value)
}

/// Anything but a plain no.
fn is_on(expr: &Expr) -> bool {
    let off = expr.as_boolean_literal_expr().is_some_and(|literal| !literal.value);
    !off && !expr.is_none_literal_expr()
}

/// `pickle` runs what the file says: that matters where the file was downloaded.
fn unsafe_load(reading: &mut Reading<'_>, call: &Call<'_, '_>) {
    let nested = call.positional(0).is_some_and(|argument| {
        let Expr::Call(inner) = argument else { return false };
        let name = reading.names.dotted(&inner.func).unwrap_or_default();
        name.contains("urlopen") || name.starts_with("requests.") || name.contains("urlretrieve")
    });
    if nested && matches!(call.name, "pickle.load" | "pickle.loads" | "torch.load" | "joblib.load")
    {
        let message = format!("`{}` runs whatever the downloaded file tells it to", call.name);
        let found = finding("pickle-of-a-download", message, reading.path, call.line());
        reading.facts.findings.push(found);
    }
}

/// Looks at a text: an address of weights, or the name of a file that holds some.
pub(super) fn string(reading: &mut Reading<'_>, text: &str, place: &Expr) {
    if let Some(kind) = address(text) {
        // as the argument of a call it was seen
        if reading.facts.weights.iter().any(|seen| seen.kind == "torch_url" && seen.text == text) {
            return;
        }
        let line = reading.line(place);
        see(reading, kind, text, line);
    } else if is_weights_file(text) && reading.here().is_kept() && !reading.here().is_written() {
        let line = reading.line(place);
        see(reading, "weights_file", text, line);
    }
}

/// Returns what kind of download an address is, if it is the address of one.
pub fn address(text: &str) -> Option<&'static str> {
    let rest = ["http://", "https://", "ftp://"].iter().find_map(|it| text.strip_prefix(it))?;
    if text.contains([' ', '\n']) {
        return None;
    }
    let host = rest.split('/').next().unwrap_or_default();
    if matches!(host, "drive.google.com" | "drive.usercontent.google.com")
        || rest.starts_with("docs.google.com/uc")
    {
        return Some("google_drive");
    }
    let path = rest.split(['?', '#']).next().unwrap_or(rest).to_ascii_lowercase();
    if [".pdf", ".html", ".png", ".jpg", ".gif", ".svg", ".pptx", ".md"]
        .iter()
        .any(|it| path.ends_with(it))
    {
        return None;
    }
    if host.ends_with("dropbox.com")
        || host.ends_with("pan.baidu.com")
        || host.ends_with("1drv.ms")
        || host.ends_with("mega.nz")
        || host.contains("sharepoint.com")
    {
        return Some("file_share");
    }
    ENDINGS.iter().any(|ending| path.ends_with(ending)).then_some("url")
}

fn is_weights_file(text: &str) -> bool {
    // a glance at the last letters, for the texts that are anything else
    let dot = memchr::memrchr(b'.', text.as_bytes());
    if !dot.is_some_and(|dot| (3..=LONGEST_ENDING).contains(&(text.len() - dot))) {
        return false;
    }
    let plain =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | '~' | '+');
    let lower = text.to_ascii_lowercase();
    let ending = ENDINGS.iter().find(|ending| lower.ends_with(**ending));
    // `.h5` and `_best.pth` are endings of names that are made up later
    let name = lower.rsplit('/').next().unwrap_or(&lower);
    let stem = ending.and_then(|ending| name.strip_suffix(ending)).unwrap_or_default();
    stem.starts_with(|letter: char| letter.is_ascii_alphanumeric())
        && !is_own_output(stem, lower.contains('/'))
        && text.len() < 200
        && text.chars().all(plain)
}

/// Returns whether a training writes files of that name itself.
fn is_own_output(stem: &str, in_folder: bool) -> bool {
    let generic = ["model", "best", "last", "latest", "final", "saved_model", "best_model"];
    stem.starts_with("checkpoint")
        || stem.starts_with("model_best")
        || (!in_folder && generic.contains(&stem))
}

fn see(reading: &mut Reading<'_>, kind: &str, text: &str, line: u32) {
    let seen = sighting(kind, text, reading.path, line);
    reading.facts.weights.push(seen);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::python::parse::Module;

    fn seen(source: &str) -> Vec<(String, String)> {
        let module = Module::parse(source.to_owned());
        let facts = Reading::of(&module, "a.py");
        facts.weights.into_iter().map(|seen| (seen.kind, seen.text)).collect()
    }

    #[test]
    fn weights_are_seen() {
        for (source, kind, text) in [
            (
                "import torch\ntorch.hub.load('milesial/Pytorch-UNet', 'unet')",
                "torch_hub",
                "milesial/Pytorch-UNet",
            ),
            (
                "BertModel.from_pretrained('bert-base-uncased')",
                "from_pretrained",
                "bert-base-uncased",
            ),
            (
                "from torchvision import models\nmodels.vgg16(pretrained=True)",
                "torchvision_models",
                "torchvision.models.vgg16",
            ),
            ("import timm\ntimm.create_model('vit_base', pretrained=True)", "timm", "vit_base"),
            (
                "from keras.applications.vgg16 import VGG16\nVGG16()",
                "keras_applications",
                "keras.applications.vgg16.VGG16",
            ),
            ("import nltk\nnltk.download('punkt')", "nltk_data", "punkt"),
            ("import spacy\nspacy.load('en_core_web_sm')", "spacy_model", "en_core_web_sm"),
            (
                "x = 'https://drive.google.com/uc?id=1'",
                "google_drive",
                "https://drive.google.com/uc?id=1",
            ),
            ("x = 'https://host/model.pth'", "url", "https://host/model.pth"),
            ("p.add_argument('--model', default='vgg.pth')", "weights_file", "vgg.pth"),
            ("import gdown\ngdown.download(id='1AbC')", "gdown", "1AbC"),
            (
                "import torch\ntorch.hub.load_state_dict_from_url('https://x.org/a-0676ba61.pth')",
                "torch_url",
                "https://x.org/a-0676ba61.pth",
            ),
            (
                "urls = {'r': 'https://x.org/a'}\n\
                 from torch.utils import model_zoo\nmodel_zoo.load_url(urls['r'])",
                "torch_url",
                "https://x.org/a",
            ),
            (
                "from torch.utils import model_zoo\nmodel_zoo.load_url('https://x.org/a', './w')",
                "url",
                "https://x.org/a",
            ),
            (
                "from torch.hub import load_state_dict_from_url\n\
              U = 'https://x.org/a'\n\
              load_state_dict_from_url(U, file_name='b')",
                "url",
                "https://x.org/a",
            ),
        ] {
            assert_eq!(seen(source), [(kind.to_owned(), text.to_owned())], "{source}");
        }
    }

    #[test]
    fn what_is_no_weight_is_left_alone() {
        for source in [
            "from torchvision import models\nmodels.vgg16(pretrained=False)",
            "from keras.applications.vgg16 import VGG16\nVGG16(weights=None)",
            "import timm\ntimm.create_model('vit_base')",
            "x = '.pth'",
            "torch.save(m, os.path.join(out, 'vgg.pth'))",
            "print('vgg.pth')",
            "x = torch.load(os.path.join(out, 'checkpoint.pth.tar'))",
            "x = name + '.h5'",
            "Model.from_pretrained('./checkpoints')",
            "x = 'https://docs.google.com/document/d/1'",
            "x = 'see model.pth for it'",
        ] {
            assert_eq!(seen(source), [], "{source}");
        }
    }

    #[test]
    fn a_downloaded_pickle_is_named() {
        let source = "import pickle, urllib.request\n\
                      x = pickle.load(urllib.request.urlopen(url))\n";
        let module = Module::parse(source.to_owned());
        let facts = Reading::of(&module, "a.py");
        assert_eq!(facts.findings[0].id, "pickle-of-a-download");
        assert_eq!(facts.findings[0].line, 2);
    }
}
