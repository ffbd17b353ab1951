//! What the gradients of a query's scores depend on besides its tile: the log-sum-exp, and delta.

use rayon::prelude::*;

use super::Outputs;
use super::score_gradient::BackwardHead;
use super::tiled::Q_TILE;
use crate::Problem;

/// Of each query, `[B, H, Nq]`.
pub(super) struct RowStatistics {
    /// The log-sum-exp times log2(e); 0 in rows that see nothing, whose scores are hidden anyway.
    pub(super) base: Vec<f64>,
    /// `rowsum(dO ∘ O)`.
    pub(super) delta: Vec<f32>,
}

impl RowStatistics {
    /// From what the forward pass has left.
    pub(super) fn new(problem: &Problem, outputs: &Outputs, dout: &[f32]) -> Self {
        let base = |&lse: &f32| match lse {
            f32::NEG_INFINITY => 0.0,
            lse => f64::from(lse) * std::f64::consts::LOG2_E,
        };
        Self {
            base: outputs.lse.iter().map(base).collect(),
            delta: delta(problem, &outputs.out, dout),
        }
    }

    /// The same, from the scores themselves. A long sum of gradients of scores, such as that of a bucket that most pairs share, is small
    /// beside what its rows have if these do not add up to 0; they do so up to the rounding of delta and of the log-sum-exp.
    pub(super) fn refined<'a>(
        &self,
        problem: &Problem,
        head: impl Fn([usize; 2]) -> BackwardHead<'a> + Sync,
    ) -> Self {
        let [heads, q_len] = [problem.shape().heads, problem.shape().q_len].map(|n| n as usize);
        let (mut base, mut delta) = (self.base.clone(), self.delta.clone());
        base.par_chunks_mut(q_len.max(1))
            .zip(delta.par_chunks_mut(q_len.max(1)))
            .enumerate()
            .for_each(|(n, (base, delta))| {
                let head = head([n / heads, n % heads]);
                base.par_chunks_mut(Q_TILE)
                    .zip(delta.par_chunks_mut(Q_TILE))
                    .enumerate()
                    .for_each(|(t, (base, delta))| refine(&head, t * Q_TILE, base, delta));
            });
        Self { base, delta }
    }
}

/// Of the queries of a tile.
fn refine(head: &BackwardHead<'_>, first: usize, base: &mut [f64], delta: &mut [f32]) {
    let mut sums = [[0.0; 2]; Q_TILE];
    let problem = head.head.problem;
    let all = 0..problem.shape().k_len as usize;
    head.for_each_tile(first..first + base.len(), &all, |scores| {
        for (i, weights, gradients) in scores.rows() {
            let [of_weights, of_gradients] = &mut sums[i - first];
            *of_weights += weights.iter().copied().map(f64::from).sum::<f64>();
            *of_gradients += gradients.iter().copied().map(f64::from).sum::<f64>();
        }
    });
    let rows = base.iter_mut().zip(delta);
    for ((base, delta), [of_weights, of_gradients]) in rows.zip(sums) {
        if of_weights == 0.0 {
            continue;
        }
        // With dropout, weights do not add up to 1 in any case.
        let total = if problem.dropout().is_some() {
            1.0
        } else {
            of_weights
        };
        *base += total.log2();
        #[expect(clippy::cast_possible_truncation, reason = "rounding is the purpose")]
        let refined = (f64::from(*delta) + of_gradients / total) as f32;
        *delta = refined;
    }
}

fn delta(problem: &Problem, out: &[f32], dout: &[f32]) -> Vec<f32> {
    let shape = problem.shape();
    let [heads, q_len, d] = [shape.heads, shape.q_len, problem.value_dim()].map(|n| n as usize);
    let [_, _, _, layout] = problem.layouts();
    let of_row = |row: usize| {
        let start = layout.start(row / q_len / heads, row / q_len % heads, row % q_len);
        let products = out[start..][..d].iter().zip(&dout[start..][..d]);
        let sum: f64 = products
            .map(|(&o, &dout)| f64::from(o) * f64::from(dout))
            .sum();
        #[expect(clippy::cast_possible_truncation, reason = "rounding is the purpose")]
        let rounded = sum as f32;
        rounded
    };
    (0..shape.rows()).into_par_iter().map(of_row).collect()
}
