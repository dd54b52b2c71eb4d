//! A limit of ours for builds that a package's own build requirements contradict.

use std::sync::LazyLock;

use regex::Regex;
use sizar_model::EnvSpec;

use super::{Candidate, Change};
use crate::name;

/// What uv says first where a build's requirements cannot be had together.
const UNRESOLVED: &str = "Failed to resolve requirements from `build-system.requires`";

static REQUIRED: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"you require (\S+) and ([^\s,]+)").expect("a test uses it"));

/// Returns a build without the limit that it contradicts: `cython>=3.0a7` was asked for before
/// Cython 3 was out, and nobody else's build gets a release that was not out.
pub(super) fn lifted(spec: &EnvSpec, package: Option<&str>, output: &str) -> Option<Candidate> {
    let (_, proof) = output.split_once(UNRESOLVED)?;
    let proof = proof.split_whitespace().collect::<Vec<_>>().join(" ");
    REQUIRED.captures_iter(&proof).find_map(|found| {
        let (one, other) = (&found[1], &found[2]);
        let (limit, needed) = spec.build_constraints.iter().find_map(|limit| {
            let is_it = |said: &str| plain(said) == plain(limit);
            if is_it(one) { Some((limit, other)) } else { is_it(other).then_some((limit, one)) }
        })?;
        let builds =
            package.map_or_else(|| "a build".to_owned(), |name| format!("building {name}"));
        Some(Candidate {
            rule: "build-limit-lifted".into(),
            cause: format!(
                "{builds} needs {needed}, which the limit of its time, {limit}, keeps out"
            ),
            changes: vec![Change::WithoutBuildConstraint { limit: limit.clone() }],
        })
    })
}

/// A requirement with its name normalised.
fn plain(requirement: &str) -> String {
    let name = name::of_requirement(requirement);
    let rest = requirement.find(['<', '>', '=', '!', '~']).map_or("", |at| &requirement[at..]);
    format!("{name}{rest}")
}

#[cfg(test)]
mod tests {
    use sizar_model::PythonVersion;
    use sizar_model::inspection::Inspection;

    use super::*;
    use crate::plan::{Wishes, plan};

    /// What uv 0.13.9 printed on 2026-11-29.
    const SOXR: &str = "error: Failed to download and build `soxr==0.3.5`\n  cause: Failed to resolve requirements from `build-system.requires`\n  cause: No solution found when resolving: `setuptools>=42`, `wheel`, `cython>=3.0a7`, `setuptools-scm[toml]>=3.4`, `oldest-supported-numpy`\n  cause: Because you require cython>=3.0a7 and cython<3, we can conclude that your requirements are unsatisfiable.\n";

    #[test]
    fn a_limit_goes_where_a_build_contradicts_it() {
        let python = [PythonVersion::minor(3, 7)];
        let mut spec =
            plan(&Inspection::default(), None, &python, &Wishes::default()).unwrap().spec;
        spec.build_constraints = vec!["setuptools<81".into(), "Cython<3".into()];
        let found = lifted(&spec, Some("soxr"), SOXR).unwrap();
        assert_eq!(
            found.cause,
            "building soxr needs cython>=3.0a7, which the limit of its time, Cython<3, keeps out"
        );
        assert!(matches!(
            found.changes.as_slice(),
            [Change::WithoutBuildConstraint { limit }] if limit == "Cython<3"
        ));
        // another's contradiction is not ours to lift
        spec.build_constraints = vec!["setuptools<81".into()];
        assert!(lifted(&spec, Some("soxr"), SOXR).is_none());
        let asked = SOXR.replace(UNRESOLVED, "No solution found when resolving dependencies");
        spec.build_constraints = vec!["Cython<3".into()];
        assert!(lifted(&spec, None, &asked).is_none());
    }
}
