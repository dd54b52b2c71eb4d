//! Conda's channels as the user configured them.

use camino::Utf8Path;
use jiff::Timestamp;
use sizar_conda::{Address, Conda, CondaError, Question, Settings, VirtualPackages};
use sizar_model::artifact::Ending;
use sizar_model::resources::Walltime;
use sizar_model::{CondaPackage, CondaSpec, Invocation, Progress, PythonVersion};

use super::memory::Memory;
use super::{Refusal, Solved, platform};
use crate::environment::SetupError;
use crate::home::Home;
use crate::process::{Control, Io, Limits, execute};
use crate::sandbox::{Confinement, SandboxKind};

/// Channels that answer.
pub struct Channels {
    conda: Conda,
    addresses: Vec<Address>,
    /// The names of those that do not.
    silent: Vec<String>,
    glibc: Option<String>,
}

/// What conda asks where a file names no channel.
const OF_FILES: [&str; 2] = ["defaults", "conda-forge"];

fn conda(home: &Home, offline: bool) -> Result<Result<Conda, Refusal>, SetupError> {
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    let cache = home.folder("cache/conda")?;
    let settings =
        Settings::read(&variable("SIZAR_CONDA_CHANNELS"), &variable("SIZAR_CONDA_MIRROR"));
    Ok(settings
        .and_then(|settings| Conda::open(settings, &cache, offline))
        .map_err(|error| Refusal(sentence(&error))))
}

/// Asks which of the channels `written` answer, unless that is known; of `None`, those that the
/// user configured.
///
/// # Errors
///
/// [`SetupError::Home`] or [`SetupError::Io`] where sizar's own folder cannot be used; the silence
/// of channels is a [`Refusal`].
pub fn open(
    home: &Home,
    written: Option<&[String]>,
    offline: bool,
    progress: &dyn Progress,
) -> Result<Result<Channels, Refusal>, SetupError> {
    let conda = match conda(home, offline)? {
        Ok(conda) => conda,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let written = match written {
        Some([]) if conda.settings().is_default() => OF_FILES.map(str::to_owned).to_vec(),
        Some(written) if !written.is_empty() => written.to_vec(),
        _ => conda.settings().fallback(),
    };
    let channels = match conda.settings().resolve(&written) {
        Ok(channels) => channels,
        Err(error) => return Ok(Err(Refusal(sentence(&error)))),
    };
    let mut memory = Memory::read(home)?;
    if channels.iter().any(|channel| memory.knows(channel).is_none()) {
        progress.begin("asking whether conda's channels answer");
    }
    let mut answering: Vec<Address> = Vec::new();
    let mut silent = Vec::new();
    // what stands behind a mirror that the authors left in their file is asked with it
    let originals: Vec<Option<Address>> =
        channels.iter().map(|channel| channel.original(conda.settings())).collect();
    let asked: Vec<Address> = channels.iter().chain(originals.iter().flatten()).cloned().collect();
    let answers = memory.answers(&conda, &asked);
    let of = |channel: &Address| answers.iter().find(|answer| answer.channel == *channel).cloned();
    for (channel, original) in channels.iter().zip(&originals) {
        let Some(mut answer) = of(channel) else { continue };
        if answer.silence.is_some()
            && let Some(better) = original.as_ref().and_then(of)
        {
            answer = better;
        }
        if answer.silence.is_none() {
            if !answering.contains(&answer.channel) {
                answering.push(answer.channel);
            }
        } else if !silent.contains(&answer.channel.name) {
            silent.push(answer.channel.name);
        }
    }
    memory.write()?;
    if answering.is_empty() {
        return Ok(Err(Refusal(format!("no conda channel answered ({})", silent.join(", ")))));
    }
    // `defaults` is three channels, and the oldest of them is often missing
    silent.retain(|name| answering.iter().all(|channel| channel.name != *name));
    Ok(Ok(Channels { conda, addresses: answering, silent, glibc: glibc(home) }))
}

impl Channels {
    /// Returns the names of the channels that were asked for and do not answer.
    pub fn silent(&self) -> &[String] {
        &self.silent
    }

    /// Returns the Pythons that can be had, without their patch releases.
    pub fn pythons(&self) -> Vec<PythonVersion> {
        // a channel that cannot be read is said by the solver
        let versions = self.conda.versions(&self.addresses, "python", &platform());
        let mut pythons: Vec<PythonVersion> = versions
            .unwrap_or_default()
            .iter()
            .filter_map(|version| version.parse::<PythonVersion>().ok())
            .map(PythonVersion::without_patch)
            .collect();
        pythons.dedup();
        pythons
    }

    /// Solves what is asked.
    pub fn solve(
        &self,
        spec: &CondaSpec,
        date: Option<Timestamp>,
        progress: &dyn Progress,
    ) -> Result<Solved, Refusal> {
        let question = Question {
            channels: &self.addresses,
            packages: &spec.packages,
            platform: &platform(),
            exclude_newer: date,
            virtual_packages: VirtualPackages { glibc: self.glibc.clone(), cuda: None },
        };
        let solution =
            self.conda.solve(&question, progress).map_err(|error| Refusal(sentence(&error)))?;
        Ok(Solved {
            packages: solution.packages,
            dropped: solution.dropped,
            changes: solution.changes,
        })
    }
}

/// Puts exactly `packages` into `prefix`; returns those whose scripts were not run.
pub fn install(
    home: &Home,
    packages: &[CondaPackage],
    prefix: &Utf8Path,
    offline: bool,
    progress: &dyn Progress,
) -> Result<Result<Vec<String>, Refusal>, SetupError> {
    install_for(home, packages, (prefix, prefix), offline, progress)
}

/// Puts packages into a folder, for the folder that it will be in the end.
pub fn install_for(
    home: &Home,
    packages: &[CondaPackage],
    (folder, end): (&Utf8Path, &Utf8Path),
    offline: bool,
    progress: &dyn Progress,
) -> Result<Result<Vec<String>, Refusal>, SetupError> {
    let conda = match conda(home, offline)? {
        Ok(conda) => conda,
        Err(refusal) => return Ok(Err(refusal)),
    };
    Ok(conda
        .install(packages, folder, end, progress)
        .map(|installed| installed.scripts_not_run)
        .map_err(|error| Refusal(sentence(&error))))
}

/// Puts an error and its causes into one sentence.
fn sentence(error: &CondaError) -> String {
    let mut text = error.to_string();
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        let said = source.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        cause = source;
    }
    text
}

/// Asks the system which glibc it has; packages say which they need.
fn glibc(home: &Home) -> Option<String> {
    let folder = home.folder("tmp").ok()?;
    let confinement = Confinement::new(SandboxKind::None, &folder, &folder);
    let limits = Limits { walltime: Some(Walltime(10)), ..Limits::default() };
    let call = Invocation::new("getconf").args(["GNU_LIBC_VERSION"]);
    let quiet = Io::Captured { line: &|_| {} };
    let finished = execute(&call, &confinement, &limits, quiet, &Control::default()).ok()?;
    let answered = finished.ending == (Ending::Exited { code: 0 });
    answered.then(|| finished.stdout.split_whitespace().last().map(str::to_owned))?
}
