//! What the benchmarks share: a device, the data, and contenders that are checked before they are timed.

#![allow(
    dead_code,
    reason = "each benchmark uses a part, and each is a crate of its own"
)]

pub(crate) mod case;
pub(crate) mod device;
pub(crate) mod gradients;
pub(crate) mod report;
pub(crate) mod rounds;

pub(crate) use relattn_conformance::data as generator;

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

/// The sequence lengths to measure: the numbers among the arguments, or the usual ones.
pub(crate) fn lengths() -> Vec<u32> {
    lengths_or(&[512, 1024, 2048])
}

/// The numbers among the arguments, or else these.
pub(crate) fn lengths_or(usual: &[u32]) -> Vec<u32> {
    let asked: Vec<u32> = std::env::args()
        .filter_map(|argument| argument.parse().ok())
        .collect();
    match (quick(), asked.is_empty()) {
        (true, _) => vec![256],
        (false, true) => usual.to_vec(),
        (false, false) => asked,
    }
}
