//! Brings results to where the user wants them.

use std::io::Write as _;

use camino::{Utf8Component, Utf8Path, Utf8PathBuf};
use fs_err as fs;
use globset::{GlobBuilder, GlobMatcher};
use sizar_model::{Artifact, Digest, Run, RunId};

use super::Attempt;
use super::collect::digest;
use crate::home::Home;
use crate::sparse;

/// Results that could not be brought.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    #[error("`{pattern}` is not a pattern such as `*.csv` or `out/**`")]
    Pattern {
        pattern: String,
        #[source]
        source: globset::Error,
    },
    #[error("run {run} has no result that fits `{pattern}`")]
    NothingFits { run: RunId, pattern: String, results: Vec<String> },
    #[error("`{path}` is not what run {run} left: it was changed since")]
    Changed { run: RunId, path: String },
    #[error("`{path}` is no path of a result")]
    Escapes { path: String },
    #[error("`{path}` could not be brought")]
    Copy {
        path: String,
        #[source]
        source: std::io::Error,
    },
}

impl FetchError {
    /// Returns what the reader can do next, where there is something.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NothingFits { run, results, .. } if results.is_empty() => {
                Some(format!("it made no files; `sizar logs {run}` shows what it printed"))
            }
            Self::NothingFits { results, .. } => {
                let names: Vec<String> =
                    results.iter().take(5).map(|name| format!("`{name}`")).collect();
                Some(format!("it made {}", names.join(", ")))
            }
            _ => None,
        }
    }
}

/// What was brought.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fetched {
    /// The folder.
    pub into: Utf8PathBuf,
    /// Files that are there now, relative to the folder.
    pub brought: Vec<Utf8PathBuf>,
    /// Files that were there already, with the same content.
    pub same: Vec<Utf8PathBuf>,
    /// Files of the user's that were in the way and stay, with the name the result got instead.
    pub beside: Vec<(Utf8PathBuf, Utf8PathBuf)>,
    pub bytes: u64,
}

/// Copies the results of a run that fit `pattern` into a folder, `./sizar-ID` by default.
///
/// Nothing of the user's is overwritten: a result whose place is taken by another file is put
/// beside it. Each file appears whole, after its digest was checked.
///
/// # Errors
///
/// [`FetchError::NothingFits`], [`FetchError::Changed`], and what the file system says.
pub fn fetch(
    home: &Home,
    run: &Run,
    pattern: Option<&str>,
    into: Option<&Utf8Path>,
) -> Result<Fetched, FetchError> {
    let attempt = Attempt::of(home, &run.id, run.attempts);
    let into = into.map_or_else(|| Utf8PathBuf::from(format!("sizar-{}", run.id)), Into::into);
    let mut fetched = Fetched { into, ..Fetched::default() };
    let matcher = pattern.map(glob).transpose()?;
    let chosen: Vec<&Artifact> = run
        .results
        .iter()
        .filter(|result| matcher.as_ref().is_none_or(|matcher| fits(matcher, &result.path)))
        .collect();
    if let (true, Some(pattern)) = (chosen.is_empty(), pattern) {
        return Err(FetchError::NothingFits {
            run: run.id.clone(),
            pattern: pattern.to_owned(),
            results: run.results.iter().map(|result| result.path.clone()).collect(),
        });
    }
    for result in chosen {
        bring(&attempt, &run.id, result, &mut fetched)?;
    }
    Ok(fetched)
}

fn glob(pattern: &str) -> Result<GlobMatcher, FetchError> {
    GlobBuilder::new(pattern.trim_start_matches("./").trim_end_matches('/'))
        .literal_separator(true)
        .build()
        .map(|glob| glob.compile_matcher())
        .map_err(|source| FetchError::Pattern { pattern: pattern.to_owned(), source })
}

/// Returns whether a pattern means this path: as a whole, a folder above it, or its name alone.
fn fits(matcher: &GlobMatcher, path: &str) -> bool {
    let path = Utf8Path::new(path);
    let by_name = !matcher.glob().glob().contains('/')
        && path.file_name().is_some_and(|name| matcher.is_match(name));
    by_name || path.ancestors().any(|above| !above.as_str().is_empty() && matcher.is_match(above))
}

fn bring(
    attempt: &Attempt,
    run: &RunId,
    result: &Artifact,
    fetched: &mut Fetched,
) -> Result<(), FetchError> {
    let failed = |source| FetchError::Copy { path: result.path.clone(), source };
    let name = below(&result.path)?;
    let from = attempt.result(&result.path);
    let to = fetched.into.join(&name);
    let metadata = fs::symlink_metadata(&from).map_err(failed)?;
    let changed = || FetchError::Changed { run: run.clone(), path: result.path.clone() };
    if !metadata.is_file() {
        return Err(changed());
    }
    let target = match fs::symlink_metadata(&to) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => to.clone(),
        Err(error) => return Err(failed(error)),
        Ok(there) if there.is_file() && is(&to, result).map_err(failed)? => {
            fetched.same.push(name);
            return Ok(());
        }
        Ok(_) => Utf8PathBuf::from(format!("{to}.sizar-{run}")),
    };
    let parent = target.parent().unwrap_or(Utf8Path::new("."));
    fs::create_dir_all(parent).map_err(failed)?;
    let mut part =
        tempfile::Builder::new().prefix(".sizar-part-").tempfile_in(parent).map_err(failed)?;
    let mut source = fs::File::open(&from).map_err(failed)?;
    sparse::copy_into(&mut source, part.as_file_mut()).map_err(failed)?;
    part.flush().map_err(failed)?;
    if digest(part.path()).map_err(failed)? != result.blake3 {
        return Err(changed());
    }
    fs::set_permissions(part.path(), metadata.permissions()).map_err(failed)?;
    if target == to {
        // somebody may have made a file of that name just now
        part.persist_noclobber(&target).map_err(|error| failed(error.error))?;
        fetched.brought.push(name);
    } else {
        part.persist(&target).map_err(|error| failed(error.error))?;
        fetched.beside.push((to, target));
    }
    fetched.bytes += result.size;
    Ok(())
}

fn is(path: &Utf8Path, result: &Artifact) -> std::io::Result<bool> {
    let same_size = fs::metadata(path)?.len() == result.size;
    let digest = |path: &Utf8Path| -> std::io::Result<Digest> { digest(path.as_std_path()) };
    Ok(same_size && digest(path)? == result.blake3)
}

/// Returns where in the folder a result goes: what was in the run's home goes under `home`.
fn below(path: &str) -> Result<Utf8PathBuf, FetchError> {
    let below = match path.strip_prefix("~/") {
        Some(path) => Utf8Path::new("home").join(path),
        None => Utf8PathBuf::from(path),
    };
    let plain = below.components().all(|part| matches!(part, Utf8Component::Normal(_)));
    if plain { Ok(below) } else { Err(FetchError::Escapes { path: path.to_owned() }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_means_names_paths_and_folders() {
        let fits = |pattern: &str, path: &str| fits(&glob(pattern).unwrap(), path);
        assert!(fits("*.csv", "out/a.csv") && !fits("*.csv", "a.txt"));
        assert!(fits("out", "out/deep/a.csv") && fits("./out", "out/a") && fits("out/", "out/a"));
        assert!(fits("out/*.csv", "out/a.csv") && !fits("out/*.csv", "out/deep/a.csv"));
        assert!(fits("out/**", "out/deep/a.csv") && fits("~/*", "~/a"));
        assert!(glob("a[").is_err());
    }

    #[test]
    fn a_result_stays_in_its_folder() {
        assert_eq!(below("~/a/b").unwrap(), "home/a/b");
        assert!(below("../x").is_err() && below("/etc/x").is_err() && below("~/../x").is_err());
    }
}
