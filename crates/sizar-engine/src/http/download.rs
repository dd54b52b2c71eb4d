//! Downloads into a file, which go on where they broke off.

use std::io::{Read, Seek, SeekFrom, Write};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use fs_err::File;
use sha2::{Digest as _, Sha256};
use sizar_model::progress::Unit;
use sizar_model::resources::ByteSize;
use sizar_model::{Activity, Progress, SafeUrl};
use ureq::ResponseExt as _;

use super::{Client, HttpError};
use crate::home::free_bytes;

/// What has to come between two series of tries.
const STEP: u64 = 1 << 20;

/// A file that is wanted.
#[derive(Clone, Copy, Debug)]
pub struct Download<'a> {
    pub url: &'a SafeUrl,
    /// Where it goes when it is whole; `TO.part` until then.
    pub to: &'a Utf8Path,
    /// The SHA-256 digest that it must have, or how that begins, in hexadecimal digits.
    pub sha256: Option<&'a str>,
    /// The MD5 digest that it must have: it finds what broke, and not what was forged.
    pub md5: Option<&'a str>,
    /// How many bytes it must have.
    pub size: Option<u64>,
    /// The most bytes that are accepted.
    pub limit: u64,
}

impl<'a> Download<'a> {
    /// Makes the wish for a file of which nothing is known.
    pub fn of(url: &'a SafeUrl, to: &'a Utf8Path) -> Self {
        Self { url, to, sha256: None, md5: None, size: None, limit: u64::MAX }
    }

    /// Returns whether a digest tells what it is.
    fn is_known(&self) -> bool {
        self.sha256.is_some() || self.md5.is_some()
    }

    /// Compares what came with what was promised; returns the SHA-256 digest and the size.
    fn check(&self, part: &Utf8Path) -> Result<(String, u64), HttpError> {
        let failed = |source| write_error(part, source);
        let (sha256, size) = sha256_of(part).map_err(failed)?;
        let url = || self.url.clone();
        if let Some(expected) = self.size.filter(|expected| *expected != size) {
            return Err(HttpError::WrongSize { url: url(), expected, found: size });
        }
        let differs = |expected: &&str, found: &str| !expected.eq_ignore_ascii_case(found);
        let begin = |expected: &&str| sha256.get(..expected.len()).unwrap_or(&sha256).to_owned();
        if let Some(expected) = self.sha256.filter(|expected| differs(expected, &begin(expected))) {
            let expected = expected.to_owned();
            return Err(HttpError::WrongDigest { url: url(), expected, found: sha256 });
        }
        if let Some(expected) = self.md5 {
            let found = md5_of(part).map_err(failed)?;
            if differs(&expected, &found) {
                let digests = format!("{found}, and not {expected}").into();
                return Err(HttpError::WrongMd5 { url: url(), digests });
            }
        }
        Ok((sha256, size))
    }
}

/// A file that was fetched whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Downloaded {
    pub path: Utf8PathBuf,
    pub sha256: String,
    pub size: u64,
}

impl Client {
    /// Fetches a file; a `.part` that an earlier try left is continued.
    ///
    /// Where no digest tells whether two halves are of one file, the server's own mark of it does
    /// (`ETag`, `Last-Modified`); without one it begins anew. The file appears under its name by a
    /// rename, after it was checked. The caller holds a lock if somebody else may fetch the same.
    ///
    /// # Errors
    ///
    /// The last of the tries' errors; [`HttpError::WrongDigest`] if also a second, fresh download
    /// has another digest than promised. [`HttpError::Full`] keeps what has come.
    pub fn download(
        &self,
        wanted: &Download<'_>,
        progress: &dyn Progress,
    ) -> Result<Downloaded, HttpError> {
        let part = Utf8PathBuf::from(format!("{}.part", wanted.to));
        let mut fresh = false;
        loop {
            self.come(wanted, &part, progress)?;
            match wanted.check(&part) {
                Ok((sha256, size)) => {
                    remove(&tag_of(&part))?;
                    fs::rename(&part, wanted.to).map_err(|source| write_error(&part, source))?;
                    return Ok(Downloaded { path: wanted.to.to_owned(), sha256, size });
                }
                Err(error) => {
                    remove(&part)?;
                    remove(&tag_of(&part))?;
                    // the fault may be an old `.part` of another content: once more, from nothing
                    if fresh || !wanted.is_known() {
                        return Err(error);
                    }
                    fresh = true;
                }
            }
        }
    }

    /// Goes on until all has come, as long as something does.
    fn come(
        &self,
        wanted: &Download<'_>,
        part: &Utf8Path,
        progress: &dyn Progress,
    ) -> Result<(), HttpError> {
        let mut furthest = 0;
        loop {
            match self.persist(|_| self.continue_part(wanted, part, progress)) {
                Err(HttpError::Interrupted { received, .. }) if received >= furthest + STEP => {
                    furthest = received;
                }
                come => return come,
            }
        }
    }

    fn continue_part(
        &self,
        wanted: &Download<'_>,
        part: &Utf8Path,
        progress: &dyn Progress,
    ) -> Result<(), HttpError> {
        let tag = fs::read_to_string(tag_of(part)).ok();
        // without a digest nobody could tell whether the two halves are of one file
        if !wanted.is_known() && tag.is_none() {
            remove(part)?;
        }
        let mut file = fs::OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(part)
            .map_err(|source| write_error(part, source))?;
        let mut have = file.seek(SeekFrom::End(0)).map_err(|source| write_error(part, source))?;
        let range = format!("bytes={have}-");
        // compressed transfer would make sizes and ranges lie
        let mut headers = vec![("accept-encoding", "identity")];
        if have > 0 {
            headers.push(("range", range.as_str()));
            if let Some(tag) = tag.as_deref().filter(|_| !wanted.is_known()) {
                headers.push(("if-range", tag));
            }
        }
        let response = match self.ask(wanted.url, &headers) {
            // nothing after `have`: the part is whole, or of something else; its digest tells
            Err(HttpError::Status { status: 416, .. }) if have > 0 && wanted.is_known() => {
                return Ok(());
            }
            // without one nobody knows: anew
            Err(error @ HttpError::Status { status: 416, .. }) if have > 0 => {
                remove(&tag_of(part))?;
                return Err(HttpError::Interrupted {
                    url: wanted.url.clone(),
                    received: have,
                    source: std::io::Error::other(error),
                });
            }
            answer => answer?,
        };
        if !wanted.is_known() && is_downgraded(wanted.url.expose(), response.get_uri()) {
            return Err(HttpError::Downgraded { url: wanted.url.clone() });
        }
        let header = |name: &str| response.headers().get(name)?.to_str().ok();
        let goes_on = response.status() == 206
            && header("content-range").is_none_or(|range| begins_at(range, have));
        if !goes_on && have > 0 {
            have = 0;
            restart(&mut file).map_err(|source| write_error(part, source))?;
        }
        if response.status() == 206 && !goes_on {
            // another part than was asked for
            remove(&tag_of(part))?;
            return Err(HttpError::Interrupted {
                url: wanted.url.clone(),
                received: 0,
                source: std::io::ErrorKind::InvalidData.into(),
            });
        }
        if !wanted.is_known() {
            let strong = header("etag").filter(|tag| !tag.starts_with("W/"));
            match strong.or_else(|| header("last-modified")) {
                Some(tag) => fs::write(tag_of(part), tag)
                    .map_err(|source| write_error(&tag_of(part), source))?,
                None => remove(&tag_of(part))?,
            }
        }
        let total = response.body().content_length().map(|rest| have + rest);
        if let (Some(expected), Some(found)) = (wanted.size, total)
            && expected != found
        {
            drop(file);
            remove(part)?;
            return Err(HttpError::WrongSize { url: wanted.url.clone(), expected, found });
        }
        let limit = wanted.size.unwrap_or(u64::MAX).min(wanted.limit);
        if total.is_some_and(|total| total > limit) {
            drop(file);
            remove(part)?;
            return Err(HttpError::TooLarge { url: wanted.url.clone(), limit });
        }
        // found out now, and not after hours
        let needed = total.map_or(0, |total| total - have);
        if free_bytes(part).is_some_and(|free| free.0 < needed) {
            return Err(full(part, needed));
        }
        let body = response.into_body().into_with_config().limit(u64::MAX).reader();
        let wanted = Download { limit, ..*wanted };
        Copy { wanted: &wanted, part, have, total, progress }.run(body, &mut file)
    }
}

/// Returns where the server's own mark of what a part is of stands.
fn tag_of(part: &Utf8Path) -> Utf8PathBuf {
    Utf8PathBuf::from(format!("{part}.tag"))
}

/// Returns whether what was asked for safely came from where anybody may have changed it.
fn is_downgraded(asked: &str, answered: &ureq::http::Uri) -> bool {
    let safe = |scheme: &str| scheme.eq_ignore_ascii_case("https");
    asked.split_once(':').is_some_and(|(scheme, _)| safe(scheme))
        && !answered.scheme_str().is_some_and(safe)
}

/// Returns whether a `Content-Range` begins at `offset`.
fn begins_at(range: &str, offset: u64) -> bool {
    let first = range.trim().strip_prefix("bytes").and_then(|rest| rest.trim().split('-').next());
    first.and_then(|first| first.trim().parse().ok()) == Some(offset)
}

/// The body of one answer on its way into the `.part`.
struct Copy<'a> {
    wanted: &'a Download<'a>,
    part: &'a Utf8Path,
    have: u64,
    total: Option<u64>,
    progress: &'a dyn Progress,
}

impl Copy<'_> {
    fn run(mut self, mut body: impl Read, file: &mut File) -> Result<(), HttpError> {
        let mut buffer = vec![0; 128 * 1024];
        let interrupted = |received, source| HttpError::Interrupted {
            url: self.wanted.url.clone(),
            received,
            source,
        };
        loop {
            self.progress.report(Activity::Advanced {
                done: self.have,
                total: self.total,
                unit: Unit::Bytes,
            });
            let count = body.read(&mut buffer).map_err(|source| interrupted(self.have, source))?;
            if count == 0 {
                break;
            }
            let have = self.have;
            self.have += count as u64;
            if self.have > self.wanted.limit {
                remove(self.part)?;
                let limit = self.wanted.limit;
                return Err(HttpError::TooLarge { url: self.wanted.url.clone(), limit });
            }
            let bytes = buffer.get(..count).unwrap_or_default();
            file.write_all(bytes).map_err(|source| match source.kind() {
                std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
                    full(self.part, self.total.map_or(0, |total| total.saturating_sub(have)))
                }
                _ => write_error(self.part, source),
            })?;
        }
        match self.total {
            Some(total) if self.have < total => {
                Err(interrupted(self.have, std::io::ErrorKind::UnexpectedEof.into()))
            }
            _ => file.flush().map_err(|source| write_error(self.part, source)),
        }
    }
}

fn restart(file: &mut File) -> std::io::Result<()> {
    file.set_len(0)?;
    file.seek(SeekFrom::Start(0)).map(drop)
}

/// Returns the SHA-256 digest of a file, in lower-case hexadecimal digits, and its size.
pub fn sha256_of(path: &Utf8Path) -> std::io::Result<(String, u64)> {
    let mut hasher = Sha256::new();
    let size = std::io::copy(&mut File::open(path)?, &mut hasher)?;
    Ok((format!("{:x}", hasher.finalize()), size))
}

/// Returns the MD5 digest of a file, in lower-case hexadecimal digits.
fn md5_of(path: &Utf8Path) -> std::io::Result<String> {
    // of another version of the trait than SHA-256 is
    use md5::Digest as _;
    use std::fmt::Write as _;
    let mut hasher = md5::Md5::new();
    let mut file = File::open(path)?;
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            count => hasher.update(buffer.get(..count).unwrap_or_default()),
        }
    }
    Ok(hasher.finalize().iter().fold(String::with_capacity(32), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    }))
}

/// Says that what is still to come of a part has no room.
fn full(part: &Utf8Path, needed: u64) -> HttpError {
    let folder = part.parent().unwrap_or(part).to_owned();
    let free = free_bytes(&folder).unwrap_or(ByteSize(0));
    HttpError::Full { folder, free, needed: ByteSize(needed) }
}

fn remove(path: &Utf8Path) -> Result<(), HttpError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(write_error(path, error)),
        _ => Ok(()),
    }
}

fn write_error(path: &Utf8Path, source: std::io::Error) -> HttpError {
    HttpError::Write { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_asked_for_safely_does_not_come_unsafely() {
        let downgraded = |asked, answered: &str| is_downgraded(asked, &answered.parse().unwrap());
        assert!(downgraded("https://x.org/a", "http://y.org/a"));
        assert!(!downgraded("https://x.org/a", "https://y.org/a"));
        assert!(!downgraded("http://x.org/a", "http://y.org/a"));
    }

    #[test]
    fn a_range_begins_where_it_says() {
        assert!(begins_at("bytes 5-9/10", 5) && begins_at("bytes 0-0/*", 0));
        assert!(!begins_at("bytes 5-9/10", 50) && !begins_at("bytes */10", 0));
    }
}
