//! What the tests share: recorded data, and the catalogue, adapters and comparisons of the conformance suite.

#![allow(
    dead_code,
    unused_imports,
    reason = "each test file uses a part of the harness, and each is a crate of its own"
)]

#[cfg(feature = "gpu")]
pub(crate) mod passes;
pub(crate) mod recorded;
#[cfg(feature = "gpu")]
pub(crate) mod rotation;
#[cfg(feature = "gpu")]
pub(crate) mod trials;

pub(crate) use recorded::{Recorded, T5_CASES, bucket_configurations, largest_error, read};
pub(crate) use relattn_conformance::{
    adapters, backward, catalogue, choices, compare, covering, data, device, drawn, dropped,
    elements, gradients, matrices, matrices_backward, placed, planted,
};
