//! Feeds readers with damaged files: `fuzz SECONDS [FORMAT…]`; a panic ends it and keeps the file.
//!
//! Stable Rust has no coverage-guided fuzzer without a nightly compiler; this one changes good
//! files at random, which is what broken tools and cut transfers do. The seed is printed.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a chore prints, and may end")]

use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use sizar_formats::{OpenOptions, open};

const COCO: &str = r#"{"info":{"year":2017},"images":[{"id":1,"file_name":"a.png","width":9,"height":9}],
"annotations":[{"id":1,"image_id":1,"category_id":1,"bbox":[1,2.5,3,4],"area":12e0,"iscrowd":0,
"segmentation":[[1,1,5,1,5,5.25]]},{"id":2,"image_id":1,"category_id":1,"iscrowd":1,
"segmentation":{"counts":"1234oL;5","size":[9,9]}},{"id":3,"image_id":1,"category_id":1,
"segmentation":{"counts":[3,4,74],"size":[9,9]},"keypoints":[1,1,2]},{"id":4,"image_id":1,"caption":"\u00e9"}],
"categories":[{"id":1,"name":"c","keypoints":["a"],"skeleton":[[1,1]]}]}"#;
const VOC: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><annotation><filename>a.png</filename><size><width>9</width>\
<height>9</height></size><object><name>c</name><difficult>1</difficult><bndbox><xmin>1</xmin><ymin>2</ymin>\
<xmax>4</xmax><ymax>5</ymax></bndbox></object></annotation>";
const YOLO: &str = "0 0.5 0.5 0.25 0.25\n1 0.1 0.1 0.9 0.1 0.5 0.75\n";
const YAML: &str =
    "path: .\ntrain: images\nval: images\nnames:\n  0: \"a\"\n  1: b\nkpt_shape: [1, 3]\n";
const CSV: &str = "filename,width,height,class,xmin,ymin,xmax,ymax\na.png,9,9,c,1,2,3,4\n\"b,b.png\",9,9,,1,,3,4\n";

struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) as usize % limit.max(1)
    }
}

/// Changes, removes, repeats or inserts at up to eight places.
fn damaged(seed: &[u8], random: &mut Random) -> Vec<u8> {
    const WORDS: [&[u8]; 14] = [
        b"NaN",
        b"-1",
        b"1e308",
        b"99999999999999999999",
        b"null",
        b"\"",
        b"[",
        b"{",
        b"}",
        b"<!ENTITY",
        b"\xff",
        b"\\",
        b"4294967296",
        b"&#0;",
    ];
    let mut text = seed.to_vec();
    for _ in 0..=random.below(8) {
        let at = random.below(text.len() + 1);
        let end = (at + random.below(12)).min(text.len());
        match random.below(5) {
            0 => text.truncate(at),
            1 => drop(text.drain(at..end)),
            2 => drop(text.splice(at..at, WORDS[random.below(WORDS.len())].iter().copied())),
            3 => {
                let piece = text[at..end].to_vec();
                text.splice(at..at, piece);
            }
            _ => {
                if let Some(byte) = text.get_mut(at) {
                    *byte = random.below(256) as u8;
                }
            }
        }
    }
    text
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let seconds: u64 = arguments.next().unwrap().parse().unwrap();
    let wanted: Vec<String> = arguments.collect();
    let keep = tempfile::tempdir().unwrap();
    let folder = Utf8PathBuf::from_path_buf(keep.path().to_owned()).unwrap();
    let mut png = std::io::Cursor::new(Vec::new());
    image::GrayImage::from_fn(9, 9, |x, y| image::Luma([(x * y) as u8 % 4]))
        .write_to(&mut png, image::ImageFormat::Png)
        .unwrap();
    let png = png.into_inner();
    let cases: [(&str, &str, &[u8]); 6] = [
        ("coco", "a.json", COCO.as_bytes()),
        ("voc", "a.xml", VOC.as_bytes()),
        ("yolo", "labels/a.txt", YOLO.as_bytes()),
        ("yolo", "data.yaml", YAML.as_bytes()),
        ("csv", "a.csv", CSV.as_bytes()),
        ("mask", "masks/a.png", &png),
    ];
    let mut random = Random(std::process::id().into());
    println!("seed {}", random.0);
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut counts = [[0_u64; 2]; 6];
    while Instant::now() < end {
        for (at, (format, name, seed)) in cases.iter().enumerate() {
            if !wanted.is_empty() && !wanted.iter().any(|wanted| wanted == format) {
                continue;
            }
            let root = folder.join(at.to_string());
            let file = root.join(name);
            for folder in [root.as_path(), file.parent().unwrap(), &root.join("images")] {
                fs_err::create_dir_all(folder).unwrap();
            }
            if !root.join("images/a.png").exists() {
                fs_err::write(root.join("images/a.png"), &png).unwrap();
                if *name == "data.yaml" {
                    fs_err::create_dir_all(root.join("labels")).unwrap();
                    fs_err::write(root.join("labels/a.txt"), YOLO).unwrap();
                }
            }
            fs_err::write(&file, damaged(seed, &mut random)).unwrap();
            let is_read = std::panic::catch_unwind(|| read(&root, format));
            match is_read {
                Ok(is_read) => counts[at][usize::from(is_read)] += 1,
                Err(_) => {
                    let kept = Utf8Path::new("fuzz-crash").join(name);
                    fs_err::create_dir_all(kept.parent().unwrap()).unwrap();
                    fs_err::copy(&file, &kept).unwrap();
                    println!("{format} panicked: kept as {kept}");
                    std::process::exit(1);
                }
            }
        }
    }
    for ((format, name, _), [refused, read]) in cases.iter().zip(counts) {
        println!("{format} {name}: {read} read, {refused} refused, none panicked");
    }
}

/// Reads, checks and converts: all that follows must hold on what was read.
fn read(root: &Utf8Path, format: &str) -> bool {
    let options = OpenOptions { format: Some(format.to_owned()), ..OpenOptions::default() };
    let Ok(mut opened) = open(root, &options) else { return false };
    let _ = sizar_formats::check::check(&opened.dataset, None);
    let _ = sizar_formats::survey::summarise(&opened.dataset);
    sizar_formats::check::mend(&mut opened.dataset);
    let _ = sizar_formats::convert::resize(&mut opened.dataset.clone(), 5);
    let _ = sizar_formats::convert::tile(&mut opened.dataset, 4);
    true
}
