//! The uniforms, laid out as the shaders declare them.

use std::ops::Range;

use bytemuck::{Pod, Zeroable};

use super::split::{Chunk, Ranges};
use super::{BucketIndex, Merge};
use crate::{Direction, Problem, Thresholds};

/// `Params` of `shaders/part/params.wgsl`.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Params {
    q_strides: [u32; 4],
    k_strides: [u32; 4],
    v_strides: [u32; 4],
    out_strides: [u32; 4],
    bias_strides: [u32; 4],
    bits_strides: [u32; 4],
    index_strides: [u32; 4],
    first: [u32; 4],
    q_base: u32,
    k_base: u32,
    v_base: u32,
    out_base: u32,
    bias_base: u32,
    bits_base: u32,
    index_base: u32,
    q_len: u32,
    k_len: u32,
    pub(super) filled: u32,
    pub(super) shift: i32,
    heads: u32,
    group_size: u32,
    radius: u32,
    scale: f32,
    empty_lse: f32,
    lse_rows: u32,
    window_left: i32,
    window_right: i32,
    table_first: u32,
    sequences: u32,
    blocks: u32,
    table_width: u32,
    part_rows: u32,
    q_tile: u32,
    splits: u32,
    pub(super) dropout_key: [u32; 2],
    dropout_threshold: u32,
    keep_scale: f32,
    key_offset: u32,
    keys_first: u32,
    keys_end: u32,
    part_first: u32,
    parts: u32,
    padding: u32,
}

impl Params {
    /// Of the whole problem, for one dispatch of it.
    pub(crate) fn new(problem: &Problem, wants_lse: bool, [q_tile, splits]: [u32; 2]) -> Self {
        let shape = problem.shape();
        let [q_strides, k_strides, v_strides, out_strides] = problem
            .layouts()
            .map(|layout| [layout.batch, layout.head, layout.row, 0]);
        let (mask, paged, dropout) = (problem.mask(), problem.paged(), problem.dropout());
        Self {
            q_strides,
            k_strides,
            v_strides,
            out_strides,
            bias_strides: problem
                .dense()
                .map_or([0; 4], |layout| [layout.batch, layout.head, layout.row, 0]),
            bits_strides: bits_strides(problem),
            index_strides: index_strides(problem),
            first: [0; 4],
            q_base: 0,
            k_base: 0,
            v_base: 0,
            out_base: 0,
            bias_base: 0,
            bits_base: 0,
            index_base: 0,
            q_len: shape.q_len,
            k_len: shape.k_len,
            filled: shape.k_len,
            shift: problem.shift(),
            heads: shape.heads,
            group_size: shape.heads / shape.kv_heads.max(1),
            radius: problem.bias_radius(),
            scale: problem.scale() * std::f32::consts::LOG2_E,
            empty_lse: f32::NEG_INFINITY,
            lse_rows: if wants_lse { shape.q_len } else { 0 },
            window_left: reach(mask.window.map(|window| window.left)),
            window_right: reach(mask.window.map(|window| window.right)),
            table_first: problem.indexed().map_or(0, |indexed| indexed.first_row),
            sequences: mask.packed.map_or(0, |packed| packed.sequences),
            blocks: paged.map_or(0, |paged| paged.blocks),
            table_width: paged.map_or(0, |paged| shape.k_len.div_ceil(paged.block_size)),
            part_rows: 0,
            q_tile,
            splits,
            dropout_key: dropout.map_or([0; 2], |dropout| dropout.key()),
            dropout_threshold: dropout.map_or(0, |dropout| dropout.threshold()),
            keep_scale: dropout.map_or(1.0, |dropout| dropout.keep_scale_f32()),
            key_offset: problem.key_offset(),
            keys_first: 0,
            keys_end: shape.k_len,
            part_first: 0,
            parts: splits,
            padding: 0,
        }
    }

    /// With this range of the keys, whose first part is this one, of so many of all ranges.
    pub(super) const fn with_keys(
        mut self,
        keys: &Range<u32>,
        part_first: u32,
        parts: u32,
    ) -> Self {
        self.keys_first = keys.start;
        self.keys_end = keys.end;
        self.part_first = part_first;
        self.parts = parts;
        self
    }

    /// For the workgroups of a chunk, whose tensors are bound from these elements on.
    pub(super) const fn within(mut self, chunk: &Chunk, ranges: &Ranges) -> Self {
        let end = chunk.tiles.end.saturating_mul(self.q_tile);
        let rows_end = if end < self.q_len { end } else { self.q_len };
        self.first = [
            chunk.tiles.start * self.splits,
            chunk.heads.start,
            chunk.batch.start,
            rows_end,
        ];
        self.part_rows = (chunk.tiles.end - chunk.tiles.start).saturating_mul(self.q_tile);
        self.q_base = ranges.q.base();
        self.k_base = ranges.k.base();
        self.v_base = ranges.v.base();
        self.out_base = ranges.out.base();
        self.bias_base = ranges.bias.base();
        self.bits_base = ranges.bits.base();
        self.index_base = ranges.indices.base();
        self
    }
}

/// Words from a sequence, a head and a row of the mask of bits to the next; 0 where it is shared.
pub(super) fn bits_strides(problem: &Problem) -> [u32; 4] {
    let shape = problem.shape();
    let Some(bits) = problem.mask().bits else {
        return [0; 4];
    };
    // `Problem::build` keeps the whole within 32 bits.
    let row = shape.k_len.div_ceil(32);
    let head = row.saturating_mul(shape.q_len);
    let sequence = if bits.each_head {
        head.saturating_mul(shape.heads)
    } else {
        head
    };
    [
        if bits.each_sequence { sequence } else { 0 },
        if bits.each_head { head } else { 0 },
        row,
        0,
    ]
}

/// Indices from a sequence, a matrix and a row to the next; 0 where sequences share them.
pub(super) fn index_strides(problem: &Problem) -> [u32; 4] {
    let shape = problem.shape();
    let Some(indexed) = problem.indexed() else {
        return [0; 4];
    };
    // `Problem::build` keeps the whole within 32 bits.
    let plane = shape.k_len.saturating_mul(shape.q_len);
    let (sequence, matrix) = if indexed.each_sequence {
        (plane, plane.saturating_mul(shape.batch))
    } else {
        (0, plane)
    };
    [sequence, matrix, shape.k_len, 0]
}

/// How far a window reaches, kept so small that its sum with a position fits 32 signed bits; no offset is larger.
fn reach(distance: Option<u32>) -> i32 {
    const FARTHEST: i32 = (1 << 30) - 1;
    distance.map_or(FARTHEST, |distance| {
        i32::try_from(distance).map_or(FARTHEST, |distance| distance.min(FARTHEST))
    })
}

/// `TableParams` of `shaders/offset_table.wgsl`.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct TableParams {
    pub(crate) heads: u32,
    pub(crate) radius: u32,
    pub(crate) count: u32,
    pub(crate) per_direction: u32,
    pub(crate) first_row: u32,
    pub(crate) adds: u32,
    pub(crate) padding: [u32; 2],
}

/// `FireParams` of `shaders/fire_table.wgsl`.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct FireParams {
    pub(crate) heads: u32,
    pub(crate) first_row: u32,
    pub(crate) padding: [u32; 2],
}

/// `IndexParams` of `shaders/bucket_index.wgsl`.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct IndexParams {
    q_len: u32,
    k_len: u32,
    query_offset: i32,
    steps: u32,
    per_direction: u32,
    groups: u32,
    padding: [u32; 2],
}

impl IndexParams {
    pub(crate) fn new(index: &BucketIndex, groups: u32) -> Self {
        Self {
            q_len: index.q_len,
            k_len: index.k_len,
            query_offset: index.query_offset,
            steps: u32::try_from(index.thresholds.steps().len()).unwrap_or(0),
            per_direction: later_buckets(&index.thresholds),
            groups,
            padding: [0; 2],
        }
    }
}

/// `MergeParams` of `shaders/merge.wgsl`.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct MergeParams {
    parts: u32,
    rows: u32,
    value_dim: u32,
    groups: u32,
    empty_lse: f32,
    padding: [u32; 3],
}

impl MergeParams {
    pub(crate) const fn new(merge: &Merge, groups: u32) -> Self {
        Self {
            parts: merge.parts,
            rows: merge.rows,
            value_dim: merge.value_dim,
            groups,
            empty_lse: f32::NEG_INFINITY,
            padding: [0; 3],
        }
    }
}

/// Buckets of one direction where later keys have their own, else 0.
pub(crate) const fn later_buckets(thresholds: &Thresholds) -> u32 {
    match thresholds.buckets().direction {
        Direction::Bidirectional => thresholds.buckets().per_direction(),
        Direction::Causal => 0,
    }
}

#[cfg(test)]
#[path = "params_tests.rs"]
mod tests;
