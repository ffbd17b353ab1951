//! Numbers that lie in device memory, and lie: what is out of range or no number changes what is computed, and not what is read or written.
//!
//! Every input of a problem is a range of one buffer, between words that are a NaN as floats and huge as integers, and so is every output.
//! A result has to be what the oracle makes of the numbers that `src/compile.rs` says such a lie counts as, with nothing around it
//! changed, with the shaders' run-time checks and without them to the same bits. A driver that keeps shaders from leaving a
//! binding by itself hands out zeros there; then it is the result that tells.

#![cfg(feature = "gpu")]

#[path = "../harness/mod.rs"]
mod harness;

mod arena;
mod gradients;
mod masks;
mod numbers;
mod pages;
mod tables;
