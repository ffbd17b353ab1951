//! What can be wrong, each error naming what was found and what is allowed.

#[cfg(feature = "gpu")]
mod device;
mod input;
mod problem;
#[cfg(feature = "gpu")]
mod update;

#[cfg(feature = "gpu")]
pub use device::{Error, Limit};
pub use input::InputError;
pub use problem::ProblemError;
#[cfg(feature = "gpu")]
pub use update::{PositionError, SeedError};
