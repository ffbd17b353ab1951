//! Attention over all keys from attention over parts of them.

use super::Outputs;
use crate::{InputError, Tensor};

/// Merges attention over parts of the keys: with `w[p] = exp(lse[p] − m)` and `m = max lse[p]`, the output is
/// `Σ w[p] · out[p] / Σ w[p]` and the log-sum-exp `m + ln Σ w[p]`. Each part has `[rows, value_dim]` outputs, one row behind
/// the other in the order of the log-sum-exps, which is that of `[B, H, Nq, Dv]`: problems with another layout of the output, or with gaps, have to be
/// brought into it. A log-sum-exp that is −∞ has no key for the row. The rows of no part at all are 0 and −∞.
///
/// Sums are f64. This is what `Context::merge` does on a device; parts may come from either.
///
/// # Errors
/// Parts whose lengths differ.
pub fn merge(parts: &[Outputs], value_dim: u32) -> Result<Outputs, InputError> {
    let rows = parts.first().map_or(0, |part| part.lse.len());
    let features = value_dim as usize;
    for part in parts {
        check(Tensor::PartLse, part.lse.len(), rows)?;
        check(Tensor::PartOut, part.out.len(), rows * features)?;
    }
    let mut merged = Outputs {
        out: vec![0.0; rows * features],
        lse: vec![f32::NEG_INFINITY; rows],
    };
    for row in 0..rows {
        let out = &mut merged.out[row * features..][..features];
        merged.lse[row] = merge_row(parts, row, out);
    }
    Ok(merged)
}

fn check(tensor: Tensor, found: usize, expected: usize) -> Result<(), InputError> {
    if found == expected {
        return Ok(());
    }
    Err(InputError::Length {
        tensor,
        found: found as u64,
        expected: expected as u64,
    })
}

/// Fills a row and returns its log-sum-exp.
#[expect(clippy::cast_possible_truncation, reason = "rounding is the purpose")]
fn merge_row(parts: &[Outputs], row: usize, out: &mut [f32]) -> f32 {
    let lse = |part: &Outputs| f64::from(part.lse[row]);
    let seen = || {
        parts
            .iter()
            .filter(|part| part.lse[row] != f32::NEG_INFINITY)
    };
    let Some(maximum) = seen().map(lse).reduce(f64::max) else {
        return f32::NEG_INFINITY;
    };
    let total: f64 = seen().map(|part| (lse(part) - maximum).exp()).sum();
    let first = row * out.len();
    for (d, value) in out.iter_mut().enumerate() {
        let weighted =
            |part: &Outputs| (lse(part) - maximum).exp() * f64::from(part.out[first + d]);
        *value = (seen().map(weighted).sum::<f64>() / total) as f32;
    }
    (maximum + total.ln()) as f32
}
