//! `python3-config` for an environment: the Makefiles of extension modules ask it for headers.
//!
//! Virtual environments have none, so that the system's would answer for another Python.

use std::os::unix::fs::PermissionsExt as _;

use camino::Utf8Path;
use fs_err as fs;
use sizar_model::PythonVersion;

use super::SetupError;
use super::error::io;
use super::inside;

const PROGRAM: &str = include_str!("../../python/python_config.py");

/// Puts the program into the folder of programs under each of its names that is not taken.
pub fn write(prefix: &Utf8Path, python: PythonVersion) -> Result<(), SetupError> {
    let names = [
        "python-config".to_owned(),
        format!("python{}-config", python.major),
        format!("python{}.{}-config", python.major, python.minor),
    ];
    for name in names {
        let relative = Utf8Path::new("bin").join(name);
        let path = prefix.join(&relative);
        if path.exists() {
            continue;
        }
        inside::write(prefix, &relative, PROGRAM.as_bytes())?;
        let mode = std::fs::Permissions::from_mode(0o755);
        fs::set_permissions(&path, mode).map_err(io(&path))?;
    }
    Ok(())
}
