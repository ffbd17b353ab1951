//! Numbers between the host, where all are f32, and device memory.

use half::{bf16, f16};

use crate::{Dtype, Problem};

/// Numbers as they lie in device memory, rounded to the nearest.
pub(super) fn stored(dtype: Dtype, values: &[f32]) -> Vec<u8> {
    let halves = |bits: fn(f32) -> u16| {
        let halves: Vec<u16> = values.iter().copied().map(bits).collect();
        bytemuck::cast_slice(&halves).to_vec()
    };
    match dtype {
        Dtype::F32 => bytemuck::cast_slice(values).to_vec(),
        Dtype::F16 => halves(|value| f16::from_f32(value).to_bits()),
        Dtype::Bf16 => halves(|value| bf16::from_f32(value).to_bits()),
    }
}

/// What lies in device memory as f32.
pub(super) fn restored(dtype: Dtype, bytes: &[u8]) -> Vec<f32> {
    let halves = |number: fn(u16) -> f32| {
        let halves: Vec<u16> = bytemuck::pod_collect_to_vec(bytes);
        halves.into_iter().map(number).collect()
    };
    match dtype {
        Dtype::F32 => bytemuck::pod_collect_to_vec(bytes),
        Dtype::F16 => halves(|bits| f16::from_bits(bits).to_f32()),
        Dtype::Bf16 => halves(|bits| bf16::from_bits(bits).to_f32()),
    }
}

/// Indices in the format of the bias.
pub(super) fn packed(problem: &Problem, indices: &[u32]) -> Vec<u8> {
    let format = problem.indexed().map(|indexed| indexed.format);
    let kept = format.map_or(4, |format| 4 / format.per_word() as usize);
    let bytes = indices.iter().map(|index| index.to_le_bytes());
    bytes
        .flat_map(|bytes| bytes.into_iter().take(kept))
        .collect()
}
