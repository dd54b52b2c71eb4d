//! Polygons that become masks.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sizar_formats::model::Point;
use sizar_formats::raster::Rasteriser;

fuzz_target!(|input: &[u8]| {
    let [width, height, kind, rest @ ..] = input else { return };
    let numbers: Vec<f64> = match kind % 2 {
        // any number there is
        0 => rest
            .chunks_exact(8)
            .map(|bytes| f64::from_le_bytes(bytes.try_into().expect("eight")))
            .collect(),
        // and quarters, which lie in the image
        _ => rest
            .chunks_exact(2)
            .map(|bytes| f64::from(i16::from_le_bytes([bytes[0], bytes[1]])) / 4.0)
            .collect(),
    };
    let ring: Vec<Point> = numbers.chunks_exact(2).map(|at| Point::new(at[0], at[1])).collect();
    let Ok(mut raster) = Rasteriser::new(u32::from(*width), u32::from(*height)) else { return };
    let mask = raster.ring(&ring);
    mask.check().expect("the runs cover the mask");
    let _ = (mask.bounds(), mask.to_columns().expect("a small mask"));
});
