//! The reader of the XML of LabelMe's web tool.

#![no_main]

sizar_fuzz::reader!("labelme", "a.xml");
