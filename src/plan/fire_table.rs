//! FIRE's MLP as a piecewise linear function, made on the device from its weights.

use wgpu::BufferBinding;

use super::Forward;
use super::bound::{Step, entry, uniform, workspace};
use super::params::FireParams;

/// The storage bindings: 2 holds the caller's table, 3 the result.
pub(crate) fn bindings() -> Vec<(u32, bool)> {
    vec![(2, true), (3, false)]
}

/// Allocates the segments of every head, and records the kernel that fills them.
pub(super) fn fill(
    forward: &Forward,
    pipeline: &wgpu::ComputePipeline,
    table: Option<&BufferBinding<'_>>,
    steps: &mut Vec<Step>,
) -> wgpu::Buffer {
    let (device, problem) = (&forward.device, &forward.problem);
    let (width, first_row) = problem.fire().unwrap_or_default();
    let heads = problem.shape().heads;
    let params = FireParams {
        heads,
        width,
        first_row,
        padding: 0,
    };
    let uniform = uniform(device, bytemuck::bytes_of(&params));
    let segments = workspace(device, "relattn::fire_table", problem.fire_table_bytes());
    let mut entries = vec![
        entry(0, uniform.as_entire_buffer_binding()),
        entry(3, segments.as_entire_buffer_binding()),
    ];
    entries.extend(table.map(|table| entry(2, table.clone())));
    let workgroups = [(width + 1).div_ceil(64), heads, 1];
    steps.push(Step::new(device, pipeline, &entries, workgroups));
    segments
}
