//! What can go wrong between here and a server.

use camino::Utf8PathBuf;
use sizar_model::SafeUrl;
use sizar_model::resources::ByteSize;

/// A document that could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    #[error("`{url}` is not an address that can be fetched")]
    Address { url: SafeUrl },
    #[error("`{url}` could not be reached")]
    Unreachable {
        url: SafeUrl,
        #[source]
        source: Box<ureq::Error>,
    },
    #[error("`{url}` answered with status {status}")]
    Status { url: SafeUrl, status: u16 },
    #[error("the connection to `{url}` broke after {received} bytes")]
    Interrupted {
        url: SafeUrl,
        received: u64,
        #[source]
        source: std::io::Error,
    },
    #[error("`{url}` sends more than the {limit} bytes that are accepted")]
    TooLarge { url: SafeUrl, limit: u64 },
    #[error("`{url}` has the SHA-256 digest {found}, but {expected} was promised")]
    WrongDigest { url: SafeUrl, expected: String, found: String },
    #[error("`{url}` has another MD5 digest than promised: {digests}")]
    WrongMd5 { url: SafeUrl, digests: Box<str> },
    #[error("`{url}` has {found} bytes, but {expected} were promised")]
    WrongSize { url: SafeUrl, expected: u64, found: u64 },
    #[error("`{url}` led to an address without encryption, and no digest tells what it holds")]
    Downgraded { url: SafeUrl },
    #[error("`{url}` leads to `{host}`, which is a host of an inner network")]
    Inner { url: SafeUrl, host: String },
    #[error("`{url}` leads on and on")]
    Endless { url: SafeUrl },
    #[error("the disk is full: `{folder}` has {free} free, and {needed} are still to come")]
    Full { folder: Utf8PathBuf, free: ByteSize, needed: ByteSize },
    #[error("`{path}` cannot be written")]
    Write {
        path: Utf8PathBuf,
        #[source]
        source: std::io::Error,
    },
}

impl HttpError {
    /// Returns whether asking again may help.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable { source, .. } => !matches!(
                **source,
                ureq::Error::BadUri(_)
                    | ureq::Error::Http(_)
                    | ureq::Error::InvalidProxyUrl
                    | ureq::Error::TooManyRedirects
                    | ureq::Error::RedirectFailed
                    | ureq::Error::HostNotFound
                    | ureq::Error::Rustls(_)
                    | ureq::Error::Tls(_)
            ),
            Self::Status { status, .. } => *status == 429 || *status == 408 || *status >= 500,
            Self::Interrupted { .. } => true,
            _ => false,
        }
    }

    /// Returns whether the server was not reached at all, so that another machine may reach it.
    pub fn is_unreachable(&self) -> bool {
        matches!(self, Self::Unreachable { .. })
    }

    /// Returns whether the server says that there is no such document.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Status { status: 404 | 410, .. })
    }
}
