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
const PAGE: &str = include_str!("../tests/fixtures/page-2019.xml");
const ALTO: &str = r#"<alto xmlns="http://www.loc.gov/standards/alto/ns-v4#"><Description><MeasurementUnit>pixel</MeasurementUnit>
<sourceImageInformation><fileName>a.png</fileName></sourceImageInformation></Description><Tags><OtherTag ID="t" LABEL="main"/></Tags>
<ReadingOrder><OrderedGroup ID="o"><ElementRef ID="e" REF="l"/></OrderedGroup></ReadingOrder><Layout><Page ID="p" PHYSICAL_IMG_NR="1"
WIDTH="9" HEIGHT="9"><PrintSpace HPOS="0" VPOS="0" WIDTH="9" HEIGHT="8"><ComposedBlock ID="c"><TextBlock ID="b" TAGREFS="t" IDNEXT="b"
HPOS="1" VPOS="1" WIDTH="5" HEIGHT="5"><Shape><Polygon POINTS="1,1 5,1 5,5"/></Shape><TextLine ID="l" HPOS="1" VPOS="1" WIDTH="5"
HEIGHT="2" BASELINE="1 3 5 3"><String CONTENT="ab" WC="0.5"><Glyph CONTENT="a" GC="0.5"/></String><SP/><String CONTENT="c"/><HYP CONTENT="-"/>
</TextLine></TextBlock></ComposedBlock></PrintSpace></Page></Layout></alto>"#;
const HOCR: &str = r#"<!DOCTYPE html><html><body><div class='ocr_page' title='image "a.png"; bbox 0 0 9 9'><div class="ocr_carea" title="bbox 1 1 5 5">
<p class=ocr_par lang=fr><span class='ocr_line' title='bbox 1 1 5 3; baseline 0.01 -1; poly 1 1 5 1 5 3'><span class='ocrx_word'
title='bbox 1 1 3 3; x_wconf 90'>a&amp;&#x62;</span> <br> <em>c</em></span></p></div></div></body></html>"#;
const LABELME: &str = r#"{"version":"5.4.1","flags":{"f":true},"shapes":[{"label":"a","points":[[1,1],[5,1],[5,5]],"group_id":1,
"shape_type":"polygon","flags":{"difficult":true}},{"label":"b","points":[[1,1],[2,2]],"shape_type":"mask",
"mask":"iVBORw0KGgoAAAANSUhEUgAAAAIAAAACCAAAAABX3VL4AAAAC0lEQVR4nGP4DwMAFPAH+d8mcmEAAAAASUVORK5CYII="},
{"label":"c","points":[[1,1],[2,2]],"shape_type":"circle","score":0.5}],"imagePath":"a.png","imageData":null,"imageHeight":9,"imageWidth":9}"#;
const CVAT: &str = r##"<annotations><version>1.1</version><meta><task><name>t</name><labels><label><name>a</name><color>#ff0000</color></label>
<label><name>n</name><parent>a</parent></label></labels></task></meta><image id="0" name="a.png" subset="train" width="9" height="9">
<box label="a" occluded="1" xtl="1" ytl="1" xbr="5" ybr="5" rotation="3" z_order="1"><attribute name="difficult">true</attribute></box>
<polygon label="a" points="1,1;5,1;5,5" group_id="2"/><mask label="a" rle="1, 2, 1" left="1" top="1" width="2" height="2"/>
<ellipse label="a" cx="4" cy="4" rx="2" ry="1"/><skeleton label="a"><points label="n" outside="0" points="1,1"/></skeleton></image></annotations>"##;
const VIA: &str = r#"{"_via_settings":{"project":{"name":"p"}},"_via_img_metadata":{"a.png9":{"filename":"a.png","size":9,"regions":[
{"shape_attributes":{"name":"polygon","all_points_x":[1,5,5],"all_points_y":[1,1,5]},"region_attributes":{"class":"a","text":"t"}},
{"shape_attributes":{"name":"ellipse","cx":4,"cy":4,"rx":2,"ry":1,"theta":0.5},"region_attributes":{"class":"b"}}],
"file_attributes":{"caption":"c"}}},"_via_attributes":{"region":{"class":{"type":"dropdown","options":{"a":"","b":""}}}},"_via_image_id_list":["a.png9"]}"#;
const ZOONIVERSE: &str = "classification_id,user_name,user_ip,metadata,annotations,subject_data\n\
1,ada,x,\"{\"\"subject_dimensions\"\":[{\"\"naturalWidth\"\":9,\"\"naturalHeight\"\":9}]}\",\"[{\"\"task\"\":\"\"T0\"\",\"\"value\"\":\
[{\"\"x\"\":1,\"\"y\"\":1,\"\"width\"\":4,\"\"height\"\":4,\"\"tool_label\"\":\"\"a\"\"},{\"\"pathX\"\":[1,5,5,1],\"\"pathY\"\":[1,1,5,1],\"\"toolType\"\":\"\"freehandLine\"\"}]},\
{\"\"task\"\":\"\"T1\"\",\"\"value\"\":\"\"Yes\"\"}]\",\"{\"\"7\"\":{\"\"image\"\":\"\"a.png\"\"}}\"\n";

struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) as usize % limit.max(1)
    }
}

/// Puts another value in the place of one or two: the file stays what it is, and says odd things.
fn revalued(seed: &[u8], random: &mut Random) -> Vec<u8> {
    let mut text = seed.to_vec();
    for _ in 0..=random.below(2) {
        let is_digit = |byte: &u8| byte.is_ascii_digit();
        let start = random.below(text.len() + 1);
        let Some(at) = text[start..].iter().position(is_digit).map(|at| at + start) else {
            continue;
        };
        let end = text[at..].iter().position(|byte| !is_digit(byte)).map_or(text.len(), |n| at + n);
        let values: [&[u8]; 10] = [
            b"",
            b"0",
            b"-1",
            b"0.5",
            b"1e9",
            b"NaN",
            b"65536",
            b"2147483648",
            b"1 2",
            b"99999999999",
        ];
        text.splice(at..end, values[random.below(values.len())].iter().copied());
    }
    text
}

/// Changes, removes, repeats or inserts at up to eight places.
fn damaged(seed: &[u8], random: &mut Random) -> Vec<u8> {
    if random.below(2) == 0 {
        return revalued(seed, random);
    }
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
    let cases: [(&str, &str, &[u8]); 13] = [
        ("coco", "a.json", COCO.as_bytes()),
        ("voc", "a.xml", VOC.as_bytes()),
        ("yolo", "labels/a.txt", YOLO.as_bytes()),
        ("yolo", "data.yaml", YAML.as_bytes()),
        ("csv", "a.csv", CSV.as_bytes()),
        ("mask", "masks/a.png", &png),
        ("page", "a.xml", PAGE.as_bytes()),
        ("alto", "a.xml", ALTO.as_bytes()),
        ("hocr", "a.hocr", HOCR.as_bytes()),
        ("labelme", "a.json", LABELME.as_bytes()),
        ("cvat", "annotations.xml", CVAT.as_bytes()),
        ("via", "via.json", VIA.as_bytes()),
        ("zooniverse", "a.csv", ZOONIVERSE.as_bytes()),
    ];
    let mut random = Random(std::process::id().into());
    println!("seed {}", random.0);
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut counts = [[0_u64; 2]; 13];
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
    let target = sizar_formats::formats::named(format).unwrap();
    let look = sizar_formats::formats::Look::at(root).unwrap();
    let _ = target.schema_faults(&look);
    let Ok(mut opened) = open(root, &options) else { return false };
    // what was read can be written
    let out = root.with_extension("out");
    let writer = if target.is_written() { format } else { "page" };
    let writer = sizar_formats::formats::named(writer).unwrap();
    let mut copy = opened.dataset.clone();
    let placing = sizar_formats::staging::Placing::Leave;
    let _ = sizar_formats::convert::save(&mut copy, writer, &out, placing, &Default::default());
    let _ = fs_err::remove_dir_all(&out);
    let _ = sizar_formats::check::check(&opened.dataset, None);
    let _ = sizar_formats::survey::summarise(&opened.dataset);
    sizar_formats::check::mend(&mut opened.dataset);
    let _ = sizar_formats::convert::resize(&mut opened.dataset.clone(), 5);
    let sides = opened.dataset.images.iter().map(|image| image.width.max(image.height));
    let side = sides.max().unwrap_or(0) / 8;
    let _ = sizar_formats::convert::tile(&mut opened.dataset, side.max(4));
    true
}
