//! What proves relattn on a device.
//!
//! A [`catalogue`] of problems, [`data`] for them, and passes over buffers that are placed to catch what a kernel should not do
//! ([`device`], [`backward`]), compared with the oracle within a tolerance that follows from the data ([`compare`], [`gradients`]), on
//! every one of the [`adapters`]. That the comparison notices errors is shown by planting some ([`planted`]).

#![allow(
    clippy::missing_errors_doc,
    clippy::missing_panics_doc,
    reason = "an error is what a device did wrong, in words; a panic is a mistake in a case"
)]

pub mod adapters;
pub mod backward;
pub mod bucket_matrices;
pub mod catalogue;
pub mod checkpoint;
pub mod choices;
pub mod compare;
pub mod covering;
pub mod data;
pub mod device;
pub mod document;
pub mod drawn;
pub mod dropped;
pub mod gradients;
pub mod heat;
pub mod machine;
pub mod matrices;
pub mod matrices_backward;
pub mod outcome;
pub mod placed;
pub mod planted;
pub mod record;
pub mod soak;
pub mod suite;
pub mod trial;
pub mod worst;

mod layouts;
mod naive_gradients;
mod sums;
mod variety;

pub use data::elements;
