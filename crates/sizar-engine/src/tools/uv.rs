//! Finds `uv`, or installs it from its wheel into sizar's own folder.

use std::io::Read;
use std::process::{Command, Stdio};
use std::str::FromStr;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use sizar_model::Progress;
use uv_pep440::Version;

use crate::home::{Home, HomeError};
use crate::http::{Download, HttpError};
use crate::index::{Index, IndexError, WheelRelease};

/// The oldest `uv` whose options sizar knows.
const OLDEST: [u64; 2] = [0, 9];
/// The most bytes of the wheel: it has about 20 MiB.
const WHEEL_LIMIT: u64 = 200 << 20;
/// The most bytes of the program.
const PROGRAM_LIMIT: u64 = 500 << 20;

/// Why there is no `uv`.
#[derive(Debug, thiserror::Error)]
pub enum UvError {
    #[error("`SIZAR_UV` names `{path}`, which does not answer `--version` as `uv` does")]
    Chosen { path: Utf8PathBuf },
    #[error("`SIZAR_UV` names `{path}`, which is uv {version}; sizar needs 0.9 or newer")]
    ChosenTooOld { path: Utf8PathBuf, version: String },
    #[error("`uv` could not be found in the package index")]
    Index(#[from] IndexError),
    #[error("`uv` could not be fetched")]
    Fetch(#[from] HttpError),
    #[error("the wheel `{wheel}` holds no program `uv`")]
    NoProgram {
        wheel: String,
        #[source]
        source: Option<zip::result::ZipError>,
    },
    #[error("the `uv` of the wheel `{wheel}` does not run on this machine")]
    DoesNotRun { wheel: String },
    #[error("`{path}` cannot be written")]
    Write {
        path: Utf8PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error(transparent)]
    Home(#[from] HomeError),
}

impl UvError {
    /// Returns what a person may do next.
    pub fn hints(&self) -> Vec<String> {
        let own = "install it yourself (`pip install uv`), or let `SIZAR_UV` name the program";
        match self {
            Self::Chosen { .. } | Self::ChosenTooOld { .. } => {
                vec!["unset `SIZAR_UV` to let sizar find or fetch `uv`".into()]
            }
            Self::Write { .. } | Self::Home(_) => {
                vec!["set `SIZAR_HOME` to a folder that you can write to".into()]
            }
            _ => vec![own.into()],
        }
    }
}

/// Finds `uv` (0.9 or newer): `SIZAR_UV`, then `PATH`, then sizar's own folder; else fetches its
/// wheel from the package index and keeps the program.
///
/// # Errors
///
/// [`UvError`]; a program that `SIZAR_UV` names is never passed over for another.
pub fn find_or_install_uv(home: &Home, progress: &dyn Progress) -> Result<Utf8PathBuf, UvError> {
    if let Some(path) = std::env::var("SIZAR_UV").ok().filter(|path| !path.is_empty()) {
        let path = Utf8PathBuf::from(path);
        return match version_of(&path) {
            None => Err(UvError::Chosen { path }),
            Some(version) if is_too_old(&version) => {
                Err(UvError::ChosenTooOld { path, version: version.to_string() })
            }
            Some(_) => Ok(path),
        };
    }
    let usable = |path: &Utf8PathBuf| version_of(path).is_some_and(|version| !is_too_old(&version));
    if let Some(found) = on_path().find(usable) {
        return Ok(found);
    }
    let tools = home.folder("tools")?;
    if let Some(found) = kept(&tools).find(usable) {
        return Ok(found);
    }
    let _lock = home.lock("tool-uv", || progress.note("another sizar is fetching `uv`"))?;
    match kept(&tools).find(usable) {
        Some(found) => Ok(found),
        None => install(home, &tools, &Index::from_environment(), progress),
    }
}

/// Finds `uv` without fetching it; none where [`find_or_install_uv`] would have to.
pub fn find(home: &Home) -> Option<Utf8PathBuf> {
    let chosen = std::env::var("SIZAR_UV").ok().filter(|path| !path.is_empty());
    let candidates = chosen.map(Utf8PathBuf::from).into_iter().chain(on_path());
    let tools = home.root().join("tools");
    candidates
        .chain(kept(&tools))
        .find(|path| version_of(path).is_some_and(|found| !is_too_old(&found)))
}

/// Lists the programs called `uv` on the search path.
fn on_path() -> impl Iterator<Item = Utf8PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .filter(|folder| folder.is_absolute())
        .filter_map(|folder| Utf8PathBuf::from_path_buf(folder.join("uv")).ok())
        .filter(|program| program.is_file())
        .collect::<Vec<_>>()
        .into_iter()
}

/// Lists the programs that sizar keeps, the newest first.
fn kept(tools: &Utf8Path) -> impl Iterator<Item = Utf8PathBuf> {
    let mut found: Vec<(Version, Utf8PathBuf)> = tools
        .read_dir_utf8()
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let version = Version::from_str(entry.file_name().strip_prefix("uv-")?).ok()?;
            Some((version, entry.path().join("uv")))
        })
        .filter(|(_, program)| program.is_file())
        .collect();
    found.sort_by(|(a, _), (b, _)| b.cmp(a));
    found.into_iter().map(|(_, program)| program)
}

/// Asks a program for its version; `None` if it does not answer as uv does.
fn version_of(program: &Utf8Path) -> Option<Version> {
    let output = Command::new(program).arg("--version").stdin(Stdio::null()).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let version = text.strip_prefix("uv ")?.split_whitespace().next()?;
    Version::from_str(version).ok()
}

fn is_too_old(version: &Version) -> bool {
    *version < Version::new(OLDEST)
}

fn install(
    home: &Home,
    tools: &Utf8Path,
    index: &Index,
    progress: &dyn Progress,
) -> Result<Utf8PathBuf, UvError> {
    progress.begin("fetching `uv`");
    let project = index.project("uv")?;
    let mut failed = None;
    for platform in platforms() {
        let Some(wheel) = project.wheel(&platform) else { continue };
        match install_wheel(home, tools, index, &wheel, progress) {
            // the other kind of C library may suit this machine
            Err(error @ UvError::DoesNotRun { .. }) => failed = Some(error),
            result => {
                if result.is_ok() {
                    progress.end(format!("fetched uv {}", wheel.version));
                }
                return result;
            }
        }
    }
    let machine = format!("{} {}", std::env::consts::OS, std::env::consts::ARCH);
    Err(failed
        .unwrap_or(UvError::Index(IndexError::NoWheelForMachine { name: "uv".into(), machine })))
}

/// A test of a platform tag.
type FitsPlatform = Box<dyn Fn(&str) -> bool>;

/// Returns the platforms that fit this machine, the best first.
fn platforms() -> Vec<FitsPlatform> {
    let architecture = match (std::env::consts::OS, std::env::consts::ARCH) {
        ("macos", "aarch64") => "arm64",
        (_, "x86") => "i686",
        (_, "arm") => "armv7l",
        (_, architecture) => architecture,
    };
    let families: &[&str] = match std::env::consts::OS {
        "linux" => &["manylinux", "musllinux"],
        "macos" => &["macosx"],
        _ => &[],
    };
    families
        .iter()
        .map(|family| -> FitsPlatform {
            let end = format!("_{architecture}");
            Box::new(move |platform| platform.starts_with(family) && platform.ends_with(&end))
        })
        .collect()
}

fn install_wheel(
    home: &Home,
    tools: &Utf8Path,
    index: &Index,
    wheel: &WheelRelease,
    progress: &dyn Progress,
) -> Result<Utf8PathBuf, UvError> {
    let filename = &wheel.file.filename;
    let staging = home.staging()?;
    let stage = Utf8Path::from_path(staging.path()).unwrap_or(tools);
    let archive = stage.join("uv.whl");
    index.client().download(
        &Download {
            sha256: wheel.file.sha256.as_deref(),
            limit: WHEEL_LIMIT,
            ..Download::of(&wheel.file.url, &archive)
        },
        progress,
    )?;
    let made = stage.join("made");
    let program = made.join("uv");
    fs::create_dir(&made).map_err(|source| write_error(&made, source))?;
    extract(&archive, filename, &program)?;
    if version_of(&program).is_none() {
        return Err(UvError::DoesNotRun { wheel: filename.clone() });
    }
    let folder = tools.join(format!("uv-{}", wheel.version));
    let kept = folder.join("uv");
    // another sizar, whose home shares this folder, may have been faster
    if version_of(&kept).is_some() {
        return Ok(kept);
    }
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(|source| write_error(&folder, source))?;
    }
    match fs::rename(&made, &folder) {
        Err(source) if version_of(&kept).is_none() => Err(write_error(&folder, source)),
        _ => Ok(kept),
    }
}

/// Takes the program out of its wheel.
fn extract(archive: &Utf8Path, wheel: &str, to: &Utf8Path) -> Result<(), UvError> {
    let broken = |source| UvError::NoProgram { wheel: wheel.to_owned(), source: Some(source) };
    let file = fs::File::open(archive).map_err(|source| write_error(archive, source))?;
    let mut zip = zip::ZipArchive::new(file).map_err(broken)?;
    let at = (0..zip.len()).find(|at| {
        let name = zip.name_for_index(*at).and_then(Result::ok).unwrap_or_default();
        name.starts_with("uv-") && name.ends_with(".data/scripts/uv")
    });
    let at = at.ok_or_else(|| UvError::NoProgram { wheel: wheel.to_owned(), source: None })?;
    let mut member = zip.by_index(at).map_err(broken)?.take(PROGRAM_LIMIT);
    let write = || {
        use fs_err::os::unix::fs::OpenOptionsExt;
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o755).open(to)?;
        std::io::copy(&mut member, &mut file)?;
        file.sync_all()
    };
    let mut write = write;
    write().map_err(|source| write_error(to, source))
}

fn write_error(path: &Utf8Path, source: std::io::Error) -> UvError {
    UvError::Write { path: path.to_owned(), source }
}
