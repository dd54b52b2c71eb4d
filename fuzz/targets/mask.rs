//! The reader of masks.

#![no_main]

sizar_fuzz::reader!("mask", "masks/a.png");
