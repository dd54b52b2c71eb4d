//! What a driver needs: the files it reaches by imports, and the modules they import.

use std::collections::BTreeSet;

use super::distributions;
use super::facts::ImportRecord;
use super::project::Project;
use super::tree::Resolution;

/// What is reached from a file by imports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Closure {
    /// First-party files, the starting one included, sorted.
    pub files: Vec<String>,
    /// Third-party modules that importing the closure needs, as they decide a distribution.
    pub required_modules: BTreeSet<String>,
    /// Third-party modules that are imported inside functions or under conditions only.
    pub deferred_modules: BTreeSet<String>,
    /// Third-party modules whose absence is caught.
    pub optional_modules: BTreeSet<String>,
}

impl Project<'_> {
    /// Returns the indices of the files reached from `start` by imports, sorted.
    ///
    /// A file that is imported itself, as console scripts are, runs the packages above it.
    pub(super) fn reachable(&self, start: usize, is_imported: bool) -> Vec<usize> {
        self.reached_by(start, is_imported, |_| true)
    }

    /// Returns of these the ones that `start` does not go on without.
    pub(super) fn needed(&self, start: usize, is_imported: bool) -> Vec<usize> {
        self.reached_by(start, is_imported, |record| !record.dispensable)
    }

    fn reached_by(
        &self,
        start: usize,
        is_imported: bool,
        counts: impl Fn(&ImportRecord) -> bool,
    ) -> Vec<usize> {
        let mut seen = vec![false; self.files.len()];
        let mut open = vec![start];
        if is_imported && let Some(file) = self.files.get(start) {
            open.extend(self.tree.packages_above(file.folder()));
        }
        while let Some(index) = open.pop() {
            let Some(slot) = seen.get_mut(index) else { continue };
            if std::mem::replace(slot, true) {
                continue;
            }
            let records = self.facts.get(index).into_iter().flat_map(|facts| &facts.imports);
            let resolutions = self.resolutions.get(index).into_iter().flatten();
            for (record, resolution) in records.zip(resolutions) {
                if let Resolution::FirstParty(targets) = resolution
                    && counts(record)
                {
                    open.extend(targets.iter().filter(|&&t| !seen.get(t).copied().unwrap_or(true)));
                }
            }
        }
        seen.iter().enumerate().filter(|(_, seen)| **seen).map(|(index, _)| index).collect()
    }

    /// Returns the closure of the file with index `start`.
    pub fn closure(&self, start: usize) -> Closure {
        let mut closure = Closure::default();
        for index in self.reachable(start, false) {
            let (Some(file), Some(facts), Some(resolutions)) =
                (self.files.get(index), self.facts.get(index), self.resolutions.get(index))
            else {
                continue;
            };
            closure.files.push(file.path.clone());
            for (record, resolution) in facts.imports.iter().zip(resolutions) {
                if *resolution != Resolution::ThirdParty {
                    continue;
                }
                // What stands under the main guard of another file never runs.
                if record.in_main && index != start {
                    continue;
                }
                for (module, _) in distributions::of_import(&record.module, &record.names) {
                    let set = if record.optional {
                        &mut closure.optional_modules
                    } else if record.conditional && !record.in_main {
                        &mut closure.deferred_modules
                    } else {
                        &mut closure.required_modules
                    };
                    set.insert(module);
                }
            }
        }
        closure.files.sort();
        let required = &closure.required_modules;
        closure.deferred_modules.retain(|module| !required.contains(module));
        let deferred = &closure.deferred_modules;
        closure.optional_modules.retain(|m| !required.contains(m) && !deferred.contains(m));
        closure
    }
}
