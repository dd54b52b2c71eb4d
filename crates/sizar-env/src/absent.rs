//! What the index does not have, and the code needs.

use sizar_model::EnvSpec;

use crate::name;
use crate::repair::{Facts, Outcome};

/// Says of a module that the code needs that it was left out before, and why.
pub(crate) fn left_out_and_needed(
    spec: &EnvSpec,
    module: &str,
    facts: &Facts<'_>,
) -> Option<Outcome> {
    let top = module.split('.').next().unwrap_or(module);
    let named = (facts.distribution_of)(top).map(|named| name::of_requirement(&named));
    let names = [Some(name::normalise(top)), named];
    let (distribution, why) = names
        .into_iter()
        .flatten()
        .find_map(|name| why_absent(spec, &name).map(|why| (name, why.to_owned())))?;
    Some(Outcome::Explained {
        rule: "gone".into(),
        cause: format!("it cannot do without the module {module}, and {why}"),
        advice: Some(format!("`--with '{distribution} @ ADDRESS'` says where it can be had")),
    })
}

/// Returns what was said of a distribution (normalised) that was left out because the index does
/// not have it.
pub(crate) fn why_absent<'a>(spec: &'a EnvSpec, distribution: &str) -> Option<&'a str> {
    spec.left_out.iter().find(|name| *name == distribution)?;
    let mut why = spec.deviations.iter().filter(|known| known.rule == "not-on-index");
    let is_it = |word: &str| word.trim_end_matches(',') == distribution;
    let why = why.find(|known| known.reason.split(' ').any(is_it))?;
    Some(&why.reason)
}
