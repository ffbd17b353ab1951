//! Where `cpu::Tiled` takes the bias of a score from, as the shaders do.

use std::f32::consts::LOG2_E;
use std::ops::{Range, RangeInclusive};

use super::Inputs;
use super::fire::FireSource;
use crate::problem::{Indexed, Term};
use crate::{Bias, Kerple, Layout, Problem};

/// What is added to scores, times log2(e): one source for each kind of bias in the sum.
pub(super) struct BiasSource<'a> {
    pub(super) offset: Option<OffsetSource<'a>>,
    pub(super) index: Option<IndexSource<'a>>,
    dense: Option<(&'a [f32], Layout)>,
    pub(super) fire: Option<FireSource>,
}

/// By head and clamped offset, `[H, 2·radius + 1]`.
pub(super) struct OffsetSource<'a> {
    pub(super) radius: i64,
    pub(super) width: usize,
    values: Vec<f32>,
    pub(super) gate: Option<&'a [f32]>,
    table: &'a [f32],
    heads: usize,
    q_len: usize,
}

/// By the caller's index of each query and key.
pub(super) struct IndexSource<'a> {
    table: &'a [f32],
    indices: &'a [u32],
    pub(super) indexed: Indexed,
    heads: usize,
    k_len: usize,
    /// From a sequence to the next; 0 where they share.
    sequence: usize,
    /// From a matrix to the next.
    matrix: usize,
}

/// The scores of a query with keys from `j` on, the first at this offset from it.
pub(super) struct Run {
    pub(super) batch: usize,
    pub(super) head: usize,
    pub(super) i: usize,
    pub(super) j: usize,
    pub(super) offset: i64,
    /// The position of the query in its sequence.
    pub(super) position: i64,
}

impl Run {
    /// The offsets of so many scores.
    #[expect(clippy::cast_possible_wrap, reason = "a tile is short")]
    pub(super) const fn offsets(&self, scores: usize) -> RangeInclusive<i64> {
        self.offset..=self.offset + scores as i64 - 1
    }

    /// Batch, head, query and first key, for dropout.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "lengths are 32-bit, and so is what they bound"
    )]
    pub(super) fn place(&self) -> [u32; 4] {
        [self.batch, self.head, self.i, self.j].map(|n| n as u32)
    }
}

impl<'a> BiasSource<'a> {
    pub(super) fn new(problem: &Problem, inputs: &Inputs<'a>) -> Self {
        let table = inputs.table.unwrap_or_default();
        Self {
            offset: problem
                .is_by_offset()
                .then(|| OffsetSource::new(problem, table, inputs.gate)),
            index: problem
                .indexed()
                .zip(inputs.indices)
                .map(|(indexed, indices)| IndexSource::new(problem, indexed, table, indices)),
            dense: inputs.bias.zip(problem.dense()),
            fire: problem
                .fire()
                .map(|fire| FireSource::new(fire, problem.shape().heads, table)),
        }
    }

    /// Adds the bias to the scores of a run.
    pub(super) fn add(&self, run: &Run, scores: &mut [f32]) {
        if let Some(offset) = &self.offset {
            offset.add(run, scores);
        }
        self.add_others(run, scores);
    }

    /// Whether there is any bias that is not by offset.
    pub(super) const fn has_others(&self) -> bool {
        self.index.is_some() || self.dense.is_some() || self.fire.is_some()
    }

    /// Adds all but the bias by offset.
    pub(super) fn add_others(&self, run: &Run, scores: &mut [f32]) {
        if let Some(index) = &self.index {
            index.add(run, scores);
        }
        if let Some((values, layout)) = self.dense {
            let row = &values[layout.start(run.batch, run.head, run.i) + run.j..];
            for (score, value) in scores.iter_mut().zip(row) {
                *score += value * LOG2_E;
            }
        }
        if let Some(fire) = &self.fire {
            fire.add(run, scores);
        }
    }
}

impl<'a> IndexSource<'a> {
    fn new(problem: &Problem, indexed: Indexed, table: &'a [f32], indices: &'a [u32]) -> Self {
        let shape = problem.shape();
        let plane = shape.q_len as usize * shape.k_len as usize;
        let heads = shape.heads as usize;
        Self {
            table: &table[(indexed.first_row as usize * heads).min(table.len())..],
            indices,
            indexed,
            heads,
            k_len: shape.k_len as usize,
            sequence: if indexed.each_sequence { plane } else { 0 },
            matrix: if indexed.each_sequence {
                plane * shape.batch as usize
            } else {
                plane
            },
        }
    }

    fn add(&self, run: &Run, scores: &mut [f32]) {
        for m in 0..self.indexed.matrices as usize {
            for (score, row) in scores.iter_mut().zip(self.rows(run, m)) {
                if let Some(row) = row {
                    *score += self.table[row * self.heads + run.head] * LOG2_E;
                }
            }
        }
    }

    /// The rows of the table that matrix `m` names for the keys of a run; none for an index past them.
    pub(super) fn rows(&self, run: &Run, m: usize) -> impl Iterator<Item = Option<usize>> {
        let rows = self.indexed.rows as usize;
        let at = m * self.matrix + run.batch * self.sequence + run.i * self.k_len + run.j;
        let indices = self.indices[at..].iter().map(|&index| index as usize);
        indices.map(move |index| (index < rows).then_some(m * rows + index))
    }
}

impl<'a> OffsetSource<'a> {
    fn new(problem: &Problem, table: &'a [f32], gate: Option<&'a [f32]>) -> Self {
        let shape = problem.shape();
        let values = offset_values(problem, table);
        let heads = shape.heads as usize;
        Self {
            radius: problem.bias_radius().into(),
            width: values.len() / heads.max(1),
            values,
            gate,
            table,
            heads,
            q_len: shape.q_len as usize,
        }
    }

    fn add(&self, run: &Run, scores: &mut [f32]) {
        self.add_row(self.row(run.head), self.gate(run), run.offset, scores);
    }

    /// A parameter of a term, by the row of its own table.
    pub(super) fn parameter(&self, term: &Term, row: usize, head: usize) -> f32 {
        self.table[(term.first_row as usize + row) * self.heads + head]
    }

    /// What a head has for every clamped offset.
    pub(super) fn row(&self, head: usize) -> &[f32] {
        &self.values[head * self.width..][..self.width]
    }

    /// What a head has for all of some offsets, if it is one number.
    pub(super) fn constant(&self, head: usize, offsets: &RangeInclusive<i64>) -> Option<f32> {
        let row = self.row(head);
        if *offsets.start() >= self.radius {
            row.last().copied()
        } else if *offsets.end() <= -self.radius {
            row.first().copied()
        } else {
            None
        }
    }

    /// Writes what a head has for the offsets from `last` on downwards.
    pub(super) fn write_descending(&self, head: usize, last: i64, values: &mut [f32]) {
        let row = self.row(head);
        for (value, below) in values.iter_mut().zip(0..) {
            let offset = (last - below).clamp(-self.radius, self.radius);
            *value = row[usize::try_from(offset + self.radius).unwrap_or(0)];
        }
    }

    /// What multiplies it for some queries, if anything does.
    pub(super) fn gates(&self, batch: usize, head: usize, rows: &Range<usize>) -> Option<&[f32]> {
        let first = (batch * self.heads + head) * self.q_len;
        self.gate.map(|gate| &gate[first..][rows.clone()])
    }

    /// What multiplies it for a query.
    pub(super) fn gate(&self, run: &Run) -> f32 {
        self.gate.map_or(1.0, |gate| {
            gate[(run.batch * self.heads + run.head) * self.q_len + run.i]
        })
    }

    /// Adds what `row` has for offsets from this one on; at and past the radius that is one number.
    fn add_row(&self, row: &[f32], gate: f32, offset: i64, scores: &mut [f32]) {
        let radius = self.radius;
        #[expect(clippy::cast_possible_wrap, reason = "a tile is short")]
        let last = offset + scores.len() as i64 - 1;
        let column = usize::try_from(offset + radius);
        match column {
            Ok(column) if last <= radius => {
                let row = &row[column..][..scores.len()];
                for (score, value) in scores.iter_mut().zip(row) {
                    *score += gate * value;
                }
            }
            _ if offset >= radius || last <= -radius => {
                let value = gate * row[if offset >= radius { row.len() - 1 } else { 0 }];
                for score in scores {
                    *score += value;
                }
            }
            _ => {
                for (offset, score) in (offset..).zip(scores) {
                    let column = usize::try_from(offset.clamp(-radius, radius) + radius);
                    *score += gate * row[column.unwrap_or(0)];
                }
            }
        }
    }
}

/// `[H, 2·radius + 1]`, times log2(e), the sum of the biases by offset.
fn offset_values(problem: &Problem, table: &[f32]) -> Vec<f32> {
    let heads = problem.shape().heads as usize;
    let radius = i64::from(problem.bias_radius());
    let width = usize::try_from(2 * radius + 1).unwrap_or(0);
    let mut values = vec![0.0; heads * width];
    for term in problem.by_offset() {
        let basis = problem.sandwich_basis(term.bias);
        for (head, row) in values.chunks_exact_mut(width).enumerate() {
            let at = |row: usize| table[(term.first_row as usize + row) * heads + head];
            for (value, offset) in row.iter_mut().zip(-radius..) {
                let sandwich = |distance: usize| {
                    #[expect(clippy::cast_precision_loss, reason = "heads are few")]
                    let ratio = heads as f32 / (8.0 * (head + 1) as f32);
                    basis[distance] * ratio
                };
                *value += offset_value(term, offset, at, sandwich) * LOG2_E;
            }
        }
    }
    values
}

/// One bias at an offset, from the rows of its table or the basis of Sandwich.
fn offset_value(
    term: &Term,
    offset: i64,
    row: impl Fn(usize) -> f32,
    sandwich: impl Fn(usize) -> f32,
) -> f32 {
    let distance = usize::try_from(offset.unsigned_abs()).unwrap_or(usize::MAX);
    #[expect(
        clippy::cast_precision_loss,
        reason = "distances that tables are made for"
    )]
    let d = distance as f32;
    match term.bias {
        Bias::Relative(_) => term
            .thresholds
            .as_ref()
            .map_or(0.0, |thresholds| row(thresholds.bucket(offset) as usize)),
        Bias::PerOffset { max_offset } => {
            let end = i64::from(max_offset);
            row(usize::try_from(offset.clamp(-end, end) + end).unwrap_or(0))
        }
        Bias::Alibi => -row(0) * d,
        Bias::Kerple(Kerple::Log) => -row(0) * (row(1) * d).ln_1p(),
        Bias::Kerple(Kerple::Power) => -row(1) * d.powf(row(0)),
        Bias::Sandwich { .. } => sandwich(distance),
        Bias::None | Bias::Fire { .. } | Bias::Indexed { .. } | Bias::Dense(_) => 0.0,
    }
}
