//! The uniforms, laid out as the shaders declare them.

use bytemuck::{Pod, Zeroable};

use crate::{Problem, Thresholds};

/// `Params` of `shaders/part/params.wgsl`.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Params {
    q_len: u32,
    k_len: u32,
    heads: u32,
    kv_heads: u32,
    query_offset: i32,
    radius: u32,
    scale: f32,
    empty_lse: f32,
}

impl Params {
    pub(crate) fn new(problem: &Problem) -> Self {
        let shape = problem.shape();
        Self {
            q_len: shape.q_len,
            k_len: shape.k_len,
            heads: shape.heads,
            kv_heads: shape.kv_heads,
            query_offset: problem.query_offset(),
            radius: problem.thresholds().map_or(0, Thresholds::saturation),
            scale: problem.scale() * std::f32::consts::LOG2_E,
            empty_lse: f32::NEG_INFINITY,
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
