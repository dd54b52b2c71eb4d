//! Data that lie at an address: fetched where they are needed, verified, and kept.
//!
//! An address is `https://…`, `s3://BUCKET/KEY` where that is public, `zenodo:RECORD`, or the DOI of a
//! record of Zenodo. `#sha256=DIGEST` at the end of an address says what it must hold. What was
//! fetched once is kept by its address; a publisher that changes a file gives it another address, or
//! the digest tells. What comes without encryption needs a digest. Private buckets and records, and
//! other archives' DOIs, are not supported.

mod address;
mod fetch;

pub(crate) use address::BEGINS;
pub use address::{Address, InvalidAddress, is_address};
pub use fetch::{Archive, Bounds, DatasetError, fetch};
pub(crate) use fetch::{COMING, FOLDER};
