//! Reads the files of a tree in parallel: each once, with every check that looks at one file.

use std::collections::BTreeMap;

use rayon::prelude::*;
use sizar_model::inspection::{Citation, Finding, Sighting};

use crate::audit::{Facts, Reading, citation, finding, licence, text};
use crate::language::Languages;
use crate::notebook::Notebook;
use crate::python::{SourceFile, Told, decode, into_text};
use crate::tree::{MAX_CODE, MAX_NOTEBOOK, Tree, TreeFile};

/// The most bytes of a README or script that are read.
const MAX_TEXT: u64 = 1 << 20;
/// The deepest folder whose READMEs are read.
const MAX_README_DEPTH: usize = 3;

/// What reading the files gave, in the order of their paths.
#[derive(Default)]
pub(crate) struct Gathered {
    /// Python files and the code of notebooks.
    pub sources: Vec<SourceFile>,
    /// What each of the sources told by itself.
    pub told: Vec<Told>,
    /// What the checks saw in each file of Python.
    pub facts: Vec<(String, Facts)>,
    /// The notebooks whose code is among the sources.
    pub notebooks: BTreeMap<String, Notebook>,
    pub datasets: Vec<Sighting>,
    pub weights: Vec<Sighting>,
    pub citation: Option<Citation>,
    pub findings: Vec<Finding>,
}

/// What one file gave.
#[derive(Default)]
struct Piece {
    source: Option<(SourceFile, Told)>,
    facts: Facts,
    notebook: Option<Notebook>,
    downloads: text::Downloads,
    findings: Vec<Finding>,
}

/// What READMEs, shell scripts and the citation file gave.
#[derive(Default)]
struct Texts {
    downloads: text::Downloads,
    citation: Option<Citation>,
}

/// Reads the files of `tree`.
pub(crate) fn gather(tree: &Tree, languages: &Languages) -> Gathered {
    let mut units: Vec<(usize, bool)> = languages.python.iter().map(|&at| (at, false)).collect();
    units.extend(languages.notebooks.iter().map(|&at| (at, true)));
    units.sort_unstable();
    let files = tree.files();
    let read = |(at, is_notebook): (usize, bool)| {
        let file = files.get(at)?;
        Some((at, if is_notebook { notebook(tree, file) } else { python(tree, file) }))
    };
    // one file may be as long as a hundred others: no thread shall be left with many of them
    let pieces = || units.into_par_iter().with_max_len(1).filter_map(read).collect();
    let (pieces, texts): (Vec<(usize, Piece)>, Texts) = rayon::join(pieces, || texts(tree));
    let mut gathered = Gathered {
        datasets: texts.downloads.datasets,
        weights: texts.downloads.weights,
        citation: texts.citation,
        ..Gathered::default()
    };
    for (at, piece) in pieces {
        let path = files.get(at).map(|file| file.path.clone()).unwrap_or_default();
        if let Some((source, told)) = piece.source {
            gathered.sources.push(source);
            gathered.told.push(told);
        }
        gathered.facts.push((path.clone(), piece.facts));
        gathered.findings.extend(piece.findings);
        gathered.datasets.extend(piece.downloads.datasets);
        gathered.weights.extend(piece.downloads.weights);
        if let Some(notebook) = piece.notebook {
            gathered.notebooks.insert(path, notebook);
        }
    }
    gathered
}

fn python(tree: &Tree, file: &TreeFile) -> Piece {
    let Some(bytes) = tree.read(file, MAX_CODE) else { return unreadable(file) };
    let (source, facts) = read(file.path.clone(), into_text(bytes));
    Piece { source: Some(source), facts, ..Piece::default() }
}

/// Parses a file and makes every check that needs no other file, while its tree is at hand.
fn read(path: String, text: String) -> ((SourceFile, Told), Facts) {
    let mut source = SourceFile::parse(path, text);
    let facts = Reading::of(&source.module, &source.path);
    let told = Told::of(&source);
    source.module = source.module.without_tokens();
    ((source, told), facts)
}

fn unreadable(file: &TreeFile) -> Piece {
    let message = format!("this file of {} kB was not read", file.size / 1_000);
    let findings = vec![finding("unreadable-file", message, &file.path, 0)];
    Piece { findings, ..Piece::default() }
}

fn notebook(tree: &Tree, file: &TreeFile) -> Piece {
    let Some(bytes) = tree.read(file, MAX_NOTEBOOK) else { return unreadable(file) };
    let notebook = match Notebook::read(&decode(&bytes)) {
        Ok(notebook) => notebook,
        // an empty file is a notebook that nobody began
        Err(_) if bytes.trim_ascii().is_empty() => return Piece::default(),
        Err(_) => {
            let message = "this is not the JSON of a notebook";
            let findings = vec![finding("notebook-broken", message, &file.path, 0)];
            return Piece { findings, ..Piece::default() };
        }
    };
    drop(bytes);
    let mut piece = Piece::default();
    if let Some(error) = notebook.errors.first() {
        let others = match notebook.errors.len() {
            1 => String::new(),
            count => format!(" (and {} more cells)", count - 1),
        };
        let message = format!("its last run ended with `{}`{others}", error.name);
        piece.findings.push(finding("notebook-error", message, &file.path, error.line));
    }
    let magics = notebook.magics.iter().map(|magic| (magic.line, magic.text.as_str()));
    piece.downloads = text::downloads(magics, &file.path);
    if notebook.is_python() {
        let (source, facts) = read(file.path.clone(), notebook.code.clone());
        piece.facts = facts;
        piece.facts.map_lines(|line| notebook.line(line));
        piece.source = Some(source);
        piece.notebook = Some(notebook);
    }
    piece
}

/// Reads READMEs, shell scripts and the citation file.
fn texts(tree: &Tree) -> Texts {
    let mut texts = Texts::default();
    for file in tree.files() {
        let readme = licence::is_readme(file);
        let cff = file.path == "CITATION.cff";
        let depth = file.path.matches('/').count();
        if !(file.extension() == "sh" || cff || (readme && depth <= MAX_README_DEPTH)) {
            continue;
        }
        let Some(bytes) = tree.read(file, MAX_TEXT) else { continue };
        let content = into_text(bytes);
        if cff {
            texts.citation = citation::cff(&content, &file.path).or(texts.citation.take());
            continue;
        }
        let lines = content.lines().enumerate().map(|(at, line)| (at as u32 + 1, line));
        let downloads = text::downloads(lines, &file.path);
        texts.downloads.datasets.extend(downloads.datasets);
        texts.downloads.weights.extend(downloads.weights);
        if readme && depth == 0 && texts.citation.is_none() {
            texts.citation = citation::readme(&content, &file.path);
        }
    }
    texts
}
