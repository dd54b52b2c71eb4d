//! From what an `environment.yml` asks for to exact packages.
//!
//! Files that people export name builds of their own platform and releases that their channel has
//! lost since. So what no channel has is dropped or asked for more loosely before the solver
//! runs, and each of these changes is told; where the rest does not fit together, ever less is
//! asked, down to names.

use std::collections::BTreeMap;
use std::str::FromStr as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rattler_conda_types::package::{BuildString, DistArchiveType};
use rattler_conda_types::{
    Channel, GenericVirtualPackage, MatchSpec, Matches as _, PackageName, RepoDataRecord, Subdir,
    Version,
};
use rattler_repodata_gateway::{ChannelRelationsMode, RepoData};
use rattler_solve::{
    ChannelPriority, ExcludeNewer, SolveError, SolverImpl as _, SolverTask, TimestampPolicy,
};
use sizar_model::{CondaPackage, Progress};

use crate::channel::Address;
use crate::record::to_lock;
use crate::spec::{Asked, Slack};
use crate::{Conda, CondaError};

/// The longest that one try of the solver may take.
const PATIENCE: Duration = Duration::from_mins(2);
/// The longest that all of them may take: the package index is asked after that.
const PATIENCE_IN_ALL: Duration = Duration::from_mins(5);

/// What is to be solved.
#[derive(Clone, Debug)]
pub struct Question<'a> {
    /// The channels that answer, the first before the others.
    pub channels: &'a [Address],
    /// Match specifications, as written.
    pub packages: &'a [String],
    /// Such as `linux-x86_64`.
    pub platform: &'a str,
    /// Nothing that was built later is taken.
    pub exclude_newer: Option<Timestamp>,
    pub virtual_packages: VirtualPackages,
}

/// What the machine that the environment is for brings by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VirtualPackages {
    /// The version of glibc, such as `2.36`.
    pub glibc: Option<String>,
    /// The newest CUDA that the driver supports; absent without a GPU.
    pub cuda: Option<String>,
}

/// Exact packages, and how they differ from what was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Solution {
    /// In the order in which they need each other.
    pub packages: Vec<CondaPackage>,
    /// Names that were asked for and that no channel has.
    pub dropped: Vec<String>,
    /// One sentence for each difference.
    pub changes: Vec<String>,
}

impl Conda {
    /// Solves what is asked, as it is written if that can be had.
    ///
    /// # Errors
    ///
    /// [`CondaError::Channel`] where a channel cannot be read, [`CondaError::Unsolvable`] where
    /// not even the bare names fit together.
    pub fn solve(
        &self,
        question: &Question<'_>,
        progress: &dyn Progress,
    ) -> Result<Solution, CondaError> {
        let platform = subdir(question.platform)?;
        progress.begin("asking conda's channels");
        let mut changes = Vec::new();
        let asked = read(question.packages, &mut changes);
        let channels: Vec<Channel> = question
            .channels
            .iter()
            .map(|address| Channel::from_url(address.asked.clone()))
            .collect();
        let mut names: Vec<MatchSpec> =
            asked.iter().map(|asked| MatchSpec::from(asked.name.clone())).collect();
        names.dedup();
        let known = self.records(&channels, platform, names, false)?;
        let shelf = Shelf::new(&known);
        let mut dropped = Vec::new();
        let mut settled = Vec::new();
        for one in asked {
            match shelf.nearest(&one, question.platform) {
                Near::As(asked) => settled.push(*asked),
                Near::Loosened(asked, change) => {
                    changes.push(change);
                    settled.push(*asked);
                }
                Near::Nothing(change) => {
                    changes.push(change);
                    dropped.push(one.name.as_normalized().to_owned());
                }
            }
        }
        let virtual_packages = virtual_packages(&question.virtual_packages, question.platform);
        let mut first_reason = None;
        let began = Instant::now();
        for step in Step::all(question.exclude_newer.is_some()) {
            let left = PATIENCE_IN_ALL.saturating_sub(began.elapsed());
            if left.is_zero() {
                break;
            }
            let specs = settled
                .iter()
                .map(|asked| self.in_channel(&asked.with(step.slack), &channels, question))
                .collect::<Result<Vec<_>, _>>()?;
            let available = self.records(&channels, platform, specs.clone(), true)?;
            let known: SolverTask<'_, Vec<_>> = available.iter().map(RepoData::iter).collect();
            let task = SolverTask {
                virtual_packages: virtual_packages.clone(),
                specs,
                timeout: Some(PATIENCE.min(left)),
                channel_priority: step.priority,
                exclude_newer: question.exclude_newer.filter(|_| step.dated).map(as_of),
                ..known
            };
            let solved = rattler_solve::resolvo::Solver.solve(task);
            match solved {
                Ok(solved) => {
                    changes.extend(step.told(first_reason.as_deref()));
                    return self.solution(solved.records, dropped, changes);
                }
                Err(error) => {
                    let reason = reason_of(&error);
                    tracing::debug!(?step, %reason, "conda cannot solve it");
                    first_reason.get_or_insert(reason);
                }
            }
        }
        Err(CondaError::Unsolvable { reason: first_reason.unwrap_or_default() })
    }

    /// Returns the versions of a package that channels have, oldest first.
    ///
    /// # Errors
    ///
    /// [`CondaError::Channel`] where one cannot be read.
    pub fn versions(
        &self,
        channels: &[Address],
        package: &str,
        platform: &str,
    ) -> Result<Vec<String>, CondaError> {
        let Ok(name) = PackageName::from_str(package) else { return Ok(Vec::new()) };
        let channels: Vec<Channel> =
            channels.iter().map(|address| Channel::from_url(address.asked.clone())).collect();
        let known =
            self.records(&channels, subdir(platform)?, vec![MatchSpec::from(name)], false)?;
        let mut versions: Vec<_> = known
            .iter()
            .flat_map(RepoData::iter)
            .map(|record| record.package_record.version.clone())
            .collect();
        versions.sort();
        versions.dedup();
        Ok(versions.iter().map(ToString::to_string).collect())
    }

    fn records(
        &self,
        channels: &[Channel],
        platform: Subdir,
        specs: Vec<MatchSpec>,
        recursive: bool,
    ) -> Result<Vec<RepoData>, CondaError> {
        let query = self
            .gateway
            .query(channels.iter().cloned(), [platform, Subdir::NoArch], specs)
            .channel_relations(ChannelRelationsMode::Disabled)
            .recursive(recursive);
        let output = self.runtime.block_on(query.execute());
        Ok(output.map_err(|error| CondaError::Channel(error.into()))?.repodata)
    }

    /// Ties a package to the channel that it is asked of, where that one answers.
    fn in_channel(
        &self,
        asked: &Asked,
        channels: &[Channel],
        question: &Question<'_>,
    ) -> Result<MatchSpec, CondaError> {
        let mut spec = asked.spec.clone();
        if let Some(written) = &asked.channel {
            let wanted = self.settings.resolve(std::slice::from_ref(written))?;
            let place = question.channels.iter().position(|known| {
                wanted.len() == 1 && wanted.iter().any(|one| one.canonical == known.canonical)
            });
            spec.channel = place.and_then(|place| channels.get(place)).cloned().map(Arc::new);
        }
        Ok(spec)
    }

    fn solution(
        &self,
        records: Vec<RepoDataRecord>,
        dropped: Vec<String>,
        changes: Vec<String>,
    ) -> Result<Solution, CondaError> {
        let records = rattler_conda_types::PackageRecord::sort_topologically(records);
        let packages = records
            .iter()
            .map(|record| to_lock(record, &self.settings))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Solution { packages, dropped, changes })
    }
}

/// Reads what is asked, and tells what cannot be read.
fn read(written: &[String], changes: &mut Vec<String>) -> Vec<Asked> {
    let mut asked = Vec::new();
    for entry in written {
        match Asked::read(entry) {
            // what the machine brings is not asked of channels
            Ok(one) if one.name.as_normalized().starts_with("__") => {}
            Ok(one) => asked.push(one),
            Err(why) => changes.push(format!("`{entry}` is left out, it cannot be read: {why}")),
        }
    }
    asked
}

/// What channels have of the names that are asked.
struct Shelf<'a>(BTreeMap<&'a str, Vec<&'a RepoDataRecord>>);

/// The nearest to what was asked that channels have.
enum Near {
    As(Box<Asked>),
    Loosened(Box<Asked>, String),
    Nothing(String),
}

impl<'a> Shelf<'a> {
    fn new(known: &'a [RepoData]) -> Self {
        let mut shelf: BTreeMap<&str, Vec<&RepoDataRecord>> = BTreeMap::new();
        for record in known.iter().flat_map(RepoData::iter) {
            if matches!(record.identifier.archive_type, DistArchiveType::Conda(_)) {
                shelf.entry(record.package_record.name.as_normalized()).or_default().push(record);
            }
        }
        Self(shelf)
    }

    fn nearest(&self, asked: &Asked, platform: &str) -> Near {
        let name = asked.name.as_normalized();
        let Some(records) = self.0.get(name) else {
            return Near::Nothing(format!(
                "`{name}` is left out: no channel has it for {platform}"
            ));
        };
        let has = |asked: &Asked| records.iter().any(|record| asked.spec.matches(*record));
        if has(asked) {
            return Near::As(Box::new(asked.clone()));
        }
        let written = &asked.written;
        let steps = [
            (Slack::Builds, "is not built for"),
            (Slack::Patches, "is in no channel in this version for"),
            (Slack::Versions, "is in no channel in this version for"),
        ];
        for (slack, why) in steps {
            let less = asked.with(slack);
            if has(&less) {
                let change = format!("`{written}` {why} {platform}: `{}` is taken", less.spec);
                return Near::Loosened(Box::new(less), change);
            }
        }
        Near::Nothing(format!("`{written}` is left out: no channel has it for {platform}"))
    }
}

/// One try of the solver.
#[derive(Clone, Copy, Debug)]
struct Step {
    slack: Slack,
    priority: ChannelPriority,
    dated: bool,
}

impl Step {
    /// Returns the tries, what is nearest to the letter first.
    fn all(dated: bool) -> impl Iterator<Item = Self> {
        use ChannelPriority::{Disabled, Flexible};
        [
            (Slack::Exact, Flexible, true),
            (Slack::Exact, Disabled, true),
            (Slack::Builds, Flexible, true),
            (Slack::Builds, Disabled, false),
            (Slack::Patches, Disabled, true),
            (Slack::Patches, Disabled, false),
            (Slack::Versions, Disabled, true),
            (Slack::Versions, Disabled, false),
        ]
        .into_iter()
        .map(|(slack, priority, dated)| Self { slack, priority, dated })
        // without a date the undated tries are the same as those before them
        .filter(move |step| dated || step.dated || step.slack == Slack::Builds)
    }

    fn told(self, reason: Option<&str>) -> Option<String> {
        let what = match self.slack {
            Slack::Exact => return None,
            Slack::Builds => "builds are free",
            Slack::Patches => "only minor versions are kept",
            Slack::Versions => "only names and Python's version are kept",
        };
        let date = if self.dated { "" } else { ", and the date" };
        let reason = reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
        Some(format!("the conda packages do not fit together as written{reason}: {what}{date}"))
    }
}

fn reason_of(error: &SolveError) -> String {
    let text = match error {
        SolveError::Unsolvable(reasons) => reasons.join("; "),
        other => other.to_string(),
    };
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    // the solver explains whole trees; the first branches name the quarrel
    lines.iter().take(4).copied().collect::<Vec<_>>().join(" ")
}

fn subdir(platform: &str) -> Result<Subdir, CondaError> {
    let name = match platform {
        "linux-x86_64" => "linux-64",
        "macosx-x86_64" => "osx-64",
        "macosx-arm64" => "osx-arm64",
        other => other,
    };
    Subdir::from_str(name).map_err(|_| CondaError::Platform { platform: platform.to_owned() })
}

fn as_of(date: Timestamp) -> ExcludeNewer {
    let date = jiff_of_rattler::Timestamp::from_millisecond(date.as_millisecond())
        .unwrap_or(jiff_of_rattler::Timestamp::MAX);
    // packages of the first years have no date, and are old
    ExcludeNewer::from_datetime(date).with_timestamp_policy(TimestampPolicy::AllowMissing)
}

fn virtual_packages(machine: &VirtualPackages, platform: &str) -> Vec<GenericVirtualPackage> {
    let one = |name: &str, version: &str, build: &str| {
        Some(GenericVirtualPackage {
            name: PackageName::from_str(name).ok()?,
            version: Version::from_str(version).ok()?,
            build_string: BuildString::from_str(build).ok()?,
        })
    };
    let glibc = machine.glibc.as_deref().unwrap_or("2.17");
    let processor = platform.rsplit('-').next().unwrap_or(platform);
    [
        one("__unix", "0", "0"),
        one("__linux", "5.10", "0"),
        one("__glibc", glibc, "0"),
        one("__archspec", "1", processor),
        machine.cuda.as_deref().and_then(|cuda| one("__cuda", cuda, "0")),
    ]
    .into_iter()
    .flatten()
    .collect()
}
