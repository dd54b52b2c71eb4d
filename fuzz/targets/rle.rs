//! Compressed runs, and what is made of them.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sizar_formats::model::Rle;

fuzz_target!(|input: &[u8]| {
    let [width, height, text @ ..] = input else { return };
    let (width, height) = (u32::from(*width), u32::from(*height));
    if let Ok(mask) = Rle::from_text(text, width, height) {
        let again = Rle::from_text(mask.to_text().as_bytes(), width, height).expect("our own text");
        assert_eq!(again.counts, mask.counts);
        let _ = (mask.area(), mask.bounds());
        if let Ok(columns) = mask.to_columns() {
            let whole = Rle::from_columns(&columns, width, height);
            assert_eq!(whole.to_columns().expect("our own runs"), columns);
            assert_eq!(whole.area(), mask.area());
            assert_eq!(mask.without(&mask).area(), 0);
            assert_eq!(mask.intersection(&whole).area(), whole.area());
        }
    }
    // any bytes are the pixels of a mask
    let height = text.len() as u32;
    let mask = Rle::from_columns(text, 1, height);
    let columns = mask.to_columns().expect("our own runs");
    assert!(columns.iter().zip(text).all(|(ours, given)| (*ours != 0) == (*given != 0)));
});
