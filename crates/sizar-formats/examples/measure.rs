//! Reads a COCO file and says how long it took: what `cargo xtask bench data` runs, without the rest
//! of the program. `measure FILE check` also checks it, all but the files of the images.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a measurement prints, and may end")]

use std::time::Instant;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    // as `sizar data check` does
    let _ = rustix::thread::disable_transparent_huge_pages(true);
    let file = std::env::args().nth(1).unwrap();
    let begin = Instant::now();
    let dataset = sizar_formats::formats::coco::read(camino::Utf8Path::new(&file)).unwrap();
    println!(
        "{} images, {} annotations in {:?}",
        dataset.images.len(),
        dataset.annotations.len(),
        begin.elapsed()
    );
    if std::env::args().nth(2).as_deref() == Some("check") {
        let begin = Instant::now();
        let findings = sizar_formats::check::check(&dataset, None).unwrap();
        println!("{} findings in {:?}", findings.len(), begin.elapsed());
    }
    std::mem::forget(dataset);
}
