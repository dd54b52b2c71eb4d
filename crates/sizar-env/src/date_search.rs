//! The search over dates: the date of the code is a guess, and the failures say in which direction
//! it is wrong.
//!
//! What did not exist yet gets a later date, first for itself and then for everything; an
//! installed package that breaks when it is imported was written for companions of another time.

use std::str::FromStr as _;
use std::sync::LazyLock;

use jiff::{SignedDuration, Timestamp};
use regex::Regex;
use sizar_model::{EnvSpec, PythonVersion};
use uv_pep440::{Version, VersionSpecifiers};

use crate::candidates::{Candidate, Change};
use crate::diagnosis::error_line;
use crate::era;
use crate::knowledge;
use crate::name;
use crate::pins::{self, Release};
use crate::repair::Facts;
use crate::without_build;

/// Days by which the date is moved where nothing says how far, nearest first.
const STEPS: [i64; 4] = [-180, 180, -400, 400];

fn moved(date: Timestamp, days: i64) -> Option<Timestamp> {
    date.checked_add(SignedDuration::from_hours(24 * days)).ok()
}

/// Returns when the first release after a date was published that `asked` allows.
fn first_release_after(
    releases: &[Release],
    date: Timestamp,
    asked: &[VersionSpecifiers],
) -> Option<Timestamp> {
    let allowed = |release: &&Release| {
        let version = Version::from_str(&release.version);
        version.is_ok_and(|version| asked.iter().all(|asked| asked.contains(&version)))
    };
    let usable = releases.iter().filter(|release| !release.yanked).filter(allowed);
    usable.filter_map(|release| release.published).filter(|published| *published > date).min()
}

/// Reads which versions of a package the resolver says that others need, as in `jaxlib depends on
/// numpy>=1.22`.
pub(crate) fn asked_by_others(package: &str, output: &str) -> Vec<VersionSpecifiers> {
    static NEEDS: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"(?:depends? on|requires?) ([A-Za-z0-9._-]+?)((?:[<>=!~]=?[^\s,]+,?)+)")
            .expect("a test reads it")
    });
    let one = output.split_whitespace().collect::<Vec<_>>().join(" ");
    NEEDS
        .captures_iter(&one)
        .filter(|captures| name::normalise(&captures[1]) == package)
        .filter_map(|captures| VersionSpecifiers::from_str(captures[2].trim_end_matches(',')).ok())
        .collect()
}

/// Finds later dates for a package of which nothing that fits existed at the time.
pub fn later(
    spec: &EnvSpec,
    package: &str,
    published: Option<Timestamp>,
    output: &str,
    facts: &Facts<'_>,
) -> Vec<Candidate> {
    let Some(code) = spec.exclude_newer else { return Vec::new() };
    let cutoff = spec.exclude_newer_package.get(package).copied().unwrap_or(code);
    let after = |date: Timestamp| date.checked_add(SignedDuration::from_secs(1)).ok();
    let releases = (facts.releases)(package);
    // no date brings what was never released for this Python
    if never_for(&releases, spec.python).is_some() {
        return without_build::by_conda(spec, package).into_iter().collect();
    }
    if let Some(never) = never_released(&spec.requirements, package, &releases) {
        return vec![never];
    }
    let by_others = asked_by_others(package, output);
    let mut by_all = by_others.clone();
    by_all.extend(asked_here(&spec.requirements, package).map(|(_, specifiers)| specifiers));
    let first = [by_all, by_others, Vec::new()]
        .iter()
        .find_map(|asked| first_release_after(&releases, cutoff, asked))
        .and_then(after);
    let cause = |what: &str| {
        format!("what is asked of {package} did not exist on {}{what}", cutoff.strftime("%Y-%m-%d"))
    };
    let mut candidates = Vec::new();
    // once several packages have to be newer, the time itself was wrong
    let all = first.and_then(|date| moved(date, 30));
    if let Some(date) = all.filter(|date| *date > code && has_moved(spec, package)) {
        candidates.push(Candidate {
            rule: "later-date".into(),
            cause: cause(", and not it alone"),
            changes: vec![Change::DateOfAll { date }],
        });
    }
    let later = [
        first,
        moved(code, 120),
        moved(code, 365),
        moved(code, 3 * 365),
        published.and_then(after),
    ];
    let later = later.into_iter().flatten().filter(|date| *date > cutoff);
    candidates.extend(later.map(|date| {
        Candidate {
            rule: "later-date".into(),
            cause: cause(""),
            changes: companions(package)
                .map(|package| Change::Date { package: package.to_owned(), date })
                .collect(),
        }
    }));
    candidates
}

/// Returns what the source asks of a package, and which versions that allows; none where it allows all.
pub(crate) fn asked_here<'a>(
    requirements: &'a [String],
    package: &str,
) -> Option<(&'a String, VersionSpecifiers)> {
    let asked = requirements.iter().find(|asked| name::of_requirement(asked) == package)?;
    let written = asked.split(';').next().unwrap_or(asked);
    let specifiers = written.find(['<', '>', '=', '!', '~']).and_then(|at| written.get(at..))?;
    Some((asked, VersionSpecifiers::from_str(specifiers.trim()).ok()?))
}

/// Gives up what is asked of a package where no release of it was ever so: `PyTorch 4.1+` was meant to
/// be 0.4.1.
fn never_released(
    requirements: &[String],
    package: &str,
    releases: &[Release],
) -> Option<Candidate> {
    let (asked, specifiers) = asked_here(requirements, package)?;
    let mut versions =
        releases.iter().filter_map(|release| Version::from_str(&release.version).ok()).peekable();
    versions.peek()?;
    (!versions.any(|version| specifiers.contains(&version))).then(|| Candidate {
        rule: "loosened-pin".into(),
        cause: format!("the index never had {asked}: the newest of the time is taken"),
        changes: vec![Change::Loosen { package: package.to_owned(), requirement: None }],
    })
}

/// Returns the Pythons that a distribution has wheels for, where it has nothing for `python`, at
/// whatever date, and no source either.
pub fn never_for(releases: &[Release], python: PythonVersion) -> Option<Vec<PythonVersion>> {
    if releases.iter().any(|release| release.may_run_on(python)) {
        return None;
    }
    let mut pythons: Vec<_> = releases.iter().flat_map(|release| release.pythons.clone()).collect();
    pythons.sort_unstable();
    pythons.dedup();
    (!pythons.is_empty()).then_some(pythons)
}

/// Whether a package that is no companion of this one has a later date already.
fn has_moved(spec: &EnvSpec, package: &str) -> bool {
    let wheels = spec.exclude_newer.map(|date| era::first_wheels(date, spec.python));
    let wheels = wheels.unwrap_or_default();
    spec.exclude_newer_package.iter().any(|(other, date)| {
        let floor = knowledge::floors().iter().any(|floor| floor.package == *other)
            || wheels.get(other) == Some(date);
        !floor && companions(package).all(|companion| companion != other.as_str())
    })
}

/// Returns a package and those that are released together with it, which one date must hold for.
fn companions(package: &str) -> impl Iterator<Item = &str> {
    const TOGETHER: &[&[&str]] = &[&["jax", "jaxlib"], &["torch", "torchvision", "torchaudio"]];
    let family = TOGETHER.iter().find(|family| family.contains(&package));
    let others = family.into_iter().flat_map(|family| family.iter().copied());
    std::iter::once(package).chain(others.filter(move |other| *other != package))
}

/// Finds other dates after an installed package broke when it was imported, or lacks what the code
/// takes from it, and no rule knows why.
pub fn around(spec: &EnvSpec, output: &str, facts: &Facts<'_>) -> Vec<Candidate> {
    let Some(package) = at_fault(spec, output, facts) else { return Vec::new() };
    let asked = spec.requirements.iter().filter(|r| name::of_requirement(r) == package);
    let mut pinned = asked.filter(|asked| pins::pin_of(asked).is_some()).peekable();
    if pinned.peek().is_none() {
        return steps(spec, &package, &error_line(output), facts);
    }
    // another date does not move a pin
    pinned
        .map(|asked| Candidate {
            rule: "loosened-pin".into(),
            cause: format!(
                "{asked} is not what the code needs ({}): the newest of the time is taken",
                error_line(output)
            ),
            changes: vec![Change::Loosen { package: package.clone(), requirement: None }],
        })
        .collect()
}

/// Returns everything as of other dates, because a package of the time is not what the code needs.
pub fn steps(spec: &EnvSpec, package: &str, error: &str, facts: &Facts<'_>) -> Vec<Candidate> {
    // from where the search began: it must not wander
    let Some(date) = facts.date.or(spec.exclude_newer) else { return Vec::new() };
    STEPS
        .iter()
        .filter_map(|days| moved(date, *days))
        .map(|date| Candidate {
            rule: "date-search".into(),
            cause: format!(
                "{package} as of its time is not what the code needs ({error}): everything is taken as of {}",
                date.strftime("%Y-%m-%d")
            ),
            changes: vec![Change::DateOfAll { date }],
        })
        .collect()
}

/// Returns the package that is not of the time of the code: the one that breaks, or where that is the
/// source's own, the one that lacks what is taken from it.
fn at_fault(spec: &EnvSpec, output: &str, facts: &Facts<'_>) -> Option<String> {
    // by the name that is asked for: `tensorflow` may stand for `tensorflow-gpu`
    let distribution = |module: String| {
        let plain = name::normalise(&module);
        let found = (facts.distribution_of)(&module).map(|found| name::of_requirement(&found));
        let asked =
            |name: &String| spec.requirements.iter().any(|it| name::of_requirement(it) == *name);
        found.filter(|found| !asked(&plain) && asked(found)).unwrap_or(plain)
    };
    let inside = breaks_inside(output);
    let is_own = |module: &String| {
        facts.package == Some(name::normalise(module).as_str()) || (facts.in_tree)(module)
    };
    let other = inside.clone().filter(|module| !is_own(module));
    let lacking = || lacks(output).filter(|module| !is_own(module));
    other.or_else(lacking).or(inside).map(distribution)
}

/// Returns the installed module in which a traceback ends.
fn breaks_inside(output: &str) -> Option<String> {
    let last = output.lines().rev().find(|line| line.trim_start().starts_with("File \""))?;
    let (_, below) = last.split_once("/site-packages/")?;
    let module = below.split(['/', '"']).next()?;
    Some(module.trim_end_matches(".py").to_owned())
}

/// Returns the installed module from which a name is imported that it does not have.
fn lacks(output: &str) -> Option<String> {
    static NAME: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(
            r"cannot import name '?\w+'? from '([A-Za-z0-9_]+)[\w.]*' \([^)]*/site-packages/|module '([A-Za-z0-9_]+)[\w.]*' has no attribute",
        )
        .expect("a test reads it")
    });
    if let Some(found) = NAME.captures_iter(output).last() {
        return found.get(1).or_else(|| found.get(2)).map(|name| name.as_str().to_owned());
    }
    // before Python 3.7 only the line above says from where
    static LINE: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(
            r"(?m)^\s+from ([A-Za-z0-9_]+)[\w.]* import [^\n]*\nImportError: cannot import name '?\w+'?$",
        )
        .expect("a test reads it")
    });
    let found = LINE.captures_iter(output).last()?;
    Some(found[1].to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_installed_makes_the_date_doubtful() {
        let inside = "Traceback\n  File \"/w/train.py\", line 1, in <module>\n    import a\n  File \"/e/lib/python3.8/site-packages/a_b/__init__.py\", line 2, in <module>\n    x\nAttributeError: y\n";
        assert_eq!(breaks_inside(inside).as_deref(), Some("a_b"));
        let own = "  File \"/e/lib/python3.8/site-packages/a/b.py\", line 1, in f\n  File \"/w/train.py\", line 1, in <module>\nAssertionError: no GPU\n";
        assert_eq!(breaks_inside(own), None);
        assert_eq!(lacks(own), None);
        let name = "ImportError: cannot import name 'x' from 'a_b.c' (/e/lib/python3.8/site-packages/a_b/c.py)\n";
        assert_eq!(lacks(name).as_deref(), Some("a_b"));
        let old = "  File \"/w/a.py\", line 1, in <module>\n    from a_b.c import x, y\nImportError: cannot import name 'x'\n";
        assert_eq!(lacks(old).as_deref(), Some("a_b"));
        assert_eq!(
            lacks("AttributeError: module 'tf.x' has no attribute 'y'").as_deref(),
            Some("tf")
        );
    }

    #[test]
    fn what_a_source_asks_of_a_package_is_read() {
        let of = |requirement: &str| {
            let requirements = [requirement.to_owned()];
            asked_here(&requirements, "dask").map(|(_, specifiers)| specifiers.to_string())
        };
        assert_eq!(of("dask[complete]~=2025.11.0").as_deref(), Some("~=2025.11.0"));
        assert_eq!(of("dask>=2,<3 ; python_version >= '3'").as_deref(), Some(">=2, <3"));
        assert_eq!(of("dask"), None);
        assert_eq!(of("other>=2"), None);
    }

    #[test]
    fn what_was_never_released_is_given_up() {
        let release = |version: &str| Release {
            version: version.into(),
            published: None,
            yanked: false,
            source: false,
            wheels: true,
            pythons: Vec::new(),
        };
        let releases = [release("0.4.1"), release("2.9.0")];
        let of = |asked: &str| {
            let asked = [asked.to_owned()];
            never_released(&asked, "torch", &releases).map(|candidate| candidate.cause)
        };
        assert!(of("torch>=4.1").unwrap().contains("never had torch>=4.1"));
        assert!(of("torch==4.1 ; python_version > '3'").is_some());
        assert_eq!(of("torch>=1.0"), None);
        assert_eq!(of("torch"), None);
    }

    #[test]
    fn the_first_release_that_others_need_is_looked_for() {
        // of uv 0.13.9
        let output = "  cause: Because jaxlib<=0.4.18 depends on numpy>=1.22 and only numpy<=1.20.3 is available, we can conclude that\n         all versions of jaxlib cannot be used.";
        let asked = asked_by_others("numpy", output);
        assert_eq!(asked, [VersionSpecifiers::from_str(">=1.22").unwrap()]);
        let release = |version: &str, day: &str| Release {
            version: version.into(),
            published: format!("{day}T00:00:00Z").parse().ok(),
            yanked: false,
            source: true,
            wheels: true,
            pythons: Vec::new(),
        };
        let releases = [release("1.21.0", "2021-06-22"), release("1.22.0", "2021-12-31")];
        let date = "2021-06-08T00:00:00Z".parse().unwrap();
        let first = |asked: &[_]| first_release_after(&releases, date, asked).unwrap();
        assert_eq!(first(&asked), "2021-12-31T00:00:00Z".parse().unwrap());
        assert_eq!(first(&[]), "2021-06-22T00:00:00Z".parse().unwrap());
        assert!(asked_by_others("scipy", output).is_empty());
    }

    #[test]
    fn no_date_brings_what_was_never_released_for_a_python() {
        // as rdkit: wheels alone, and the first of them for Python 3.7
        let release = |source: bool| Release {
            version: "2022.3.3".into(),
            published: "2022-06-17T00:00:00Z".parse().ok(),
            yanked: false,
            source,
            wheels: true,
            pythons: vec![PythonVersion::minor(3, 7), PythonVersion::minor(3, 8)],
        };
        let (old, new) = (PythonVersion::minor(2, 7), PythonVersion::minor(3, 8));
        let pythons = never_for(&[release(false)], old).unwrap();
        assert_eq!(pythons, [PythonVersion::minor(3, 7), PythonVersion::minor(3, 8)]);
        assert_eq!(never_for(&[release(false)], new), None);
        assert_eq!(never_for(&[release(true)], old), None, "it may be built");
        assert_eq!(never_for(&[], old), None, "the index does not tell");
    }

    #[test]
    fn companions_share_a_date() {
        assert_eq!(companions("jaxlib").collect::<Vec<_>>(), ["jaxlib", "jax"]);
        assert_eq!(companions("numpy").collect::<Vec<_>>(), ["numpy"]);
    }
}
