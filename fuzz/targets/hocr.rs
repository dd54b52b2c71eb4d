//! The reader of hOCR.

#![no_main]

sizar_fuzz::reader!("hocr", "a.hocr");
