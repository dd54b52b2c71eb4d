//! Writes submodules where they answer, and notes where they do not.

use std::collections::HashMap;

use sizar_model::SafeUrl;

use super::lay_out::{LayOut, Submodule};
use super::{GitError, Mirror, address};

/// How deep submodules may lie in submodules.
const DEPTH: usize = 8;
/// How many submodules are entered in all.
const COUNT: usize = 200;

impl LayOut<'_> {
    pub(super) fn submodules(
        &mut self,
        parent: &Mirror,
        commit: &str,
        submodules: &[Submodule],
        folder: &str,
        depth: usize,
    ) -> Result<(), GitError> {
        let addresses = addresses(parent, commit)?;
        for submodule in submodules {
            let path = &submodule.path;
            let whole = if folder.is_empty() { path.clone() } else { format!("{folder}/{path}") };
            self.writer
                .folder(&whole)
                .map_err(|source| GitError::Tree { url: parent.url().clone(), source })?;
            if depth >= DEPTH || self.found.submodules >= COUNT {
                self.leave_out(&whole, "there are too many submodules");
                continue;
            }
            let Some(url) = addresses.get(path) else {
                self.leave_out(&whole, "`.gitmodules` does not say where it is from");
                continue;
            };
            let url = match address::of_submodule(parent.url(), url) {
                Ok(url) => url,
                Err(error) => {
                    self.leave_out(&whole, &error.to_string());
                    continue;
                }
            };
            self.found.submodules += 1;
            self.enter(&url, submodule, &whole, depth)?;
        }
        Ok(())
    }

    fn enter(
        &mut self,
        url: &SafeUrl,
        submodule: &Submodule,
        whole: &str,
        depth: usize,
    ) -> Result<(), GitError> {
        self.progress.begin(format!("fetching submodule `{whole}`"));
        // a commit is what it is: only if it is unknown is there anything to ask
        let mut options = self.options;
        options.refresh = false;
        let found = Mirror::open(self.home, url, options, self.progress).and_then(|mut mirror| {
            let commit =
                mirror.resolve(self.home, Some(&submodule.commit), options, self.progress)?;
            Ok((mirror, commit))
        });
        match found {
            Ok((mirror, commit)) => {
                self.progress.end(format!("fetched submodule `{whole}`"));
                self.lay_out(&mirror, &commit, whole, depth + 1)
            }
            Err(error @ (GitError::Write { .. } | GitError::Home(_))) => Err(error),
            Err(error) => {
                self.progress.end(format!("submodule `{whole}` did not answer"));
                self.found.incomplete = true;
                let reason = error.to_string();
                self.leave_out(whole, reason.lines().next().unwrap_or_default());
                Ok(())
            }
        }
    }

    fn leave_out(&mut self, path: &str, reason: &str) {
        self.found.notes.push(format!("submodule `{path}` is missing: {reason}"));
    }
}

/// Reads from `.gitmodules` which path comes from which address.
fn addresses(mirror: &Mirror, commit: &str) -> Result<HashMap<String, String>, GitError> {
    let blob = format!("{commit}:.gitmodules");
    let arguments = ["config", "--blob", &blob, "--no-includes", "--null", "--list"];
    let listing = mirror.git().ask(&arguments)?.unwrap_or_default();
    let mut paths = HashMap::new();
    let mut urls = HashMap::new();
    for record in listing.split('\0') {
        let Some((key, value)) = record.split_once('\n') else { continue };
        let Some(key) = key.strip_prefix("submodule.") else { continue };
        if let Some(name) = key.strip_suffix(".path") {
            paths.insert(name.to_owned(), value.trim_end_matches('/').to_owned());
        } else if let Some(name) = key.strip_suffix(".url") {
            urls.insert(name.to_owned(), value.to_owned());
        }
    }
    Ok(paths
        .into_iter()
        .filter_map(|(name, path)| Some((path, urls.get(&name)?.clone())))
        .collect())
}
