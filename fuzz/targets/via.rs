//! The reader of VIA.

#![no_main]

sizar_fuzz::reader!("via", "via.json");
