//! What the benchmarks share: a device, the data, and contenders that are checked before they are timed.

pub mod case;
pub mod device;
pub mod gradients;
pub mod report;
pub mod rounds;
pub mod stopwatch;
pub mod tensors;
pub mod uploaded;

use relattn_conformance::data as generator;

/// Whether to run everything once at a small size: always but under `cargo bench`.
#[must_use]
pub fn quick() -> bool {
    let mut bench = false;
    let mut test = false;
    for argument in std::env::args() {
        bench |= argument == "--bench";
        test |= argument == "--test";
    }
    test || !bench
}

/// How many devices contenders are timed on, one after the other.
#[must_use]
pub fn placements(usual: usize) -> usize {
    if quick() { 1 } else { usual }
}

/// How often each contender is timed on a device.
#[must_use]
pub fn rounds() -> usize {
    if quick() { 1 } else { 2 }
}

const USUAL: [u32; 3] = [512, 1024, 2048];
const SMALL: u32 = 256;

/// The usual sequence lengths, whatever the arguments say.
#[must_use]
pub fn usual_lengths() -> Vec<u32> {
    if quick() { vec![SMALL] } else { USUAL.into() }
}

/// The sequence lengths to measure: the numbers among the arguments, or the usual ones.
#[must_use]
pub fn lengths() -> Vec<u32> {
    lengths_or(&USUAL)
}

/// The numbers among the arguments, or else these.
#[must_use]
pub fn lengths_or(usual: &[u32]) -> Vec<u32> {
    let asked: Vec<u32> = std::env::args()
        .filter_map(|argument| argument.parse().ok())
        .collect();
    match (quick(), asked.is_empty()) {
        (true, _) => vec![SMALL],
        (false, true) => usual.to_vec(),
        (false, false) => asked,
    }
}
