//! A small data set with real images, and numbers that look random.

#![allow(dead_code, reason = "each test file uses a part")]

use camino::{Utf8Path, Utf8PathBuf};
use sizar_formats::model::{
    Annotation, Box2, Category, Dataset, Flags, Image, Keypoint, Part, Point, Polygon, Rle, Shape,
    Skeleton, Visibility,
};

/// The same numbers on every machine (SplitMix64).
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    pub fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// A folder that goes away with the first value.
pub fn scratch() -> (tempfile::TempDir, Utf8PathBuf) {
    let keep = tempfile::tempdir().unwrap();
    let path = Utf8PathBuf::from_path_buf(keep.path().to_owned()).unwrap();
    (keep, path)
}

/// Eight images in two splits, with boxes on whole pixels, polygons, masks and keypoints.
pub fn demo(folder: &Utf8Path) -> Dataset {
    fs_err::create_dir_all(folder).unwrap();
    let mut random = Random(1);
    let mut dataset = Dataset { roots: vec![folder.to_owned()], ..Dataset::default() };
    let (train, val) = (dataset.split("train"), dataset.split("val"));
    dataset.categories = vec![Category::named("cat"), Category::named("dog")];
    dataset.categories[0].skeleton = Some(Box::new(Skeleton {
        points: vec!["nose".into(), "tail".into()],
        edges: vec![[0, 1]],
        mirrored: vec![0, 1],
    }));
    for at in 0..8_u32 {
        let (width, height) = (40 + at * 3, 30 + at * 2);
        let name = format!("book{}_{at:03}.png", at / 4);
        let file = folder.join(&name);
        let pixels = image::RgbImage::from_fn(width, height, |x, y| {
            image::Rgb([(x * 5) as u8, (y * 7) as u8, at as u8])
        });
        pixels.save(&file).unwrap();
        let splits = [if at < 6 { train } else { val }].into_iter().collect();
        dataset.images.push(Image {
            id: Some(i64::from(at) + 100),
            name: name.into(),
            file: Some(file),
            width,
            height,
            splits,
            ..Image::default()
        });
        for thing in 0..3_u32 {
            let (x, y) = (random.below(15) as f64, random.below(10) as f64);
            let bbox =
                Box2::new(x, y, 4.0 + random.below(20) as f64, 4.0 + random.below(15) as f64);
            let mut annotation = Annotation {
                id: Some(i64::from(at * 3 + thing) + 1),
                image: at,
                category: Some((at + thing) % 2),
                bbox: Some(bbox),
                ..Annotation::default()
            };
            match thing {
                0 => {
                    let inner = [(1., 1.), (3., 1.), (3., 3.), (1., 3.)];
                    let hole: Vec<Point> =
                        inner.iter().map(|(dx, dy)| Point::new(x + dx, y + dy)).collect();
                    let holes = if at % 2 == 0 {
                        Box::from([hole.into_boxed_slice()])
                    } else {
                        Box::default()
                    };
                    let outer = Box::from(bbox.corners());
                    annotation.shape =
                        Shape::Polygon(Polygon { parts: Box::from([Part { outer, holes }]) });
                }
                1 => {
                    let columns: Vec<u8> = (0..width * height)
                        .map(|pixel| {
                            let (px, py) = (f64::from(pixel / height), f64::from(pixel % height));
                            let inside =
                                px >= x && px < bbox.right() && py >= y && py < bbox.bottom();
                            u8::from(inside && !(px as u32 + py as u32).is_multiple_of(5))
                        })
                        .collect();
                    let mut rle = Rle::from_columns(&columns, width, height);
                    rle.compressed = at % 2 == 0;
                    annotation.bbox = rle.bounds();
                    annotation.flags.set(Flags::CROWD, at == 0);
                    annotation.shape = Shape::Rle(Box::new(rle));
                }
                _ => {
                    let seen = Visibility::Visible;
                    annotation.more_mut().keypoints = vec![
                        Keypoint { at: bbox.centre(), visibility: seen },
                        Keypoint { at: Point::default(), visibility: Visibility::Absent },
                    ];
                }
            }
            dataset.annotations.push(annotation);
        }
    }
    dataset
}
