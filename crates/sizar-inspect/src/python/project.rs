//! The Python side of a tree: its files, what each found, and what each import means.

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;
use sizar_model::inspection::Import;

use super::closure::Closure;
use super::distributions::{self, Provider};
use super::drivers;
use super::facts::{FileFacts, ImportRecord};
use super::source_file::{Layout, SourceFile};
use super::tree::{Resolution, Tree};
use super::tree_path;
use super::versions::FileVersions;

/// The Python files of a tree, walked over once.
pub struct Project<'a> {
    pub files: &'a [SourceFile],
    /// What the walk found, for each file.
    pub facts: Vec<FileFacts>,
    /// Which Pythons read each file.
    pub versions: Vec<FileVersions>,
    /// What each import of each file means.
    pub resolutions: Vec<Vec<Resolution>>,
    pub(super) tree: Tree,
}

/// What one file tells by itself.
#[derive(Clone, Debug)]
pub struct Told {
    pub facts: FileFacts,
    pub versions: FileVersions,
}

impl Told {
    /// Walks over `file`.
    pub fn of(file: &SourceFile) -> Self {
        let facts = FileFacts::read(file);
        let versions = FileVersions::read(file, &facts);
        Self { facts, versions }
    }
}

/// What a file refuses to go without, the tree may go without, where it goes without the file.
fn weaken(facts: &mut [FileFacts], resolutions: &[Vec<Resolution>]) {
    // for each file that others import: whether all of them go on without it
    let mut spared: Vec<Option<bool>> = vec![None; facts.len()];
    for (from, (facts, resolutions)) in facts.iter().zip(resolutions).enumerate() {
        for (record, resolution) in facts.imports.iter().zip(resolutions) {
            let Resolution::FirstParty(targets) = resolution else { continue };
            for &target in targets.iter().filter(|&&target| target != from) {
                if let Some(spared) = spared.get_mut(target) {
                    *spared = Some(spared.unwrap_or(true) && record.optional);
                }
            }
        }
    }
    for (facts, _) in facts.iter_mut().zip(spared).filter(|(_, spared)| *spared == Some(true)) {
        for record in facts.imports.iter_mut().filter(|record| record.refused) {
            record.optional = true;
        }
    }
}

/// Finds the module beside a file of a package that an import means as Python 2 does, although a
/// stranger's package bears its name, too: it has all that is asked of it.
fn beside(
    files: &[SourceFile],
    tree: &Tree,
    file: &SourceFile,
    import: &ImportRecord,
) -> Option<usize> {
    if import.level > 0 || import.names.is_empty() || import.module.contains('.') {
        return None;
    }
    let found = tree.index_of(&tree_path::join(file.folder(), &import.module))?;
    let module = files.get(found).filter(|module| module.path != file.path)?;
    drivers::binds(module.module.statements(), &import.names, &import.module).then_some(found)
}

impl<'a> Project<'a> {
    /// Walks over all files, in parallel.
    pub fn read(files: &'a [SourceFile], layout: &Layout) -> Self {
        let told = files.par_iter().with_max_len(1).map(Told::of).collect();
        Self::of(files, told, layout)
    }

    /// Puts together what each of the files told.
    pub fn of(files: &'a [SourceFile], told: Vec<Told>, layout: &Layout) -> Self {
        let (mut facts, versions): (Vec<_>, Vec<_>) =
            told.into_iter().map(|told| (told.facts, told.versions)).unzip();
        let tree = Tree::new(files, &facts, layout);
        let resolutions: Vec<Vec<Resolution>> = files
            .par_iter()
            .zip(&facts)
            .map(|(file, facts)| {
                let resolve = |import: &ImportRecord| match tree.resolve(
                    file,
                    facts,
                    import,
                    distributions::is_known,
                ) {
                    Resolution::ThirdParty => beside(files, &tree, file, import)
                        .map_or(Resolution::ThirdParty, |own| Resolution::FirstParty(vec![own])),
                    known => known,
                };
                facts.imports.iter().map(resolve).collect()
            })
            .collect();
        weaken(&mut facts, &resolutions);
        Self { files, facts, versions, resolutions, tree }
    }

    /// Returns the file at `path`.
    pub fn file(&self, path: &str) -> Option<usize> {
        self.tree
            .index_of(path)
            .filter(|&index| self.files.get(index).is_some_and(|file| file.path == path))
            .or_else(|| self.files.iter().position(|file| file.path == path))
    }

    /// Returns what the tree imports that is neither its own nor of the standard library.
    ///
    /// `declared` are the normalised names (PEP 503) of the distributions that the packaging
    /// asks for.
    pub fn imports(&self, declared: &BTreeSet<String>) -> Vec<Import> {
        let mut merged: BTreeMap<String, (Import, Option<&'static Provider>)> = BTreeMap::new();
        let all = self.files.iter().zip(&self.facts).zip(&self.resolutions);
        for ((file, facts), resolutions) in all {
            for (record, resolution) in facts.imports.iter().zip(resolutions) {
                if *resolution != Resolution::ThirdParty {
                    continue;
                }
                for (module, provider) in distributions::of_import(&record.module, &record.names) {
                    let (import, _) = merged.entry(module.clone()).or_insert_with(|| {
                        let import = Import {
                            module,
                            distribution: None,
                            declared: false,
                            optional: true,
                            conditional: true,
                            files: Vec::new(),
                        };
                        (import, provider)
                    });
                    import.optional &= record.optional;
                    import.conditional &= record.conditional;
                    if import.files.last() != Some(&file.path) {
                        import.files.push(file.path.clone());
                    }
                }
            }
        }
        let mut imports: Vec<Import> = merged
            .into_values()
            .map(|(mut import, provider)| {
                let found = distributions::decide(&import.module, provider, declared);
                import.distribution = found.distribution;
                import.declared = found.declared;
                import.files.sort();
                import.files.dedup();
                import
            })
            .collect();
        imports.sort_by(|a, b| a.module.cmp(&b.module));
        imports
    }

    /// Returns the closure of the file at `path`.
    pub fn closure_of(&self, path: &str) -> Option<Closure> {
        self.file(path).map(|index| self.closure(index))
    }
}
