//! What the fuzz targets begin with, and what they found, is read or refused.

#![allow(clippy::unwrap_used, reason = "what a test cannot do without ends it")]

mod world;

#[path = "../../../fuzz/src/follow.rs"]
mod follow;

use camino::Utf8Path;
use sizar_formats::model::Rle;
use world::scratch;

#[test]
fn seeds_of_the_fuzz_targets_are_read_or_refused() {
    let fuzz = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz");
    let mut count = 0;
    for target in fuzz.join("targets").read_dir_utf8().unwrap() {
        let target = target.unwrap();
        let text = fs_err::read_to_string(target.path()).unwrap();
        // those that read files say `reader!("coco", "a.json")`
        let Some((_, arguments)) = text.split_once("reader!(\"") else { continue };
        let (format, rest) = arguments.split_once("\", \"").unwrap();
        let name = rest.split('"').next().unwrap();
        let (_keep, folder) = scratch();
        let root = follow::folder(&folder.join("set"), name);
        for seed in
            fuzz.join("seeds").join(target.path().file_stem().unwrap()).read_dir_utf8().unwrap()
        {
            let input = fs_err::read(seed.unwrap().path()).unwrap();
            fs_err::write(root.join(name), input).unwrap();
            follow::follow(&root, format);
            count += 1;
        }
    }
    assert!(count > 15, "{count} seeds");
}

#[test]
fn runs_of_nothing_before_the_first_pixel_have_a_box() {
    // found by the target `rle`: in `rleToBbox`, such a run ends beyond all images
    let mask = Rle { width: 0, height: 1, counts: [0, 0].into(), compressed: true };
    assert!(mask.bounds().unwrap().width <= 1.0);
}
