//! The reader of boxes in CSV files.

#![no_main]

sizar_fuzz::reader!("csv", "a.csv");
