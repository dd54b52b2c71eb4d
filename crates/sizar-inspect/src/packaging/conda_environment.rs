//! What a file asks of conda itself, for whoever can ask its channels.

use super::conda_list::{self, Style};
use super::conda_names::{Counterpart, counterpart};
use super::environment_yml::{self, Entry};
use super::text::{group, pattern};

/// What an `environment.yml` or a conda listing asks of conda.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CondaEnvironment {
    /// Names and addresses of channels, the first before the others.
    pub channels: Vec<String>,
    /// Match specifications, Python's included.
    pub packages: Vec<String>,
}

/// Reads what a file asks of conda; its pip subsection is not part of that.
///
/// Returns nothing where the file asks conda for nothing.
pub fn conda_environment(path: &str, text: &str) -> Option<CondaEnvironment> {
    let mut found = CondaEnvironment::default();
    if let Some(style) = conda_list::recognise(text) {
        for line in text.lines().map(str::trim) {
            if !line.is_empty() && !line.starts_with(['#', '@']) {
                found.listed(style, line);
            }
        }
    } else if path.ends_with(".yml") || path.ends_with(".yaml") {
        for entry in environment_yml::entries(text) {
            match entry {
                Entry::Channel(channel) => found.channel(&channel),
                Entry::Conda(package) => found.packages.push(package),
                Entry::Name(_) | Entry::Pip(_) => {}
            }
        }
    }
    (!found.packages.is_empty()).then_some(found)
}

/// Returns what a package of conda is called on PyPI, where it may be there at all.
pub fn name_on_index(conda: &str) -> Option<&str> {
    match counterpart(conda) {
        Counterpart::PyPi(name) => Some(name),
        Counterpart::None { .. } => None,
    }
}

impl CondaEnvironment {
    fn channel(&mut self, channel: &str) {
        if !self.channels.iter().any(|known| known == channel) {
            self.channels.push(channel.to_owned());
        }
    }

    /// Takes a line of a listing; what pip installed is not conda's.
    fn listed(&mut self, style: Style, line: &str) {
        pattern!(
            ARCHIVE,
            r"^(\S+)/[^/]+/([^/]+)-([^-/]+)-([^-/]+?)(?:\.tar\.bz2|\.conda)(?:#\w+)?$"
        );
        match style {
            Style::Table => {
                let mut columns = line.split_whitespace();
                let (Some(name), Some(version)) = (columns.next(), columns.next()) else { return };
                let build = columns.next().unwrap_or_default();
                let channel = columns.next();
                if build.starts_with("pypi") || build == "<pip>" || channel == Some("pypi") {
                    return;
                }
                if let Some(channel) = channel {
                    self.channel(channel);
                }
                let build = if build.is_empty() { String::new() } else { format!("={build}") };
                self.packages.push(format!("{name}={version}{build}"));
            }
            Style::Export => {
                let build = line.split('=').filter(|part| !part.is_empty()).nth(2);
                if !build.is_some_and(|build| build.starts_with("pypi")) {
                    self.packages.push(line.to_owned());
                }
            }
            Style::Explicit => {
                if let Some(found) = ARCHIVE.captures(line) {
                    self.channel(group(&found, 1));
                    let part = |index| group(&found, index);
                    self.packages.push(format!("{}={}={}", part(2), part(3), part(4)));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(path: &str, text: &str) -> CondaEnvironment {
        conda_environment(path, text).unwrap()
    }

    #[test]
    fn what_is_condas_is_told_from_what_is_pips() {
        let text = "name: x\nchannels:\n  - pytorch\n  - defaults\ndependencies:\n  - python=3.7.3\n  - numpy=1.16.2=py37h7e9f1db_0\n  - pip:\n    - tqdm\n";
        let found = read("environment.yml", text);
        assert_eq!(found.channels, ["pytorch", "defaults"]);
        assert_eq!(found.packages, ["python=3.7.3", "numpy=1.16.2=py37h7e9f1db_0"]);
        assert_eq!(conda_environment("environment.yml", "dependencies:\n- pip:\n  - x\n"), None);
        assert_eq!(conda_environment("config.yml", "model:\n  dependencies: 3\n"), None);
    }

    #[test]
    fn listings_are_packages_of_conda_too() {
        let table = "# packages in environment at /home/me/x:\n#\n# Name Version Build Channel\nnumpy 1.16.2 py37h7e9f1db_0\nabsl-py 0.7.1 <pip>\ntorch 1.4.0 pypi_0 pypi\nlxml 4.0 py37_1 conda-forge\n";
        let found = read("requirements.txt", table);
        assert_eq!(found.channels, ["conda-forge"]);
        assert_eq!(found.packages, ["numpy=1.16.2=py37h7e9f1db_0", "lxml=4.0=py37_1"]);
        let export = "numpy=1.16.2=py37_0\ntorch=1.4.0=pypi_0\npython=3.7.3=h0371630_0\n";
        let found = read("requirements.txt", export);
        assert_eq!(found.packages, ["numpy=1.16.2=py37_0", "python=3.7.3=h0371630_0"]);
        let explicit = "@EXPLICIT\nhttps://repo.anaconda.com/pkgs/main/linux-64/ca-certificates-2020.1.1-0.tar.bz2#0123abc\n";
        let found = read("spec-file.txt", explicit);
        assert_eq!(found.channels, ["https://repo.anaconda.com/pkgs/main"]);
        assert_eq!(found.packages, ["ca-certificates=2020.1.1=0"]);
    }

    #[test]
    fn names_of_conda_have_names_on_the_index() {
        assert_eq!(name_on_index("pytorch"), Some("torch"));
        assert_eq!(name_on_index("numpy"), Some("numpy"));
        assert_eq!(name_on_index("ffmpeg"), None);
    }
}
