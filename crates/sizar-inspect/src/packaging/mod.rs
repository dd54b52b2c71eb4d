//! Packaging files: what the authors say is needed.
