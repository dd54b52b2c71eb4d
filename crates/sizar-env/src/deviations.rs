//! Why an environment is not what the authors declared, grouped by kind, for people.

use serde::Serialize;
use sizar_model::Deviation;

/// Deviations of one kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Group {
    /// What was done, as a heading.
    pub title: &'static str,
    pub deviations: Vec<Deviation>,
}

/// Titles, and the beginnings of the rules that belong to them; the first that fits counts.
const KINDS: &[(&str, &[&str])] = &[
    (
        "Which Python",
        &["python-", "nearest-python", "another-python", "py-", "py2", "py3", "pkg-resources-"],
    ),
    (
        "What nobody declared",
        &["undeclared-", "missing-module", "computed-requirements", "seeded-", "readme-"],
    ),
    (
        "Names and versions that do not exist",
        &[
            "renamed",
            "no-distribution",
            "same-modules",
            "nearest-version",
            "typo",
            "yanked",
            "withdrawn",
        ],
    ),
    (
        "Versions that do not go together",
        &[
            "loosened-",
            "constraints-dropped",
            "paired-",
            "later-date",
            "first-wheels",
            "date",
            "floor",
            "np-",
            "torch-numpy",
            "known-conflict",
        ],
    ),
    (
        "How it is built",
        &["build-", "without-cuda-", "bld-", "cython", "in-place", "installer", "pip-"],
    ),
    ("What was changed at start-up", &["shim", "cpu", "cuda", "operators-", "gpu"]),
    ("Where packages come from", &["conda", "wheel", "git-", "index-", "authors-repository"]),
];

/// The title of what no kind fits: rows of the table of breakages name the package first.
const OTHER: &str = "Code and packages of different times";

/// Groups deviations by the kind of their rule, in a fixed order; the same is said once.
pub fn grouped(deviations: &[Deviation]) -> Vec<Group> {
    let titles = KINDS.iter().map(|(title, _)| *title).chain([OTHER]);
    let mut groups: Vec<Group> =
        titles.map(|title| Group { title, deviations: Vec::new() }).collect();
    for deviation in deviations {
        let kind = title_of(&deviation.rule);
        if let Some(group) = groups.iter_mut().find(|group| group.title == kind)
            && !group.deviations.contains(deviation)
        {
            group.deviations.push(deviation.clone());
        }
    }
    groups.retain(|group| !group.deviations.is_empty());
    groups
}

fn title_of(rule: &str) -> &'static str {
    let fits = |starts: &[&str]| starts.iter().any(|start| rule.starts_with(start));
    KINDS.iter().find(|(_, starts)| fits(starts)).map_or(OTHER, |(title, _)| title)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_fall_to_their_kind() {
        assert_eq!(title_of("py38-time-clock"), "Which Python");
        assert_eq!(title_of("undeclared-import"), "What nobody declared");
        assert_eq!(title_of("undeclared-build-requirement"), "What nobody declared");
        assert_eq!(title_of("bld-cython3-sources"), "How it is built");
        assert_eq!(title_of("sk-externals"), OTHER);
        let deviation = |rule: &str| Deviation { rule: rule.into(), reason: "r".into() };
        let said = [deviation("renamed"), deviation("py-async-kw"), deviation("renamed")];
        let groups = grouped(&said);
        assert_eq!(groups.len(), 2);
        assert_eq!(groups[0].title, "Which Python");
        assert_eq!(groups[1].deviations.len(), 1);
    }
}
