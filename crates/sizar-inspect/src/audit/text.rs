//! What the lines of READMEs, scripts and shell cells download.

use std::sync::LazyLock;

use regex::Regex;
use sizar_model::inspection::Sighting;

use super::facts::sighting;
use super::{datasets, weights};

static URL: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?:https?|ftp)://[^ \t\x22'<>)\]}`|\\]+").expect("the pattern is valid")
});
static DOWNLOADER: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?:^|[ \t;&|$!`(])(?:wget|curl|gdown|aria2c|axel)[ \t]")
        .expect("the pattern is valid")
});

/// What the lines of a text download.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Downloads {
    pub datasets: Vec<Sighting>,
    pub weights: Vec<Sighting>,
}

/// Reads the lines of a README or of a script; `lines` are numbered from 1.
pub fn downloads<'a>(lines: impl Iterator<Item = (u32, &'a str)>, path: &str) -> Downloads {
    let mut found = Downloads::default();
    let mut heading = String::new();
    for (number, line) in lines {
        if line.len() > 4_000 {
            continue;
        }
        if line.starts_with('#') || line.starts_with("==") {
            heading = line.to_ascii_lowercase();
        }
        let command = spells_downloader(line) && DOWNLOADER.is_match(line) && !is_installer(line);
        let urls = line.contains("://").then(|| URL.find_iter(line)).into_iter().flatten();
        for url in urls.map(|url| url.as_str().trim_end_matches(['.', ',', ';', '*'])) {
            let kind = if command { Some("download") } else { weights::address(url) };
            // an address with a variable is made up when the script runs
            let Some(kind) = kind.filter(|_| !url.contains('$')) else { continue };
            let about_data = [url, line, &heading, path].iter().find_map(|text| about_data(text));
            let about_data = about_data.unwrap_or_else(|| is_archive(url));
            let list = if about_data { &mut found.datasets } else { &mut found.weights };
            if list.iter().all(|seen| seen.text != url) {
                list.push(sighting(kind, url, path, number));
            }
        }
        // `gdown 1AbC…`: an identifier instead of an address
        if let (true, Some((_, rest))) = (command, line.split_once("gdown "))
            && !line.contains("://")
        {
            let words = rest.split_whitespace();
            if let Some(id) =
                words.filter(|word| !word.starts_with('-')).find(|word| word.len() > 20)
            {
                found.weights.push(sighting("gdown", id, path, number));
            }
        }
    }
    found
}

/// Whether a [`DOWNLOADER`] can be in a line: the pattern costs more than a glance at all lines.
fn spells_downloader(line: &str) -> bool {
    ["wget", "curl", "gdown", "aria2c", "axel"].iter().any(|program| line.contains(program))
}

/// Weights come in formats of their own; what is packed is more often data.
fn is_archive(url: &str) -> bool {
    [".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".rar", ".7z", ".gz"]
        .iter()
        .any(|ending| url.split('?').next().is_some_and(|path| path.ends_with(ending)))
}

/// Installers are no data: `curl … | sh`, Miniconda, keys of package repositories.
fn is_installer(line: &str) -> bool {
    [
        "miniconda",
        "anaconda",
        "miniforge",
        "install.sh",
        "get-pip",
        "| sh",
        "| bash",
        "|bash",
        "apt-key",
        "gpg",
        ".deb",
        "localhost",
        "127.0.0.1",
        "0.0.0.0",
    ]
    .iter()
    .any(|word| line.to_ascii_lowercase().contains(word))
}

/// Words that are said of weights, and of nothing else that is downloaded.
const WEIGHTS: &[&str] = &[
    "weight",
    "pretrain",
    "pre-train",
    "checkpoint",
    "trained model",
    "trained_model",
    ".pth",
    ".ckpt",
    ".caffemodel",
    "model zoo",
    ".safetensors",
    "models",
    "-model",
    "_model",
];
/// Words that are said of data.
const DATA: &[&str] = &[
    "dataset",
    "data set",
    "/data",
    "images",
    "annotation",
    "corpus",
    "train_",
    "training data",
    "download data",
    "_data",
    "/data/",
];

/// Returns whether a line speaks of data or of weights, where it says.
fn about_data(line: &str) -> Option<bool> {
    let lower = line.to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    if has(WEIGHTS) {
        return Some(false);
    }
    (has(DATA) || datasets::in_text(line).is_some()).then_some(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Vec<String>, Vec<String>) {
        let lines = text.lines().enumerate().map(|(at, line)| (at as u32 + 1, line));
        let found = downloads(lines, "README.md");
        let texts = |list: Vec<Sighting>| {
            list.into_iter()
                .map(|seen| format!("{} {} {}", seen.kind, seen.line, seen.text))
                .collect()
        };
        (texts(found.datasets), texts(found.weights))
    }

    #[test]
    fn downloads_are_seen() {
        let (data, weights) = read(
            "# Model\nPretrained [weights](https://drive.google.com/file/d/1a/view).\n\
             ## Dataset\n```\nwget http://host.robots.ox.ac.uk/pascal/VOC/VOCtrainval.tar\n```\n\
             curl -O https://host/model.pth\n$ gdown 1AbCdEfGhIjKlMnOpQrStUv\n",
        );
        assert_eq!(data, ["download 5 http://host.robots.ox.ac.uk/pascal/VOC/VOCtrainval.tar"]);
        assert_eq!(
            weights,
            [
                "google_drive 2 https://drive.google.com/file/d/1a/view",
                "download 7 https://host/model.pth",
                "gdown 8 1AbCdEfGhIjKlMnOpQrStUv",
            ]
        );
    }

    #[test]
    fn links_and_installers_are_no_downloads() {
        let (data, weights) = read(
            "See https://arxiv.org/abs/1505.04597 and [code](https://github.com/a/b).\n\
             curl https://sh.rustup.rs | sh\nwget https://repo.anaconda.com/miniconda/Miniconda3.sh\n",
        );
        assert!(data.is_empty() && weights.is_empty(), "{data:?} {weights:?}");
    }
}
