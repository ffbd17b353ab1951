//! Attention in f32, tile by tile in the order of `shaders/attention_forward.wgsl`, and with its names.
//!
//! This is what runs where there is no GPU: parallel over batch, head and query tile, with O(tile) memory a thread.

use std::f32::consts::{LN_2, LOG2_E};
use std::ops::Range;

use super::bias::BiasSource;
use super::mask::MaskSource;
use super::product::{Matrix, add_times, times_transposed};
use super::{Attention, Inputs, Outputs, for_each_tile};
use crate::{InputError, Layout, Problem};

const Q_TILE: usize = 64;
const K_TILE: usize = 32;
/// The maximum of a row that has seen no key; finite, so that no difference of two of them is NaN.
const MASKED: f32 = -3.4e38;

/// Fused attention on the CPU.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tiled;

impl Attention for Tiled {
    type Error = InputError;

    fn forward(&self, problem: &Problem, inputs: &Inputs<'_>) -> Result<Outputs, InputError> {
        inputs.validate(problem)?;
        let bias = BiasSource::new(problem, inputs);
        let (out, lse) = for_each_tile(
            problem,
            Q_TILE,
            f32::NEG_INFINITY,
            |[batch, head, q_first], out: &mut [f32], lse: &mut [f32]| {
                Head::new(problem, inputs, &bias, [batch, head]).q_tile(q_first, out, lse);
            },
        );
        Ok(Outputs { out, lse })
    }
}

/// The rows of one head in a strided tensor.
#[derive(Clone, Copy)]
struct Rows<'a> {
    values: &'a [f32],
    columns: usize,
    stride: usize,
}

impl<'a> Rows<'a> {
    fn slice(&self, rows: &Range<usize>) -> Matrix<'a> {
        Matrix {
            values: &self.values[rows.start * self.stride..],
            rows: rows.len(),
            columns: self.columns,
            stride: self.stride,
        }
    }
}

/// One head of one sequence.
struct Head<'a> {
    problem: &'a Problem,
    bias: &'a BiasSource<'a>,
    batch: usize,
    head: usize,
    q: Rows<'a>,
    k: Rows<'a>,
    v: Rows<'a>,
    /// Keys and queries of the sequence.
    k_len: usize,
    q_len: usize,
    mask: MaskSource<'a>,
}

/// The running state of a query tile.
struct Softmax {
    maximum: [f32; Q_TILE],
    sum: [f32; Q_TILE],
}

impl<'a> Head<'a> {
    fn new(
        problem: &'a Problem,
        inputs: &Inputs<'a>,
        bias: &'a BiasSource<'a>,
        [batch, head]: [usize; 2],
    ) -> Self {
        let shape = problem.shape();
        let kv_head = head / (shape.heads as usize / shape.kv_heads as usize);
        let k_len = shape.k_len as usize;
        let [q, k, v, _] = problem.layouts();
        let rows = |values: &'a [f32], features: u32, layout: Layout, head: usize, len: u32| Rows {
            values: match len {
                0 => &[],
                _ => &values[layout.start(batch, head, 0)..],
            },
            columns: features as usize,
            stride: layout.row as usize,
        };
        Self {
            problem,
            bias,
            batch,
            head,
            q: rows(inputs.q, shape.head_dim, q, head, shape.q_len),
            k: rows(inputs.k, shape.head_dim, k, kv_head, shape.k_len),
            v: rows(inputs.v, problem.value_dim(), v, kv_head, shape.k_len),
            k_len: inputs
                .key_lengths
                .map_or(k_len, |lengths| lengths[batch] as usize),
            q_len: inputs
                .query_lengths
                .map_or(shape.q_len as usize, |lengths| lengths[batch] as usize),
            mask: MaskSource::new(problem, inputs, [batch, head]),
        }
    }

    /// The offset of a key from a query.
    #[expect(
        clippy::cast_possible_wrap,
        reason = "lengths are 32-bit, so they fit i64"
    )]
    fn offset(&self, i: usize, j: usize) -> i64 {
        j as i64 - i as i64 - i64::from(self.problem.query_offset())
    }

    /// The keys that some row of a tile may see.
    fn keys_of(&self, rows: &Range<usize>) -> Range<usize> {
        let mask = self.problem.mask();
        // Keys before that of offset 0 of the first row, and up to that of the last row.
        let (first, last) = (-self.offset(rows.start, 0), -self.offset(rows.end - 1, 0));
        let right = match (mask.causal, mask.window) {
            (true, _) => Some(0),
            (false, Some(window)) => Some(i64::from(window.right)),
            (false, None) => None,
        };
        if rows.start >= self.q_len {
            return 0..0;
        }
        let end = right.map_or(self.k_len, |right| {
            usize::try_from(last + right + 1)
                .unwrap_or(0)
                .min(self.k_len)
        });
        let begin = mask.window.map_or(0, |window| {
            usize::try_from(first - i64::from(window.left)).unwrap_or(0)
        });
        begin.min(end)..end
    }

    fn q_tile(&self, q_first: usize, out: &mut [f32], lse: &mut [f32]) {
        let d = self.problem.value_dim() as usize;
        let rows = q_first..q_first + lse.len();
        let q = self.q.slice(&rows);
        let mut softmax = Softmax {
            maximum: [MASKED; Q_TILE],
            sum: [0.0; Q_TILE],
        };
        let mut scores = [0.0; Q_TILE * K_TILE];
        let all = self.keys_of(&rows);
        for k_first in all.clone().step_by(K_TILE) {
            let keys = k_first..all.end.min(k_first + K_TILE);
            let k = self.k.slice(&keys);
            times_transposed(&mut scores, K_TILE, self.problem.scale() * LOG2_E, q, k);
            let hidden = self.add_bias(&rows, &keys, &mut scores);
            softmax.update(&mut scores, keys.len(), out, d);
            let p = Matrix {
                values: &scores,
                rows: rows.len(),
                columns: keys.len(),
                stride: K_TILE,
            };
            let v = self.v.slice(&keys);
            if hidden && !v.is_finite() {
                add_visible(out, d, p, v);
            } else {
                add_times(out, d, p, v);
            }
        }
        softmax.finish(out, lse, d);
    }

    /// Adds the bias and hides what the mask hides; returns whether that is anything.
    fn add_bias(&self, rows: &Range<usize>, keys: &Range<usize>, scores: &mut [f32]) -> bool {
        let mut any = false;
        for (i, row) in rows.clone().zip(scores.chunks_exact_mut(K_TILE)) {
            let row = &mut row[..keys.len()];
            let first = self.offset(i, keys.start);
            self.bias
                .add([self.batch, self.head, i, keys.start], first, row);
            if self.mask.hides_nothing() && i < self.q_len {
                continue;
            }
            for ((j, offset), score) in keys.clone().zip(first..).zip(row) {
                if i >= self.q_len || self.mask.hides(i, j, offset) {
                    any = true;
                    *score = MASKED;
                }
            }
        }
        any
    }
}

/// `out += p · v` over the keys of non-zero weight alone, so that an infinity behind a mask stays there.
fn add_visible(out: &mut [f32], d: usize, p: Matrix<'_>, v: Matrix<'_>) {
    let weights = p.values.chunks(p.stride).take(p.rows);
    for (out, weights) in out.chunks_exact_mut(d).zip(weights) {
        let visible = weights[..p.columns].iter().enumerate();
        for (j, &weight) in visible.filter(|&(_, &weight)| weight != 0.0) {
            for (o, &value) in out.iter_mut().zip(&v.values[j * v.stride..][..d]) {
                *o += weight * value;
            }
        }
    }
}

impl Softmax {
    /// Turns scores into weights and rescales the output where the maximum moved.
    fn update(&mut self, scores: &mut [f32], keys: usize, out: &mut [f32], d: usize) {
        let rows = out.chunks_exact_mut(d).zip(scores.chunks_exact_mut(K_TILE));
        for ((out, row), (maximum, sum)) in rows.zip(self.maximum.iter_mut().zip(&mut self.sum)) {
            let row = &mut row[..keys];
            let top = row.iter().copied().fold(*maximum, f32::max);
            let correction = (*maximum - top).exp2();
            for score in row.iter_mut() {
                *score = if *score == MASKED {
                    0.0
                } else {
                    (*score - top).exp2()
                };
            }
            *maximum = top;
            *sum = *sum * correction + row.iter().sum::<f32>();
            for o in out {
                *o *= correction;
            }
        }
    }

    fn finish(&self, out: &mut [f32], lse: &mut [f32], d: usize) {
        let rows = out.chunks_exact_mut(d).zip(lse);
        for ((out, lse), (&maximum, &sum)) in rows.zip(self.maximum.iter().zip(&self.sum)) {
            if maximum == MASKED {
                continue;
            }
            *lse = (maximum + sum.log2()) * LN_2;
            for o in out {
                *o /= sum;
            }
        }
    }
}
