//! What a problem needs at the least.

use crate::Problem;

/// What a problem needs at the least, whatever the algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Floating-point operations of the two products over the pairs that `causal` and a window leave: 2 for a multiply-add.
    pub flops: u64,
    /// Bytes of q, k, v and the output, each moved once.
    pub bytes: u64,
}

/// Pairs where query row 0 has `first` keys, each later row one more, and none fewer than 0 or more than `k_len`.
fn keys_before(first: i64, q_len: u32, k_len: u32) -> u64 {
    let (rows, keys) = (i64::from(q_len), i64::from(k_len));
    let blind = (-first).clamp(0, rows);
    let full = (keys - first).clamp(blind, rows);
    let growing = i128::from(full - blind);
    let pairs = growing * i128::from(first + blind)
        + growing * (growing - 1) / 2
        + i128::from(rows - full) * i128::from(keys);
    u64::try_from(pairs).unwrap_or(0)
}

impl Problem {
    /// Operations and compulsory bytes.
    #[must_use]
    pub fn cost(&self) -> Cost {
        let shape = self.shape();
        let before = |reach: i64| {
            let first = i64::from(self.shift()) + reach;
            keys_before(first, shape.q_len, shape.k_len)
        };
        let all = u64::from(shape.q_len) * u64::from(shape.k_len);
        let pairs = match (self.mask().causal, self.mask().window) {
            (false, None) => all,
            (true, None) => before(1),
            (causal, Some(window)) => {
                let right = if causal { 0 } else { window.right };
                before(i64::from(right) + 1) - before(-i64::from(window.left))
            }
        };
        let size = |size: u32| u128::from(size);
        let features = size(shape.head_dim) + size(self.value_dim());
        let sequences = size(shape.batch) * features;
        let rows = size(shape.heads) * size(shape.q_len) + size(shape.kv_heads) * size(shape.k_len);
        let flops = 2 * sequences * size(shape.heads) * u128::from(pairs);
        Cost {
            flops: u64::try_from(flops).unwrap_or(u64::MAX),
            bytes: u64::try_from(u128::from(self.dtype().bytes()) * sequences * rows)
                .unwrap_or(u64::MAX),
        }
    }
}
