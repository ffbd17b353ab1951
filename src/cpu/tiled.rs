//! Attention in f32, tile by tile in the order of `shaders/attention_forward.wgsl`, and with its names.
//!
//! This is what runs where there is no GPU: parallel over batch, head and query tile, with O(tile) memory a thread.

use std::f32::consts::{LN_2, LOG2_E};
use std::ops::Range;

use super::bias::{BiasSource, Run};
use super::mask::MaskSource;
use super::product::{Matrix, add_times, times_transposed};
use super::{Attention, Inputs, Outputs, for_each_tile};
use crate::{InputError, Layout, Problem};

pub(super) const Q_TILE: usize = 64;
pub(super) const K_TILE: usize = 32;
/// The maximum of a row that has seen no key; finite, so that no difference of two of them is NaN.
pub(super) const MASKED: f32 = -3.4e38;

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
pub(super) struct Rows<'a> {
    pub(super) values: &'a [f32],
    pub(super) columns: usize,
    pub(super) layout: Layout,
    pub(super) batch: usize,
    pub(super) head: usize,
    pub(super) pages: Option<Pages<'a>>,
}

/// Where the rows of a sequence lie in a paged cache.
#[derive(Clone, Copy)]
pub(super) struct Pages<'a> {
    table: &'a [u32],
    block_size: usize,
}

impl<'a> Rows<'a> {
    fn row(&self, row: usize) -> usize {
        match self.pages {
            Some(Pages { table, block_size }) => {
                let block = table[row / block_size] as usize;
                self.layout.start(block, self.head, row % block_size)
            }
            None => self.layout.start(self.batch, self.head, row),
        }
    }

    /// Some rows as a matrix; copied where they are scattered over blocks.
    pub(super) fn slice<'b>(&self, rows: &Range<usize>, copy: &'b mut Vec<f32>) -> Matrix<'b>
    where
        'a: 'b,
    {
        if self.pages.is_none() {
            return Matrix {
                values: &self.values[self.row(rows.start)..],
                rows: rows.len(),
                columns: self.columns,
                stride: self.layout.row as usize,
            };
        }
        copy.clear();
        for row in rows.clone() {
            copy.extend_from_slice(&self.values[self.row(row)..][..self.columns]);
        }
        Matrix {
            values: copy,
            rows: rows.len(),
            columns: self.columns,
            stride: self.columns,
        }
    }
}

/// One head of one row of the batch.
pub(super) struct Head<'a> {
    pub(super) problem: &'a Problem,
    pub(super) bias: &'a BiasSource<'a>,
    pub(super) batch: usize,
    pub(super) head: usize,
    pub(super) q: Rows<'a>,
    pub(super) k: Rows<'a>,
    pub(super) v: Rows<'a>,
    /// Keys and queries that are visible at most.
    pub(super) k_len: usize,
    pub(super) q_len: usize,
    /// Of the queries and of the keys, where sequences are packed.
    pub(super) starts: Option<[&'a [u32]; 2]>,
    pub(super) mask: MaskSource<'a>,
}

/// Query rows of one sequence, and what they may meet.
pub(super) struct Piece {
    pub(super) rows: Range<usize>,
    pub(super) keys: Range<usize>,
    /// An offset is `j − i − shift`.
    pub(super) shift: i64,
}

/// The running state of a query tile.
struct Softmax {
    maximum: [f32; Q_TILE],
    sum: [f32; Q_TILE],
}

impl<'a> Head<'a> {
    pub(super) fn new(
        problem: &'a Problem,
        inputs: &Inputs<'a>,
        bias: &'a BiasSource<'a>,
        [batch, head]: [usize; 2],
    ) -> Self {
        let shape = problem.shape();
        let kv_head = head / (shape.heads as usize / shape.kv_heads as usize);
        let k_len = shape.k_len as usize;
        let [q, k, v, _] = problem.layouts();
        let pages = problem
            .paged()
            .zip(inputs.block_table)
            .map(|(paged, table)| {
                let block_size = paged.block_size as usize;
                let width = k_len.div_ceil(block_size);
                Pages {
                    table: &table[batch * width..][..width],
                    block_size,
                }
            });
        let rows = |values: &'a [f32], features: u32, layout, head, pages| Rows {
            values,
            columns: features as usize,
            layout,
            batch,
            head,
            pages,
        };
        Self {
            problem,
            bias,
            batch,
            head,
            q: rows(inputs.q, shape.head_dim, q, head, None),
            k: rows(inputs.k, shape.head_dim, k, kv_head, pages),
            v: rows(inputs.v, problem.value_dim(), v, kv_head, pages),
            k_len: inputs
                .key_lengths
                .map_or(k_len, |lengths| lengths[batch] as usize),
            q_len: inputs
                .query_lengths
                .map_or(shape.q_len as usize, |lengths| lengths[batch] as usize),
            starts: inputs
                .query_starts
                .zip(inputs.key_starts)
                .map(|(queries, keys)| [queries, keys]),
            mask: MaskSource::new(problem, inputs, [batch, head]),
        }
    }

    /// The rows from this one on that belong to its sequence, up to `end`.
    #[expect(
        clippy::cast_possible_wrap,
        reason = "lengths are 32-bit, so they fit i64"
    )]
    pub(super) fn piece(&self, first: usize, end: usize) -> Piece {
        let query_offset = i64::from(self.problem.query_offset());
        let Some([queries, keys]) = self.starts else {
            return Piece {
                rows: first..end,
                keys: 0..self.k_len,
                shift: query_offset,
            };
        };
        let next = queries.partition_point(|&start| start as usize <= first);
        let at = |starts: &[u32], n: usize| starts[n] as usize;
        Piece {
            rows: first..end.min(at(queries, next)),
            keys: at(keys, next - 1)..at(keys, next),
            shift: query_offset + at(keys, next - 1) as i64 - at(queries, next - 1) as i64,
        }
    }

    fn q_tile(&self, q_first: usize, out: &mut [f32], lse: &mut [f32]) {
        let d = self.problem.value_dim() as usize;
        let end = q_first + lse.len();
        let mut first = q_first;
        while first < end {
            let piece = self.piece(first, end);
            let (begin, length) = (first - q_first, piece.rows.len());
            first = piece.rows.end;
            self.attend(
                &piece,
                &mut out[begin * d..][..length * d],
                &mut lse[begin..][..length],
            );
        }
    }

    fn attend(&self, piece: &Piece, out: &mut [f32], lse: &mut [f32]) {
        let d = self.problem.value_dim() as usize;
        let [mut q_copy, mut k_copy, mut v_copy] = [const { Vec::new() }; 3];
        let q = self.q.slice(&piece.rows, &mut q_copy);
        let mut softmax = Softmax {
            maximum: [MASKED; Q_TILE],
            sum: [0.0; Q_TILE],
        };
        let mut scores = [0.0; Q_TILE * K_TILE];
        let all = self.keys_of(piece);
        for k_first in all.clone().step_by(K_TILE) {
            let keys = k_first..all.end.min(k_first + K_TILE);
            if !self.mask.may_see(&piece.rows, &keys) {
                continue;
            }
            let k = self.k.slice(&keys, &mut k_copy);
            times_transposed(&mut scores, K_TILE, self.problem.scale() * LOG2_E, q, k);
            let hidden = self.add_bias(piece, &keys, &mut scores);
            softmax.update(&mut scores, keys.len(), out, d);
            self.drop_weights(piece, &keys, &mut scores);
            let p = Matrix {
                values: &scores,
                rows: piece.rows.len(),
                columns: keys.len(),
                stride: K_TILE,
            };
            let v = self.v.slice(&keys, &mut v_copy);
            let selective = hidden || self.problem.dropout().is_some();
            if selective && !v.is_finite() {
                add_visible(out, d, p, v);
            } else {
                add_times(out, d, p, v);
            }
        }
        softmax.finish(out, lse, d);
    }

    /// The keys that some row of a piece may see.
    pub(super) fn keys_of(&self, piece: &Piece) -> Range<usize> {
        let mask = self.problem.mask();
        if piece.rows.start >= self.q_len {
            return 0..0;
        }
        // Keys before that of offset 0 of the first row, and up to that of the last row.
        let first = -piece.offset(piece.rows.start, 0);
        let last = -piece.offset(piece.rows.end - 1, 0);
        let right = match (mask.causal, mask.window) {
            (true, _) => Some(0),
            (false, Some(window)) => Some(i64::from(window.right)),
            (false, None) => None,
        };
        let end = right.map_or(piece.keys.end, |right| {
            usize::try_from(last + right + 1)
                .unwrap_or(0)
                .min(piece.keys.end)
        });
        let begin = mask.window.map_or(0, |window| {
            usize::try_from(first - i64::from(window.left)).unwrap_or(0)
        });
        begin.max(piece.keys.start).min(end)..end
    }

    /// The scores of a query with keys from this one on.
    #[expect(
        clippy::cast_possible_wrap,
        reason = "lengths are 32-bit, so they fit i64"
    )]
    pub(super) const fn run(&self, piece: &Piece, i: usize, j: usize) -> Run {
        Run {
            batch: self.batch,
            head: self.head,
            i,
            j,
            offset: piece.offset(i, j),
            position: i as i64 + piece.shift - piece.keys.start as i64,
        }
    }

    /// Adds the bias and hides what the mask hides; returns whether that is anything.
    pub(super) fn add_bias(&self, piece: &Piece, keys: &Range<usize>, scores: &mut [f32]) -> bool {
        let mut any = false;
        for (i, row) in piece.rows.clone().zip(scores.chunks_exact_mut(K_TILE)) {
            let row = &mut row[..keys.len()];
            let run = self.run(piece, i, keys.start);
            let first = run.offset;
            self.bias.add(&run, row);
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

    /// Leaves weights out that are summed already, and makes up for it with the others.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "lengths are 32-bit, and so is what they bound"
    )]
    fn drop_weights(&self, piece: &Piece, keys: &Range<usize>, weights: &mut [f32]) {
        let Some(dropout) = self.problem.dropout() else {
            return;
        };
        for (i, row) in piece.rows.clone().zip(weights.chunks_exact_mut(K_TILE)) {
            let place = [self.batch, self.head, i, keys.start].map(|n| n as u32);
            for (weight, factor) in row[..keys.len()].iter_mut().zip(dropout.factors(place)) {
                // A weight that is not a number is left out like any other.
                *weight = if factor == 0.0 { 0.0 } else { *weight * factor };
            }
        }
    }
}

impl Piece {
    /// The offset of a key from a query.
    #[expect(
        clippy::cast_possible_wrap,
        reason = "lengths are 32-bit, so they fit i64"
    )]
    pub(super) const fn offset(&self, i: usize, j: usize) -> i64 {
        j as i64 - i as i64 - self.shift
    }
}

/// `out += p · v` over the keys of non-zero weight alone, so that an infinity behind a mask, or left out, stays there.
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
