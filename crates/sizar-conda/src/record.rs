//! Between rattler's records and what a lock remembers of a package.

use std::fmt::Write as _;
use std::str::FromStr as _;

use rattler_conda_types::Subdir;
use rattler_conda_types::package::{BuildString, DistArchiveIdentifier};
use rattler_conda_types::{PackageName, PackageRecord, RepoDataRecord, Version, VersionWithSource};
use sizar_model::CondaPackage;
use url::Url;

use crate::{CondaError, Settings};

/// Returns what a lock remembers of a record.
pub(crate) fn to_lock(
    record: &RepoDataRecord,
    settings: &Settings,
) -> Result<CondaPackage, CondaError> {
    let package = &record.package_record;
    let sha256 = package
        .sha256
        .ok_or_else(|| CondaError::NoDigest { package: record.identifier.to_string() })?;
    Ok(CondaPackage {
        name: package.name.as_normalized().to_owned(),
        version: package.version.to_string(),
        build: package.build.to_string(),
        url: settings.canonical(&record.url).into(),
        sha256: hex_of(&sha256),
    })
}

/// Returns the record that a locked package is installed by.
pub(crate) fn from_lock(
    package: &CondaPackage,
    settings: &Settings,
) -> Result<RepoDataRecord, CondaError> {
    let damaged = |reason: String| CondaError::Locked { package: package.name.clone(), reason };
    let canonical = Url::parse(&package.url).map_err(|error| damaged(error.to_string()))?;
    let identifier = DistArchiveIdentifier::try_from_url(&canonical)
        .ok_or_else(|| damaged(format!("`{}` is no address of a package", package.url)))?;
    let name = PackageName::from_str(&package.name).map_err(|error| damaged(error.to_string()))?;
    let version =
        Version::from_str(&package.version).map_err(|error| damaged(error.to_string()))?;
    let version = VersionWithSource::new(version, &package.version);
    let build =
        BuildString::from_str(&package.build).map_err(|error| damaged(error.to_string()))?;
    let mut record = PackageRecord::new(name, version, build);
    let sha256 = bytes_of(&package.sha256)
        .ok_or_else(|| damaged(format!("`{}` is no SHA-256", package.sha256)))?;
    record.sha256 = Some(sha256.into());
    let subdir = canonical.path_segments().and_then(|mut parts| parts.nth_back(1));
    subdir
        .filter(|subdir| Subdir::from_str(subdir).is_ok())
        .ok_or_else(|| damaged(format!("`{}` names no platform", package.url)))?
        .clone_into(&mut record.subdir);
    let channel = canonical.join("..").ok().map(String::from);
    Ok(RepoDataRecord {
        package_record: record,
        identifier,
        url: settings.place(&canonical),
        channel,
    })
}

fn hex_of(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

fn bytes_of(hex: &str) -> Option<[u8; 32]> {
    let hex = hex.as_bytes();
    if hex.len() != 64 || !hex.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let mut bytes = [0; 32];
    for (byte, digits) in bytes.iter_mut().zip(hex.chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package() -> CondaPackage {
        CondaPackage {
            name: "numpy".into(),
            version: "1.16.2".into(),
            build: "py37h7e9f1db_0".into(),
            url: "https://repo.anaconda.com/pkgs/main/linux-64/numpy-1.16.2-py37h7e9f1db_0.conda"
                .into(),
            sha256: "0a".repeat(32),
        }
    }

    #[test]
    fn a_locked_package_is_the_record_that_it_was() {
        let settings = Settings::default();
        let record = from_lock(&package(), &settings).unwrap();
        assert_eq!(record.package_record.subdir, "linux-64");
        assert_eq!(to_lock(&record, &settings).unwrap(), package());
    }

    #[test]
    fn a_damaged_lock_is_named() {
        let damaged = [
            CondaPackage { sha256: "0a".into(), ..package() },
            CondaPackage { url: "https://host/x.zip".into(), ..package() },
            CondaPackage { url: "https://host/numpy-1.16.2-0.conda".into(), ..package() },
            CondaPackage { name: "../x".into(), ..package() },
            CondaPackage { build: "a/b".into(), ..package() },
        ];
        for package in damaged {
            let error = from_lock(&package, &Settings::default()).unwrap_err();
            assert!(matches!(error, CondaError::Locked { .. }), "{error}");
        }
    }
}
