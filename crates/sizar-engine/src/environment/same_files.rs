//! Distributions that were added for an import and bring a module which another has already.
//!
//! What was a distribution of its own (`ocrd-utils`) comes with the whole since (`ocrd` 3): installed
//! beside that, the one writes over the files of the other, and which one is left is chance.

use std::collections::BTreeMap;

use camino::Utf8Path;
use fs_err as fs;
use sizar_env::name;
use sizar_model::inspection::Import;

use super::SetupError;
use super::error::io;

/// Says which of `added` brings a module of `imports` that something else in `site`, the folder of
/// installed packages, brings too; nothing where none does.
///
/// # Errors
///
/// [`SetupError`] where what is installed cannot be read.
pub fn said(
    site: &Utf8Path,
    added: &[String],
    imports: &[Import],
) -> Result<Option<String>, SetupError> {
    let wanted: Vec<(&str, &str)> = imports
        .iter()
        .filter_map(|import| Some((import.module.as_str(), import.distribution.as_deref()?)))
        .filter(|(_, distribution)| added.contains(&name::normalise(distribution)))
        .collect();
    if wanted.is_empty() {
        return Ok(None);
    }
    // who brings which of these modules
    let mut brought: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for entry in fs::read_dir(site).map_err(io(site))?.flatten() {
        let Ok(folder) = entry.file_name().into_string() else { continue };
        let Some(stem) = folder.strip_suffix(".dist-info") else { continue };
        let distribution = name::normalise(stem.split('-').next().unwrap_or(stem));
        let Ok(record) = fs::read(site.join(&folder).join("RECORD")) else { continue };
        let record = String::from_utf8_lossy(&record);
        for file in record.lines().filter_map(|line| line.split(',').next()) {
            let Some(module) = file.strip_suffix(".py") else { continue };
            let module = module.strip_suffix("/__init__").unwrap_or(module);
            let known = wanted.iter().find(|(wanted, _)| is_module(module, wanted));
            if let Some((wanted, _)) = known {
                let by = brought.entry(wanted).or_default();
                if !by.contains(&distribution) {
                    by.push(distribution.clone());
                }
            }
        }
    }
    Ok(wanted.iter().find_map(|(module, distribution)| {
        let own = name::normalise(distribution);
        let by = brought.get(module)?;
        let other = by.iter().find(|other| **other != own && !added.contains(other))?;
        by.contains(&own).then(|| format!("Error: `{own}` and `{other}` both install `{module}`\n"))
    }))
}

/// Returns whether the path of a file without its ending is that of a module.
fn is_module(path: &str, module: &str) -> bool {
    path.len() == module.len() && path.replace('/', ".") == module
}

#[cfg(test)]
mod tests {
    use camino::Utf8PathBuf;

    use super::*;

    #[test]
    fn what_writes_over_the_files_of_another_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let site = Utf8PathBuf::from_path_buf(folder.path().to_owned()).unwrap();
        for (distribution, files) in [
            (
                "ocrd-3.6.0",
                "ocrd/__init__.py,a,1\nocrd_utils/__init__.py,b,2\ntests/__init__.py,c,3\n",
            ),
            ("ocrd_utils-2.67.1", "ocrd_utils/__init__.py,d,2\ntests/__init__.py,c,3\n"),
            ("six-1.16.0", "six.py,e,4\ntests/__init__.py,c,3\n"),
        ] {
            let folder = site.join(format!("{distribution}.dist-info"));
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("RECORD"), files).unwrap();
        }
        let import = |module: &str, distribution: &str| Import {
            module: module.to_owned(),
            distribution: Some(distribution.to_owned()),
            declared: false,
            optional: false,
            conditional: false,
            files: Vec::new(),
        };
        let imports = [import("six", "six"), import("ocrd_utils", "ocrd-utils")];
        let said = |added: &[&str]| {
            let added: Vec<String> = added.iter().map(|name| (*name).to_owned()).collect();
            said(&site, &added, &imports).unwrap()
        };
        // that both have tests is no matter
        assert_eq!(said(&["six"]), None);
        let both = "Error: `ocrd-utils` and `ocrd` both install `ocrd_utils`\n";
        assert_eq!(said(&["six", "ocrd-utils"]).as_deref(), Some(both));
        // what the authors ask for stays
        assert_eq!(said(&[]), None);
    }
}
