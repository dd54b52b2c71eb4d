//! Exactly the packages of a lock, into a prefix.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use camino::Utf8Path;
use rattler::install::{ExternalSymlinkPolicy, Installer, LinkOptions};
use rattler::package_cache::{CacheReporter, PackageCache, PackageCacheError};
use rattler_conda_types::RepoDataRecord;
use rattler_networking::LazyClient;
use rattler_networking::retry_policies::default_retry_policy;
use sizar_model::progress::Unit;
use sizar_model::{Activity, CondaPackage, Progress};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::archive::checked;
use crate::record::from_lock;
use crate::{Conda, CondaError};

/// How many packages are fetched at once.
const AT_ONCE: usize = 8;
/// How often whoever watches is told.
const TICK: Duration = Duration::from_millis(200);

/// What was put into a prefix.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Installed {
    /// Packages with scripts that conda would have run after putting them in place, and that were
    /// not run: nobody saw what they do.
    pub scripts_not_run: Vec<String>,
}

impl Conda {
    /// Fetches packages, checks them, and puts them into `prefix`; the files in it speak of
    /// `home`, the folder that it will be in the end.
    ///
    /// Every archive must have its locked SHA-256. Files are copied, never shared with the cache:
    /// a program that writes into its own packages must not reach those of others. No script of a
    /// package runs, and no menu entry is made.
    ///
    /// # Errors
    ///
    /// [`CondaError`], naming the package, where one cannot be had or is not what it should be.
    pub fn install(
        &self,
        packages: &[CondaPackage],
        prefix: &Utf8Path,
        home: &Utf8Path,
        progress: &dyn Progress,
    ) -> Result<Installed, CondaError> {
        let records = packages
            .iter()
            .map(|package| from_lock(package, &self.settings))
            .collect::<Result<Vec<_>, _>>()?;
        progress.begin(format!("fetching {} conda packages", records.len()));
        let records = self.runtime.block_on(self.fetched(records, progress))?;
        progress.begin("putting conda packages in place");
        let installer = Installer::new()
            .with_package_cache(self.packages())
            .with_download_client(self.client.clone())
            .with_execute_link_scripts(false)
            .with_external_symlink_policy(ExternalSymlinkPolicy::Deny)
            .with_installed_packages(Vec::new())
            .with_io_concurrency_limit(64)
            .with_alternative_target_prefix(home.as_std_path())
            .with_link_options(LinkOptions {
                // those that packages have, not to the cache
                allow_symbolic_links: Some(true),
                allow_hard_links: Some(false),
                allow_ref_links: None,
            });
        let installing = installer.install(prefix.as_std_path(), records);
        self.runtime
            .block_on(installing)
            .map_err(|error| CondaError::Install { prefix: prefix.into(), source: error.into() })?;
        Ok(Installed {
            scripts_not_run: packages
                .iter()
                .filter(|package| has_script(prefix, &package.name))
                .map(|package| package.name.clone())
                .collect(),
        })
    }

    /// Fetches and checks all packages, some at once.
    async fn fetched(
        &self,
        records: Vec<RepoDataRecord>,
        progress: &dyn Progress,
    ) -> Result<Vec<RepoDataRecord>, CondaError> {
        let bytes = Arc::new(Bytes::default());
        let turns = Arc::new(Semaphore::new(AT_ONCE));
        let cache = self.packages();
        let mut fetching = JoinSet::new();
        for (position, mut record) in records.into_iter().enumerate() {
            let (cache, client) = (cache.clone(), self.client.clone());
            let (turns, bytes) = (Arc::clone(&turns), Arc::clone(&bytes));
            fetching.spawn(async move {
                let _turn = turns.acquire_owned().await;
                let package = record.identifier.to_string();
                let folder = fetch(&cache, client, &record, bytes).await;
                let folder =
                    folder.map_err(|error| CondaError::Fetch { package, source: error.into() })?;
                checked(&folder, &mut record)?;
                Ok::<_, CondaError>((position, record))
            });
        }
        let mut fetched = Vec::new();
        loop {
            match tokio::time::timeout(TICK, fetching.join_next()).await {
                Err(_) => progress.report(Activity::Advanced {
                    done: bytes.0.load(Ordering::Relaxed),
                    total: None,
                    unit: Unit::Bytes,
                }),
                Ok(None) => break,
                Ok(Some(Ok(one))) => fetched.push(one?),
                Ok(Some(Err(error))) => return Err(CondaError::Runtime(error.into())),
            }
        }
        fetched.sort_by_key(|(position, _)| *position);
        Ok(fetched.into_iter().map(|(_, record)| record).collect())
    }
}

/// Returns the folder with a package's content, fetched if it is not there yet.
async fn fetch(
    cache: &PackageCache,
    client: LazyClient,
    record: &RepoDataRecord,
    bytes: Arc<Bytes>,
) -> Result<PathBuf, PackageCacheError> {
    let reporter: Option<Arc<dyn CacheReporter>> = Some(bytes);
    let package = &record.package_record;
    let fetched = match record.url.to_file_path() {
        Ok(path) if record.url.scheme() == "file" => {
            cache.get_or_fetch_from_path(&path, Some(package), reporter).await?
        }
        _ => {
            let (url, policy) = (record.url.clone(), default_retry_policy());
            cache
                .get_or_fetch_from_url_with_retry(package, url, client, policy, reporter, None)
                .await?
        }
    };
    Ok(fetched.path().to_owned())
}

fn has_script(prefix: &Utf8Path, package: &str) -> bool {
    let script = |moment: &str| prefix.join(format!("bin/.{package}-{moment}.sh"));
    script("post-link").is_file() || script("pre-link").is_file()
}

/// Counts what was downloaded.
#[derive(Debug, Default)]
struct Bytes(AtomicU64);

impl CacheReporter for Bytes {
    fn on_validate_start(&self) -> usize {
        0
    }

    fn on_validate_complete(&self, _: usize) {}

    fn on_download_start(&self) -> usize {
        0
    }

    fn on_download_progress(&self, _: usize, progress: u64, _: Option<u64>) {
        // each download tells its own sum; the largest says that it goes on
        self.0.fetch_max(progress, Ordering::Relaxed);
    }

    fn on_download_completed(&self, _: usize) {}
}
