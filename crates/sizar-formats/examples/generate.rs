//! Writes a COCO file with the distribution of `instances_train2017`: `generate FILE ANNOTATIONS`.
//!
//! 7.3 annotations per image, 80 categories, 1 % crowds as uncompressed runs, polygons of 26
//! points on average with a long tail, a tenth of them in several parts; two decimals.

#![allow(clippy::unwrap_used, reason = "a chore may end")]

use std::io::Write as _;

/// A small generator of random numbers, the same everywhere (SplitMix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let file = arguments.next().unwrap();
    let count: u64 = arguments.next().unwrap().parse().unwrap();
    let mut random = Random(2017);
    let images = (count * 118 / 860).max(1);
    let mut out = std::io::BufWriter::with_capacity(1 << 20, fs_err::File::create(file).unwrap());
    write!(out, "{{\"info\": {{\"description\": \"generated\", \"year\": 2017}},\"licenses\": [{{\"url\": \"http://example.org/by\",\"id\": 1,\"name\": \"Attribution License\"}}],\"images\": [").unwrap();
    for at in 0..images {
        let comma = if at == 0 { "" } else { "," };
        let id = at * 5 + 9;
        write!(out, "{comma}{{\"license\": 1,\"file_name\": \"{id:012}.jpg\",\"coco_url\": \"http://images.example.org/train2017/{id:012}.jpg\",\"height\": 480,\"width\": 640,\"date_captured\": \"2013-11-14 11:18:45\",\"flickr_url\": \"http://farm9.example.org/8186/8119368305_4e622c8349_z.jpg\",\"id\": {id}}}").unwrap();
    }
    write!(out, "],\"annotations\": [").unwrap();
    for at in 0..count {
        let comma = if at == 0 { "" } else { "," };
        let image = random.below(images) * 5 + 9;
        let category = random.below(80) + 1;
        let (width, height) =
            (4.0 + random.unit().powi(3) * 600.0, 4.0 + random.unit().powi(3) * 440.0);
        let (x, y) = (random.unit() * (640.0 - width), random.unit() * (480.0 - height));
        let crowd = random.below(100) == 0;
        write!(out, "{comma}{{\"segmentation\": ").unwrap();
        if crowd {
            write!(out, "{{\"counts\": [").unwrap();
            let mut left = 640 * 480;
            let mut first = true;
            while left > 0 {
                let run = (1 + random.below(400)).min(left);
                left -= run;
                write!(out, "{}{run}", if first { "" } else { "," }).unwrap();
                first = false;
            }
            write!(out, "],\"size\": [480,640]}}").unwrap();
        } else {
            write!(out, "[").unwrap();
            let parts = if random.below(10) == 0 { 2 + random.below(3) } else { 1 };
            for part in 0..parts {
                let points = 5
                    + (random.unit().powi(2) * 41.0) as u64
                    + if random.below(20) == 0 { 80 } else { 0 };
                write!(out, "{}[", if part == 0 { "" } else { "," }).unwrap();
                for point in 0..points {
                    let angle = std::f64::consts::TAU * point as f64 / points as f64;
                    let radius = 0.35 + 0.15 * random.unit();
                    let px = x + width * (0.5 + radius * angle.cos());
                    let py = y + height * (0.5 + radius * angle.sin());
                    write!(out, "{}{px:.2},{py:.2}", if point == 0 { "" } else { "," }).unwrap();
                }
                write!(out, "]").unwrap();
            }
            write!(out, "]").unwrap();
        }
        let area = width * height * 0.5;
        write!(out, ",\"area\": {area},\"iscrowd\": {},\"image_id\": {image},\"bbox\": [{x:.2},{y:.2},{width:.2},{height:.2}],\"category_id\": {category},\"id\": {}}}", u8::from(crowd), at + 1).unwrap();
    }
    write!(out, "],\"categories\": [").unwrap();
    for at in 1..=80 {
        let comma = if at == 1 { "" } else { "," };
        write!(
            out,
            "{comma}{{\"supercategory\": \"group{}\",\"id\": {at},\"name\": \"class{at}\"}}",
            at / 8
        )
        .unwrap();
    }
    write!(out, "]}}").unwrap();
}
