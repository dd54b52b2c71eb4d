//! The modules of the standard library, of all Pythons from 2.7 to 3.14.
