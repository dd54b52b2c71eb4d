//! Tells the format of an archive by its first bytes.

/// A format of archives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Zip,
    Tar(Packing),
}

/// How a tar archive is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    Plain,
    Gzip,
    Bzip2,
    Xz,
    Zstd,
}

impl Format {
    /// How many bytes [`Format::of`] wants to see: one block of a tar archive.
    pub const BEGINNING: usize = 512;

    /// Tells the format of a file that begins with `bytes`; else says what they look like.
    pub fn of(bytes: &[u8]) -> Result<Self, &'static str> {
        let begins = |magic: &[u8]| bytes.starts_with(magic);
        if begins(b"PK\x03\x04") || begins(b"PK\x05\x06") {
            Ok(Self::Zip)
        } else if begins(&[0x1f, 0x8b]) {
            Ok(Self::Tar(Packing::Gzip))
        } else if begins(b"BZh") {
            Ok(Self::Tar(Packing::Bzip2))
        } else if begins(&[0xfd, b'7', b'z', b'X', b'Z', 0]) {
            Ok(Self::Tar(Packing::Xz))
        } else if begins(&[0x28, 0xb5, 0x2f, 0xfd]) {
            Ok(Self::Tar(Packing::Zstd))
        } else if is_tar_header(bytes) {
            Ok(Self::Tar(Packing::Plain))
        } else {
            Err(looks_like(bytes))
        }
    }
}

/// Checks the header's sum: also the tars of before POSIX, without `ustar`, have one.
fn is_tar_header(bytes: &[u8]) -> bool {
    let Some(block) = bytes.first_chunk::<{ Format::BEGINNING }>() else { return false };
    let (name, rest) = block.split_at(148);
    let (sum, rest) = rest.split_at(8);
    let found: u32 = name.iter().chain(rest).map(|byte| u32::from(*byte)).sum::<u32>() + 8 * 32;
    let text = String::from_utf8_lossy(sum);
    let digits = text.trim_matches(|c: char| c == '\0' || c.is_ascii_whitespace());
    u32::from_str_radix(digits, 8).is_ok_and(|expected| expected == found)
}

fn looks_like(bytes: &[u8]) -> &'static str {
    let text = String::from_utf8_lossy(bytes).trim_start().to_ascii_lowercase();
    if text.starts_with("<!doctype") || text.starts_with("<html") || text.starts_with("<head") {
        "an HTML page"
    } else if bytes.starts_with(b"7z\xbc\xaf") {
        "a 7-Zip archive"
    } else if bytes.starts_with(b"Rar!") {
        "a RAR archive"
    } else if bytes.starts_with(b"version https://git-lfs") {
        "a Git LFS pointer"
    } else if bytes.iter().all(|byte| *byte == 0) {
        "a row of zeros"
    } else if std::str::from_utf8(bytes).is_ok() {
        "a text"
    } else {
        "other data"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_told_by_content() {
        assert_eq!(Format::of(b"PK\x03\x04rest"), Ok(Format::Zip));
        assert_eq!(Format::of(&[0x1f, 0x8b, 8]), Ok(Format::Tar(Packing::Gzip)));
        assert_eq!(Format::of(b"\n<!DOCTYPE html>"), Err("an HTML page"));
        assert_eq!(Format::of(b"hello"), Err("a text"));
        let mut old = tar::Header::new_old();
        old.set_size(0);
        old.set_cksum();
        assert_eq!(Format::of(old.as_bytes()), Ok(Format::Tar(Packing::Plain)));
        old.as_mut_bytes()[0] = b'x';
        assert!(Format::of(old.as_bytes()).is_err());
    }
}
