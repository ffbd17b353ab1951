//! One head, for the passes of `cpu::Tiled`: where its rows lie, which of its queries and keys meet, and what is added to their scores.

use std::ops::{Range, RangeInclusive};

use super::Inputs;
use super::bias::{BiasSource, Run};
use super::mask::MaskSource;
use super::product::Matrix;
use super::tiled::{K_TILE, MASKED};
use crate::{Layout, Problem};

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
                // That of a single row may be anything.
                stride: (self.layout.row as usize).max(self.columns),
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
        let shift = i64::from(self.problem.shift());
        let Some([queries, keys]) = self.starts else {
            return Piece {
                rows: first..end,
                keys: 0..self.k_len,
                shift,
            };
        };
        let next = queries.partition_point(|&start| start as usize <= first);
        let at = |starts: &[u32], n: usize| starts[n] as usize;
        Piece {
            rows: first..end.min(at(queries, next)),
            keys: at(keys, next - 1)..at(keys, next),
            shift: shift + at(keys, next - 1) as i64 - at(queries, next - 1) as i64,
        }
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
            position: i as i64 + piece.shift + self.problem.key_offset() as i64
                - piece.keys.start as i64,
        }
    }

    /// Adds the bias to scores with rows `K_TILE` apart, and hides what the mask hides; returns whether that is anything.
    pub(super) fn add_bias(&self, piece: &Piece, keys: &Range<usize>, scores: &mut [f32]) -> bool {
        let mut any = false;
        for (i, row) in piece.rows.clone().zip(scores.chunks_exact_mut(K_TILE)) {
            let row = &mut row[..keys.len()];
            let run = self.run(piece, i, keys.start);
            self.bias.add(&run, row);
            any |= self.hide(&run, row);
        }
        any
    }

    /// Hides what the mask hides of the scores of a run; returns whether that is anything.
    pub(super) fn hide(&self, run: &Run, scores: &mut [f32]) -> bool {
        if run.i >= self.q_len {
            scores.fill(MASKED);
            return true;
        }
        if !self.mask.may_hide(&run.offsets(scores.len())) {
            return false;
        }
        let mut any = false;
        for ((j, offset), score) in (run.j..).zip(run.offset..).zip(scores) {
            if self.mask.hides(run.i, j, offset) {
                any = true;
                *score = MASKED;
            }
        }
        any
    }

    /// Leaves weights of a run out that are summed already, and makes up for it with the others.
    pub(super) fn drop_weights(&self, run: &Run, weights: &mut [f32]) {
        let Some(dropout) = self.problem.dropout() else {
            return;
        };
        for (weight, factor) in weights
            .iter_mut()
            .zip(dropout.factors(self.problem.dropout_place(run.place())))
        {
            // A weight that is not a number is left out like any other.
            *weight = if factor == 0.0 { 0.0 } else { *weight * factor };
        }
    }
}

impl Piece {
    /// Some of its rows.
    pub(super) fn part(&self, rows: Range<usize>) -> Self {
        Self {
            rows,
            keys: self.keys.clone(),
            shift: self.shift,
        }
    }

    /// The offsets of keys from the rows.
    pub(super) fn offsets(&self, keys: &Range<usize>) -> RangeInclusive<i64> {
        self.offset(self.rows.end - 1, keys.start)..=self.offset(self.rows.start, keys.end - 1)
    }

    /// The offset of a key from a query.
    #[expect(
        clippy::cast_possible_wrap,
        reason = "lengths are 32-bit, so they fit i64"
    )]
    pub(super) const fn offset(&self, i: usize, j: usize) -> i64 {
        j as i64 - i as i64 - self.shift
    }
}
