//! How many score tiles of the fused pass have one bias throughout.

use relattn::plan::choose;
use relattn::{Bias, Capabilities, Problem, Shape, Thresholds};
use serde::Serialize;

use crate::fault::Fault;

#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Tiles {
    /// Query rows of a tile.
    pub(super) rows: u32,
    /// Keys of a tile.
    pub(super) columns: u32,
    pub(super) all: u64,
    /// Every offset is past the saturation distance on one side.
    pub(super) constant: u64,
}

impl Tiles {
    /// Counts them for 64 features a head, the usual number.
    pub(super) fn count(
        shape: &Shape,
        query_offset: i32,
        thresholds: &Thresholds,
    ) -> Result<Self, Fault> {
        let usual = Shape {
            // Few rows have a kernel of their own; how many more there are decides nothing.
            q_len: shape.q_len.min(64),
            k_len: 1,
            head_dim: 64,
            ..*shape
        };
        let bias = Bias::Relative(thresholds.buckets());
        let problem = Problem::builder(usual).bias(bias).build()?;
        let variant = choose(&problem, &Capabilities::WEBGPU_DEFAULT)?;
        let (rows, columns) = (variant.q_tile(), variant.k_tile());
        let constant = (0..shape.q_len.div_ceil(rows)).map(|tile| {
            let first = i64::from(tile) * i64::from(rows);
            let last = (first + i64::from(rows)).min(shape.q_len.into()) - 1;
            let positions = [first, last].map(|i| i + i64::from(query_offset));
            constant(positions, shape.k_len, columns, thresholds.saturation())
        });
        Ok(Self {
            rows,
            columns,
            all: u64::from(shape.q_len.div_ceil(rows)) * u64::from(shape.k_len.div_ceil(columns)),
            constant: constant.sum(),
        })
    }
}

/// The constant tiles beside query positions `first ..= last`: those that end at least `radius` before `first`, and those
/// that begin at least `radius` after `last`.
fn constant([first, last]: [i64; 2], k_len: u32, columns: u32, radius: u32) -> u64 {
    let (width, across) = (i64::from(columns), i64::from(k_len.div_ceil(columns)));
    let before = match first - i64::from(radius) {
        end if end >= i64::from(k_len) - 1 => across,
        end => (end + 1).div_euclid(width).max(0),
    };
    let begin = last + i64::from(radius);
    let after = across - (begin + width - 1).div_euclid(width).clamp(0, across);
    // Both at once only where a tile is empty, which it never is.
    u64::try_from((before + after).min(across)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use relattn::RelativeBuckets;

    #[test]
    fn counts_as_a_walk_over_every_tile_does() {
        let thresholds = RelativeBuckets::t5_encoder().thresholds().expect("valid");
        let radius = i64::from(thresholds.saturation());
        for (q_len, k_len, query_offset) in [
            (1, 1, 0),
            (256, 256, 0),
            (300, 77, 0),
            (64, 1000, 500),
            (10, 4096, -3000),
            (130, 333, 4000),
        ] {
            let shape = Shape {
                batch: 1,
                heads: 1,
                kv_heads: 1,
                q_len,
                k_len,
                head_dim: 1,
            };
            let found = Tiles::count(&shape, query_offset, &thresholds).expect("valid");
            let mut walked = 0;
            for i in (0..q_len).step_by(found.rows as usize) {
                for j in (0..k_len).step_by(found.columns as usize) {
                    let i_last = (i + found.rows).min(q_len) - 1;
                    let j_last = (j + found.columns).min(k_len) - 1;
                    let offset =
                        |j: u32, i: u32| i64::from(j) - i64::from(i) - i64::from(query_offset);
                    let constant = offset(j, i_last) >= radius || offset(j_last, i) <= -radius;
                    walked += u64::from(constant);
                }
            }
            assert_eq!(
                found.constant, walked,
                "{q_len} x {k_len} at {query_offset}"
            );
        }
    }
}
