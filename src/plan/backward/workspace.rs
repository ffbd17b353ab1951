//! What a backward pass keeps between its dispatches, one behind the other in the caller's workspace.

use std::ops::Range;

use super::{Backward, GradientSlots};
use crate::plan::check::bytes;
use crate::{Problem, Tensor};

/// Words between which every device can bind.
const ALIGNMENT: u64 = 64;
/// Bytes that workgroups of one dispatch leave behind; more of them are further dispatches.
const PARTIALS: u64 = 8 << 20;

/// Inputs that do not grow with Nq · Nk, which kernels read from the workspace.
pub(super) const SMALL: [Tensor; 9] = [
    Tensor::KeyMask,
    Tensor::KeyLengths,
    Tensor::KeyStarts,
    Tensor::QueryLengths,
    Tensor::QueryStarts,
    Tensor::QueryDocuments,
    Tensor::KeyDocuments,
    Tensor::Gate,
    Tensor::Table,
];

/// Where each of them lies, in words.
#[derive(Clone, Debug)]
pub(super) struct Sections {
    /// `[B, H, Nq, 2]`.
    pub(super) statistics: Range<u64>,
    /// `[H, 2·radius + 1]`.
    pub(super) offset_table: Range<u64>,
    /// `[H, 4·width + 4]`.
    pub(super) fire_table: Range<u64>,
    /// Copies of the caller's tensors, in the order of [`SMALL`].
    pub(super) small: [Range<u64>; SMALL.len()],
    pub(super) offset: Sums,
    pub(super) scores: Sums,
    /// Workgroups that the partials have room for.
    pub(super) workgroups: u64,
    end: u64,
}

/// Sums of dS, and what workgroups leave behind on the way to them.
#[derive(Clone, Debug)]
pub(super) struct Sums {
    /// Numbers of a head.
    pub(super) width: u32,
    /// Rows of so many numbers that a workgroup leaves behind.
    pub(super) parts: u32,
    /// `[H, width, 2]`: what is added up so far, and what its rounding has lost.
    pub(super) sums: Range<u64>,
    /// `[workgroups, parts, width]`.
    pub(super) partials: Range<u64>,
}

impl Sums {
    /// The workgroups that add up what those of so many heads have left behind; none where there are no sums.
    pub(super) const fn workgroups(&self, heads: u32) -> [u32; 3] {
        if self.width == 0 {
            return [0; 3];
        }
        [self.width.div_ceil(64), heads, 1]
    }
}

/// Hands out sections, each where every device can bind it.
struct Space {
    end: u64,
}

impl Space {
    fn take(&mut self, words: u64) -> Range<u64> {
        let first = self.end;
        self.end = (first + words).next_multiple_of(ALIGNMENT);
        first..first + words
    }
}

impl Sections {
    pub(super) fn new(backward: &Backward) -> Self {
        let problem = &backward.problem;
        let variant = &backward.queries;
        let widths = [
            offset_width(problem, variant.gradients),
            score_width(problem, variant.gradients),
        ];
        let parts = [variant.offset_parts(), variant.scores.workgroup()];
        let each = |n: usize| u64::from(widths[n]) * u64::from(parts[n]);
        let room = (PARTIALS / 4).checked_div(each(0) + each(1));
        let workgroups = most_workgroups(backward).min(room.unwrap_or(u64::MAX).max(1));
        let mut space = Space { end: 0 };
        let sums = |space: &mut Space, n: usize| Sums {
            width: widths[n],
            parts: parts[n],
            sums: space.take(2 * u64::from(widths[n]) * u64::from(problem.shape().heads)),
            partials: space.take(workgroups * each(n)),
        };
        Self {
            statistics: space.take(2 * problem.shape().rows() as u64),
            offset_table: space.take(problem.offset_table_bytes() / 4),
            fire_table: space.take(problem.fire_table_bytes() / 4),
            small: SMALL.map(|tensor| space.take(small_words(problem, tensor))),
            offset: sums(&mut space, 0),
            scores: sums(&mut space, 1),
            workgroups,
            end: space.end,
        }
    }

    /// Bytes of all.
    pub(super) const fn bytes(&self) -> u64 {
        4 * self.end
    }

    /// Where the copy of a tensor is.
    pub(super) fn copy(&self, tensor: Tensor) -> Range<u64> {
        let position = SMALL.iter().position(|&small| small == tensor);
        position.map_or(0..0, |position| self.small[position].clone())
    }
}

/// Words of a small tensor; of the table those of an index table alone, as the others are in tables by offset and in segments.
fn small_words(problem: &Problem, tensor: Tensor) -> u64 {
    match tensor {
        Tensor::Table if problem.indexed().is_none() => 0,
        _ => bytes(problem, tensor) / 4,
    }
}

fn offset_width(problem: &Problem, gradients: GradientSlots) -> u32 {
    if gradients.offset {
        2 * problem.bias_radius() + 1
    } else {
        0
    }
}

/// Of an index table its rows, of FIRE two moments a segment, one number each for c and L, and one at x = 0.
fn score_width(problem: &Problem, gradients: GradientSlots) -> u32 {
    let moments = problem.fire().map_or(0, |(width, _)| 2 * width + 5);
    index_width(problem, gradients) + if gradients.fire { moments } else { 0 }
}

/// Where FIRE's moments begin.
pub(super) fn index_width(problem: &Problem, gradients: GradientSlots) -> u32 {
    match problem.indexed() {
        Some(indexed) if gradients.index => indexed.rows * indexed.matrices,
        _ => 0,
    }
}

fn most_workgroups(backward: &Backward) -> u64 {
    let shape = backward.problem.shape();
    let packed = backward.problem.mask().packed;
    let tiles = u64::from(shape.q_len.div_ceil(backward.queries.own_tile()))
        + packed.map_or(0, |packed| u64::from(packed.sequences));
    tiles * u64::from(shape.heads) * u64::from(shape.batch)
}
