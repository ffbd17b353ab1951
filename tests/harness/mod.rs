//! What the tests share: recorded data, a catalogue of problems, adapters, and how results are compared.

#![allow(
    dead_code,
    unused_imports,
    reason = "each test file uses a part of the harness, and each is a crate of its own"
)]

#[cfg(feature = "gpu")]
pub(crate) mod adapters;
#[cfg(feature = "gpu")]
pub(crate) mod backward;
pub(crate) mod catalogue;
pub(crate) mod compare;
pub(crate) mod covering;
pub(crate) mod data;
#[cfg(feature = "gpu")]
pub(crate) mod device;
pub(crate) mod dropped;
pub(crate) mod gradients;
pub(crate) mod layouts;
pub(crate) mod naive_gradients;
#[cfg(feature = "gpu")]
pub(crate) mod placed;
pub(crate) mod planted;
pub(crate) mod recorded;
#[cfg(feature = "gpu")]
pub(crate) mod rotation;
pub(crate) mod sums;
#[cfg(feature = "gpu")]
pub(crate) mod trials;
pub(crate) mod variety;

pub(crate) use data::elements;
pub(crate) use recorded::{
    Recorded, T5_CASES, bucket_configurations, integers, largest_error, read,
};
