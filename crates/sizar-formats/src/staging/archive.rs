//! ZIP archives: the same bytes for the same files.

use std::io::{BufWriter, Write as _};

use camino::Utf8Path;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::error::Result;
use crate::formats::Look;
use crate::pixels::is_image_name;

/// Files from this size on need ZIP's 64-bit form.
const LARGE: u64 = u32::MAX as u64;

/// Packs all files below `folder` into the archive `to`, in the order of their names.
///
/// Images are stored as they are: they don't get smaller. Times are the beginning of ZIP's.
pub fn pack(folder: &Utf8Path, to: &Utf8Path) -> Result<()> {
    let mut zip = ZipWriter::new(BufWriter::new(fs_err::File::create(to)?));
    for relative in Look::at(folder)?.files() {
        let path = folder.join(relative);
        let method = match is_image_name(relative) {
            true => CompressionMethod::Stored,
            false => CompressionMethod::Deflated,
        };
        let options = SimpleFileOptions::default()
            .compression_method(method)
            .large_file(fs_err::metadata(&path)?.len() >= LARGE)
            .last_modified_time(zip::DateTime::default())
            .unix_permissions(0o644);
        zip.start_file(relative.as_str(), options).map_err(std::io::Error::from)?;
        std::io::copy(&mut fs_err::File::open(&path)?, &mut zip)?;
    }
    zip.finish().map_err(std::io::Error::from)?.flush()?;
    Ok(())
}
