//! The gradients of attention in f32: who owns which of them.
//!
//! Weights are computed again from the log-sum-exp, which is made exact before where parameters have a gradient. One pass is owned by key tiles and gives dK and dV; one is owned by query tiles and
//! gives dQ and the gradients of gate and table; a dense bias takes a third, owned by the rows of its gradient. Nothing is added to by two
//! threads, and every sum has one order, so that results do not depend on how many threads there are.

use std::ops::Range;

use rayon::prelude::*;

use super::bias::BiasSource;
use super::bias_gradient::ParameterSums;
use super::gradients::{length, validate};
use super::head::{Head, Rows};
use super::row_statistics::RowStatistics;
use super::score_gradient::BackwardHead;
use super::tiled::{K_TILE, Q_TILE};
use super::{AttentionGradient, Gradients, Inputs, Outputs, Tiled, scatter};
use crate::{InputError, Layout, Problem, Tensor};

impl AttentionGradient for Tiled {
    fn backward(
        &self,
        problem: &Problem,
        inputs: &Inputs<'_>,
        outputs: &Outputs,
        dout: &[f32],
    ) -> Result<Gradients, InputError> {
        validate(problem, inputs, outputs, dout)?;
        if problem.shape().rows() == 0 {
            return Ok(Gradients::zero(problem));
        }
        let rows = RowStatistics::new(problem, outputs, dout);
        let mut pass = Pass {
            problem,
            inputs,
            bias: &BiasSource::new(problem, inputs),
            dout,
            rows: &rows,
        };
        let refined;
        if problem.uses(Tensor::DTable) {
            refined = rows.refined(problem, |place| pass.head(place));
            pass.rows = &refined;
        }
        let [dk, dv] = pass.of_keys();
        let OfQueries { dq, dgate, dtable } = pass.of_queries();
        Ok(Gradients {
            dq: scatter(problem, Tensor::Q, dq),
            dk: scatter(problem, Tensor::K, dk),
            dv: scatter(problem, Tensor::V, dv),
            dtable: problem.uses(Tensor::DTable).then_some(dtable),
            dgate: problem.uses(Tensor::DGate).then_some(dgate),
            dbias: problem.dense().map(|layout| pass.of_dense(layout)),
        })
    }
}

/// What all passes read.
struct Pass<'a> {
    problem: &'a Problem,
    inputs: &'a Inputs<'a>,
    bias: &'a BiasSource<'a>,
    dout: &'a [f32],
    rows: &'a RowStatistics,
}

/// What the pass owned by query tiles gives, without gaps.
struct OfQueries {
    dq: Vec<f32>,
    dgate: Vec<f32>,
    dtable: Vec<f32>,
}

impl<'a> Pass<'a> {
    fn head(&self, [batch, head]: [usize; 2]) -> BackwardHead<'a> {
        let shape = self.problem.shape();
        let q_len = shape.q_len as usize;
        let first = (batch * shape.heads as usize + head) * q_len;
        let [_, _, _, layout] = self.problem.layouts();
        BackwardHead {
            head: Head::new(self.problem, self.inputs, self.bias, [batch, head]),
            dout: Rows {
                values: self.dout,
                columns: self.problem.value_dim() as usize,
                layout,
                batch,
                head,
                pages: None,
            },
            base: &self.rows.base[first..][..q_len],
            delta: &self.rows.delta[first..][..q_len],
        }
    }

    /// dK and dV without gaps, by key tiles.
    fn of_keys(&self) -> [Vec<f32>; 2] {
        let shape = self.problem.shape();
        let [kv_heads, k_len, d] =
            [shape.kv_heads, shape.k_len, shape.head_dim].map(|n| n as usize);
        let dv = self.problem.value_dim() as usize;
        let rows = shape.batch as usize * kv_heads * k_len;
        let (mut dk_all, mut dv_all) = (vec![0.0; rows * d], vec![0.0; rows * dv]);
        if rows == 0 {
            return [dk_all, dv_all];
        }
        dk_all
            .par_chunks_mut(k_len * d)
            .zip(dv_all.par_chunks_mut(k_len * dv))
            .enumerate()
            .for_each(|(n, (dk_head, dv_head))| {
                dk_head
                    .par_chunks_mut(K_TILE * d)
                    .zip(dv_head.par_chunks_mut(K_TILE * dv))
                    .enumerate()
                    .for_each(|(t, (dk, dv))| {
                        self.k_tile([n / kv_heads, n % kv_heads], t * K_TILE, dk, dv);
                    });
            });
        [dk_all, dv_all]
    }

    /// One key tile, over the heads that share it and over the queries.
    fn k_tile(&self, [batch, kv_head]: [usize; 2], first: usize, dk: &mut [f32], dv: &mut [f32]) {
        let shape = self.problem.shape();
        let group = (shape.heads / shape.kv_heads) as usize;
        let (d, value_dim) = (shape.head_dim as usize, self.problem.value_dim() as usize);
        let tile = first..first + dk.len() / d;
        for head in kv_head * group..(kv_head + 1) * group {
            let backward = self.head([batch, head]);
            backward.for_each_tile(0..shape.q_len as usize, &tile, |scores| {
                let place = scores.keys.start - first;
                scores.add_to_keys(
                    &backward,
                    &mut dk[place * d..],
                    &mut dv[place * value_dim..],
                );
            });
        }
        for dk in dk {
            *dk *= self.problem.scale();
        }
    }

    fn of_queries(&self) -> OfQueries {
        let shape = self.problem.shape();
        let [heads, q_len, d] = [shape.heads, shape.q_len, shape.head_dim].map(|n| n as usize);
        let mut dq = vec![0.0; shape.rows() * d];
        let mut dgate = vec![0.0; shape.rows()];
        let by_head: Vec<Vec<f64>> = dq
            .par_chunks_mut((q_len * d).max(1))
            .zip(dgate.par_chunks_mut(q_len.max(1)))
            .enumerate()
            .map(|(n, (dq, dgate))| {
                let tiles: Vec<Vec<f64>> = dq
                    .par_chunks_mut(Q_TILE * d)
                    .zip(dgate.par_chunks_mut(Q_TILE))
                    .enumerate()
                    .map(|(t, (dq, dgate))| {
                        self.q_tile([n / heads, n % heads], t * Q_TILE, dq, dgate)
                    })
                    .collect();
                summed(&tiles)
            })
            .collect();
        let mut dtable = vec![0.0; length(self.problem, Tensor::DTable)];
        for (n, column) in by_head.iter().enumerate() {
            for (row, value) in column.iter().enumerate() {
                dtable[row * heads + n % heads] += value;
            }
        }
        #[expect(clippy::cast_possible_truncation, reason = "rounding is the purpose")]
        let dtable = dtable.into_iter().map(|value: f64| value as f32).collect();
        OfQueries { dq, dgate, dtable }
    }

    /// One query tile; returns the gradients of the head's parameters, `[rows]`.
    fn q_tile(
        &self,
        place: [usize; 2],
        first: usize,
        dq: &mut [f32],
        dgate: &mut [f32],
    ) -> Vec<f64> {
        let d = self.problem.shape().head_dim as usize;
        let backward = self.head(place);
        let mut sums = ParameterSums::new(self.problem, self.bias);
        let mut of_gate = [0.0; Q_TILE];
        let all = 0..self.problem.shape().k_len as usize;
        backward.for_each_tile(first..first + dgate.len(), &all, |scores| {
            let begin = scores.piece.rows.start - first;
            scores.add_to_queries(&backward, &mut dq[begin * d..]);
            for (i, _, row) in scores.rows() {
                let run = backward.head.run(scores.piece, i, scores.keys.start);
                of_gate[i - first] += sums.add(&run, row);
            }
        });
        for dq in dq {
            *dq *= self.problem.scale();
        }
        for (dgate, value) in dgate.iter_mut().zip(of_gate) {
            #[expect(clippy::cast_possible_truncation, reason = "rounding is the purpose")]
            let rounded = value as f32;
            *dgate = rounded;
        }
        sums.into_rows(place[1])
    }

    /// The gradient of a dense bias: heads that share numbers are summed by the thread that owns these.
    fn of_dense(&self, layout: Layout) -> Vec<f32> {
        let shape = self.problem.shape();
        let [q_len, k_len] = [shape.q_len, shape.k_len].map(|n| n as usize);
        let mut dbias = vec![0.0; length(self.problem, Tensor::DBias)];
        // A row for all queries is one owner's.
        let tile = if layout.row == 0 { q_len } else { Q_TILE };
        let owners: Vec<(usize, Vec<[usize; 2]>, usize)> = self
            .sharing(layout)
            .into_iter()
            .flat_map(|(start, heads)| {
                let firsts = (0..q_len).step_by(tile.max(1));
                firsts.map(move |first| (start, heads.clone(), first))
            })
            .collect();
        let blocks: Vec<Vec<f32>> = owners
            .par_iter()
            .map(|(_, heads, first)| {
                let rows = *first..q_len.min(first + tile);
                self.dense_rows(heads, &rows, layout.row == 0)
            })
            .collect();
        for ((start, _, first), block) in owners.iter().zip(blocks) {
            for (row, values) in block.chunks_exact(k_len.max(1)).enumerate() {
                let begin = start + layout.start(0, 0, first + row);
                for (sum, value) in dbias[begin..].iter_mut().zip(values) {
                    *sum += value;
                }
            }
        }
        dbias
    }

    /// Where the numbers of heads begin, and the heads, of whatever sequence, that have theirs there.
    fn sharing(&self, layout: Layout) -> Vec<(usize, Vec<[usize; 2]>)> {
        let [batch, heads] = [self.problem.shape().batch, self.problem.shape().heads];
        let places =
            (0..batch as usize).flat_map(|b| (0..heads as usize).map(move |head| [b, head]));
        let mut sharing = std::collections::BTreeMap::<usize, Vec<[usize; 2]>>::new();
        for [b, head] in places {
            let start = layout.start(b, head, 0);
            sharing.entry(start).or_default().push([b, head]);
        }
        sharing.into_iter().collect()
    }

    /// `[rows, Nk]`, or `[1, Nk]` where the rows are one; the sum over some heads.
    fn dense_rows(&self, heads: &[[usize; 2]], rows: &Range<usize>, one: bool) -> Vec<f32> {
        let k_len = self.problem.shape().k_len as usize;
        let mut block = vec![0.0; if one { 1 } else { rows.len() } * k_len];
        for &place in heads {
            let backward = self.head(place);
            backward.for_each_tile(rows.clone(), &(0..k_len), |scores| {
                for (i, _, row) in scores.rows() {
                    let begin = if one { 0 } else { i - rows.start } * k_len;
                    let block = &mut block[begin + scores.keys.start..];
                    for (sum, value) in block.iter_mut().zip(row) {
                        *sum += value;
                    }
                }
            });
        }
        block
    }
}

/// The sum of the columns, in their order.
fn summed(columns: &[Vec<f64>]) -> Vec<f64> {
    let mut sum = vec![0.0; columns.first().map_or(0, Vec::len)];
    for column in columns {
        for (sum, value) in sum.iter_mut().zip(column) {
            *sum += value;
        }
    }
    sum
}
