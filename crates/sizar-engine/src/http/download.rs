//! Downloads into a file, which go on where they broke off.

use std::io::{Read, Seek, SeekFrom, Write};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use fs_err::File;
use sha2::{Digest as _, Sha256};
use sizar_model::progress::Unit;
use sizar_model::{Activity, Progress, SafeUrl};

use super::{Client, HttpError};

/// A file that is wanted.
#[derive(Clone, Debug)]
pub struct Download<'a> {
    pub url: &'a SafeUrl,
    /// Where it goes when it is whole; `TO.part` until then.
    pub to: &'a Utf8Path,
    /// The SHA-256 digest that it must have, in lower-case hexadecimal digits.
    pub sha256: Option<&'a str>,
    /// The most bytes that are accepted.
    pub limit: u64,
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
    /// The file appears under its name by a rename, after its digest was checked. The caller
    /// holds a lock if somebody else may fetch the same.
    ///
    /// # Errors
    ///
    /// The last of the tries' errors; [`HttpError::WrongDigest`] if also a second, fresh download
    /// has another digest than promised.
    pub fn download(
        &self,
        wanted: &Download<'_>,
        progress: &dyn Progress,
    ) -> Result<Downloaded, HttpError> {
        let part = Utf8PathBuf::from(format!("{}.part", wanted.to));
        let mut fresh = false;
        loop {
            self.persist(|_| self.continue_part(wanted, &part, progress))?;
            let (sha256, size) = sha256_of(&part).map_err(|source| write_error(&part, source))?;
            match wanted.sha256 {
                Some(expected) if !expected.eq_ignore_ascii_case(&sha256) => {
                    remove(&part)?;
                    // the fault may be an old `.part` of another content: once more, from nothing
                    if fresh {
                        return Err(HttpError::WrongDigest {
                            url: wanted.url.clone(),
                            expected: expected.to_owned(),
                            found: sha256,
                        });
                    }
                    fresh = true;
                }
                _ => {
                    fs::rename(&part, wanted.to).map_err(|source| write_error(&part, source))?;
                    return Ok(Downloaded { path: wanted.to.to_owned(), sha256, size });
                }
            }
        }
    }

    fn continue_part(
        &self,
        wanted: &Download<'_>,
        part: &Utf8Path,
        progress: &dyn Progress,
    ) -> Result<(), HttpError> {
        // without a digest nobody could tell whether the two halves are of one file
        if wanted.sha256.is_none() {
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
        }
        let response = match self.ask(wanted.url, &headers) {
            // nothing after `have`: the part is whole, or of something else; its digest tells
            Err(HttpError::Status { status: 416, .. }) if have > 0 => return Ok(()),
            answer => answer?,
        };
        if response.status() != 206 && have > 0 {
            have = 0;
            restart(&mut file).map_err(|source| write_error(part, source))?;
        }
        let total = response.body().content_length().map(|rest| have + rest);
        if total.is_some_and(|total| total > wanted.limit) {
            drop(file);
            remove(part)?;
            return Err(HttpError::TooLarge { url: wanted.url.clone(), limit: wanted.limit });
        }
        let body = response.into_body().into_with_config().limit(u64::MAX).reader();
        Copy { wanted, part, have, total, progress }.run(body, &mut file)
    }
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
            self.have += count as u64;
            if self.have > self.wanted.limit {
                remove(self.part)?;
                let limit = self.wanted.limit;
                return Err(HttpError::TooLarge { url: self.wanted.url.clone(), limit });
            }
            let bytes = buffer.get(..count).unwrap_or_default();
            file.write_all(bytes).map_err(|source| write_error(self.part, source))?;
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

fn remove(path: &Utf8Path) -> Result<(), HttpError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(write_error(path, error)),
        _ => Ok(()),
    }
}

fn write_error(path: &Utf8Path, source: std::io::Error) -> HttpError {
    HttpError::Write { path: path.to_owned(), source }
}
