//! Requirements in wheels' metadata that were accepted when they were written, and are no longer.

use std::str::FromStr;

use uv_pep508::{Requirement, VerbatimUrl};

use crate::name;

/// Returns the requirements of a `METADATA` file, those of no valid form mended.
///
/// What belongs to an extra is left out: nobody asks for extras of such old releases.
pub fn mended_requirements(metadata: &str) -> Vec<String> {
    metadata
        .lines()
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.strip_prefix("Requires-Dist:"))
        .map(str::trim)
        .filter(|requirement| !requirement.contains("extra =="))
        .map(mended)
        .collect()
}

/// Returns the requirement, with what no longer has a meaning left out.
fn mended(requirement: &str) -> String {
    if is_valid(requirement) {
        return requirement.to_owned();
    }
    let (what, marker) = match requirement.split_once(';') {
        Some((what, marker)) => (what.trim(), format!(" ; {}", marker.trim())),
        None => (requirement, String::new()),
    };
    let name = name::of_requirement(what);
    let limits = what.find(['(', '<', '>', '=', '!', '~']).map_or("", |start| &what[start..]);
    let limits: Vec<String> = limits
        .trim_matches(['(', ')', ' '])
        .split(',')
        .filter_map(|limit| mended_limit(limit.trim()))
        .collect();
    let plain = format!("{name}{}", limits.join(","));
    [format!("{plain}{marker}"), plain.clone(), format!("{name}{marker}")]
        .into_iter()
        .find(|candidate| is_valid(candidate))
        .unwrap_or(name)
}

/// Mends one limit: `>=2011k` was a version, `>=3.` and `>=1.9.*` were understood.
fn mended_limit(limit: &str) -> Option<String> {
    let start = limit.find(|c: char| c.is_ascii_digit())?;
    let (operator, version) = limit.split_at(start);
    let operator = match operator.trim() {
        "=" => "==",
        "=>" => ">=",
        "=<" => "<=",
        known @ ("==" | ">=" | "<=" | "<" | ">" | "!=" | "~=") => known,
        _ => return None,
    };
    let end = version.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(version.len());
    let number = version[..end].trim_end_matches('.');
    let star = version.ends_with(".*") && matches!(operator, "==" | "!=");
    Some(format!("{operator}{number}{}", if star { ".*" } else { "" }))
}

fn is_valid(requirement: &str) -> bool {
    Requirement::<VerbatimUrl>::from_str(requirement).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_another_time_are_mended_and_others_kept() {
        let metadata = "Metadata-Version: 2.0\nName: pandas\n\
            Requires-Dist: python-dateutil (>=2.5.0)\nRequires-Dist: pytz (>=2011k)\n\
            Requires-Dist: opencv-python (>=3.)\nRequires-Dist: a (>=1.9.*,<3)\n\
            Requires-Dist: b (!!) ; python_version < '3.8'\n\
            Requires-Dist: sphinx ; extra == 'docs'\n\nRequires-Dist: not a header\n";
        assert_eq!(
            mended_requirements(metadata),
            [
                "python-dateutil (>=2.5.0)",
                "pytz>=2011",
                "opencv-python>=3",
                "a>=1.9,<3",
                "b ; python_version < '3.8'",
            ]
        );
    }
}
