//! The reader of YOLO's labels.

#![no_main]

sizar_fuzz::reader!("yolo", "labels/a.txt");
