//! Runs foreign programs, with limits, and says how they ended.
