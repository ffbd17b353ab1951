//! Teachers: attention whose weight falls with the distance in ways that are known.

use relattn::Bias;

/// A bias as a function of the distance.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Teacher {
    pub(crate) name: &'static str,
    pub(crate) bias: fn(f32) -> f32,
}

/// One head each.
pub(crate) const TEACHERS: [Teacher; 4] = [
    Teacher {
        name: "exponential, exp(−d / 8)",
        bias: |d| -d / 8.0,
    },
    Teacher {
        name: "power law, (1 + d)^−1.5",
        bias: |d| -1.5 * d.ln_1p(),
    },
    Teacher {
        name: "window of 16, then a plateau",
        bias: |d| -3.0 / (1.0 + ((16.0 - d) / 1.5).exp()),
    },
    Teacher {
        name: "bump at distance 20",
        bias: |d| 3.0 * (-((d - 20.0) / 6.0).powi(2) / 2.0).exp(),
    },
];

/// The bias and table that hold the teachers for every offset of sequences of this length, each for `repeats` heads. Offsets
/// after the query are masked.
pub(crate) fn bias_and_table(length: u32, repeats: u32) -> (Bias, Vec<f32>) {
    let max_offset = length - 1;
    let mut table = Vec::new();
    for row in 0..=2 * max_offset {
        let distance = max_offset.saturating_sub(row) as f32;
        for teacher in TEACHERS {
            table.extend((0..repeats).map(|_| (teacher.bias)(distance)));
        }
    }
    (Bias::PerOffset { max_offset }, table)
}
