//! Size and orientation of an image, from its head.

use camino::Utf8Path;
use image::{ImageDecoder as _, ImageReader};

use crate::error::{FormatError, Position, Result};
use crate::model::Orientation;

/// Extensions that count as images, whether or not pixels can be read.
const EXTENSIONS: [&str; 11] =
    ["jpg", "jpeg", "png", "tif", "tiff", "bmp", "ppm", "pgm", "webp", "gif", "jp2"];

/// What the head of an image says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measured {
    pub width: u32,
    pub height: u32,
    pub orientation: Option<Orientation>,
}

/// Tells by its name whether a file is an image.
pub fn is_image_name(file: &Utf8Path) -> bool {
    file.extension().is_some_and(|ending| {
        EXTENSIONS.iter().any(|extension| ending.eq_ignore_ascii_case(extension))
    })
}

/// Reads size and orientation from the head of `file`, whose pixels stay unread.
pub fn measure(file: &Utf8Path) -> Result<Measured> {
    let broken = |error: &image::ImageError| {
        FormatError::malformed(Position::whole(file), format!("not an image: {error}"))
    };
    let opened = std::io::BufReader::new(fs_err::File::open(file)?);
    let reader = ImageReader::new(opened).with_guessed_format()?;
    let mut decoder = reader.into_decoder().map_err(|error| broken(&error))?;
    let (width, height) = decoder.dimensions();
    // a broken EXIF block says nothing about the pixels
    let orientation = decoder.orientation().ok().map(|o| Orientation(o.to_exif()));
    let orientation = orientation.filter(|orientation| orientation.0 != 1);
    Ok(Measured { width, height, orientation })
}
