//! Does without an extra that brings what cannot be built.

use sizar_model::EnvSpec;

use super::diagnosed::{importance, was_missing};
use super::{Candidate, Change};
use crate::name;
use crate::repair::Facts;

/// Asks for what has extras without them, where a package that nobody asks for by name and no file
/// imports cannot be built: `gym[all]` brings a simulator that needs a licence. What the code imports
/// of the rest is then asked for by itself.
pub(super) fn dropped(spec: &EnvSpec, package: &str, facts: &Facts<'_>) -> Option<Candidate> {
    let asked = spec.requirements.iter().any(|asked| name::of_requirement(asked) == package);
    if asked || importance(package, facts) > 0 || was_missing(spec, package, facts) {
        return None;
    }
    let with_extras: Vec<(&str, String)> = spec
        .requirements
        .iter()
        .filter_map(|requirement| {
            let plain = without(requirement)?;
            Some((requirement.as_str(), plain))
        })
        .collect();
    let (first, _) = with_extras.first()?;
    let named = first.split(';').next().unwrap_or(first).trim();
    Some(Candidate {
        rule: "extras-dropped".into(),
        cause: format!(
            "{package}, which the code does not import, cannot be built; `{named}` is asked for without its extras"
        ),
        changes: with_extras
            .iter()
            .map(|(requirement, plain)| Change::Loosen {
                package: name::of_requirement(requirement),
                requirement: Some(plain.clone()),
            })
            .collect(),
    })
}

/// Returns a requirement without its extras and its marker, where it has extras.
fn without(requirement: &str) -> Option<String> {
    let requirement = requirement.split(';').next()?.trim();
    if requirement.contains('@') {
        return None;
    }
    let (name, rest) = requirement.split_once('[')?;
    let (_, versions) = rest.split_once(']')?;
    Some(format!("{}{}", name.trim(), versions.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extras_go_and_versions_stay() {
        assert_eq!(without("gym[all]").as_deref(), Some("gym"));
        assert_eq!(
            without("gym[atari,box2d] >=0.10 ; python_version < '3.8'").as_deref(),
            Some("gym>=0.10")
        );
        assert_eq!(without("gym>=0.10"), None);
        assert_eq!(without("gym[all] @ git+https://example.org/gym"), None);
    }
}
