//! Prints what the Python side of a tree tells, as JSON: `drivers FOLDER`.

use std::collections::BTreeSet;
use std::io::Write as _;

use rayon::prelude::*;
use sizar_inspect::python::versions::{Scope, verdict};
use sizar_inspect::python::{Layout, Project, SourceFile, decode, find_drivers};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = std::env::args().nth(1).ok_or("usage: drivers FOLDER")?;
    let paths: Vec<String> = ignore::Walk::new(&root)
        .filter_map(Result::ok)
        .filter(|entry| entry.file_type().is_some_and(|kind| kind.is_file()))
        .filter_map(|entry| Some(entry.path().strip_prefix(&root).ok()?.to_str()?.to_owned()))
        .collect();
    let read = |path: &str| fs_err::read(format!("{root}/{path}")).ok();
    let started = std::time::Instant::now();
    let files: Vec<SourceFile> = paths
        .par_iter()
        .filter(|path| std::path::Path::new(path).extension().is_some_and(|end| end == "py"))
        .filter_map(|path| Some(SourceFile::parse(path.clone(), decode(&read(path)?))))
        .collect();
    let parsed = started.elapsed();
    let layout = Layout { paths, ..Layout::default() };
    let project = Project::read(&files, &layout);
    let walked = started.elapsed();
    let imports = project.imports(&BTreeSet::new());
    let drivers = find_drivers(&project, &[], &|path| Some(decode(&read(path)?)));
    let python = verdict(&project.versions, Scope::Tree);
    let took = started.elapsed();
    let bytes: usize = files.iter().map(|file| file.module.text.len()).sum();
    let report = serde_json::json!({
        "drivers": drivers, "imports": imports, "python": python,
        "files": files.len(), "bytes": bytes, "parsed_ms": parsed.as_secs_f64() * 1e3,
        "walked_ms": walked.as_secs_f64() * 1e3, "took_ms": took.as_secs_f64() * 1e3,
    });
    writeln!(std::io::stdout(), "{report:#}")?;
    Ok(())
}
