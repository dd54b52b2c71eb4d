//! What the tests over SSH share.

use camino::Utf8PathBuf;
use sizar_engine::home::Home;
use sizar_engine::transport::{Ssh, SshOptions};

/// A home of sizar's, and clients in it.
pub struct Client {
    folder: tempfile::TempDir,
}

impl Client {
    pub fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("sz-").tempdir().unwrap();
        Self { folder }
    }

    pub fn home(&self) -> Home {
        Home::at(self.folder.path().to_str().unwrap())
    }

    /// Returns the options for the host `login` of a configuration.
    pub fn options(&self, config: Utf8PathBuf) -> SshOptions {
        let mut options = SshOptions::new("ssh://login".parse().unwrap(), self.home());
        options.config_file = Some(config);
        options
    }

    /// Returns a client whose login nobody else uses.
    pub fn alone(&self, config: Utf8PathBuf) -> Ssh {
        let mut options = self.options(config);
        options.share = false;
        Ssh::new(options)
    }
}
