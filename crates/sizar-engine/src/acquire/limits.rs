//! How much an untrusted source may unpack to.

/// Limits on what a source may become on disk.
///
/// They are far above any honest research code and far below what fills a disk unnoticed. The
/// first two are raised by `SIZAR_MAX_UNPACKED_BYTES` and `SIZAR_MAX_MEMBERS`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most bytes of all files together: 20 GiB.
    pub bytes: u64,
    /// The most files, folders and links together: 200,000.
    pub members: u64,
    /// The most bytes that one packed byte may become, once [`Limits::ratio_from`] is passed:
    /// 1,000. Text packs to a tenth; only bombs and long runs of zeros go beyond hundreds.
    pub ratio: u64,
    /// The unpacked bytes below which the ratio does not matter: 100 MiB.
    pub ratio_from: u64,
    /// The most bytes of a download: 20 GiB.
    pub download: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bytes: 20 << 30,
            members: 200_000,
            ratio: 1000,
            ratio_from: 100 << 20,
            download: 20 << 30,
        }
    }
}

impl Limits {
    /// Returns the limits as the environment raises or lowers them.
    pub fn from_environment() -> Self {
        let number = |name| std::env::var(name).ok()?.trim().parse().ok();
        let limits = Self::default();
        Self {
            bytes: number("SIZAR_MAX_UNPACKED_BYTES").unwrap_or(limits.bytes),
            members: number("SIZAR_MAX_MEMBERS").unwrap_or(limits.members),
            ..limits
        }
    }

    /// Returns whether `packed` bytes may become `unpacked` bytes.
    pub fn allows_ratio(&self, packed: u64, unpacked: u64) -> bool {
        unpacked <= self.ratio_from || unpacked / self.ratio <= packed
    }
}
