//! Where `cpu::Tiled` takes the bias of a score from, as the shaders do.

use std::f32::consts::LOG2_E;

use super::Inputs;
use crate::{Bias, Kerple, Layout, Problem};

/// The bias, times log2(e).
pub(super) enum BiasSource<'a> {
    None,
    /// By head and clamped offset, `[H, 2·radius + 1]`.
    Offset {
        radius: i64,
        width: usize,
        values: Vec<f32>,
    },
    /// By the caller's index of each query and key.
    Index {
        table: &'a [f32],
        indices: &'a [u32],
        heads: usize,
        k_len: usize,
        /// From a sequence to the next; 0 where they share.
        sequence: usize,
    },
    /// A number for each score.
    Dense {
        values: &'a [f32],
        layout: Layout,
    },
}

impl<'a> BiasSource<'a> {
    pub(super) fn new(problem: &Problem, inputs: &Inputs<'a>) -> Self {
        let shape = problem.shape();
        match (problem.bias(), inputs.indices, inputs.bias) {
            (Bias::Indexed { each_sequence, .. }, Some(indices), _) => Self::Index {
                table: inputs.table.unwrap_or_default(),
                indices,
                heads: shape.heads as usize,
                k_len: shape.k_len as usize,
                sequence: if each_sequence {
                    shape.q_len as usize * shape.k_len as usize
                } else {
                    0
                },
            },
            (Bias::Dense(layout), _, Some(values)) => Self::Dense { values, layout },
            (bias, ..) if bias.is_by_offset() => {
                let values = offset_values(problem, inputs.table.unwrap_or_default());
                Self::Offset {
                    radius: problem.bias_radius().into(),
                    width: values.len() / (shape.heads as usize).max(1),
                    values,
                }
            }
            _ => Self::None,
        }
    }

    /// Adds the bias of a head of a sequence at query `i` to the scores of keys from `j` on, the first at this offset.
    pub(super) fn add(&self, [batch, head, i, j]: [usize; 4], offset: i64, scores: &mut [f32]) {
        match self {
            Self::None => {}
            Self::Offset {
                radius,
                width,
                values,
            } => {
                let row = &values[head * width..][..*width];
                add_by_offset(row, *radius, offset, scores);
            }
            Self::Index {
                table,
                indices,
                heads,
                k_len,
                sequence,
            } => {
                let rows = &indices[batch * sequence + i * k_len + j..][..scores.len()];
                for (score, &row) in scores.iter_mut().zip(rows) {
                    let value = table.get(row as usize * heads + head);
                    *score += value.map_or(0.0, |value| value * LOG2_E);
                }
            }
            Self::Dense { values, layout } => {
                let row = &values[layout.start(batch, head, i) + j..][..scores.len()];
                for (score, value) in scores.iter_mut().zip(row) {
                    *score += value * LOG2_E;
                }
            }
        }
    }
}

/// Adds what `row` has for offsets from this one on; at and past the radius that is one number.
fn add_by_offset(row: &[f32], radius: i64, offset: i64, scores: &mut [f32]) {
    #[expect(clippy::cast_possible_wrap, reason = "a tile is short")]
    let last = offset + scores.len() as i64 - 1;
    let column = usize::try_from(offset + radius);
    match column {
        Ok(column) if last <= radius => {
            let row = &row[column..][..scores.len()];
            for (score, value) in scores.iter_mut().zip(row) {
                *score += value;
            }
        }
        _ if offset >= radius || last <= -radius => {
            let value = row[if offset >= radius { row.len() - 1 } else { 0 }];
            for score in scores {
                *score += value;
            }
        }
        _ => {
            for (offset, score) in (offset..).zip(scores) {
                let column = usize::try_from(offset.clamp(-radius, radius) + radius);
                *score += row[column.unwrap_or(0)];
            }
        }
    }
}

/// `[H, 2·radius + 1]`, times log2(e).
fn offset_values(problem: &Problem, table: &[f32]) -> Vec<f32> {
    let heads = problem.shape().heads as usize;
    let radius = i64::from(problem.bias_radius());
    let basis = problem.sandwich_basis();
    (0..heads)
        .flat_map(|head| (-radius..=radius).map(move |offset| (head, offset)))
        .map(|(head, offset)| {
            let row = |row: usize| table[row * heads + head];
            let distance = usize::try_from(offset.unsigned_abs()).unwrap_or(usize::MAX);
            #[expect(
                clippy::cast_precision_loss,
                reason = "distances and heads that tables are made for"
            )]
            let (d, h) = (distance as f32, (head + 1) as f32);
            let value = match problem.bias() {
                Bias::Relative(_) => problem
                    .thresholds()
                    .map_or(0.0, |thresholds| row(thresholds.bucket(offset) as usize)),
                Bias::PerOffset { max_offset } => {
                    let at = offset + i64::from(max_offset);
                    row(usize::try_from(at).unwrap_or(0))
                }
                Bias::Alibi => -row(0) * d,
                Bias::Kerple(Kerple::Log) => -row(0) * (row(1) * d).ln_1p(),
                Bias::Kerple(Kerple::Power) => -row(1) * d.powf(row(0)),
                #[expect(clippy::cast_precision_loss, reason = "heads are few")]
                Bias::Sandwich { .. } => basis[distance] * (heads as f32 / (8.0 * h)),
                Bias::None | Bias::Indexed { .. } | Bias::Dense(_) => 0.0,
            };
            value * LOG2_E
        })
        .collect()
}
