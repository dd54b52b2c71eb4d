//! The reader of Zooniverse's classifications.

#![no_main]

sizar_fuzz::reader!("zooniverse", "a.csv");
