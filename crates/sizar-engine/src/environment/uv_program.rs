//! Where uv is.

use camino::Utf8PathBuf;

use super::SetupError;
use crate::home::Home;

/// Finds uv: `SIZAR_UV`, on `PATH`, or in sizar's own folder.
pub fn find(home: &Home) -> Result<Utf8PathBuf, SetupError> {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let named = variable("SIZAR_UV").map(Utf8PathBuf::from);
    let path = variable("PATH").unwrap_or_default();
    let own = home.root().join("tools/uv/bin/uv");
    named
        .into_iter()
        .chain(path.split(':').map(|folder| Utf8PathBuf::from(folder).join("uv")))
        .chain([own])
        .find(|path| path.is_absolute() && path.is_file())
        .ok_or(SetupError::NoUv)
}
