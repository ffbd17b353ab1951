//! The uniforms of the backward pass, laid out as the shaders declare them.

use bytemuck::{Pod, Zeroable};

use super::workspace::Sections;
use crate::plan::split::Chunk;

/// `Backward` of `shaders/part/backward.wgsl`.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct BackwardParams {
    pub(crate) at_statistics: u32,
    pub(crate) at_offset_table: u32,
    pub(crate) at_fire_table: u32,
    pub(crate) at_offset_partials: u32,
    pub(crate) at_score_partials: u32,
    pub(crate) score_width: u32,
    pub(crate) tiles: u32,
    pub(crate) heads: u32,
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
    pub(crate) rows: u32,
    pub(crate) padding: [u32; 2],
}

/// Where something begins in the workspace. `Backward::bind` refuses a workspace past 32 bits.
#[expect(clippy::cast_possible_truncation, reason = "32 bits by validation")]
pub(super) const fn at(section: &std::ops::Range<u64>) -> u32 {
    section.start as u32
}

impl BackwardParams {
    pub(super) fn new(sections: &Sections, chunk: &Chunk) -> Self {
        let [tiles, heads, _] = chunk.workgroups(1);
        Self {
            at_statistics: at(&sections.statistics),
            at_offset_table: at(&sections.offset_table),
            at_fire_table: at(&sections.fire_table),
            at_offset_partials: at(&sections.offset_partials),
            at_score_partials: 0,
            score_width: 0,
            tiles,
            heads,
        }
    }
}
