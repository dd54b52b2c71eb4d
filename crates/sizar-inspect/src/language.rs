//! What a file is written in, by its name and, where names do not tell, its first bytes.

use std::collections::BTreeMap;

use sizar_model::inspection::Language;

use crate::tree::{Tree, TreeFile};

/// The most files whose first bytes are looked at.
const MAX_LOOKS: usize = 2_000;
/// How many first bytes are looked at.
const HEAD: u64 = 4_096;

/// Extensions and the languages they mean, as GitHub's Linguist writes them.
const EXTENSIONS: &[(&str, &str)] = &[
    ("py", "Python"),
    ("pyw", "Python"),
    ("pyi", "Python"),
    ("pyx", "Cython"),
    ("pxd", "Cython"),
    ("pxi", "Cython"),
    ("ipynb", "Jupyter Notebook"),
    ("cu", "Cuda"),
    ("cuh", "Cuda"),
    ("c", "C"),
    ("cc", "C++"),
    ("cpp", "C++"),
    ("cxx", "C++"),
    ("hh", "C++"),
    ("hpp", "C++"),
    ("hxx", "C++"),
    ("cl", "OpenCL"),
    ("lua", "Lua"),
    ("r", "R"),
    ("rmd", "RMarkdown"),
    ("jl", "Julia"),
    ("sh", "Shell"),
    ("bash", "Shell"),
    ("zsh", "Shell"),
    ("ps1", "PowerShell"),
    ("bat", "Batchfile"),
    ("f", "Fortran"),
    ("for", "Fortran"),
    ("f90", "Fortran"),
    ("f95", "Fortran"),
    ("java", "Java"),
    ("kt", "Kotlin"),
    ("scala", "Scala"),
    ("js", "JavaScript"),
    ("jsx", "JavaScript"),
    ("mjs", "JavaScript"),
    ("ts", "TypeScript"),
    ("tsx", "TypeScript"),
    ("html", "HTML"),
    ("css", "CSS"),
    ("pl", "Perl"),
    ("rb", "Ruby"),
    ("go", "Go"),
    ("rs", "Rust"),
    ("cs", "C#"),
    ("hs", "Haskell"),
    ("swift", "Swift"),
    ("mm", "Objective-C++"),
    ("stan", "Stan"),
    ("tex", "TeX"),
    ("cmake", "CMake"),
    ("mk", "Makefile"),
    ("proto", "Protocol Buffer"),
    ("sql", "SQL"),
    ("wl", "Mathematica"),
    ("nb", "Mathematica"),
    ("vhd", "VHDL"),
    ("ptx", "Cuda"),
];

/// The languages of a tree, and the files of Python among them.
#[derive(Clone, Debug, Default)]
pub struct Languages {
    /// Most bytes first.
    pub counts: Vec<Language>,
    /// Indices into [`Tree::files`] of Python modules and scripts (no stubs).
    pub python: Vec<usize>,
    /// Indices into [`Tree::files`] of notebooks.
    pub notebooks: Vec<usize>,
}

impl Languages {
    /// Looks at every file of the tree.
    pub fn of(tree: &Tree) -> Self {
        let mut counts: BTreeMap<&'static str, (u64, u64)> = BTreeMap::new();
        let mut found = Self::default();
        let mut headers = (0, 0);
        let mut looks = 0;
        for (at, file) in tree.files().iter().enumerate() {
            let extension = file.extension();
            if extension == "h" {
                headers = (headers.0 + 1, headers.1 + file.size);
                continue;
            }
            let language = match by_name(file, &extension) {
                Some(language) => Some(language),
                None if needs_a_look(file, &extension) && looks < MAX_LOOKS => {
                    looks += 1;
                    by_content(&extension, &tree.head(file, HEAD))
                }
                None => None,
            };
            let Some(language) = language else { continue };
            match language {
                "Python" if extension != "pyi" => found.python.push(at),
                "Jupyter Notebook" => found.notebooks.push(at),
                _ => {}
            }
            let count = counts.entry(language).or_default();
            *count = (count.0 + 1, count.1 + file.size);
        }
        if headers.0 > 0 {
            let plus = ["C++", "Cuda"].iter().any(|language| counts.contains_key(language));
            let count = counts.entry(if plus { "C++" } else { "C" }).or_default();
            *count = (count.0 + headers.0, count.1 + headers.1);
        }
        found.counts = counts
            .into_iter()
            .map(|(name, (files, bytes))| Language { name: name.to_owned(), files, bytes })
            .collect();
        found.counts.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.name.cmp(&b.name)));
        found
    }
}

fn by_name(file: &TreeFile, extension: &str) -> Option<&'static str> {
    let name = file.name();
    if name == "Dockerfile" || name.starts_with("Dockerfile.") || extension == "dockerfile" {
        return Some("Dockerfile");
    }
    match name {
        "CMakeLists.txt" => return Some("CMake"),
        "Makefile" | "makefile" | "GNUmakefile" => return Some("Makefile"),
        "Snakefile" => return Some("Snakemake"),
        _ => {}
    }
    EXTENSIONS.iter().find(|(known, _)| *known == extension).map(|(_, language)| *language)
}

/// Only files that may be a script, and `.m`, are worth opening.
fn needs_a_look(file: &TreeFile, extension: &str) -> bool {
    let script = extension.is_empty() && !file.name().starts_with('.');
    (script || extension == "m") && file.size > 1
}

fn by_content(extension: &str, head: &[u8]) -> Option<&'static str> {
    if extension == "m" {
        return Some(matlab_or_objective_c(head));
    }
    let line = head.strip_prefix(b"#!")?;
    let line = line.split(|&byte| byte == b'\n').next()?;
    let line = String::from_utf8_lossy(line);
    let mut words = line.split_whitespace().map(|word| word.rsplit('/').next().unwrap_or(word));
    let program = words.find(|word| *word != "env" && !word.starts_with('-'))?;
    match program.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.') {
        "python" | "pypy" | "ipython" => Some("Python"),
        "sh" | "bash" | "zsh" | "dash" | "ksh" => Some("Shell"),
        "perl" => Some("Perl"),
        "ruby" => Some("Ruby"),
        "lua" | "luajit" | "th" => Some("Lua"),
        "Rscript" => Some("R"),
        "node" => Some("JavaScript"),
        _ => None,
    }
}

fn matlab_or_objective_c(head: &[u8]) -> &'static str {
    let text = String::from_utf8_lossy(head);
    let objective = text.lines().any(|line| {
        let line = line.trim_start();
        ["#import", "#include", "@interface", "@implementation", "@import", "@protocol"]
            .iter()
            .any(|mark| line.starts_with(mark))
    });
    if objective { "Objective-C" } else { "MATLAB" }
}

#[cfg(test)]
mod tests {
    use camino::Utf8Path;
    use fs_err as fs;

    use super::*;

    #[test]
    fn languages_are_named_as_linguist_does() {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [
            ("train.py", "import os\n"),
            ("types.pyi", "x: int\n"),
            ("bin/Tracker", "#!/usr/bin/env python3\nprint(1)\n"),
            ("run", "#!/bin/bash\n"),
            ("kernel.cu", "__global__ void f() {}\n"),
            ("kernel.h", "#pragma once\n"),
            ("eval.m", "function x = eval(y)\n% a comment\n"),
            ("App.m", "#import <UIKit/UIKit.h>\n"),
            ("Dockerfile", "FROM scratch\n"),
            ("notes.ipynb", "{}\n"),
            ("README", "text\n"),
        ] {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let tree = Tree::walk(Utf8Path::from_path(folder.path()).unwrap()).unwrap();
        let languages = Languages::of(&tree);
        let mut names: Vec<&str> = languages.counts.iter().map(|l| l.name.as_str()).collect();
        names.sort_unstable();
        assert_eq!(
            names,
            [
                "C++",
                "Cuda",
                "Dockerfile",
                "Jupyter Notebook",
                "MATLAB",
                "Objective-C",
                "Python",
                "Shell"
            ]
        );
        let python: Vec<&str> =
            languages.python.iter().map(|&at| tree.files()[at].path.as_str()).collect();
        assert_eq!(python, ["bin/Tracker", "train.py"]);
        assert_eq!(languages.notebooks.len(), 1);
    }
}
