//! The gradients of the scores of a tile, from weights that are computed again.

use std::f32::consts::LOG2_E;
use std::ops::Range;

use super::exp2::powers_below;
use super::head::{Head, Piece, Rows};
use super::product::{Matrix, add_times, add_transposed_times, times_transposed};
use super::tiled::{K_TILE, Q_TILE};

/// One head of one row of the batch, with what its backward pass reads.
pub(super) struct BackwardHead<'a> {
    pub(super) head: Head<'a>,
    pub(super) dout: Rows<'a>,
    /// `[Nq]`, as is delta; see [`super::row_statistics::RowStatistics`].
    pub(super) base: &'a [f64],
    pub(super) delta: &'a [f32],
}

/// The scores of a tile.
pub(super) struct Scores<'a> {
    pub(super) piece: &'a Piece,
    pub(super) keys: Range<usize>,
    /// With dropout, rows `K_TILE` apart; 0 where a key is hidden.
    weights: &'a [f32],
    /// The gradients of the scores.
    gradients: &'a [f32],
    /// Whether any is hidden.
    hidden: bool,
}

impl BackwardHead<'_> {
    /// Calls `each` with the tiles of these queries and keys that may see anything, in order.
    pub(super) fn for_each_tile(
        &self,
        queries: Range<usize>,
        keys: &Range<usize>,
        mut each: impl FnMut(&Scores<'_>),
    ) {
        let mut first = queries.start;
        while first < queries.end {
            // Tiles begin where they do in whatever pass.
            let end = queries.end.min((first / Q_TILE + 1) * Q_TILE);
            let piece = self.head.piece(first, end);
            first = piece.rows.end;
            let seen = self.head.keys_of(&piece);
            let seen = seen.start.max(keys.start)..seen.end.min(keys.end);
            let mut at = seen.start;
            while at < seen.end {
                let end = seen.end.min((at / K_TILE + 1) * K_TILE);
                if self.head.mask.may_see(&piece.rows, &(at..end)) {
                    self.tile(&piece, at..end, &mut each);
                }
                at = end;
            }
        }
    }

    fn tile(&self, piece: &Piece, keys: Range<usize>, each: &mut impl FnMut(&Scores<'_>)) {
        let [mut weights, mut gradients] = [[0.0; Q_TILE * K_TILE]; 2];
        let (head, mut copies) = (&self.head, [const { Vec::new() }; 4]);
        let [q_copy, k_copy, v_copy, dout_copy] = &mut copies;
        let q = head.q.slice(&piece.rows, q_copy);
        let k = head.k.slice(&keys, k_copy);
        let scale = head.problem.scale() * LOG2_E;
        times_transposed(&mut weights, K_TILE, scale, q, k);
        let hidden = head.add_bias(piece, &keys, &mut weights);
        let dout = self.dout.slice(&piece.rows, dout_copy);
        let v = head.v.slice(&keys, v_copy);
        times_transposed(&mut gradients, K_TILE, 1.0, dout, v);
        self.weigh(&piece.rows, &mut weights);
        let rows = weights
            .chunks_exact_mut(K_TILE)
            .zip(gradients.chunks_exact_mut(K_TILE));
        for (i, (weights, gradients)) in piece.rows.clone().zip(rows) {
            let (weights, gradients) = (&mut weights[..keys.len()], &mut gradients[..keys.len()]);
            self.differentiate(i, keys.start, weights, gradients);
        }
        each(&Scores {
            piece,
            keys,
            weights: &weights,
            gradients: &gradients,
            hidden,
        });
    }

    /// Turns scores into weights; those of hidden ones are 0.
    fn weigh(&self, rows: &Range<usize>, scores: &mut [f32]) {
        let scores = &mut scores[..rows.len() * K_TILE];
        let bases = &self.base[rows.clone()];
        for (&base, row) in bases.iter().zip(scores.chunks_exact_mut(K_TILE)) {
            powers_below(base, row);
        }
    }

    /// Puts dropout into the weights of a row, and turns their gradients into those of the scores.
    fn differentiate(&self, i: usize, first: usize, weights: &mut [f32], gradients: &mut [f32]) {
        let Some(dropout) = self.head.problem.dropout() else {
            return self.with_factors(i, std::iter::repeat(1.0), weights, gradients);
        };
        let place = [self.head.batch, self.head.head, i, first];
        #[expect(
            clippy::cast_possible_truncation,
            reason = "lengths are 32-bit, and so is what they bound"
        )]
        let place = place.map(|n| n as u32);
        let place = self.head.problem.dropout_place(place);
        self.with_factors(i, dropout.factors(place), weights, gradients);
    }

    fn with_factors(
        &self,
        i: usize,
        factors: impl Iterator<Item = f32>,
        weights: &mut [f32],
        gradients: &mut [f32],
    ) {
        let delta = self.delta[i];
        for ((weight, gradient), factor) in weights.iter_mut().zip(gradients).zip(factors) {
            // A value that is hidden or left out may be infinite.
            let dweight = if factor == 0.0 {
                0.0
            } else {
                factor * *gradient
            };
            *gradient = if *weight == 0.0 {
                0.0
            } else {
                // The difference first would round delta in the same way in much of a row, and errors would add up.
                *weight * dweight - *weight * delta
            };
            *weight *= factor;
        }
    }
}

impl Scores<'_> {
    /// Queries, and the weights and gradients of their scores.
    pub(super) fn rows(&self) -> impl Iterator<Item = (usize, &[f32], &[f32])> {
        let keys = self.keys.len();
        let rows = self.weights.chunks_exact(K_TILE);
        let rows = rows.zip(self.gradients.chunks_exact(K_TILE));
        let rows = self.piece.rows.clone().zip(rows);
        rows.map(move |(i, (weights, gradients))| (i, &weights[..keys], &gradients[..keys]))
    }

    fn matrix<'b>(&self, values: &'b [f32]) -> Matrix<'b> {
        Matrix {
            values,
            rows: self.piece.rows.len(),
            columns: self.keys.len(),
            stride: K_TILE,
        }
    }

    /// Adds `dSᵀ Q` and `Pᵀ dO`, which begin at the keys of the tile.
    pub(super) fn add_to_keys(&self, backward: &BackwardHead<'_>, dk: &mut [f32], dv: &mut [f32]) {
        let [mut q_copy, mut dout_copy] = [const { Vec::new() }; 2];
        let q = backward.head.q.slice(&self.piece.rows, &mut q_copy);
        let dout = backward.dout.slice(&self.piece.rows, &mut dout_copy);
        for (sum, factors, rows) in [(dk, self.gradients, q), (dv, self.weights, dout)] {
            let factors = self.matrix(factors);
            if self.hidden && !rows.is_finite() {
                for_each_visible(factors, |i, j, factor| {
                    add_row(&mut sum[j * rows.columns..], factor, rows, i);
                });
            } else {
                add_transposed_times(sum, rows.columns, factors, rows);
            }
        }
    }

    /// Adds `dS K`, which begins at the queries of the tile.
    pub(super) fn add_to_queries(&self, backward: &BackwardHead<'_>, dq: &mut [f32]) {
        let mut copy = Vec::new();
        let k = backward.head.k.slice(&self.keys, &mut copy);
        let gradients = self.matrix(self.gradients);
        if self.hidden && !k.is_finite() {
            for_each_visible(gradients, |i, j, gradient| {
                add_row(&mut dq[i * k.columns..], gradient, k, j);
            });
        } else {
            add_times(dq, k.columns, gradients, k);
        }
    }
}

/// Calls `each` with the place and value of all that is not 0, so that what a mask hides stays hidden if it is infinite.
fn for_each_visible(factors: Matrix<'_>, mut each: impl FnMut(usize, usize, f32)) {
    let rows = factors.values.chunks(factors.stride).take(factors.rows);
    for (i, row) in rows.enumerate() {
        for (j, &factor) in row[..factors.columns].iter().enumerate() {
            if factor != 0.0 {
                each(i, j, factor);
            }
        }
    }
}

/// `sum += factor · rows[row]`.
fn add_row(sum: &mut [f32], factor: f32, rows: Matrix<'_>, row: usize) {
    let values = &rows.values[row * rows.stride..][..rows.columns];
    for (sum, value) in sum.iter_mut().zip(values) {
        *sum += factor * value;
    }
}
