//! The reader of ALTO, and its schema.

#![no_main]

sizar_fuzz::reader!("alto", "a.xml");
