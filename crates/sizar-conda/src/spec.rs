//! Reading what is asked of a package, and asking less.

use rattler_conda_types::{
    EqualityOperator, MatchSpec, PackageName, ParseMatchSpecOptions, ParseStrictness,
    StrictRangeOperator, VersionSpec,
};

/// A package that is asked for.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// As the authors wrote it, without what surrounds it.
    pub written: String,
    pub name: PackageName,
    /// The channel that it must come from, as written.
    pub channel: Option<String>,
    pub spec: MatchSpec,
}

/// How much of what was asked is let go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Slack {
    /// Nothing.
    Exact,
    /// The builds: another platform or another Python had others.
    Builds,
    /// Everything behind the minor version.
    Patches,
    /// All versions but Python's.
    Versions,
}

impl Asked {
    /// Reads an entry of an `environment.yml`, mending what people mistype.
    ///
    /// # Errors
    ///
    /// Why it cannot be read, in one sentence.
    pub fn read(entry: &str) -> Result<Self, String> {
        let bare = entry.split(" #").next().unwrap_or(entry).trim().trim_matches(['"', '\'']);
        let (channel, rest) = match bare.split_once("::") {
            // a platform may stand behind the channel
            Some((channel, rest)) => {
                (Some(channel.split('[').next().unwrap_or(channel).to_owned()), rest)
            }
            None => (None, bare),
        };
        let mended = mend(rest);
        let options = ParseMatchSpecOptions::new(ParseStrictness::Lenient);
        let spec = MatchSpec::from_str(&mended, options).map_err(|error| error.to_string())?;
        let name = spec.name.as_exact().ok_or("it names no package")?.clone();
        Ok(Self { written: bare.to_owned(), name, channel, spec })
    }

    /// Asks for less.
    #[must_use]
    pub fn with(&self, slack: Slack) -> Self {
        let mut asked = self.clone();
        if slack >= Slack::Builds {
            asked.spec.build = None;
            asked.spec.build_number = None;
        }
        if slack >= Slack::Patches {
            asked.spec.version = asked.spec.version.map(|version| minor(&version));
        }
        if slack >= Slack::Versions && self.name.as_normalized() != "python" {
            asked.spec.version = None;
        }
        asked
    }
}

/// Turns `numpy => 1.0` into `numpy>=1.0`.
fn mend(text: &str) -> String {
    let mut mended = text.replace("=>", ">=").replace("=<", "<=");
    for sign in ["=", "<", ">", "!", ",", "|", "~"] {
        for (spaced, close) in [(format!(" {sign}"), sign), (format!("{sign} "), sign)] {
            while mended.contains(&spaced) {
                mended = mended.replace(&spaced, close);
            }
        }
    }
    mended
}

/// Keeps the first two numbers of an exact version.
fn minor(version: &VersionSpec) -> VersionSpec {
    let text = match version {
        VersionSpec::Exact(EqualityOperator::Equals, exact) => exact.to_string(),
        VersionSpec::StrictRange(StrictRangeOperator::StartsWith, prefix) => prefix.to_string(),
        _ => return version.clone(),
    };
    let mut numbers = text.split('.');
    let (Some(major), Some(minor)) = (numbers.next(), numbers.next()) else {
        return version.clone();
    };
    VersionSpec::from_str(&format!("{major}.{minor}.*"), ParseStrictness::Lenient)
        .unwrap_or_else(|_| version.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(entry: &str) -> String {
        match Asked::read(entry) {
            Ok(asked) => {
                let channel = asked.channel.map(|c| format!(" of {c}")).unwrap_or_default();
                format!("{}{channel}", asked.spec)
            }
            Err(why) => format!("({why})"),
        }
    }

    #[test]
    fn what_people_write_is_read() {
        let entries = [
            ("numpy", "numpy"),
            ("numpy=1.16", "numpy 1.16.*"),
            ("numpy==1.16.2", "numpy ==1.16.2"),
            ("numpy=>1.0", "numpy >=1.0"),
            ("numpy >= 1.11, < 2", "numpy >=1.11,<2"),
            ("\"scikit-learn\"  # for the metrics", "scikit-learn"),
            ("pytorch::pytorch=1.0", "pytorch 1.0.* of pytorch"),
            ("conda-forge/linux-64::pip", "pip of conda-forge/linux-64"),
        ];
        for (entry, expected) in entries {
            assert_eq!(told(entry), expected, "{entry}");
        }
        assert!(told("numpy=1.16.2=py37h7e9f1db_0").contains("py37h7e9f1db_0"));
        assert!(told("numpy[version=").starts_with('('));
    }

    #[test]
    fn less_can_be_asked() {
        let asked = Asked::read("numpy=1.16.2=py37h7e9f1db_0").unwrap();
        let at = |slack| asked.with(slack).spec.to_string();
        assert!(at(Slack::Exact).contains("py37h7e9f1db_0"));
        assert_eq!(at(Slack::Builds), "numpy ==1.16.2");
        assert_eq!(at(Slack::Patches), "numpy 1.16.*");
        assert_eq!(at(Slack::Versions), "numpy");
        let fuzzy = Asked::read("numpy=1.16.2").unwrap();
        assert_eq!(fuzzy.with(Slack::Patches).spec.to_string(), "numpy 1.16.*");
        let python = Asked::read("python=3.7.3").unwrap();
        assert_eq!(python.with(Slack::Versions).spec.to_string(), "python 3.7.*");
    }
}
