//! Measures masks: `masks FILE` makes them of the polygons of a COCO file, and to and from
//! pixels and text; each line is what was done and how many microseconds it took for one mask.
//! The last line is a sum over all texts, which another program must reach, too.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a measurement prints, and may end")]

use std::hint::black_box;
use std::time::Instant;

use sizar_formats::model::{Dataset, Point, Rle, Shape};
use sizar_formats::raster::Rasteriser;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// So many masks become pixels: 300 KB each.
const DECODED: usize = 400;
const TIMES: usize = 5;

fn main() {
    let file = std::env::args().nth(1).unwrap();
    let dataset = sizar_formats::formats::coco::read(camino::Utf8Path::new(&file)).unwrap();
    let rings = rings(&dataset);
    let (width, height) = (dataset.images[0].width, dataset.images[0].height);
    let mut raster = Rasteriser::new(width, height).unwrap();
    timed("polygon to mask", rings.len(), || {
        for ring in &rings {
            black_box(raster.ring(ring));
        }
    });
    let masks: Vec<Rle> = rings.iter().map(|ring| raster.ring(ring)).collect();
    timed("mask to text", masks.len(), || {
        for mask in &masks {
            black_box(mask.to_text());
        }
    });
    let texts: Vec<String> = masks.iter().map(Rle::to_text).collect();
    timed("text to mask", masks.len(), || {
        for text in &texts {
            black_box(Rle::from_text(text.as_bytes(), width, height).unwrap());
        }
    });
    let few = &masks[..DECODED.min(masks.len())];
    let mut pixels = vec![0; (width * height) as usize];
    timed("mask to pixels", few.len(), || {
        for mask in few {
            mask.fill_columns(&mut pixels).unwrap();
            black_box(&pixels);
        }
    });
    let columns: Vec<Vec<u8>> = few.iter().map(|mask| mask.to_columns().unwrap()).collect();
    timed("pixels to mask", few.len(), || {
        for columns in &columns {
            black_box(Rle::from_columns(columns, width, height));
        }
    });
    let mut sum = 0_u32;
    for text in &texts {
        for byte in text.bytes().chain([10]) {
            sum = sum.wrapping_mul(31).wrapping_add(byte.into());
        }
    }
    println!("sum {sum}");
}

/// All rings of polygons, in order.
fn rings(dataset: &Dataset) -> Vec<Vec<Point>> {
    let polygons = dataset.annotations.iter().filter_map(|annotation| match &annotation.shape {
        Shape::Polygon(polygon) => Some(polygon),
        _ => None,
    });
    polygons.flat_map(|polygon| polygon.rings().map(<[Point]>::to_vec)).collect()
}

/// Prints the shortest of several times.
fn timed(name: &str, count: usize, mut work: impl FnMut()) {
    let best = (0..TIMES).map(|_| {
        let began = Instant::now();
        work();
        began.elapsed()
    });
    println!("{name}: {:.4}", best.min().unwrap().as_secs_f64() * 1e6 / count as f64);
}
