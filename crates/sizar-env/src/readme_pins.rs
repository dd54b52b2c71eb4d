//! The versions that a README says the code was used with.
//!
//! A `setup.py` that asks for any torch, beside a README that lists `torch==1.8.1`, was tried with
//! that one.

use std::collections::{BTreeMap, BTreeSet};

use sizar_model::{Deviation, Inspection};

use crate::name;

/// Takes the version that the source's README names where what is `chosen` asks for any.
pub(crate) fn take(
    inspection: &Inspection,
    chosen: &mut BTreeMap<String, String>,
    deviations: &mut Vec<Deviation>,
) {
    for (distribution, (version, path)) in named(inspection) {
        let Some(requirement) = chosen.get_mut(&distribution) else { continue };
        if *requirement != distribution {
            continue;
        }
        *requirement = format!("{distribution}=={version}");
        deviations.push(Deviation {
            rule: "readme-pin".into(),
            reason: format!("{distribution} {version} is what `{path}` names"),
        });
    }
}

/// Returns the versions that READMEs at the root pin exactly, by distribution.
pub fn exact(inspection: &Inspection) -> BTreeMap<String, String> {
    let pins = named(inspection).into_iter();
    pins.map(|(distribution, (version, _))| (distribution, version.to_owned())).collect()
}

/// Returns what READMEs at the root pin exactly and in one way only.
fn named(inspection: &Inspection) -> BTreeMap<String, (&str, &str)> {
    let mut found: BTreeMap<String, (&str, &str)> = BTreeMap::new();
    let mut unclear = BTreeSet::new();
    let mentioned = inspection
        .declared
        .iter()
        .filter(|declared| declared.scope == "mentioned" && !declared.path.contains('/'));
    for declared in mentioned {
        let Some(requirement) = declared.requirement.as_deref() else { continue };
        let distribution = name::of_requirement(requirement);
        match name::exact_pin(requirement) {
            // a minor release alone is a series
            Some(version) if version.matches('.').count() >= 2 => {
                let known = found.insert(distribution.clone(), (version, &declared.path));
                if known.is_some_and(|(known, _)| known != version) {
                    unclear.insert(distribution);
                }
            }
            _ => {
                unclear.insert(distribution);
            }
        }
    }
    found.retain(|distribution, _| !unclear.contains(distribution));
    found
}

#[cfg(test)]
mod tests {
    use sizar_model::inspection::Declared;

    use super::*;

    fn mentioned(requirement: &str, path: &str) -> Declared {
        Declared {
            name: name::of_requirement(requirement),
            requirement: Some(requirement.to_owned()),
            raw: requirement.to_owned(),
            path: path.to_owned(),
            line: 1,
            scope: "mentioned".to_owned(),
            ..Declared::default()
        }
    }

    #[test]
    fn what_the_readme_pins_is_taken_where_any_release_is_asked_for() {
        let inspection = Inspection {
            declared: vec![
                mentioned("torch==1.8.1", "README.md"),
                mentioned("numpy==1.19.4", "README.md"),
                mentioned("scipy==1.5.0", "README.md"),
                mentioned("scipy==1.6.0", "README.md"),
                mentioned("tqdm>=4", "README.md"),
                mentioned("pandas==1.1", "README.md"),
                mentioned("h5py==2.10.0", "tools/README.md"),
            ],
            ..Inspection::default()
        };
        let asked = ["torch", "numpy>=1.18", "scipy", "tqdm", "pandas", "h5py"];
        let mut chosen: BTreeMap<String, String> =
            asked.iter().map(|asked| (name::of_requirement(asked), (*asked).to_owned())).collect();
        let mut deviations = Vec::new();
        take(&inspection, &mut chosen, &mut deviations);
        let chosen: Vec<&str> = chosen.values().map(String::as_str).collect();
        assert_eq!(chosen, ["h5py", "numpy>=1.18", "pandas", "scipy", "torch==1.8.1", "tqdm"]);
        assert_eq!(deviations.len(), 1);
        assert_eq!(deviations[0].rule, "readme-pin");
    }
}
