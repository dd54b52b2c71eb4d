//! The reader of LabelMe.

#![no_main]

sizar_fuzz::reader!("labelme", "a.json");
