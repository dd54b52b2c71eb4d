//! The reader of YOLO's `data.yaml`.

#![no_main]

sizar_fuzz::reader!("yolo", "data.yaml");
