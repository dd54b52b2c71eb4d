//! The reader of MS COCO.

#![no_main]

sizar_fuzz::reader!("coco", "a.json");
