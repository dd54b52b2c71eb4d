//! VOC's colours, and indexed PNG.

use std::io::{BufReader, Write};

use camino::Utf8Path;
use rustc_hash::FxHashMap;

use crate::error::{FormatError, Position, Result};

/// VOC's palette: the bits of the index spread over the three channels, highest first
/// (`VOClabelcolormap.m` of the development kit).
pub fn voc_colour(index: u8) -> [u8; 3] {
    let (mut rest, mut colour) = (index, [0; 3]);
    for bit in (0..8).rev() {
        for (channel, value) in colour.iter_mut().enumerate() {
            *value |= (rest >> channel & 1) << bit;
        }
        rest >>= 3;
    }
    colour
}

/// Returns the index that has this colour in VOC's palette.
pub fn voc_index(colour: [u8; 3]) -> Option<u8> {
    let index = (0..8).fold(0, |index, bit| {
        let channel = colour[bit % 3];
        index | (channel >> (7 - bit / 3) & 1) << bit
    });
    (voc_colour(index) == colour).then_some(index)
}

/// How a class or an object is drawn in a mask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ink {
    /// The colour, of the file or of its palette.
    pub colour: Option<[u8; 3]>,
    /// The number in the file, or that of the colour in VOC's palette.
    pub number: Option<u32>,
    /// Whether the file is in colour and has no numbers of its own.
    pub is_painted: bool,
}

impl Ink {
    /// Tells whether it is VOC's background or what is to be ignored.
    pub fn is_void(self) -> bool {
        matches!(self.number, Some(0 | 255))
    }
}

/// An image of small numbers.
pub struct Indexed {
    pub width: u32,
    pub height: u32,
    /// Row after row.
    pub pixels: Vec<u32>,
    /// The colour of each number, where the file has a palette or is in colour.
    pub colours: Option<Vec<[u8; 3]>>,
    /// Whether the file is in colour, so that the numbers are ranks of colours.
    pub is_painted: bool,
}

impl Indexed {
    /// Returns how the pixels of a number are drawn.
    pub fn ink(&self, number: u32) -> Ink {
        let colour = self.colours.as_ref().and_then(|known| known.get(number as usize)).copied();
        let number = match self.is_painted {
            true => colour.and_then(voc_index).map(u32::from),
            false => Some(number),
        };
        Ink { colour, number, is_painted: self.is_painted }
    }
}

/// A mask of more pixels is refused.
const MOST_PIXELS: u64 = 20_000 * 20_000;

/// Reads a mask: the indices of a palette, grey values, or colours numbered by their rank.
pub fn read(file: &Utf8Path) -> Result<Indexed> {
    let broken = |error: png::DecodingError| {
        FormatError::malformed(
            Position::whole(file),
            format!("not a PNG that can be read: {error}"),
        )
    };
    let mut decoder = png::Decoder::new(BufReader::new(fs_err::File::open(file)?));
    decoder.set_transformations(png::Transformations::IDENTITY);
    let mut reader = decoder.read_info().map_err(broken)?;
    let info = reader.info();
    let (width, height) = (info.width, info.height);
    if u64::from(width) * u64::from(height) > MOST_PIXELS {
        let what = format!("the PNG claims {width}×{height} pixels");
        return Err(FormatError::refused(Position::whole(file), what));
    }
    let palette = info.palette.as_ref().map(|palette| palette.as_chunks::<3>().0.to_vec());
    let size = reader.output_buffer_size().unwrap_or(usize::MAX);
    if size as u64 > MOST_PIXELS * 8 {
        return Err(FormatError::refused(Position::whole(file), "the PNG is too large"));
    }
    let mut bytes = vec![0; size];
    let frame = reader.next_frame(&mut bytes).map_err(broken)?;
    let count = width as usize * height as usize;
    let depth = frame.bit_depth as usize;
    let samples = frame.color_type.samples();
    let is_painted =
        !matches!(frame.color_type, png::ColorType::Indexed | png::ColorType::Grayscale);
    let (pixels, colours) = match (frame.color_type, depth) {
        (png::ColorType::Indexed | png::ColorType::Grayscale, 1 | 2 | 4 | 8) => {
            let per_byte = 8 / depth;
            let bits = ((1_u16 << depth) - 1) as u8;
            let mut pixels = Vec::with_capacity(count);
            for row in bytes.chunks(frame.line_size).take(height as usize) {
                for x in 0..width as usize {
                    let shift = 8 - depth - x % per_byte * depth;
                    pixels.push(u32::from(row[x / per_byte] >> shift & bits));
                }
            }
            (pixels, palette)
        }
        (png::ColorType::Grayscale, _) => {
            let values = bytes.as_chunks::<2>().0.iter();
            (values.map(|pair| u32::from(u16::from_be_bytes(*pair))).collect(), None)
        }
        (_, 8) => {
            let colour = |pixel: &[u8]| match samples {
                2 => [pixel[0]; 3],
                _ => [pixel[0], pixel[1], pixel[2]],
            };
            let mut numbers: FxHashMap<[u8; 3], u32> = FxHashMap::default();
            for pixel in bytes.chunks_exact(samples) {
                numbers.insert(colour(pixel), 0);
                if numbers.len() > 4096 {
                    return Err(FormatError::malformed(
                        Position::whole(file),
                        "more than 4096 colours: a photograph, not a mask",
                    ));
                }
            }
            let mut ranked: Vec<[u8; 3]> = numbers.keys().copied().collect();
            ranked.sort_unstable();
            for (at, colour) in ranked.iter().enumerate() {
                numbers.insert(*colour, at as u32);
            }
            let pixels = bytes.chunks_exact(samples).map(|pixel| numbers[&colour(pixel)]).collect();
            (pixels, Some(ranked))
        }
        _ => {
            let what = "a mask with 16 bits per colour";
            return Err(FormatError::malformed(Position::whole(file), what));
        }
    };
    Ok(Indexed { width, height, pixels, colours, is_painted })
}

/// Writes an indexed PNG with VOC's palette.
pub fn write(out: impl Write, width: u32, height: u32, pixels: &[u8]) -> Result<()> {
    let palette: Vec<u8> = (0..=255).flat_map(voc_colour).collect();
    let failed = |error: png::EncodingError| match error {
        png::EncodingError::IoError(error) => FormatError::Io(error),
        error => FormatError::cannot_write(format!("a PNG can't be written: {error}")),
    };
    let mut encoder = png::Encoder::new(out, width, height);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_palette(palette);
    // areas of one number: a third of the time, and little more on the disk
    encoder.set_compression(png::Compression::Fast);
    let mut writer = encoder.write_header().map_err(failed)?;
    writer.write_image_data(pixels).map_err(failed)?;
    writer.finish().map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::{voc_colour, voc_index};

    #[test]
    fn the_palette_is_that_of_the_development_kit() {
        assert_eq!(voc_colour(0), [0, 0, 0]);
        assert_eq!(voc_colour(1), [128, 0, 0]);
        assert_eq!(voc_colour(15), [192, 128, 128]);
        assert_eq!(voc_colour(20), [0, 64, 128]);
        assert_eq!(voc_colour(255), [224, 224, 192]);
        assert!((0..=255).all(|index| voc_index(voc_colour(index)) == Some(index)));
        assert_eq!(voc_index([255, 0, 0]), None);
    }
}
