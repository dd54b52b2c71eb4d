//! Releases that were withdrawn (PEP 592) after the code had used them.

use std::str::FromStr as _;

use jiff::Timestamp;
use sizar_model::{EnvSpec, PythonVersion};
use uv_pep440::{Version, VersionSpecifiers};

use crate::candidates::{Candidate, Change};
use crate::date_search::{asked_by_others, asked_here};
use crate::knowledge::Action;
use crate::pins::Release;
use crate::repair::Facts;

/// Takes the newest release of the code's time, though it was withdrawn since: where all of that time
/// were, a resolver says so of the first that it looks at.
///
/// `named` is a release of which the resolver said it.
pub fn taken(
    spec: &EnvSpec,
    package: &str,
    named: Option<&str>,
    output: &str,
    facts: &Facts<'_>,
) -> Option<Candidate> {
    let cutoff = spec.exclude_newer_package.get(package).copied().or(spec.exclude_newer);
    let mut asked: Vec<VersionSpecifiers> = asked_by_others(package, output);
    asked.extend(asked_here(&spec.requirements, package).map(|(_, specifiers)| specifiers));
    let found = newest(&(facts.releases)(package), cutoff, spec.python, &asked);
    let version = found.or_else(|| named.map(str::to_owned))?;
    let exactly = format!("{package}=={version}");
    Some(Candidate {
        rule: "yanked".into(),
        cause: format!("{package} {version}, the one of its time, was withdrawn since"),
        changes: vec![
            Change::Loosen { package: package.to_owned(), requirement: Some(exactly.clone()) },
            Change::Act(Action::Add(exactly)),
        ],
    })
}

/// Returns the newest withdrawn release that was there at the time and is all that is `asked`.
fn newest(
    releases: &[Release],
    cutoff: Option<Timestamp>,
    python: PythonVersion,
    asked: &[VersionSpecifiers],
) -> Option<String> {
    let found = releases.iter().filter(|release| {
        let of_time = cutoff.is_none_or(|cutoff| release.published.is_some_and(|it| it <= cutoff));
        release.yanked && of_time && release.may_run_on(python)
    });
    let versions = found.filter_map(|release| {
        let version = Version::from_str(&release.version).ok()?;
        let fits = asked.iter().all(|asked| asked.contains(&version));
        (fits && !version.any_prerelease()).then_some((version, &release.version))
    });
    versions.max().map(|(_, version)| version.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_of_its_time_is_taken() {
        let release = |version: &str, day: &str, yanked| Release {
            version: version.into(),
            published: Some(format!("{day}T00:00:00Z").parse().unwrap()),
            yanked,
            source: true,
            wheels: true,
            pythons: Vec::new(),
        };
        // torchvision's, which withdrew all of them in 2023
        let releases = [
            release("0.1.6", "2017-01-18", true),
            release("0.2.2.post3", "2019-03-01", true),
            release("0.3.0rc1", "2019-04-01", true),
            release("0.3.0", "2019-05-22", false),
            release("0.3.1", "2019-05-23", true),
        ];
        let of = |day: &str, asked: &[&str]| {
            let asked: Vec<_> =
                asked.iter().map(|it| VersionSpecifiers::from_str(it).unwrap()).collect();
            let cutoff = Some(format!("{day}T00:00:00Z").parse().unwrap());
            newest(&releases, cutoff, PythonVersion::minor(3, 7), &asked)
        };
        assert_eq!(of("2019-05-08", &[]).as_deref(), Some("0.2.2.post3"));
        assert_eq!(of("2019-05-08", &["<0.2"]).as_deref(), Some("0.1.6"));
        assert_eq!(of("2018-05-08", &[]).as_deref(), Some("0.1.6"));
        assert_eq!(of("2019-05-08", &[">=0.3"]), None);
    }
}
