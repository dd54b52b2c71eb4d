//! Why an index has no file for us.

use sizar_model::SafeUrl;

use crate::http::HttpError;

/// A release that the index does not give.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    #[error("the index `{index}` has no package `{name}`")]
    UnknownPackage { name: String, index: SafeUrl },
    #[error("`{name}` has no release `{version}`")]
    UnknownVersion {
        name: String,
        version: String,
        /// The releases with a source distribution that come closest, in ascending order.
        nearest: Vec<String>,
    },
    #[error("`{version}` is not a version of a Python package")]
    InvalidVersion { version: String },
    #[error("`{name}` has wheels only: no release has a source distribution")]
    WheelsOnly { name: String },
    #[error("`{name}` {version} has no source distribution; the newest that has one is {newest}")]
    WheelOnlyRelease { name: String, version: String, newest: String },
    #[error("`{name}` has no release that was not withdrawn")]
    Withdrawn { name: String },
    #[error("`{name}` has no files on the index `{index}`")]
    Empty { name: String, index: SafeUrl },
    #[error("`{name}` has no wheel for this machine (`{machine}`)")]
    NoWheelForMachine { name: String, machine: String },
    #[error("the answer of `{url}` is no page of a package index")]
    Unreadable {
        url: SafeUrl,
        #[source]
        source: serde_json::Error,
    },
    #[error("the answer of `{url}` is `{media_type}`, which is no page of a package index")]
    NotAnIndex { url: SafeUrl, media_type: String },
    #[error("`{url}` is not the address of a package index")]
    Address { url: SafeUrl },
    #[error("the package index could not be asked for `{name}`")]
    Fetch {
        name: String,
        #[source]
        source: HttpError,
    },
}
