//! Which index is asked, and asking it.

use camino::Utf8PathBuf;
use fs_err as fs;
use sizar_model::SafeUrl;
use url::Url;

use super::{IndexError, Project, normalize, page};
use crate::http::Client;

/// The public index.
const PYPI: &str = "https://pypi.org/simple/";
/// The most bytes of one project's page: the largest on PyPI have about 40 MB.
const PAGE_LIMIT: u64 = 256 << 20;
/// JSON first, and HTML from indexes that know nothing else.
const ACCEPT: &str = "application/vnd.pypi.simple.v1+json, \
    application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1";

/// A package index with the simple interface.
#[derive(Clone, Debug)]
pub struct Index {
    url: SafeUrl,
    client: Client,
}

impl Index {
    /// Takes the index at `url`.
    pub fn at(url: SafeUrl, client: Client) -> Self {
        Self { url, client }
    }

    /// Finds the index that uv and pip would use: `UV_DEFAULT_INDEX`, `UV_INDEX_URL`,
    /// `PIP_INDEX_URL`, `index-url` in pip's configuration files, else PyPI.
    pub fn from_environment() -> Self {
        Self::at(Self::configured(), Client::new())
    }

    /// Finds the address of the index, as [`Index::from_environment`] does.
    pub fn configured() -> SafeUrl {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        variable("UV_DEFAULT_INDEX")
            // uv allows a name before the address: `internal=https://…`
            .map(|value| match value.split_once('=') {
                Some((name, url)) if !name.contains([':', '/']) => url.to_owned(),
                _ => value,
            })
            .or_else(|| variable("UV_INDEX_URL"))
            .or_else(|| variable("PIP_INDEX_URL"))
            .or_else(|| {
                pip_configuration_files()
                    .iter()
                    .find_map(|path| index_url(&fs::read_to_string(path).ok()?))
            })
            .map_or_else(|| SafeUrl::new(PYPI), SafeUrl::new)
    }

    /// Returns the address of the index.
    pub fn url(&self) -> &SafeUrl {
        &self.url
    }

    /// Returns the client that asks it.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Reads the page of the project `name`.
    ///
    /// # Errors
    ///
    /// [`IndexError::UnknownPackage`] where the index has no such page.
    pub fn project(&self, name: &str) -> Result<Project, IndexError> {
        let name = normalize(name);
        let invalid = || IndexError::Address { url: self.url.clone() };
        let mut url = Url::parse(self.url.expose()).map_err(|_| invalid())?;
        url.path_segments_mut().map_err(|()| invalid())?.pop_if_empty().extend([name.as_str(), ""]);
        let address = SafeUrl::new(url.as_str());
        let document = self.client.get(&address, ACCEPT, PAGE_LIMIT).map_err(|source| {
            if source.is_missing() {
                IndexError::UnknownPackage { name: name.clone(), index: self.url.clone() }
            } else {
                IndexError::Fetch { name: name.clone(), source }
            }
        })?;
        let files = page::read(&url, &document)?;
        if files.is_empty() {
            return Err(IndexError::Empty { name, index: self.url.clone() });
        }
        Ok(Project { name, files })
    }
}

/// Lists pip's configuration files, the strongest first.
fn pip_configuration_files() -> Vec<Utf8PathBuf> {
    let variable = |name: &str| {
        std::env::var(name).ok().filter(|value| !value.is_empty()).map(Utf8PathBuf::from)
    };
    let home = variable("HOME");
    let user =
        variable("XDG_CONFIG_HOME").or_else(|| home.as_ref().map(|home| home.join(".config")));
    [
        variable("PIP_CONFIG_FILE"),
        variable("VIRTUAL_ENV").map(|path| path.join("pip.conf")),
        user.map(|path| path.join("pip/pip.conf")),
        home.map(|path| path.join(".pip/pip.conf")),
        Some("/etc/pip.conf".into()),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Reads `index-url` of the section `[global]`.
fn index_url(configuration: &str) -> Option<String> {
    let mut section = "";
    for line in configuration.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = name.trim();
        } else if let Some((key, value)) = line.split_once(['=', ':'])
            && matches!(section, "global" | "install" | "download")
            && matches!(key.trim(), "index-url" | "index_url")
        {
            return Some(value.trim().to_owned()).filter(|value| !value.is_empty());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_of_pips_configuration_is_read() {
        let text = "[list]\nindex-url = https://no\n[global]\ntimeout = 60\nindex-url = https://a/simple\n";
        assert_eq!(index_url(text).as_deref(), Some("https://a/simple"));
        assert_eq!(index_url("[global]\ncert = /etc/x\n# index-url = https://a\n"), None);
    }
}
