//! The reader of PAGE, and its schema.

#![no_main]

sizar_fuzz::reader!("page", "a.xml");
