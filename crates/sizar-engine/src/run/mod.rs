//! One run: working copy, execution, results.
