//! The reader of CVAT.

#![no_main]

sizar_fuzz::reader!("cvat", "annotations.xml");
