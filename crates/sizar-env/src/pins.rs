//! What the index knows of the releases that the authors pinned, and what follows from it.
//!
//! A pin tells more than a version: the Pythons that its wheels are for, and the time at which
//! somebody wrote it down. A pinned release that the index does not have (any more) is replaced by
//! the nearest one that it has.

use std::str::FromStr as _;

use jiff::{SignedDuration, Timestamp};
use sizar_model::{Deviation, PythonVersion};
use uv_pep440::{Version, VersionSpecifiers};

use crate::{heavy, name};

/// A requirement that names one release (`==1.2.3`) or the releases of one minor version
/// (`==1.2.*`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    /// The normalised name.
    pub name: String,
    /// Without the `.*`.
    pub version: String,
    /// Whether it ends in `.*`.
    pub prefix: bool,
}

/// A release of a distribution, as the index has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    pub version: String,
    /// When its first file was uploaded.
    pub published: Option<Timestamp>,
    /// Whether all its files were withdrawn.
    pub yanked: bool,
    /// Whether it has its source, from which another Python may build it.
    pub source: bool,
    /// Whether it has a wheel for this system, for whatever Python.
    pub wheels: bool,
    /// The Pythons that it has wheels for on this system; empty where it runs on any, or is built.
    pub pythons: Vec<PythonVersion>,
}

impl Release {
    /// Whether a Python can have it without building it.
    pub fn runs_on(&self, python: PythonVersion) -> bool {
        self.wheels && (self.pythons.is_empty() || self.pythons.contains(&python.without_patch()))
    }

    /// Whether a Python can have it at all, as far as the names of its files tell.
    pub fn may_run_on(&self, python: PythonVersion) -> bool {
        self.source || !self.wheels || self.runs_on(python)
    }
}

/// What the index knows of a pin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PinFacts {
    pub pin: Pin,
    /// All releases of the distribution; empty where the index has no such distribution.
    pub releases: Vec<Release>,
    /// Other distributions with the same modules that have the pinned release.
    pub relatives: Vec<String>,
}

/// The Pythons that there are wheels of a pinned release for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PinnedWheels {
    /// `name==version`.
    pub release: String,
    pub pythons: Vec<PythonVersion>,
    /// How much it counts.
    pub weight: usize,
}

/// Reads a pin; other requirements are none.
pub fn pin_of(requirement: &str) -> Option<Pin> {
    let name = name::of_requirement(requirement);
    if let Some(version) = name::exact_pin(requirement) {
        return Some(Pin { name, version: version.to_owned(), prefix: false });
    }
    let (_, version) = requirement.split(';').next()?.split_once("==")?;
    let version = version.trim().strip_suffix(".*")?;
    let plain = version.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    (plain && !version.is_empty()).then(|| Pin { name, version: version.to_owned(), prefix: true })
}

/// Whether an exact pin among `asked` keeps to a constraint such as `numpy<2` anyway.
pub fn keep_to(asked: &[String], constraint: &str) -> bool {
    let name = name::of_requirement(constraint);
    let limits =
        constraint.find(['<', '>', '=', '!', '~']).and_then(|start| constraint.get(start..));
    let Some(limits) = limits.and_then(|limits| VersionSpecifiers::from_str(limits).ok()) else {
        return false;
    };
    let mut pins = asked.iter().filter(|asked| name::of_requirement(asked) == name);
    pins.any(|asked| {
        let version = name::exact_pin(asked).and_then(|pin| Version::from_str(pin).ok());
        version.is_some_and(|version| limits.contains(&version))
    })
}

impl PinFacts {
    /// Returns the releases that the pin names, those that were not withdrawn first.
    pub(crate) fn named(&self) -> impl Iterator<Item = &Release> {
        let named = |release: &&Release| names(&self.pin, &release.version);
        let good = self.releases.iter().filter(named).filter(|release| !release.yanked);
        good.chain(self.releases.iter().filter(named).filter(|release| release.yanked))
    }

    /// Returns when the pinned release was published.
    pub fn published(&self) -> Option<Timestamp> {
        self.named().filter_map(|release| release.published).min()
    }

    /// Returns how much it counts that there is a wheel.
    fn weight(&self) -> usize {
        if heavy::is_heavy(&self.pin.name) { 4 } else { 1 }
    }

    /// Returns the Pythons that decide, where the release is one of compiled wheels.
    pub fn wheels(&self) -> Option<PinnedWheels> {
        let release = self.named().next()?;
        let release_name = format!("{}=={}", self.pin.name, release.version);
        (!release.pythons.is_empty()).then(|| PinnedWheels {
            release: release_name,
            pythons: release.pythons.clone(),
            weight: self.weight(),
        })
    }
}

fn names(pin: &Pin, version: &str) -> bool {
    if pin.prefix {
        return version == pin.version || version.starts_with(&format!("{}.", pin.version));
    }
    match (Version::from_str(&pin.version), Version::from_str(version)) {
        (Ok(wanted), Ok(found)) => wanted == found,
        _ => pin.version == version,
    }
}

/// Replaces pins that the index cannot meet by what is nearest, and says so.
pub fn mend(requirements: &mut [String], facts: &[PinFacts]) -> Vec<Deviation> {
    let mut deviations = Vec::new();
    for requirement in requirements {
        let Some(pin) = pin_of(requirement) else { continue };
        let Some(fact) = facts.iter().find(|fact| fact.pin == pin) else { continue };
        let withdrawn = pin.prefix && fact.named().all(|release| release.yanked);
        // a withdrawn release is found only where it is asked for exactly (PEP 592)
        if fact.releases.is_empty() || fact.named().next().is_some() && !withdrawn {
            continue;
        }
        let written =
            format!("{}=={}{}", pin.name, pin.version, if pin.prefix { ".*" } else { "" });
        let (base, why) = if let Some(exact) = fact.named().last().filter(|_| withdrawn) {
            let exact = format!("{}=={}", pin.name, exact.version);
            (exact, format!("the releases that {written} names were withdrawn"))
        } else {
            let Some(next) = replacement(fact) else { continue };
            (next, format!("the index has no {written}"))
        };
        let marker = requirement.split_once(';').map(|(_, marker)| format!(" ; {}", marker.trim()));
        deviations.push(Deviation {
            rule: "nearest-version".into(),
            reason: format!("{why}; {base} is the nearest"),
        });
        *requirement = base + &marker.unwrap_or_default();
    }
    deviations
}

/// Returns what stands for a pin that the index does not have.
fn replacement(fact: &PinFacts) -> Option<String> {
    let pin = &fact.pin;
    let public = pin.version.split('+').next().unwrap_or(&pin.version);
    let wanted = Version::from_str(public).ok()?;
    let usable = |yanked: bool| fact.releases.iter().filter(move |other| other.yanked == yanked);
    let release = nearest(&wanted, usable(false)).or_else(|| nearest(&wanted, usable(true)))?;
    let version = Version::from_str(&release.version).ok()?;
    let same_minor =
        segment(&version, 0) == segment(&wanted, 0) && segment(&version, 1) == segment(&wanted, 1);
    match fact.relatives.first() {
        Some(relative) if !same_minor => {
            Some(format!("{relative}=={}{}", pin.version, if pin.prefix { ".*" } else { "" }))
        }
        _ => Some(format!("{}=={}", pin.name, release.version)),
    }
}

/// Returns the release that differs least from a wanted one.
pub fn nearest<'a>(
    wanted: &Version,
    releases: impl Iterator<Item = &'a Release>,
) -> Option<&'a Release> {
    releases
        .filter_map(|release| Some((Version::from_str(&release.version).ok()?, release)))
        .filter(|(version, _)| wanted.any_prerelease() || !version.any_prerelease())
        .min_by_key(|(version, _)| far(wanted, version))
        .map(|(_, release)| release)
}

fn segment(version: &Version, index: usize) -> u64 {
    version.release().get(index).copied().unwrap_or_default()
}

/// Measures how far a release is from the wanted one: first whether its major and minor version
/// are the same, then by number; of two as far, the newer is nearer, for it mends more.
fn far(wanted: &Version, version: &Version) -> (u8, u64, u64, bool, u64) {
    let distance = |index: usize| segment(wanted, index).abs_diff(segment(version, index));
    let kind = match (distance(0), distance(1)) {
        (0, 0) => 0,
        (0, _) => 1,
        _ => 2,
    };
    let between = if kind == 2 { distance(0) } else { distance(1) };
    let older = version < wanted;
    // beyond the same minor version the first release is nearest, below it the last
    let rest = segment(version, 1) * 1000 + segment(version, 2);
    let inner = match kind {
        0 => distance(2),
        _ if older => u64::MAX - rest,
        _ => rest,
    };
    (kind, between, if kind == 0 { inner } else { 0 }, older, inner)
}

/// How much older than the code its pins must be before they date it.
const STALE: SignedDuration = SignedDuration::from_hours(365 * 24);
/// How long after its newest pin such code is taken to have been written.
const AFTER_PINS: SignedDuration = SignedDuration::from_hours(120 * 24);
/// How many pins are enough to date code.
const ENOUGH: usize = 3;

/// Returns the date that the pins give code of `date`, where it is another one.
///
/// Pins that are much older than the last change tell when the code was made to work: later
/// changes were cosmetic. A pin newer than the code moves the date, so that it can be had.
pub fn date_by_pins(date: Timestamp, facts: &[PinFacts]) -> Option<(Timestamp, String)> {
    let exact = facts.iter().filter(|fact| !fact.pin.prefix);
    let published: Vec<_> = exact.filter_map(|fact| Some((fact.published()?, &fact.pin))).collect();
    let (newest, pin) = published.iter().max_by_key(|(published, _)| *published)?;
    let release = format!("{}=={}", pin.name, pin.version);
    let day = newest.strftime("%Y-%m-%d");
    if *newest > date {
        let after = newest.checked_add(SignedDuration::from_hours(24)).ok()?;
        return Some((after, format!("{release}, which is asked for, was published on {day}")));
    }
    let gap = date.duration_since(*newest);
    if published.len() < ENOUGH || gap < STALE {
        return None;
    }
    let after = newest.checked_add(AFTER_PINS).ok()?;
    Some((after, format!("{release}, the newest of its pinned releases, is of {day}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn release(version: &str, day: &str) -> Release {
        Release {
            version: version.into(),
            published: format!("{day}T00:00:00Z").parse().ok(),
            yanked: false,
            source: true,
            wheels: false,
            pythons: Vec::new(),
        }
    }

    fn facts(requirement: &str, releases: &[(&str, &str)]) -> PinFacts {
        PinFacts {
            pin: pin_of(requirement).unwrap(),
            releases: releases.iter().map(|(version, day)| release(version, day)).collect(),
            relatives: Vec::new(),
        }
    }

    fn mended(requirement: &str, versions: &[&str]) -> String {
        let releases: Vec<_> = versions.iter().map(|version| (*version, "2020-01-01")).collect();
        let mut requirements = [requirement.to_owned()];
        mend(&mut requirements, &[facts(requirement, &releases)]);
        let [requirement] = requirements;
        requirement
    }

    #[test]
    fn what_the_index_lacks_is_replaced_by_the_nearest() {
        assert_eq!(mended("torch==0.4.1.post2", &["1.0.0", "1.0.1", "2.1.0"]), "torch==1.0.0");
        assert_eq!(mended("torch==1.7.1+cu110", &["1.7.0", "1.7.1", "1.8.0"]), "torch==1.7.1");
        assert_eq!(mended("x==3.4.2.*", &["3.4.1", "3.4.3.18", "3.4.9"]), "x==3.4.3.18");
        assert_eq!(mended("x==1.5", &["1.2.0", "1.4.9", "2.0"]), "x==1.4.9");
        assert_eq!(mended("x==1.0", &["1.0.0"]), "x==1.0");
        assert_eq!(pin_of("x>=1.0"), None);
    }

    #[test]
    fn a_relative_at_the_same_version_wins_over_another_minor_version() {
        let mut fact = facts("opencv-python-headless==3.3.0.*", &[("3.4.3.18", "2018-10-01")]);
        fact.relatives.push("opencv-python".into());
        let mut requirements = ["opencv-python-headless==3.3.0.*".to_owned()];
        let deviations = mend(&mut requirements, &[fact]);
        assert_eq!(requirements, ["opencv-python==3.3.0.*"]);
        assert_eq!(deviations[0].rule, "nearest-version");
    }

    #[test]
    fn withdrawn_releases_are_asked_for_exactly() {
        let mut fact =
            facts("torchvision==0.2.*", &[("0.2.1", "2018-04-01"), ("0.2.2", "2019-02-01")]);
        for release in &mut fact.releases {
            release.yanked = true;
        }
        let mut requirements = ["torchvision==0.2.*".to_owned()];
        mend(&mut requirements, &[fact]);
        assert_eq!(requirements, ["torchvision==0.2.2"]);
    }

    #[test]
    fn a_pin_may_keep_to_a_constraint_anyway() {
        let asked = ["numpy==1.12.1".to_owned(), "scipy".to_owned()];
        assert!(keep_to(&asked, "numpy<2") && keep_to(&asked, "numpy>=1.12,<1.13"));
        assert!(!keep_to(&asked, "numpy<1.12") && !keep_to(&asked, "scipy<2"));
        assert!(!keep_to(&asked, "pandas<2") && !keep_to(&asked, "numpy @ file:///x"));
    }

    #[test]
    fn pins_date_the_code() {
        let date = "2023-09-06T00:00:00Z".parse().unwrap();
        let old = [
            facts("a==1", &[("1", "2020-12-14")]),
            facts("b==1", &[("1", "2019-12-14")]),
            facts("c==1", &[("1", "2021-01-05")]),
        ];
        let (found, why) = date_by_pins(date, &old).unwrap();
        assert_eq!(found, "2021-05-05T00:00:00Z".parse().unwrap());
        assert!(why.contains("c==1"));
        assert_eq!(date_by_pins(date, &old[..2]), None, "two pins are too few");
        let newer = [facts("a==1", &[("1", "2023-11-01")])];
        assert_eq!(date_by_pins(date, &newer).unwrap().0, "2023-11-02T00:00:00Z".parse().unwrap());
    }
}
