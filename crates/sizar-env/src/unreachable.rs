//! Addresses in requirements that do not answer (a repository, an archive): the index's release of
//! the same project takes their place, where everybody means that project by the name.

use std::sync::LazyLock;

use regex::Regex;
use sizar_model::EnvSpec;

use crate::candidates::{Candidate, Change};
use crate::diagnosis::{failed_package, pattern};
use crate::files;
use crate::knowledge::{self, Action};
use crate::name;
use crate::repair::Facts;
use crate::requirements::is_from_authors_repository;

/// A requirement whose address does not answer.
#[derive(Debug, Eq, PartialEq)]
pub struct Unreachable {
    /// The name of the distribution, normalised.
    package: String,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    Git,
    Archive,
}

/// What uv prints of an archive that it could not fetch, and pip of a host that it could not reach
/// or that refused.
static ADDRESS: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"Failed to fetch: `?(https?://[^\s`]+)|Max retries exceeded with url: (/[^\s]+) \(|(?:Client|Server) Error: [^\n]*? for url: (\S+)|HTTP error \d+ while getting (https?://\S+)",
    )
});

impl Unreachable {
    /// Returns the requirement whose address did not answer, by what uv or pip printed.
    pub fn find(requirements: &[String], output: &str) -> Option<Self> {
        if output.contains("Git operation failed") || output.contains("failed to clone into") {
            return failed_package(output).map(|package| Self { package, kind: Kind::Git });
        }
        let addresses = ADDRESS.captures_iter(output).filter_map(|found| {
            // pip names the path alone where it reached no host
            found.iter().skip(1).flatten().next().map(|group| group.as_str())
        });
        addresses.filter(|address| address.len() > 1).find_map(|address| {
            let asked = requirements.iter().find(|asked| {
                asked.split_once(" @ ").is_some_and(|(_, target)| {
                    let target = target.split(['#', ' ', '?']).next().unwrap_or(target);
                    target.ends_with(address)
                })
            })?;
            Some(Self { package: name::of_requirement(asked), kind: Kind::Archive })
        })
    }

    /// Returns the ways out: the project's release, and then without it.
    ///
    /// A name that no table knows may be a stranger's project on the index, and is never taken
    /// from there.
    pub fn candidates(self, spec: &EnvSpec, facts: &Facts<'_>) -> Vec<Candidate> {
        let Self { package, kind } = self;
        let (rule, address) = match kind {
            Kind::Git => ("git-unreachable", "git address"),
            Kind::Archive => ("archive-unreachable", "address"),
        };
        let cause = |what: &str| format!("the {address} of {package} does not answer: {what}");
        let mut candidates = Vec::new();
        // or that the authors ask the index for by themselves
        let known = is_from_authors_repository(&spec.deviations, &package)
            || knowledge::is_popular(&package)
            || (facts.distribution_of)(&package).is_some_and(|found| found == package);
        if known {
            // a tag that names a version names a release too
            let asked = spec.requirements.iter().find(|r| name::of_requirement(r) == package);
            let requirement = asked.and_then(|asked| files::release_instead(asked));
            candidates.push(Candidate {
                rule: rule.into(),
                cause: cause("its release of the time is taken from the index"),
                changes: vec![Change::Loosen { package: package.clone(), requirement }],
            });
        }
        candidates.push(Candidate {
            rule: rule.into(),
            cause: cause("it is left out"),
            changes: vec![Change::Act(Action::Drop(package.clone()))],
        });
        candidates
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(package: &str) -> Unreachable {
        Unreachable { package: package.into(), kind: Kind::Archive }
    }

    fn find(output: &str) -> Option<Unreachable> {
        let lasagne = "lasagne @ https://github.com/Lasagne/Lasagne/archive/master.zip";
        Unreachable::find(&["numpy".into(), lasagne.into()], output)
    }

    // what uv 0.13.9 printed, and pip 20.3.4 on Python 2.7
    #[test]
    fn the_requirement_of_an_address_is_found() {
        let uv = "error: Failed to download and build `lasagne @ https://github.com/Lasagne/Lasagne/archive/master.zip`\n  cause: Request failed after 3 retries in 8.5s\n  cause: Failed to fetch: https://github.com/Lasagne/Lasagne/archive/master.zip\n  cause: error sending request for url (https://github.com/Lasagne/Lasagne/archive/master.zip)\n  cause: client error (Connect)\n";
        assert_eq!(find(uv), Some(archive("lasagne")));
        let pip = "ProxyError: HTTPSConnectionPool(host='github.com', port=443): Max retries exceeded with url: /Lasagne/Lasagne/archive/master.zip (Caused by ProxyError('Cannot connect to proxy.', error('Tunnel connection failed: 502 Bad Gateway',)))\n";
        assert_eq!(find(pip), Some(archive("lasagne")));
        let gone = "ERROR: HTTP error 404 while getting https://github.com/Lasagne/Lasagne/archive/master.zip\n";
        assert_eq!(find(gone), Some(archive("lasagne")));
    }

    #[test]
    fn an_index_that_does_not_answer_is_another_matter() {
        let index = "  cause: Failed to fetch: `https://pypi.org/simple/numpy/`\n";
        assert_eq!(find(index), None);
        let root = "Max retries exceeded with url: / (Caused by x)";
        assert_eq!(find(root), None);
    }
}
