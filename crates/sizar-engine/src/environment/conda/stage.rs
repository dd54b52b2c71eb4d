//! From what is asked of conda to an interpreter that the package index can be resolved for.

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use sizar_env::name;
use sizar_model::{CondaPackage, Deviation, EnvSpec, ProjectInstall, PythonVersion};

use super::wish::package_name;
use super::{Channels, Refusal, Wish, install, platform};
use crate::environment::SetupError;
use crate::environment::error::io;
use crate::environment::interpreters::Interpreter;
use crate::environment::workshop::Workshop;
use crate::home::Home;

/// What an attempt asks of conda.
pub struct Request<'a> {
    pub home: &'a Home,
    pub workshop: &'a Workshop<'a>,
    pub channels: &'a Channels,
    /// What the source's own file asks; absent where sizar asks.
    pub wish: Option<&'a Wish>,
}

/// What conda gives.
pub struct Base {
    pub packages: Vec<CondaPackage>,
    /// Its interpreter, in the workshop.
    pub interpreter: Interpreter,
    /// The distributions that it brings, with their versions.
    pub distributions: BTreeMap<String, String>,
}

/// Solves what an attempt asks of conda, and puts it into the workshop.
///
/// What no channel has becomes a requirement of the package index again, and the differences
/// become deviations of the specification.
///
/// # Errors
///
/// [`SetupError`] where sizar's own folder cannot be used; what conda cannot give is a
/// [`Refusal`].
pub fn stage(
    request: &Request<'_>,
    spec: &mut EnvSpec,
) -> Result<Result<Base, Refusal>, SetupError> {
    let Request { home, workshop, channels, wish } = *request;
    let Some(mut asked) = spec.conda.clone() else {
        return Ok(Err(Refusal("nothing is asked of conda".to_owned())));
    };
    with_python(&mut asked.packages, spec.python);
    let progress = workshop.progress();
    let solved = match channels.solve(&asked, spec.exclude_newer, progress) {
        Ok(solved) => solved,
        Err(refusal) => return Ok(Err(refusal)),
    };
    for dropped in &solved.dropped {
        match wish.and_then(|wish| wish.translation(dropped)) {
            Some(requirement) if !spec.requirements.iter().any(|known| known == requirement) => {
                spec.requirements.push(requirement.to_owned());
            }
            _ if asked.path.is_none() => {
                return Ok(Err(Refusal(format!("no conda channel has {dropped}"))));
            }
            _ => {}
        }
    }
    let python = solved.packages.iter().find(|package| package.name == "python");
    let Some(python) = python.and_then(|python| python.version.parse::<PythonVersion>().ok())
    else {
        return Ok(Err(Refusal("no conda channel has this Python".to_owned())));
    };
    let installs = !spec.requirements.is_empty() || spec.project == ProjectInstall::Install;
    if python < OLDEST_OF_UV && installs {
        let why = format!("uv, which installs over conda's packages, needs 3.6, not {python}");
        return Ok(Err(Refusal(why)));
    }
    for change in solved.changes {
        let deviation = Deviation { rule: "conda-loosened".into(), reason: change };
        if !spec.deviations.contains(&deviation) {
            spec.deviations.push(deviation);
        }
    }
    spec.python = python;
    let prefix = workshop.path("conda");
    if prefix.exists() {
        fs::remove_dir_all(&prefix).map_err(io(&prefix))?;
    }
    let mut distributions = BTreeMap::new();
    // without requirements nothing has to be resolved for it
    if !spec.requirements.is_empty() {
        let offline = workshop.is_offline();
        if let Err(refusal) = install(home, &solved.packages, &prefix, offline, progress)? {
            return Ok(Err(refusal));
        }
        distributions = distributions_in(&prefix, python);
    }
    let interpreter = Interpreter::of_prefix(&prefix, python, platform());
    Ok(Ok(Base { packages: solved.packages, interpreter, distributions }))
}

/// The oldest Python that uv drives.
const OLDEST_OF_UV: PythonVersion = PythonVersion::minor(3, 6);

/// Asks for the Python of this attempt: as the file writes it, where that is the same.
fn with_python(packages: &mut Vec<String>, python: PythonVersion) {
    let minor = python.without_patch();
    let same = |written: &str| {
        let digits = written.trim_start_matches("python").trim_start_matches(['=', ' ']);
        let digits = digits.split(['=', ' ']).next().unwrap_or(digits).trim_end_matches(".*");
        digits.parse::<PythonVersion>().is_ok_and(|asked| asked.satisfies(minor))
    };
    packages.retain(|written| package_name(written) != "python" || same(written));
    if !packages.iter().any(|written| package_name(written) == "python") {
        packages.push(format!("python={minor}"));
    }
}

/// Reads which distributions lie in a prefix of conda's.
fn distributions_in(prefix: &Utf8Path, python: PythonVersion) -> BTreeMap<String, String> {
    let site: Utf8PathBuf =
        prefix.join(format!("lib/python{}/site-packages", python.without_patch()));
    fs::read_dir(&site)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter_map(|file| {
            let stem = file.strip_suffix(".dist-info").or(file.strip_suffix(".egg-info"))?;
            let mut parts = stem.split('-');
            Some((name::normalise(parts.next()?), parts.next()?.to_owned()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn python_is_asked_as_written_or_as_repaired() {
        let asked = |written: &[&str], minor: u8| {
            let mut packages: Vec<String> = written.iter().map(|one| (*one).to_owned()).collect();
            with_python(&mut packages, PythonVersion::minor(3, minor));
            packages
        };
        assert_eq!(asked(&["python=3.7.3", "numpy"], 7), ["python=3.7.3", "numpy"]);
        assert_eq!(asked(&["python=3.7.3=h1_0"], 7), ["python=3.7.3=h1_0"]);
        assert_eq!(asked(&["python=3.7.3", "numpy"], 6), ["numpy", "python=3.6"]);
        assert_eq!(
            asked(&["python>=3.6", "python-dateutil"], 8),
            ["python-dateutil", "python=3.8"]
        );
        assert_eq!(asked(&["numpy"], 8), ["numpy", "python=3.8"]);
    }
}
