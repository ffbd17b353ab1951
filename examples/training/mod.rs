//! What the examples of training share: a layer of attention on the GPU, what it learns, and charts.

#![allow(
    dead_code,
    unused_imports,
    reason = "each example, and the test of one, uses a part of this, and each is a crate of its own"
)]

mod adam;
mod axis;
pub(crate) mod chart;
mod curve;
mod device;
mod family;
mod fit;
mod layer;
mod loss;
mod memory;
mod random;

pub(crate) use axis::Axis;
pub(crate) use curve::{by_offset, centred};
pub(crate) use device::open;
pub(crate) use family::Family;
pub(crate) use fit::{Fit, Lesson, fit};
pub(crate) use layer::{Layer, Sequences};
pub(crate) use random::Random;

/// Any failure; an example has nothing to do about it but to say so.
pub(crate) type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;
