//! All that is done with what was read; the tests of `sizar-formats` do it with the seeds, too.

use camino::{Utf8Path, Utf8PathBuf};
use sizar_formats::formats::{self, WriteOptions};
use sizar_formats::staging::Placing;
use sizar_formats::{OpenOptions, check, convert, open, survey};

/// An image of 9 × 9 pixels.
const IMAGE: &[u8] = include_bytes!("../seeds/mask/a.png");
/// Labels for the images that a `data.yaml` or an `obj.data` names.
const LABELS: &[u8] = include_bytes!("../seeds/yolo/a.txt");

/// Makes the folder `root` for the file `name`, with an image beside it, and returns it.
pub fn folder(root: &Utf8Path, name: &str) -> Utf8PathBuf {
    for folder in ["images", "labels"].map(|folder| root.join(folder)) {
        fs_err::create_dir_all(folder).expect("a folder of ours");
    }
    fs_err::create_dir_all(root.join(name).parent().expect("below the root")).expect("as above");
    fs_err::write(root.join("images/a.png"), IMAGE).expect("a file of ours");
    if ["data.yaml", "obj.data"].contains(&name) {
        fs_err::write(root.join("labels/a.txt"), LABELS).expect("a file of ours");
    }
    if name == "obj.data" {
        fs_err::write(root.join("train.txt"), "data/images/a.png\n").expect("a file of ours");
        fs_err::write(root.join("obj.names"), "a\nb\n").expect("a file of ours");
    }
    root.to_owned()
}

/// Larger images are not written: masks have a byte for each pixel.
const MOST_PIXELS: u64 = 1 << 22;

/// Reads, checks, writes and cuts: all that follows must hold on what was read.
pub fn follow(root: &Utf8Path, name: &str) {
    let format = formats::named(name).expect("a format of ours");
    let look = formats::Look::at(root).expect("a folder of ours");
    let _ = formats::recognise(&look);
    let _ = format.schema_faults(&look);
    let options = OpenOptions { format: Some(name.to_owned()), ..OpenOptions::default() };
    let Ok(mut opened) = open(root, &options) else { return };
    let pixels =
        |image: &sizar_formats::model::Image| u64::from(image.width) * u64::from(image.height);
    if opened.dataset.images.iter().map(pixels).sum::<u64>() <= MOST_PIXELS {
        // what was read can be written
        let writer = if format.is_written() { name } else { "page" };
        let writer = formats::named(writer).expect("a format of ours");
        let out = root.with_file_name("out");
        let mut copy = opened.dataset.clone();
        let options = WriteOptions::default();
        let _ = convert::save(&mut copy, writer, &out, Placing::Leave, &options);
        let _ = fs_err::remove_dir_all(&out);
    }
    let _ = check::check(&opened.dataset, None);
    let _ = survey::summarise(&opened.dataset);
    check::mend(&mut opened.dataset);
    let _ = convert::resize(&mut opened.dataset.clone(), 5);
    let sides = opened.dataset.images.iter().map(|image| image.width.max(image.height));
    let side = sides.max().unwrap_or(0) / 8;
    let _ = convert::tile(&mut opened.dataset, side.max(4));
}
