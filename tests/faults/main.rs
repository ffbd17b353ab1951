//! Faults end in an error that says what to do, leak nothing, and leave the next call in order.
//!
//! Errors that wgpu hands to nobody's scope end in a panic of its own, so that each of these tests also shows that there are none.

#![cfg(feature = "gpu")]

#[path = "../harness/mod.rs"]
mod harness;

mod caller;
mod large;
mod lost;
mod results;
mod sharing;
mod small;
