//! What hinders, and what is good to know.
