//! How long one dispatch may take.

use std::time::Duration;

/// The most work of one dispatch, so that a driver's watchdog does not end a long sequence, and a desktop stays alive beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Floating-point operations of the two products; a single workgroup may exceed it.
    pub flops: u64,
}

impl Budget {
    /// What a device of this speed does in this time.
    #[must_use]
    pub fn time(time: Duration, flops_per_second: u64) -> Self {
        let flops = time.as_nanos() * u128::from(flops_per_second) / 1_000_000_000;
        Self {
            flops: u64::try_from(flops).unwrap_or(u64::MAX),
        }
    }
}

impl Default for Budget {
    /// Half a second of a slow device, 40 GFLOP/s: watchdogs bite after about two seconds.
    fn default() -> Self {
        Self::time(Duration::from_millis(500), 40_000_000_000)
    }
}
