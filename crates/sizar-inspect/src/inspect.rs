//! The inspection of a whole tree.

use std::collections::{BTreeMap, BTreeSet};

use camino::Utf8Path;
use rayon::prelude::*;
use sizar_model::Inspection;
use sizar_model::inspection::{Finding, HardCodedPath, Sighting, TreeSummary};

use crate::audit::{
    PathUse, finding, hindrances, licence, modules, requirements, secrets, syntax, tree_state,
};
use crate::gather::{Gathered, gather};
use crate::language::Languages;
use crate::notebook::Notebook;
use crate::packaging::{self, Packaging, ScriptTarget};
use crate::python::{
    Layout, Project, Resolution, ScriptDeclaration, decode, find_drivers, versions,
};
use crate::tree::{MAX_CODE, Tree, TreeError};

/// The stack of a thread that walks over syntax trees, in bytes.
const STACK: usize = 32 << 20;
/// The most bytes of a packaging file that are read.
const MAX_PACKAGING: u64 = 20 << 20;

/// How a tree is inspected.
#[derive(Clone, Debug, Default)]
pub struct InspectOptions {
    /// Threads that read files; 0 for one of each processor.
    pub threads: usize,
    /// Whether the process ends with the answer: then what was read is left to the system, which
    /// takes memory back faster than it can be given back piece by piece.
    pub process_ends: bool,
}

/// A tree that cannot be inspected.
#[derive(Debug, thiserror::Error)]
pub enum InspectError {
    #[error(transparent)]
    Tree(#[from] TreeError),
    #[error("the threads that read files cannot be started")]
    Threads(#[source] rayon::ThreadPoolBuildError),
}

/// Reads the tree under `root`, and executes nothing.
///
/// What depends on where the tree comes from (`source`, `revision` and the dates) is left to the
/// caller. Every list is in a stable order.
///
/// # Errors
///
/// [`InspectError`] where `root` is not a readable folder. Files that cannot be read, parsed or
/// understood are findings, not errors.
pub fn inspect(root: &Utf8Path, options: &InspectOptions) -> Result<Inspection, InspectError> {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(options.threads)
        .stack_size(STACK)
        .thread_name(|at| format!("inspect-{at}"))
        .build()
        .map_err(InspectError::Threads)?;
    let tree = Tree::walk(root)?;
    Ok(pool.install(|| inspection_of(&tree, options.process_ends)))
}

fn inspection_of(tree: &Tree, process_ends: bool) -> Inspection {
    let languages = Languages::of(tree);
    let paths: Vec<String> = tree.files().iter().map(|file| file.path.clone()).collect();
    let (mut gathered, packaging) =
        rayon::join(|| gather(tree, &languages), || read_packaging(tree, &paths));
    let mut inspection = Inspection {
        tree: summary(tree, &languages),
        languages: languages.counts,
        licence: licence::of_tree(tree),
        citation: gathered.citation.clone(),
        hard_coded_paths: hard_coded_paths(tree, &gathered),
        ..Inspection::default()
    };
    let mut findings = tree_state::findings(tree);
    let layout = layout(&packaging, paths);
    let told = std::mem::take(&mut gathered.told);
    let project = Project::of(&gathered.sources, told, &layout);
    let (found, import_lines) =
        python(&mut inspection, tree, &project, &gathered.notebooks, &packaging);
    drop(project);
    findings.extend(found);
    inspection.packaging = packaging.files;
    inspection.system_packages = packaging.system_packages;
    // a syntax tree takes as long to drop as to walk: nobody waits for it
    let sources = std::mem::take(&mut gathered.sources);
    if process_ends {
        std::mem::forget(sources);
    } else {
        rayon::spawn(move || sources.into_par_iter().for_each(drop));
    }
    seen(&mut inspection, gathered, &mut findings);
    findings.extend(requirements::findings(&inspection, |path, module| {
        import_lines.get(&(path.to_owned(), module.to_owned())).copied()
    }));
    findings.extend(hindrances::findings(&inspection));
    if inspection.licence.is_none() && inspection.tree.files > 0 {
        findings.push(finding("no-licence", "no licence is given", "", 0));
    }
    if inspection.tree.python_files == 0 && inspection.tree.notebooks == 0 {
        findings.push(finding("no-python", "there is no Python here", "", 0));
    }
    inspection.findings = settled(findings);
    redact(&mut inspection);
    inspection
}

fn read_packaging(tree: &Tree, paths: &[String]) -> Packaging {
    let bytes = |path: &str| tree.file(path).and_then(|file| tree.read(file, MAX_PACKAGING));
    packaging::read_tree(paths, &bytes)
}

fn summary(tree: &Tree, languages: &Languages) -> TreeSummary {
    let files = tree.files();
    let python = || languages.python.iter().filter_map(|&at| files.get(at));
    TreeSummary {
        files: files.len() as u64,
        bytes: files.iter().map(|file| file.size).sum(),
        python_files: python().count() as u64,
        python_bytes: python().map(|file| file.size).sum(),
        notebooks: languages.notebooks.len() as u64,
        truncated: tree.truncated,
    }
}

/// Fills in what the Python files tell together: imports, drivers, versions.
fn python(
    inspection: &mut Inspection,
    tree: &Tree,
    project: &Project<'_>,
    notebooks: &BTreeMap<String, Notebook>,
    packaging: &Packaging,
) -> (Vec<Finding>, ImportLines) {
    let stated = |scope: &str| !matches!(scope, "mentioned" | "build");
    let declared: BTreeSet<String> = packaging
        .declared
        .iter()
        .filter(|declared| stated(&declared.scope))
        .map(|declared| declared.name.clone())
        .collect();
    inspection.imports = project.imports(&declared);
    let read = |path: &str| {
        let file = tree.file(path)?;
        tree.read(file, MAX_CODE).map(|bytes| decode(&bytes))
    };
    inspection.drivers = find_drivers(project, &scripts(packaging), &read);
    inspection.declared.clone_from(&packaging.declared);
    let mut evidence = versions::verdict(&project.versions, versions::Scope::Tree);
    evidence.requires.extend(packaging.python.requires.iter().cloned());
    evidence.named.extend(packaging.python.named.iter().cloned());
    inspection.python = evidence;
    let mut findings = syntax::findings(project);
    let builds = packaging.files.iter().any(|file| file.compiles);
    findings.extend(modules::findings(project, tree, builds));
    // the code of a notebook has lines of its own
    let lines = Lines { notebooks };
    lines.map(&mut inspection.python.syntax);
    for option in inspection.drivers.iter_mut().flat_map(|driver| &mut driver.options) {
        option.line = lines.of(&option.path, option.line);
    }
    for finding in &mut findings {
        finding.line = lines.of(&finding.path, finding.line);
    }
    let mut import_lines = import_lines(project);
    for ((path, _), line) in &mut import_lines {
        *line = lines.of(path, *line);
    }
    (findings, import_lines)
}

/// The first line on which a file imports a module, and each of its parents.
type ImportLines = BTreeMap<(String, String), u32>;

fn import_lines(project: &Project<'_>) -> ImportLines {
    let mut lines = ImportLines::new();
    for ((file, facts), resolutions) in
        project.files.iter().zip(&project.facts).zip(&project.resolutions)
    {
        let records = facts.imports.iter().zip(resolutions);
        for (record, _) in records.filter(|(_, it)| **it == Resolution::ThirdParty) {
            for (end, _) in record.module.match_indices('.').chain([(record.module.len(), "")]) {
                let module = record.module.get(..end).unwrap_or_default().to_owned();
                lines.entry((file.path.clone(), module)).or_insert(record.line);
            }
        }
    }
    lines
}

/// The commands that installing the tree makes: a package deeper in it is not installed with it.
fn scripts(packaging: &Packaging) -> Vec<ScriptDeclaration> {
    let target = |target: &ScriptTarget| match target {
        ScriptTarget::Function { module, function: Some(function) } => {
            format!("{module}:{function}")
        }
        ScriptTarget::Function { module, function: None } => module.clone(),
        ScriptTarget::File(path) => path.clone(),
    };
    let declared = packaging.scripts.iter().filter(|script| !script.path.contains('/'));
    declared
        .map(|script| ScriptDeclaration {
            name: script.name.clone(),
            target: target(&script.target),
        })
        .collect()
}

/// The lines of notebooks' files, by the lines of their code.
struct Lines<'a> {
    notebooks: &'a BTreeMap<String, Notebook>,
}

impl Lines<'_> {
    fn of(&self, path: &str, line: u32) -> u32 {
        self.notebooks.get(path).map_or(line, |notebook| notebook.line(line))
    }

    fn map(&self, sightings: &mut [Sighting]) {
        for seen in sightings {
            seen.line = self.of(&seen.path, seen.line);
        }
    }
}

fn layout(packaging: &Packaging, paths: Vec<String>) -> Layout {
    let roots = packaging.package_dirs.iter().filter(|(package, _)| package.is_empty());
    let package_roots = roots.map(|(_, folder)| folder.clone()).collect();
    Layout { paths, package_roots, ..Layout::default() }
}

/// Looks whether the paths are there: from the root, or from the file's own folder.
fn hard_coded_paths(tree: &Tree, gathered: &Gathered) -> Vec<HardCodedPath> {
    let mut found = Vec::new();
    for (file, facts) in &gathered.facts {
        let folder = file.rsplit_once('/').map_or("", |(folder, _)| folder);
        found.extend(facts.paths.iter().map(|used| HardCodedPath {
            value: used.value.clone(),
            kind: used.kind.to_owned(),
            path: file.clone(),
            line: used.line,
            exists: is_there(tree, folder, used),
        }));
    }
    found
}

fn is_there(tree: &Tree, folder: &str, used: &PathUse) -> bool {
    if used.kind != "relative" {
        return false;
    }
    ["", folder].iter().any(|start| {
        let mut parts: Vec<&str> = start.split('/').filter(|part| !part.is_empty()).collect();
        for part in used.value.split('/') {
            match part {
                "" | "." => {}
                ".." => {
                    if parts.pop().is_none() {
                        return false;
                    }
                }
                part => parts.push(part),
            }
        }
        tree.holds(&parts.join("/"))
    })
}

/// Fills in what the checks saw in single files.
fn seen(inspection: &mut Inspection, gathered: Gathered, findings: &mut Vec<Finding>) {
    findings.extend(gathered.findings);
    for (_, facts) in gathered.facts {
        inspection.devices.extend(facts.devices);
        inspection.datasets.extend(facts.datasets);
        inspection.data_shapes.extend(facts.data_shapes);
        inspection.weights.extend(facts.weights);
        inspection.services.extend(facts.services);
        inspection.uses.extend(facts.uses);
        findings.extend(facts.findings);
    }
    inspection.datasets.extend(gathered.datasets);
    inspection.weights.extend(gathered.weights);
    let lists = [
        &mut inspection.devices,
        &mut inspection.datasets,
        &mut inspection.weights,
        &mut inspection.services,
        &mut inspection.uses,
    ];
    for list in lists {
        list.sort_by(|a, b| {
            (&a.path, a.line, &a.kind, &a.text).cmp(&(&b.path, b.line, &b.kind, &b.text))
        });
        list.dedup();
    }
}

/// Puts the worst first; of one kind in the order of paths and lines.
fn settled(mut findings: Vec<Finding>) -> Vec<Finding> {
    findings.sort_by(|a, b| {
        let key = |it: &Finding| (std::cmp::Reverse(it.severity), it.id.clone());
        key(a)
            .cmp(&key(b))
            .then_with(|| (&a.path, a.line, &a.message).cmp(&(&b.path, b.line, &b.message)))
    });
    findings.dedup();
    findings
}

/// Blots secrets out of what is repeated as it was written.
fn redact(inspection: &mut Inspection) {
    for declared in &mut inspection.declared {
        declared.raw = secrets::redact(&declared.raw);
        declared.requirement = declared.requirement.take().map(|text| secrets::redact(&text));
    }
    for option in inspection.drivers.iter_mut().flat_map(|driver| &mut driver.options) {
        option.default = option.default.take().map(|text| secrets::redact(&text));
        option.help = option.help.take().map(|text| secrets::redact(&text));
    }
    for path in &mut inspection.hard_coded_paths {
        path.value = secrets::redact(&path.value);
    }
}
