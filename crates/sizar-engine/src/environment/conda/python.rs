//! An interpreter from conda, for Pythons that nobody else has.

use camino::Utf8PathBuf;
use fs_err as fs;
use sizar_model::{CondaSpec, Digest, Progress, PythonVersion};

use super::open::{Channels, install_for, open};
use crate::environment::SetupError;
use crate::environment::error::io;
use crate::home::Home;

/// Fetches a Python from the user's conda channels into sizar's own folder; returns whether it is
/// there now.
///
/// # Errors
///
/// [`SetupError::Home`] or [`SetupError::Io`] where sizar's own folder cannot be used.
pub fn fetch_python(
    home: &Home,
    python: PythonVersion,
    progress: &dyn Progress,
) -> Result<bool, SetupError> {
    let channels: Channels = match open(home, None, false, progress)? {
        Ok(channels) => channels,
        Err(refusal) => {
            tracing::debug!(why = %refusal.0, "no Python from conda");
            return Ok(false);
        }
    };
    progress.begin(format!("fetching Python {python} from conda"));
    let spec = CondaSpec {
        path: None,
        channels: Vec::new(),
        // whatever makes environments of it needs pip
        packages: vec![format!("python={python}"), "pip".to_owned()],
    };
    let solved = match channels.solve(&spec, None, progress) {
        Ok(solved) if !solved.dropped.iter().any(|name| name == "python") => solved,
        Ok(_) => return Ok(false),
        Err(refusal) => {
            progress.note(format!("Python {python} could not be fetched: {}", refusal.0));
            return Ok(false);
        }
    };
    let found = solved.packages.iter().find(|package| package.name == "python");
    let found = found.and_then(|package| package.version.parse::<PythonVersion>().ok());
    let Some(found) = found.filter(|found| found.satisfies(python)) else { return Ok(false) };
    let key = serde_json::to_vec(&solved.packages).expect("names have a form in JSON");
    let name = format!("conda-{found}-{}", Digest::of(&key).short());
    let end = home.folder("pythons")?.join(&name);
    let _held = home.lock(&format!("python-{name}"), || {
        progress.note("waiting for another sizar that fetches the same Python");
    })?;
    if end.join("bin/python").exists() {
        return Ok(true);
    }
    let staging = home.staging()?;
    let stage = Utf8PathBuf::from(staging.path().to_string_lossy().into_owned()).join(&name);
    let installed = install_for(home, &solved.packages, (&stage, &end), false, progress)?;
    if let Err(refusal) = installed {
        progress.note(format!("Python {python} could not be fetched: {}", refusal.0));
        return Ok(false);
    }
    fs::rename(&stage, &end).map_err(io(&end))?;
    progress.end(format!("fetched Python {found} from conda"));
    Ok(true)
}
