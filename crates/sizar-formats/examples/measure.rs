//! Reads a data set and says how long it took and how much memory: what `cargo xtask bench data`
//! runs, without the rest of the program.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a measurement prints, and may end")]

use std::time::Instant;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let file = std::env::args().nth(1).unwrap();
    let begin = Instant::now();
    let dataset = sizar_formats::formats::coco::read(camino::Utf8Path::new(&file)).unwrap();
    println!(
        "{} images, {} annotations in {:?}",
        dataset.images.len(),
        dataset.annotations.len(),
        begin.elapsed()
    );
    std::mem::forget(dataset);
}
