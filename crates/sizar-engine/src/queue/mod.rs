//! The supervisor of detached runs.
