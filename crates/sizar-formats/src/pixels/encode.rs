//! Images written anew: cut, scaled, in another file format.

use std::io::{BufReader, BufWriter, Write as _};

use camino::Utf8Path;
use image::codecs::jpeg::JpegEncoder;
use image::imageops::FilterType;
use image::{DynamicImage, ImageFormat, ImageReader, Limits};

use crate::error::{FormatError, Position, Result};
use crate::model::Derivation;
use crate::staging::Encoding;

/// A decoder may take this much memory: a page of 20,000 by 20,000 in colour.
const MOST_BYTES: u64 = 20_000 * 20_000 * 3;
/// More pixels in a row or a column than any scanner makes.
const LONGEST_SIDE: u32 = 65_535;

/// Reads the pixels of `file`, within limits.
pub fn decode(file: &Utf8Path) -> Result<DynamicImage> {
    let broken = |error: image::ImageError| match error {
        image::ImageError::Limits(limit) => FormatError::refused(
            Position::whole(file),
            format!("the image claims more pixels than sizar reads ({limit})"),
        ),
        error => FormatError::malformed(Position::whole(file), format!("not an image: {error}")),
    };
    let mut reader =
        ImageReader::new(BufReader::new(fs_err::File::open(file)?)).with_guessed_format()?;
    let mut limits = Limits::default();
    limits.max_alloc = Some(MOST_BYTES);
    limits.max_image_width = Some(LONGEST_SIDE);
    limits.max_image_height = Some(LONGEST_SIDE);
    reader.limits(limits);
    reader.decode().map_err(broken)
}

/// Writes the pixels of `file`, cut and scaled, to `to`.
pub fn encode(
    file: &Utf8Path,
    derivation: Option<&Derivation>,
    to: &Utf8Path,
    encoding: Encoding,
) -> Result<()> {
    let mut pixels = decode(file)?;
    if let Some(Derivation { cut: [x, y, width, height], size: [new_width, new_height] }) =
        derivation
    {
        if (*x, *y, *width, *height) != (0, 0, pixels.width(), pixels.height()) {
            pixels = pixels.crop_imm(*x, *y, *width, *height);
        }
        if (*new_width, *new_height) != (*width, *height) {
            pixels = pixels.resize_exact(*new_width, *new_height, FilterType::Triangle);
        }
    }
    let mut out = BufWriter::new(fs_err::File::create(to)?);
    let written = match encoding {
        Encoding::Png => pixels.write_to(&mut Seekable(&mut out), ImageFormat::Png),
        Encoding::Jpeg => {
            // JPEG has neither transparency nor 16 bits
            let pixels = match pixels.color().has_color() {
                true => DynamicImage::ImageRgb8(pixels.to_rgb8()),
                false => DynamicImage::ImageLuma8(pixels.to_luma8()),
            };
            pixels.write_with_encoder(JpegEncoder::new_with_quality(&mut out, 95))
        }
    };
    written.map_err(|error| {
        FormatError::malformed(
            Position::whole(file),
            format!("can't be written as an image: {error}"),
        )
    })?;
    out.flush()?;
    Ok(())
}

/// Returns what an image of this name is written as.
pub fn encoding_of(name: &Utf8Path) -> Encoding {
    match name.extension() {
        Some(ending)
            if ending.eq_ignore_ascii_case("jpg") || ending.eq_ignore_ascii_case("jpeg") =>
        {
            Encoding::Jpeg
        }
        _ => Encoding::Png,
    }
}

/// A buffered file, with the seeking that the image crate asks for.
struct Seekable<'a>(&'a mut BufWriter<fs_err::File>);

impl std::io::Write for Seekable<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()
    }
}

impl std::io::Seek for Seekable<'_> {
    fn seek(&mut self, to: std::io::SeekFrom) -> std::io::Result<u64> {
        self.0.seek(to)
    }
}
