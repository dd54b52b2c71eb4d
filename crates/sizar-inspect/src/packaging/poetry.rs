//! Poetry's way of asking for versions and dependencies, which Pipfiles share.

use super::outline::{Outline, Shape};
use super::read::Read;
use super::requirement::{Distribution, is_marker, is_specifiers, normalise, with_marker};
use super::text::{pattern, without_secrets};

/// Translates `^1.2`, `~1.2`, `1.2.*`, `>=1,<2`, `*` to PEP 440; nothing where it cannot be said.
pub(super) fn specifiers(constraint: &str) -> Option<String> {
    let constraint = constraint.trim();
    if constraint.is_empty() || constraint == "*" {
        return Some(String::new());
    }
    if constraint.contains('|') {
        return either(constraint);
    }
    pattern!(GAP, r"([<>=!~^])\s+");
    let tight = GAP.replace_all(constraint, "$1");
    let mut parts = Vec::new();
    for part in tight.split([',', ' ']).map(str::trim).filter(|part| !part.is_empty()) {
        let part = match part.strip_prefix('^') {
            Some(version) => caret(version)?,
            None => match part.strip_prefix('~') {
                Some(version) if !version.starts_with('=') => tilde(version)?,
                _ if part.starts_with(|c: char| c.is_ascii_digit()) => format!("=={part}"),
                _ if part.starts_with('=') && !part.starts_with("==") => format!("={part}"),
                _ => part.to_owned(),
            },
        };
        parts.push(part);
    }
    let joined = parts.join(",");
    is_specifiers(&joined).then_some(joined)
}

/// `~2.7 || ^3.5`: the span of both, where each has a lower bound.
fn either(constraint: &str) -> Option<String> {
    let sides: Vec<String> = constraint
        .split('|')
        .filter(|side| !side.trim().is_empty())
        .map(specifiers)
        .collect::<Option<_>>()?;
    let first = sides.first()?.split(',').next()?.to_owned();
    let last = sides.last()?.split(',').nth(1).map(str::to_owned);
    let joined = match last {
        Some(last) if last.starts_with('<') => format!("{first},{last}"),
        _ => first,
    };
    (joined.starts_with('>') && is_specifiers(&joined)).then_some(joined)
}

fn numbers(version: &str) -> Option<Vec<u64>> {
    let release: &str = version.split(|c: char| c != '.' && !c.is_ascii_digit()).next()?;
    let numbers: Option<Vec<u64>> =
        release.trim_end_matches('.').split('.').map(|part| part.parse().ok()).collect();
    numbers.filter(|numbers| !numbers.is_empty())
}

fn dotted(numbers: &[u64]) -> String {
    numbers.iter().map(u64::to_string).collect::<Vec<_>>().join(".")
}

/// Up to the next change of the first number that is not zero.
fn caret(version: &str) -> Option<String> {
    let numbers = numbers(version)?;
    let at = numbers.iter().position(|&number| number != 0).unwrap_or(numbers.len() - 1);
    let mut upper: Vec<u64> = numbers.get(..=at)?.to_vec();
    *upper.last_mut()? = upper.last()?.checked_add(1)?;
    while upper.len() < numbers.len() {
        upper.push(0);
    }
    if upper.len() == 1 {
        upper.push(0);
    }
    Some(format!(">={version},<{}", dotted(&upper)))
}

/// Up to the next minor release; with one number, the next major one.
fn tilde(version: &str) -> Option<String> {
    let numbers = numbers(version)?;
    let mut upper: Vec<u64> = numbers.iter().copied().take(2).collect();
    *upper.last_mut()? = upper.last()?.checked_add(1)?;
    if upper.len() == 1 {
        upper.push(0);
    }
    Some(format!(">={version},<{}", dotted(&upper)))
}

/// Records `name = "^1.0"`, `name = { version = …, git = …, extras = […] }`, or a list of these.
pub(super) fn dependency(read: &mut Read, name: &str, asked: &Outline, scope: &str) {
    match &asked.shape {
        Shape::List(alternatives) => {
            for alternative in alternatives {
                dependency(read, name, alternative, scope);
            }
        }
        Shape::Text(constraint) => {
            let raw = format!("{name} = \"{constraint}\"");
            let found = from_constraint(name, "", constraint);
            read.declare(found, &raw, asked.line, scope);
        }
        Shape::Table(_) => table(read, name, asked, scope),
        Shape::Bool(_) | Shape::Other(_) => {
            let constraint = asked.text().unwrap_or("*");
            read.declare(from_constraint(name, "", constraint), name, asked.line, scope);
        }
    }
}

fn from_constraint(name: &str, extras: &str, constraint: &str) -> Distribution {
    match specifiers(constraint) {
        Some(specifiers) => {
            let name = normalise(name);
            Distribution {
                requirement: Some(format!("{name}{extras}{specifiers}")),
                name,
                ..Distribution::default()
            }
        }
        None => {
            Distribution::unreadable(name, format!("`{constraint}` has no counterpart in PEP 440"))
        }
    }
}

fn table(read: &mut Read, name: &str, asked: &Outline, scope: &str) {
    let extras: Vec<&str> = asked
        .get("extras")
        .map(Outline::items)
        .unwrap_or_default()
        .iter()
        .filter_map(Outline::text)
        .collect();
    let extras = if extras.is_empty() { String::new() } else { format!("[{}]", extras.join(",")) };
    let normal = normalise(name);
    let mut raw = vec![name.to_owned()];
    for (key, value) in asked.entries() {
        if let Some(value) = value.text() {
            raw.push(format!("{key} = {value}"));
        }
    }
    let mut found = if let Some(git) = asked.text_at("git") {
        let revision = ["rev", "ref", "tag", "branch"].iter().find_map(|key| asked.text_at(key));
        let revision = revision.map(|revision| format!("@{revision}")).unwrap_or_default();
        let git = without_secrets(git);
        let git = git.strip_prefix("git+").unwrap_or(&git);
        let requirement = Some(format!("{normal}{extras} @ git+{git}{revision}"));
        Distribution { name: normal, requirement, ..Distribution::default() }
    } else if let Some(url) =
        ["url", "file"].iter().find_map(|key| asked.text_at(key)).filter(|u| u.contains("://"))
    {
        let requirement = Some(format!("{normal}{extras} @ {}", without_secrets(url)));
        Distribution { name: normal, requirement, ..Distribution::default() }
    } else if let Some(path) = ["path", "file"].iter().find_map(|key| asked.text_at(key)) {
        Distribution::unreadable(name, format!("the folder or file `{path}`"))
    } else {
        from_constraint(name, &extras, asked.text_at("version").unwrap_or("*"))
    };
    let mut markers = Vec::new();
    if let Some(marker) = asked.text_at("markers").filter(|marker| is_marker(marker)) {
        markers.push(marker.to_owned());
    }
    if let Some(python) = asked.text_at("python").and_then(specifiers) {
        markers.extend(python.split(',').filter(|part| !part.is_empty()).map(python_marker));
    }
    if let Some(platform) = asked.text_at("platform") {
        markers.push(format!("sys_platform == \"{platform}\""));
    }
    let marker = markers.join(" and ");
    if let Some(requirement) = &mut found.requirement
        && is_marker(&marker)
    {
        *requirement = with_marker(requirement, &marker);
    }
    let optional =
        matches!(asked.get("optional").map(|value| &value.shape), Some(Shape::Bool(true)));
    if optional && scope == "install" {
        found.note("optional: installed with an extra");
        read.declare(found, &raw.join(", "), asked.line, "extra:optional");
    } else {
        read.declare(found, &raw.join(", "), asked.line, scope);
    }
}

/// `>=3.6` to `python_version >= "3.6"`.
fn python_marker(specifier: &str) -> String {
    let at = specifier.find(|c: char| c.is_ascii_digit()).unwrap_or(0);
    let (operator, version) = specifier.split_at(at);
    let key = if version.matches('.').count() > 1 && !version.ends_with('*') {
        "python_full_version"
    } else {
        "python_version"
    };
    format!("{key} {operator} \"{version}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constraints_become_ranges() {
        let table = [
            ("^1.2.3", ">=1.2.3,<2.0.0"),
            ("^1.2", ">=1.2,<2.0"),
            ("^0.2.3", ">=0.2.3,<0.3.0"),
            ("^0.0.3", ">=0.0.3,<0.0.4"),
            ("^0", ">=0,<1.0"),
            ("~1.2.3", ">=1.2.3,<1.3"),
            ("~1", ">=1,<2.0"),
            ("~=1.2", "~=1.2"),
            ("1.2.3", "==1.2.3"),
            ("=1.2.3", "==1.2.3"),
            ("1.2.*", "==1.2.*"),
            (">= 1.0, < 2", ">=1.0,<2"),
            (">=1.0 <2", ">=1.0,<2"),
            ("*", ""),
            ("~2.7 || ^3.5", ">=2.7,<4.0"),
            ("^2.0.0-beta", ">=2.0.0-beta,<3.0.0"),
        ];
        for (constraint, wanted) in table {
            assert_eq!(specifiers(constraint).as_deref(), Some(wanted), "{constraint}");
        }
        assert_eq!(specifiers("latest"), None);
        assert_eq!(specifiers("^18446744073709551615"), None);
    }
}
