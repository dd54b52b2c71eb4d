//! Requirements that contradict each other, in words.
//!
//! uv proves that no solution exists, sentence by sentence. Of its premises two tell a person the
//! whole story: who asks for a package, and who asks for another version of it.

use std::sync::LazyLock;

use regex::Regex;

struct Demand<'a> {
    /// Nobody for what the source itself asks.
    by: Option<&'a str>,
    package: &'a str,
    what: &'a str,
}

const REQUIREMENT: &str =
    r"[A-Za-z0-9][A-Za-z0-9._-]*(?:\[[^\]]*\])?(?:[<>=!~]=?[^\s,]+(?:,[<>=!~]=?[^\s,]+)*)?";

fn pattern(text: &str) -> Regex {
    Regex::new(&text.replace("REQUIREMENT", REQUIREMENT)).expect("a test reads every pattern")
}

static SENTENCE: LazyLock<Regex> = LazyLock::new(|| pattern(r"And because |So, because |Because "));
static DEPENDS: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?P<by>REQUIREMENT) depends on (?P<what>REQUIREMENT)"));
static REQUIRE: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"you require (?P<what>REQUIREMENT)(?: and (?P<also>REQUIREMENT)$)?"));
static NAME: LazyLock<Regex> = LazyLock::new(|| pattern(r"^[A-Za-z0-9._-]+"));

/// Returns the shortest contradiction that uv's proof contains, as a clause for people: what
/// `text`, on one line, says of two demands on the same package.
pub fn shortest(text: &str) -> Option<String> {
    let premises = SENTENCE.split(text).skip(1).map(|sentence| {
        let end = sentence.find("we can conclude").unwrap_or(sentence.len());
        sentence[..end].trim_end().trim_end_matches(',')
    });
    let mut demands: Vec<Demand<'_>> = Vec::new();
    for premise in premises {
        for found in DEPENDS.captures_iter(premise) {
            let (by, what) = (found.name("by")?.as_str(), found.name("what")?.as_str());
            demands.push(Demand { by: Some(by), package: NAME.find(what)?.as_str(), what });
        }
        for found in REQUIRE.captures_iter(premise) {
            for what in ["what", "also"].iter().filter_map(|group| found.name(group)) {
                let what = what.as_str();
                demands.push(Demand { by: None, package: NAME.find(what)?.as_str(), what });
            }
        }
    }
    // the last step of the proof is the one that closes it
    let (index, last) = demands.iter().enumerate().rev().find(|(index, last)| {
        demands[..*index]
            .iter()
            .any(|first| first.package == last.package && first.what != last.what)
    })?;
    let first = demands[..index]
        .iter()
        .rev()
        .find(|first| first.package == last.package && first.what != last.what)?;
    Some(match (first.by, last.by) {
        (None, None) => format!("{} and {} are both asked for", first.what, last.what),
        (Some(by), None) | (None, Some(by)) => {
            let (needs, asked) = if first.by.is_some() { (first, last) } else { (last, first) };
            format!("{by} needs {}, and {} is asked for", needs.what, asked.what)
        }
        (Some(one), Some(other)) => {
            format!("{one} needs {}, and {other} needs {}", first.what, last.what)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    // what uv 0.13.9 printed on 2026-11-25, on one line

    #[test]
    fn a_package_against_what_is_asked_for() {
        let text = "error: No solution found when resolving dependencies cause: Because pandas==2.2.0 depends on numpy>=1.26.0,<2 and you require numpy<1.20, we can conclude that your requirements and pandas==2.2.0 are incompatible. And because you require pandas==2.2.0, we can conclude that your requirements are unsatisfiable.";
        assert_eq!(
            shortest(text).as_deref(),
            Some("pandas==2.2.0 needs numpy>=1.26.0,<2, and numpy<1.20 is asked for")
        );
    }

    #[test]
    fn a_contradiction_over_two_sentences() {
        let text = "cause: Because requests==2.25.0 depends on urllib3>=1.21.1,<1.27 and you require requests==2.25.0, we can conclude that you require urllib3>=1.21.1,<1.27. And because you require urllib3>=2, we can conclude that your requirements are unsatisfiable.";
        assert_eq!(
            shortest(text).as_deref(),
            Some("requests==2.25.0 needs urllib3>=1.21.1,<1.27, and urllib3>=2 is asked for")
        );
        let text = "cause: Because jinja2==3.1.2 depends on markupsafe>=2.0 and you require jinja2==3.1.2, we can conclude that you require markupsafe>=2.0. And because you require markupsafe<2, we can conclude that your requirements are unsatisfiable.";
        assert_eq!(
            shortest(text).as_deref(),
            Some("jinja2==3.1.2 needs markupsafe>=2.0, and markupsafe<2 is asked for")
        );
    }

    #[test]
    fn the_same_package_twice() {
        let text = "cause: Because you require six==1.15.0 and six==1.16.0, we can conclude that your requirements are unsatisfiable.";
        assert_eq!(
            shortest(text).as_deref(),
            Some("six==1.15.0 and six==1.16.0 are both asked for")
        );
    }

    #[test]
    fn what_is_merely_absent_is_no_contradiction() {
        let text = "cause: Because there is no version of torch==0.4.1 and you require torch==0.4.1, we can conclude that your requirements are unsatisfiable.";
        assert_eq!(shortest(text), None);
    }
}
