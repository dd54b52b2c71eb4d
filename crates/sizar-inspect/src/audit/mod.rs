//! What hinders, and what is good to know.
//!
//! [`Reading`] walks one parsed file once and runs every check of code over it; it gives
//! [`Facts`]. The checks of texts ([`text`], [`licence`], [`citation`]), of the tree
//! ([`tree_state`]) and of what was seen ([`requirements`], [`hindrances`]) need no syntax tree. [`catalogue`] explains every finding.

pub mod catalogue;
pub mod citation;
mod datasets;
mod devices;
mod facts;
mod folding;
pub mod hindrances;
pub mod licence;
pub mod modules;
mod names;
mod path_words;
mod paths;
mod reading;
pub mod requirements;
pub mod secrets;
mod services;
mod shapes;
pub mod syntax;
pub mod text;
pub mod tree_state;
mod uses;
mod weights;

pub use datasets::title as dataset_title;
pub use devices::needs_a_gpu;
pub use facts::{Facts, PathUse, finding};
pub use reading::{Reading, is_beside_a_run};
pub use requirements::matters_to_a_run;
pub use services::{offline_switches, title as service_title};
pub use shapes::{Part, Shape, shapes};
