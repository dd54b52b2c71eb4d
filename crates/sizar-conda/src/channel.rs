//! What the names of channels stand for, and where they are really asked.
//!
//! A channel has a canonical address, which a lock remembers, and the one that is asked here: a
//! mirror, or a folder. Both have the same files below them, so a lock that was made through a
//! mirror installs without it.

use camino::Utf8Path;
use url::Url;

use crate::CondaError;

/// Where a channel without another address is.
const ALIAS: &str = "https://conda.anaconda.org/";
/// Where the channels behind `defaults` are.
const DEFAULTS: &str = "https://repo.anaconda.com/pkgs/";
/// What `defaults` stood for until 2019. `free` holds what was built before 2018; it comes last,
/// so that it only gives what the others do not have.
const DEFAULT_CHANNELS: [&str; 3] = ["main", "r", "free"];
/// The channel that is asked where a source names none.
const FALLBACK: &str = "conda-forge";
/// Hosts that the two above had or have beside their own.
const OLD_HOSTS: [(&str, &str); 4] = [
    ("http://conda.anaconda.org/", ALIAS),
    ("https://anaconda.org/", ALIAS),
    ("http://repo.continuum.io/pkgs/", DEFAULTS),
    ("https://repo.continuum.io/pkgs/", DEFAULTS),
];

/// Where channels are asked, as the user configured it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// The channels that are asked where a source names none.
    channels: Vec<String>,
    /// Canonical addresses and what stands for them here.
    places: Vec<(String, String)>,
}

/// A channel: how it was written, and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    pub name: String,
    /// What a lock remembers.
    pub canonical: Url,
    /// What is asked.
    pub asked: Url,
}

impl Settings {
    /// Reads the values of `SIZAR_CONDA_CHANNELS` and `SIZAR_CONDA_MIRROR`.
    ///
    /// The first lists channels, separated by spaces or commas: names and addresses are asked
    /// where a source names no channel; `NAME=ADDRESS` says where the channel `NAME` is. The
    /// second is an address below which every other channel lies by its name, those of `defaults`
    /// below `pkgs/`.
    ///
    /// # Errors
    ///
    /// [`CondaError::Address`] where one is not an address.
    pub fn read(channels: &str, mirror: &str) -> Result<Self, CondaError> {
        let mut settings = Self::default();
        for item in channels.split([' ', ',', '\t', '\n']).filter(|item| !item.is_empty()) {
            match item.split_once('=') {
                Some((name, address)) if !name.contains([':', '/']) => {
                    let place = folder(&address_of(address)?);
                    for canonical in canonical(name)? {
                        settings.places.push((canonical.into(), place.clone().into()));
                    }
                }
                _ => settings.channels.push(item.to_owned()),
            }
        }
        if !mirror.trim().is_empty() {
            let base = folder(&address_of(mirror.trim())?);
            let pkgs = join(&base, "pkgs/", mirror)?;
            settings.places.push((DEFAULTS.to_owned(), pkgs.into()));
            settings.places.push((ALIAS.to_owned(), base.into()));
        }
        Ok(settings)
    }

    /// Returns whether the user named no channel to ask.
    pub fn is_default(&self) -> bool {
        self.channels.is_empty()
    }

    /// Returns the channels that are asked where a source names none.
    pub fn fallback(&self) -> Vec<String> {
        if self.channels.is_empty() { vec![FALLBACK.to_owned()] } else { self.channels.clone() }
    }

    /// Returns what a source's channels stand for, each once, in order.
    ///
    /// # Errors
    ///
    /// [`CondaError::Address`] where one is neither a name nor an address.
    pub fn resolve(&self, written: &[String]) -> Result<Vec<Address>, CondaError> {
        let mut found: Vec<Address> = Vec::new();
        for name in written {
            for canonical in canonical(name)? {
                let asked = self.place(&canonical);
                if found.iter().all(|known| known.canonical != canonical) {
                    found.push(Address { name: name.clone(), canonical, asked });
                }
            }
        }
        Ok(found)
    }

    /// Returns where a canonical address is asked.
    pub(crate) fn place(&self, canonical: &Url) -> Url {
        replaced(canonical, self.places.iter().map(|(from, to)| (from.as_str(), to.as_str())))
    }

    /// Returns the canonical address of what was found at `asked`.
    pub(crate) fn canonical(&self, asked: &Url) -> Url {
        replaced(asked, self.places.iter().map(|(from, to)| (to.as_str(), from.as_str())))
    }
}

impl Address {
    /// Returns the channel that this is a mirror of, going by the end of its address: authors
    /// leave their institution's mirror in an `environment.yml`, and it rarely answers others.
    #[must_use]
    pub fn original(&self, settings: &Settings) -> Option<Self> {
        let path = self.canonical.path().trim_end_matches('/');
        let (kind, name) = match (path.split_once("/cloud/"), path.split_once("/pkgs/")) {
            (Some((_, name)), _) => (ALIAS, name),
            (_, Some((_, name))) => (DEFAULTS, name),
            _ => return None,
        };
        let canonical = Url::parse(&format!("{kind}{name}/")).ok()?;
        let asked = settings.place(&canonical);
        (canonical != self.canonical).then(|| Self { name: self.name.clone(), canonical, asked })
    }
}

fn replaced<'a>(url: &Url, places: impl Iterator<Item = (&'a str, &'a str)>) -> Url {
    places
        .filter_map(|(from, to)| Some((from, format!("{to}{}", url.as_str().strip_prefix(from)?))))
        // the nearest place speaks
        .max_by_key(|(from, _)| from.len())
        .and_then(|(_, text)| Url::parse(&text).ok())
        .unwrap_or_else(|| url.clone())
}

/// Returns the canonical addresses of a channel as people write it.
fn canonical(written: &str) -> Result<Vec<Url>, CondaError> {
    let name = written.trim().trim_end_matches('/');
    match name {
        // what `nodefaults` forbids is never added here
        "" | "nodefaults" | "local" => return Ok(Vec::new()),
        "defaults" => {
            let urls = DEFAULT_CHANNELS.iter();
            return urls.map(|name| address_of(&format!("{DEFAULTS}{name}/"))).collect();
        }
        "main" | "r" | "free" | "pro" | "msys2" => {
            return Ok(vec![address_of(&format!("{DEFAULTS}{name}/"))?]);
        }
        _ => {}
    }
    if !name.contains("://") && !name.starts_with('/') {
        return Ok(vec![address_of(&format!("{ALIAS}{name}/"))?]);
    }
    let mut url = folder(&address_of(name)?);
    // some name the folder of one platform
    let last = url.path().trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    if last == "noarch" || ["linux-", "osx-", "win-"].iter().any(|os| last.starts_with(os)) {
        url = join(&url, "..", written)?;
    }
    let current = OLD_HOSTS.iter().find_map(|(old, new)| {
        Url::parse(&format!("{new}{}", url.as_str().strip_prefix(old)?)).ok()
    });
    Ok(vec![current.unwrap_or(url)])
}

/// Reads an address; a path is one of a folder.
fn address_of(text: &str) -> Result<Url, CondaError> {
    let invalid = || CondaError::Address { address: text.to_owned() };
    if text.starts_with('/') {
        return Url::from_directory_path(Utf8Path::new(text)).map_err(|()| invalid());
    }
    let url = Url::parse(text).map_err(|_| invalid())?;
    if matches!(url.scheme(), "https" | "http" | "file") { Ok(url) } else { Err(invalid()) }
}

fn folder(url: &Url) -> Url {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    if !url.path().ends_with('/') {
        let path = format!("{}/", url.path());
        url.set_path(&path);
    }
    url
}

fn join(url: &Url, end: &str, written: &str) -> Result<Url, CondaError> {
    url.join(end).map_err(|_| CondaError::Address { address: written.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(settings: &Settings, written: &[&str]) -> Vec<(String, String)> {
        let written: Vec<String> = written.iter().map(|name| (*name).to_owned()).collect();
        let addresses = settings.resolve(&written).unwrap();
        addresses.into_iter().map(|a| (a.canonical.into(), a.asked.into())).collect()
    }

    fn plain(written: &[&str]) -> Vec<String> {
        let settings = Settings::default();
        resolved(&settings, written).into_iter().map(|(canonical, _)| canonical).collect()
    }

    #[test]
    fn names_become_addresses() {
        assert_eq!(
            plain(&["pytorch", "defaults", "conda-forge/label/cf201901", "nodefaults", "pytorch/"]),
            [
                "https://conda.anaconda.org/pytorch/",
                "https://repo.anaconda.com/pkgs/main/",
                "https://repo.anaconda.com/pkgs/r/",
                "https://repo.anaconda.com/pkgs/free/",
                "https://conda.anaconda.org/conda-forge/label/cf201901/",
            ]
        );
        assert_eq!(
            plain(&[
                "https://repo.continuum.io/pkgs/main/linux-64",
                "https://anaconda.org/menpo",
                "/srv/channel"
            ]),
            [
                "https://repo.anaconda.com/pkgs/main/",
                "https://conda.anaconda.org/menpo/",
                "file:///srv/channel/"
            ]
        );
        let error = Settings::default().resolve(&["ftp://host/x".into()]).unwrap_err();
        assert_eq!(error.to_string(), "`ftp://host/x` is no address of a conda channel");
    }

    #[test]
    fn a_mirror_is_asked_and_not_remembered() {
        let channels = "pytorch=file:///srv/pytorch own, file:///srv/other";
        let settings = Settings::read(channels, "https://mirror.example/conda").unwrap();
        assert_eq!(settings.fallback(), ["own", "file:///srv/other"]);
        assert_eq!(
            resolved(&settings, &["conda-forge", "pytorch", "main"]),
            [
                (
                    "https://conda.anaconda.org/conda-forge/".into(),
                    "https://mirror.example/conda/conda-forge/".into()
                ),
                ("https://conda.anaconda.org/pytorch/".into(), "file:///srv/pytorch/".into()),
                (
                    "https://repo.anaconda.com/pkgs/main/".into(),
                    "https://mirror.example/conda/pkgs/main/".into()
                ),
            ]
        );
        let package = Url::parse("file:///srv/pytorch/linux-64/a-1-0.conda").unwrap();
        let canonical = settings.canonical(&package);
        assert_eq!(canonical.as_str(), "https://conda.anaconda.org/pytorch/linux-64/a-1-0.conda");
        assert_eq!(settings.place(&canonical), package);
        assert_eq!(Settings::default().fallback(), ["conda-forge"]);
    }

    #[test]
    fn a_mirror_that_authors_wrote_has_an_original() {
        let settings = Settings::default();
        let written = [
            "https://mirror.example/anaconda/cloud/pytorch/",
            "https://mirror.example/anaconda/pkgs/free",
            "https://mirror.example/own",
            "conda-forge",
        ];
        let written: Vec<String> = written.iter().map(|name| (*name).to_owned()).collect();
        let originals: Vec<Option<String>> = settings
            .resolve(&written)
            .unwrap()
            .iter()
            .map(|address| address.original(&settings).map(|original| original.canonical.into()))
            .collect();
        assert_eq!(
            originals,
            [
                Some("https://conda.anaconda.org/pytorch/".into()),
                Some("https://repo.anaconda.com/pkgs/free/".into()),
                None,
                None
            ]
        );
    }
}
