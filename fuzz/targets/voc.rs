//! The reader of Pascal VOC.

#![no_main]

sizar_fuzz::reader!("voc", "a.xml");
