//! What `cpu::Tiled` hides, beside keys and queries past the lengths.

use std::ops::{Range, RangeInclusive};

use super::Inputs;
use crate::{Mask, Problem};

/// The mask of one head of one sequence.
pub(super) struct MaskSource<'a> {
    mask: Mask,
    key_mask: Option<&'a [u8]>,
    /// Of the queries and of the keys.
    documents: Option<[&'a [u32]; 2]>,
    /// Rows of this many words.
    bits: Option<(&'a [u32], usize)>,
}

impl<'a> MaskSource<'a> {
    pub(super) fn new(problem: &Problem, inputs: &Inputs<'a>, [batch, head]: [usize; 2]) -> Self {
        let shape = problem.shape();
        let [heads, q_len, k_len] =
            [shape.heads, shape.q_len, shape.k_len].map(|size| size as usize);
        let documents = inputs.query_documents.zip(inputs.key_documents);
        let bits = problem.mask().bits.zip(inputs.mask_bits);
        Self {
            mask: problem.mask(),
            key_mask: inputs.key_mask.map(|mask| &mask[batch * k_len..][..k_len]),
            documents: documents.map(|(queries, keys)| {
                [
                    &queries[batch * q_len..][..q_len],
                    &keys[batch * k_len..][..k_len],
                ]
            }),
            bits: bits.map(|(bits, words)| {
                let width = k_len.div_ceil(32);
                let sequence = if bits.each_sequence { batch } else { 0 };
                let head = if bits.each_head { head } else { 0 };
                let heads = if bits.each_head { heads } else { 1 };
                (&words[(sequence * heads + head) * q_len * width..], width)
            }),
        }
    }

    /// Whether it hides any of some scores, by all that is known without reading memory: their offsets.
    pub(super) fn may_hide(&self, offsets: &RangeInclusive<i64>) -> bool {
        self.key_mask.is_some()
            || self.documents.is_some()
            || self.bits.is_some()
            || self.hides_offset(*offsets.start())
            || self.hides_offset(*offsets.end())
    }

    /// Whether documents and bits leave anything of a tile.
    pub(super) fn may_see(&self, rows: &Range<usize>, keys: &Range<usize>) -> bool {
        let pairs = self.documents.is_some() || self.bits.is_some();
        let mut all = rows.clone().flat_map(|i| keys.clone().map(move |j| (i, j)));
        !pairs || all.any(|(i, j)| self.pair_visible(i, j))
    }

    fn pair_visible(&self, i: usize, j: usize) -> bool {
        let same = |[queries, keys]: [&[u32]; 2]| queries[i] == keys[j];
        let set = |(words, width): (&[u32], usize)| words[i * width + j / 32] >> (j % 32) & 1 != 0;
        self.documents.is_none_or(same) && self.bits.is_none_or(set)
    }

    /// Whether query `i` may not see key `j`, which is at this offset from it.
    pub(super) fn hides(&self, i: usize, j: usize, offset: i64) -> bool {
        self.hides_offset(offset)
            || self.key_mask.is_some_and(|mask| mask[j] == 0)
            || !self.pair_visible(i, j)
    }

    /// Whether keys at this offset are hidden; what is visible are offsets without a gap.
    fn hides_offset(&self, offset: i64) -> bool {
        self.mask.causal && offset > 0
            || self.mask.window.is_some_and(|window| {
                !(-i64::from(window.left)..=i64::from(window.right)).contains(&offset)
            })
    }
}
