//! Looks through an extracted package before anything of it is put into a prefix.
//!
//! rattler keeps archives from writing outside their folder, but it believes the list of files
//! that a package carries.

use std::path::{Component, Path};

use camino::Utf8PathBuf;
use rattler_conda_types::RepoDataRecord;
use rattler_conda_types::package::{IndexJson, PackageFile as _, PathsJson};

use crate::CondaError;

/// Checks an extracted package against its record, and fills the record in from what the package
/// says of itself.
pub(crate) fn checked(folder: &Path, record: &mut RepoDataRecord) -> Result<(), CondaError> {
    let package = record.identifier.to_string();
    let unreadable = |source| CondaError::Io {
        path: Utf8PathBuf::from(folder.to_string_lossy().into_owned()),
        source,
    };
    let index = IndexJson::from_package_directory(folder).map_err(unreadable)?;
    let own = &mut record.package_record;
    if index.name != own.name || index.version != own.version || index.build != own.build {
        let says = format!("{} {} {}", index.name.as_normalized(), index.version, index.build);
        return Err(CondaError::Impostor { package, says });
    }
    let paths =
        PathsJson::from_package_directory_with_deprecated_fallback(folder).map_err(unreadable)?;
    for path in paths.paths.iter().map(|entry| &entry.relative_path) {
        if !stays_inside(path) {
            let path = Utf8PathBuf::from(path.to_string_lossy().into_owned());
            return Err(CondaError::Escape { package, path });
        }
    }
    own.depends = index.depends;
    own.constrains = index.constrains;
    own.noarch = index.noarch;
    own.build_number = index.build_number;
    own.timestamp = index.timestamp;
    own.license = index.license;
    own.python_site_packages_path = index.python_site_packages_path;
    if own.python_site_packages_path.as_deref().is_some_and(|path| !stays_inside(path.as_ref())) {
        let path = own.python_site_packages_path.clone().unwrap_or_default().into();
        return Err(CondaError::Escape { package, path });
    }
    Ok(())
}

fn stays_inside(path: &Path) -> bool {
    path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_leave_are_seen() {
        assert!(stays_inside(Path::new("lib/python3.7/a.py")));
        for path in ["../a", "lib/../../a", "/etc/passwd"] {
            assert!(!stays_inside(Path::new(path)), "{path}");
        }
    }
}
