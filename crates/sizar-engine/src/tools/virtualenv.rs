//! Finds virtualenv in sizar's own folder, or fetches its wheels from the package index.
//!
//! Always the one release that `knowledge/virtualenv.toml` names, with its digests: what it brings
//! along decides what old Pythons are given.

use std::sync::LazyLock;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use serde::Deserialize;
use sizar_model::Progress;

use crate::home::{Home, HomeError};
use crate::http::{Download, HttpError};
use crate::index::{Index, IndexError};

/// The most bytes of one wheel: virtualenv's has about 9 MiB.
const WHEEL_LIMIT: u64 = 50 << 20;

/// Why there is no virtualenv.
#[derive(Debug, thiserror::Error)]
pub enum VirtualenvError {
    #[error("`{filename}` could not be found in the package index")]
    Index {
        filename: String,
        #[source]
        source: IndexError,
    },
    #[error("the package index has no `{filename}`")]
    NoWheel { filename: String },
    #[error("`{filename}` could not be fetched")]
    Fetch {
        filename: String,
        #[source]
        source: HttpError,
    },
    #[error("`{filename}` cannot be unpacked")]
    Unpack {
        filename: String,
        #[source]
        source: zip::result::ZipError,
    },
    #[error("`{path}` cannot be written")]
    Write {
        path: Utf8PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error(transparent)]
    Home(#[from] HomeError),
}

impl VirtualenvError {
    /// Returns what a person may do next.
    pub fn hints(&self) -> Vec<String> {
        match self {
            Self::Write { .. } | Self::Home(_) => {
                vec!["set `SIZAR_HOME` to a folder that you can write to".into()]
            }
            _ => vec![
                "an index of your own has to have the wheels that `pip download --no-deps virtualenv==20.21.1 distlib==0.3.6 filelock==3.12.2 platformdirs==3.10.0` fetches".into(),
            ],
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wheels {
    wheel: Vec<Wheel>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wheel {
    name: String,
    version: String,
    filename: String,
    sha256: String,
}

static WHEELS: LazyLock<Vec<Wheel>> = LazyLock::new(|| {
    let table: Wheels = toml::from_str(include_str!("../../../../knowledge/virtualenv.toml"))
        .expect("a test reads the table that is compiled in");
    table.wheel
});

/// Returns the folder of virtualenv's modules in sizar's `tools`, whether it is there or not.
fn folder(tools: &Utf8Path) -> Utf8PathBuf {
    let version = WHEELS.first().map(|wheel| wheel.version.as_str()).unwrap_or_default();
    tools.join(format!("virtualenv-{version}"))
}

/// Finds virtualenv without fetching it.
pub fn find(home: &Home) -> Option<Utf8PathBuf> {
    Some(folder(&home.root().join("tools"))).filter(|folder| folder.is_dir())
}

/// Finds the folder of virtualenv's modules, or fetches them.
///
/// # Errors
///
/// [`VirtualenvError`].
pub fn find_or_install_virtualenv(
    home: &Home,
    progress: &dyn Progress,
) -> Result<Utf8PathBuf, VirtualenvError> {
    let folder = folder(&home.folder("tools")?);
    if folder.is_dir() {
        return Ok(folder);
    }
    let _lock =
        home.lock("tool-virtualenv", || progress.note("another sizar is fetching virtualenv"))?;
    if !folder.is_dir() {
        install(home, &folder, &Index::from_environment(), progress)?;
    }
    Ok(folder)
}

fn install(
    home: &Home,
    folder: &Utf8Path,
    index: &Index,
    progress: &dyn Progress,
) -> Result<(), VirtualenvError> {
    progress.begin("fetching virtualenv");
    let staging = home.staging()?;
    let stage = Utf8PathBuf::from(staging.path().to_string_lossy().into_owned());
    let made = stage.join("made");
    let write = |path: &Utf8Path| {
        let path = path.to_owned();
        move |source| VirtualenvError::Write { path, source }
    };
    fs::create_dir(&made).map_err(write(&made))?;
    for wheel in WHEELS.iter() {
        let filename = || wheel.filename.clone();
        let project = index
            .project(&wheel.name)
            .map_err(|source| VirtualenvError::Index { filename: filename(), source })?;
        let file = project
            .files
            .iter()
            .find(|file| file.filename == wheel.filename)
            .ok_or_else(|| VirtualenvError::NoWheel { filename: filename() })?;
        let archive = stage.join(&wheel.filename);
        let wanted = Download {
            sha256: Some(&wheel.sha256),
            limit: WHEEL_LIMIT,
            ..Download::of(&file.url, &archive)
        };
        index
            .client()
            .download(&wanted, progress)
            .map_err(|source| VirtualenvError::Fetch { filename: filename(), source })?;
        let archive = fs::File::open(&archive).map_err(write(&archive))?;
        zip::ZipArchive::new(archive)
            // its bytes are those that the table names
            .and_then(|mut zip| zip.extract(&made))
            .map_err(|source| VirtualenvError::Unpack { filename: filename(), source })?;
    }
    fs::rename(&made, folder).map_err(write(folder))?;
    progress.end("fetched virtualenv");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_names_whole_wheels() {
        assert_eq!(WHEELS[0].name, "virtualenv");
        for wheel in WHEELS.iter() {
            assert!(wheel.filename.starts_with(&format!("{}-{}-py", wheel.name, wheel.version)));
            assert!(
                wheel.sha256.len() == 64 && wheel.sha256.bytes().all(|b| b.is_ascii_hexdigit())
            );
        }
    }
}
