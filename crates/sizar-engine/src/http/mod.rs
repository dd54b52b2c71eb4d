//! HTTP: small documents and resumable downloads.
//!
//! One [`Client`] per use. It trusts the certificates of the system (`SSL_CERT_FILE` and
//! `SSL_CERT_DIR` are honoured), goes through `HTTPS_PROXY` except for `NO_PROXY`, waits neither
//! for a connection nor for the next byte without limit, and asks again, a few times and ever
//! more slowly, where the fault may pass: a lost connection, `429`, `5xx`.

mod client;
mod download;
mod error;
mod reach;

pub use client::{Client, Document, Patience};
pub use download::{Download, Downloaded, sha256_of};
pub use error::HttpError;
pub use reach::Reach;
