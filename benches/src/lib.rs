//! What the benchmarks and `relattn bench` share: a device, data, contenders in turn, the unfused baseline, and probes of what a
//! device can do at best.

#![allow(
    clippy::missing_panics_doc,
    reason = "a benchmark of wrong results or on a lost device has nothing to go on with"
)]

pub mod probe;
pub mod rig;
mod step;
pub mod unfused;
