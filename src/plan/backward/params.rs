//! The uniforms of the backward pass, laid out as the shaders declare them.

use std::ops::Range;

use bytemuck::{Pod, Zeroable};

use super::Backward;
use super::workspace::{Sections, index_width};
use crate::Tensor;
use crate::plan::split::Chunk;

/// `Backward` of `shaders/part/backward.wgsl`.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct BackwardParams {
    pub(crate) at_statistics: u32,
    pub(crate) at_offset_table: u32,
    pub(crate) at_fire_table: u32,
    pub(crate) at_key_mask: u32,
    pub(crate) at_key_numbers: u32,
    pub(crate) at_query_numbers: u32,
    pub(crate) at_query_documents: u32,
    pub(crate) at_key_documents: u32,
    pub(crate) at_gate: u32,
    pub(crate) at_table: u32,
    pub(crate) at_offset_partials: u32,
    pub(crate) at_score_partials: u32,
    pub(crate) score_width: u32,
    pub(crate) at_moments: u32,
    pub(crate) tiles: u32,
    pub(crate) heads: u32,
    pub(crate) adds: u32,
    pub(crate) dbias_base: u32,
    pub(crate) padding: [u32; 2],
}

/// `PartialParams` of `shaders/partial_sums.wgsl`.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct PartialParams {
    pub(crate) at_partials: u32,
    pub(crate) at_sums: u32,
    pub(crate) width: u32,
    pub(crate) tiles: u32,
    pub(crate) heads: u32,
    pub(crate) batch: u32,
    pub(crate) first_head: u32,
    pub(crate) adds: u32,
}

/// `OffsetGradientParams` of `shaders/offset_gradient.wgsl`.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct OffsetGradientParams {
    pub(crate) heads: u32,
    pub(crate) radius: u32,
    pub(crate) first_row: u32,
    pub(crate) adds: u32,
    pub(crate) at_sums: u32,
    pub(crate) padding: [u32; 3],
}

/// `RowGradientParams` of `shaders/row_gradient.wgsl`.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct RowGradientParams {
    pub(crate) heads: u32,
    pub(crate) width: u32,
    pub(crate) first_row: u32,
    pub(crate) rows: u32,
    pub(crate) adds: u32,
    pub(crate) at_sums: u32,
    pub(crate) groups: u32,
    pub(crate) padding: u32,
}

/// `FireGradientParams` of `shaders/fire_gradient.wgsl`.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct FireGradientParams {
    pub(crate) heads: u32,
    pub(crate) first_row: u32,
    pub(crate) adds: u32,
    pub(crate) at_sums: u32,
    pub(crate) sums_width: u32,
    pub(crate) first_moment: u32,
    pub(crate) padding: [u32; 2],
}

/// `CopyParams` of `shaders/copy_words.wgsl`.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct CopyParams {
    pub(crate) count: u32,
    pub(crate) groups: u32,
    pub(crate) padding: [u32; 2],
}

/// Where something begins in the workspace. `Backward::bind` refuses a workspace past 32 bits.
#[expect(clippy::cast_possible_truncation, reason = "32 bits by validation")]
pub(super) const fn at(section: &Range<u64>) -> u32 {
    section.start as u32
}

impl BackwardParams {
    /// For the workgroups of a chunk, whose gradient of a dense bias is bound from this element on.
    pub(super) fn new(
        backward: &Backward,
        sections: &Sections,
        chunk: &Chunk,
        accumulate: bool,
        dbias_base: u32,
    ) -> Self {
        let [tiles, heads, _] = chunk.workgroups(1);
        let copy = |tensor| at(&sections.copy(tensor));
        // A problem has lengths or starts.
        let packed = backward.problem.mask().packed.is_some();
        let either = |starts, lengths| copy(if packed { starts } else { lengths });
        Self {
            at_statistics: at(&sections.statistics),
            at_offset_table: at(&sections.offset_table),
            at_fire_table: at(&sections.fire_table),
            at_key_mask: copy(Tensor::KeyMask),
            at_key_numbers: either(Tensor::KeyStarts, Tensor::KeyLengths),
            at_query_numbers: either(Tensor::QueryStarts, Tensor::QueryLengths),
            at_query_documents: copy(Tensor::QueryDocuments),
            at_key_documents: copy(Tensor::KeyDocuments),
            at_gate: copy(Tensor::Gate),
            at_table: copy(Tensor::Table),
            at_offset_partials: at(&sections.offset.partials),
            at_score_partials: at(&sections.scores.partials),
            score_width: sections.scores.width,
            at_moments: index_width(&backward.problem, backward.queries.gradients),
            tiles,
            heads,
            adds: accumulate.into(),
            dbias_base,
            padding: [0; 2],
        }
    }
}
