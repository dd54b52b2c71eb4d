//! From a checkout to a verified environment.
