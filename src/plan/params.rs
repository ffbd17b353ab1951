//! The uniforms, laid out as the shaders declare them.

use bytemuck::{Pod, Zeroable};

use super::BucketIndex;
use crate::{Direction, Problem, Thresholds};

/// `Params` of `shaders/part/params.wgsl`.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Params {
    strides: [[u32; 4]; 4],
    q_len: u32,
    k_len: u32,
    heads: u32,
    group_size: u32,
    query_offset: i32,
    radius: u32,
    scale: f32,
    empty_lse: f32,
    write_lse: u32,
    padding: [u32; 3],
}

impl Params {
    pub(crate) fn new(problem: &Problem, write_lse: bool) -> Self {
        let shape = problem.shape();
        Self {
            strides: problem
                .layouts()
                .map(|layout| [layout.batch, layout.head, layout.row, 0]),
            q_len: shape.q_len,
            k_len: shape.k_len,
            heads: shape.heads,
            group_size: shape.heads / shape.kv_heads.max(1),
            query_offset: problem.query_offset(),
            radius: problem.thresholds().map_or(0, Thresholds::saturation),
            scale: problem.scale() * std::f32::consts::LOG2_E,
            empty_lse: f32::NEG_INFINITY,
            write_lse: u32::from(write_lse),
            padding: [0; 3],
        }
    }
}

/// `TableParams` of `shaders/offset_table.wgsl`.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct TableParams {
    pub(crate) heads: u32,
    pub(crate) radius: u32,
    pub(crate) steps: u32,
    pub(crate) per_direction: u32,
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

/// Buckets of one direction where later keys have their own, else 0.
pub(crate) const fn later_buckets(thresholds: &Thresholds) -> u32 {
    match thresholds.buckets().direction {
        Direction::Bidirectional => thresholds.buckets().per_direction(),
        Direction::Causal => 0,
    }
}
