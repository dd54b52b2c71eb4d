//! The program as its users meet it: one picture of what they see for each situation.

mod bad_input;
#[cfg(feature = "conda")]
mod conda;
mod data;
mod explain;
mod faults;
mod help;
mod hostile;
mod inspect;
mod looking;
mod packages;
mod run;
mod stopped;
mod world;
