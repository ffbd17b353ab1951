//! What both benchmarks share: a device, the data, and contenders that are checked before they are timed.

#![allow(
    dead_code,
    reason = "each benchmark uses a part, and each is a crate of its own"
)]

pub(crate) mod case;
pub(crate) mod contender;
pub(crate) mod device;
#[path = "../../tests/harness/catalogue.rs"]
mod generator;

/// Whether to run everything once at a small size: always but under `cargo bench`.
pub(crate) fn quick() -> bool {
    let mut bench = false;
    let mut test = false;
    for argument in std::env::args() {
        bench |= argument == "--bench";
        test |= argument == "--test";
    }
    test || !bench
}

/// The sequence lengths to measure.
pub(crate) fn lengths() -> &'static [u32] {
    if quick() { &[256] } else { &[512, 1024, 2048] }
}
