//! One door to channels: a runtime, an HTTP client, a cache.

use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use rattler::package_cache::PackageCache;
use rattler_networking::{LazyClient, OfflineMiddleware};
use rattler_repodata_gateway::fetch::CacheAction;
use rattler_repodata_gateway::{ChannelConfig, Gateway, SourceConfig};
use reqwest_middleware::ClientBuilder;
use tokio::runtime::{Builder, Runtime};

use crate::{CondaError, Settings};

/// Conda's channels, through rattler.
pub struct Conda {
    pub(crate) runtime: Runtime,
    pub(crate) client: LazyClient,
    pub(crate) settings: Settings,
    pub(crate) gateway: Gateway,
    pub(crate) offline: bool,
    pub(crate) cache: Utf8PathBuf,
}

/// How long a channel may stay silent in the middle of an answer.
const SILENCE: Duration = Duration::from_mins(1);

impl Conda {
    /// Opens the door; `cache` is a folder for package lists and packages. Offline, only what is
    /// in it, and folders of this machine, are asked.
    ///
    /// # Errors
    ///
    /// [`CondaError::Runtime`] where the system refuses threads or its certificates.
    pub fn open(settings: Settings, cache: &Utf8Path, offline: bool) -> Result<Self, CondaError> {
        // the first one stays; all of ours are the same
        let _ = rustls::crypto::ring::default_provider().install_default();
        let runtime = Builder::new_multi_thread()
            .worker_threads(4)
            .enable_all()
            .build()
            .map_err(|error| CondaError::Runtime(error.into()))?;
        let plain = reqwest::Client::builder()
            .user_agent(concat!("sizar/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(Duration::from_secs(20))
            .read_timeout(SILENCE)
            .build()
            .map_err(|error| CondaError::Runtime(error.into()))?;
        let mut builder = ClientBuilder::new(plain);
        if offline {
            builder = builder.with(OfflineMiddleware);
        }
        let client = LazyClient::from(builder.build());
        let cache_action =
            if offline { CacheAction::ForceCacheOnly } else { CacheAction::CacheOrFetch };
        let gateway = Gateway::builder()
            .with_client(client.clone())
            .with_cache_dir(cache.join("repodata").into_std_path_buf())
            .with_package_cache(PackageCache::new(cache.join("packages").into_std_path_buf()))
            .with_channel_config(ChannelConfig {
                default: SourceConfig { cache_action, ..SourceConfig::default() },
                ..ChannelConfig::default()
            })
            .finish();
        Ok(Self { runtime, client, settings, gateway, offline, cache: cache.to_owned() })
    }

    /// Returns how channels were configured.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Returns whether nothing outside this machine is asked.
    pub fn is_offline(&self) -> bool {
        self.offline
    }

    pub(crate) fn packages(&self) -> PackageCache {
        PackageCache::new(self.cache.join("packages").into_std_path_buf())
    }
}
