//! The heads of images, as in folders of classes.

#![no_main]

sizar_fuzz::reader!("imagefolder", "b/a.png");
