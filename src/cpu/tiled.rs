//! Attention in f32, tile by tile as in `shaders/attention_forward.wgsl`, and with its names.
//!
//! This is what runs where there is no GPU: parallel over batch, head and query tile, with O(tile) memory a thread, by whatever vectors the
//! processor has.

use std::f32::consts::LOG2_E;
use std::ops::RangeInclusive;

use pulp::{Arch, Simd, WithSimd};

use super::bias::{BiasSource, OffsetSource};
use super::head::{Head, Piece};
use super::panel::{Addend, Memory, Panel};
use super::{Attention, Inputs, Outputs, for_each_tile};
use crate::{InputError, Problem};

/// Queries of a unit of work.
pub(super) const Q_TILE: usize = 64;
/// Keys of a step of the backward pass.
pub(super) const K_TILE: usize = 32;
/// Keys of a step of the forward pass: their scores with a panel of queries lie in the first cache, beside the queries and their output.
const KEYS: usize = 64;
/// The maximum of a row that has seen no key; finite, so that no difference of two of them is NaN.
pub(super) const MASKED: f32 = -3.4e38;

/// Fused attention on the CPU.
///
/// Vectors are chosen at run time: AVX-512 with the feature `avx512`, AVX2 with FMA, NEON, or else single numbers.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tiled;

impl Attention for Tiled {
    type Error = InputError;

    fn forward(&self, problem: &Problem, inputs: &Inputs<'_>) -> Result<Outputs, InputError> {
        inputs.validate(problem)?;
        // Sizes beside a size of 0 may be any, and a table of biases as long as they are.
        if problem.shape().rows() == 0 {
            return Ok(Outputs {
                out: Vec::new(),
                lse: Vec::new(),
            });
        }
        let bias = BiasSource::new(problem, inputs);
        let arch = Arch::new();
        let (out, lse) = for_each_tile(
            problem,
            Q_TILE,
            f32::NEG_INFINITY,
            Scratch::default,
            |scratch, [batch, head, q_first], out: &mut [f32], lse: &mut [f32]| {
                arch.dispatch(QueryTile {
                    head: &Head::new(problem, inputs, &bias, [batch, head]),
                    q_first,
                    out,
                    lse,
                    scratch,
                });
            },
        );
        Ok(Outputs { out, lse })
    }
}

/// What a thread keeps from one query tile to the next.
#[derive(Debug, Default)]
struct Scratch {
    panel: Memory,
    /// The scores of one query.
    row: Vec<f32>,
    /// The bias by offset of a tile.
    descending: Vec<f32>,
    /// Rows that are scattered over blocks.
    q: Vec<f32>,
    k: Vec<f32>,
    v: Vec<f32>,
}

struct QueryTile<'a> {
    head: &'a Head<'a>,
    q_first: usize,
    out: &'a mut [f32],
    lse: &'a mut [f32],
    scratch: &'a mut Scratch,
}

impl WithSimd for QueryTile<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let end = self.q_first + self.lse.len();
        let mut first = self.q_first;
        while first < end {
            let piece = self.head.piece(first, end);
            first = piece.rows.end;
            // Queries past the length see nothing.
            let seen = piece.rows.end.min(self.head.q_len);
            let mut row = piece.rows.start;
            while row < seen {
                let rows = row..seen.min(row + 2 * S::F32_LANES);
                row = rows.end;
                let part = piece.part(rows);
                if part.rows.len() > S::F32_LANES {
                    self.attend::<S, 2>(simd, &part);
                } else {
                    self.attend::<S, 1>(simd, &part);
                }
            }
        }
    }
}

impl QueryTile<'_> {
    /// A panel of queries over all keys that any of them may see.
    #[inline(always)]
    fn attend<S: Simd, const NR: usize>(&mut self, simd: S, piece: &Piece) {
        let head = self.head;
        let Scratch {
            panel,
            row,
            descending,
            q,
            k,
            v,
        } = &mut *self.scratch;
        let d = head.v.columns;
        let q = head.q.slice(&piece.rows, q);
        let mut panel = Panel::<S, NR>::new(simd, panel, q, d, KEYS);
        let bias = head.bias.offset.as_ref();
        let gate = bias.and_then(|bias| bias.gates(head.batch, head.head, &piece.rows));
        let gate = gate.map_or([simd.splat_f32s(1.0); NR], |gate| {
            Panel::<S, NR>::lanes(simd, gate)
        });
        let dropout = head.problem.dropout().is_some();
        let all = head.keys_of(piece);
        for first in all.clone().step_by(KEYS) {
            let keys = first..all.end.min(first + KEYS);
            if !head.mask.may_see(&piece.rows, &keys) {
                continue;
            }
            let offsets = piece.offsets(&keys);
            let addend = match bias {
                Some(bias) => {
                    let width = Panel::<S, NR>::WIDTH;
                    bias_of_tile(simd, bias, head.head, &offsets, width, gate, descending)
                }
                None => Addend::Constant([simd.splat_f32s(0.0); NR]),
            };
            let scale = head.problem.scale() * LOG2_E;
            let mut top = panel.score(head.k.slice(&keys, k), scale, &addend);
            row.resize(keys.len(), 0.0);
            let mut hidden = false;
            if head.bias.has_others() || head.mask.may_hide(&offsets) {
                panel.for_each_query(piece.rows.len(), row, |i, scores| {
                    let run = head.run(piece, piece.rows.start + i, first);
                    head.bias.add_others(&run, scores);
                    hidden |= head.hide(&run, scores);
                });
                top = panel.highest(keys.len());
            }
            panel.weigh(keys.len(), top);
            if dropout {
                panel.for_each_query(piece.rows.len(), row, |i, weights| {
                    head.drop_weights(&head.run(piece, piece.rows.start + i, first), weights);
                });
            }
            let v = head.v.slice(&keys, v);
            if (hidden || dropout) && !v.is_finite() {
                panel.add_visible(v);
            } else {
                panel.add(v);
            }
        }
        let begin = piece.rows.start - self.q_first;
        panel.finish(
            &mut self.out[begin * d..][..piece.rows.len() * d],
            &mut self.lse[begin..][..piece.rows.len()],
        );
    }
}

/// The bias of the offsets of a tile, for a panel of this width.
#[inline(always)]
fn bias_of_tile<'a, S: Simd, const NR: usize>(
    simd: S,
    bias: &OffsetSource<'_>,
    head: usize,
    offsets: &RangeInclusive<i64>,
    width: usize,
    gate: [S::f32s; NR],
    values: &'a mut Vec<f32>,
) -> Addend<'a, S, NR> {
    if let Some(value) = bias.constant(head, offsets) {
        return Addend::Constant(gate.map(|gate| simd.mul_f32s(gate, simd.splat_f32s(value))));
    }
    values.resize(KEYS + width, 0.0);
    bias.write_descending(head, *offsets.end(), values);
    Addend::Descending { values, gate }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Bias, Mask, RelativeBuckets, Shape};

    /// A processor without vectors computes the same, up to rounding.
    #[test]
    fn single_numbers_give_what_vectors_give() {
        let shape = Shape {
            batch: 1,
            heads: 1,
            kv_heads: 1,
            q_len: 60,
            k_len: 150,
            head_dim: 37,
        };
        for (mask, gated) in [(Mask::NONE, false), (Mask::CAUSAL, true)] {
            let builder =
                Problem::builder(shape).bias(Bias::Relative(RelativeBuckets::t5_encoder()));
            let builder = builder.mask(mask).gated(gated).query_offset(-20);
            let problem = builder.build().expect("a valid problem");
            let wave = |count: u16, step: f32| -> Vec<f32> {
                (0..count).map(|n| (f32::from(n) * step).sin()).collect()
            };
            let (q, k, v) = (wave(60 * 37, 0.7), wave(150 * 37, 0.3), wave(150 * 37, 0.9));
            let (table, gate) = (wave(32, 1.1), wave(60, 2.3));
            let inputs = Inputs {
                table: Some(&table),
                gate: gated.then_some(&gate),
                ..Inputs::new(&q, &k, &v)
            };
            let vectors = Tiled.forward(&problem, &inputs).expect("valid inputs");
            let (mut out, mut lse) = (vec![0.0; 60 * 37], vec![f32::NEG_INFINITY; 60]);
            let bias = BiasSource::new(&problem, &inputs);
            QueryTile {
                head: &Head::new(&problem, &inputs, &bias, [0, 0]),
                q_first: 0,
                out: &mut out,
                lse: &mut lse,
                scratch: &mut Scratch::default(),
            }
            .with_simd(pulp::Scalar::new());
            let pairs = out
                .iter()
                .zip(&vectors.out)
                .chain(lse.iter().zip(&vectors.lse));
            for (one, other) in pairs {
                assert!(
                    one == other || (one - other).abs() <= 2e-6,
                    "{one}, {other} by vectors"
                );
            }
        }
    }
}
