//! The reader of darknet's `obj.data`.

#![no_main]

sizar_fuzz::reader!("yolo", "obj.data");
