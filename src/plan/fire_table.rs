//! FIRE's MLP as a piecewise linear function, made on the device from its weights.

use wgpu::BufferBinding;

use super::bound::{Step, entry, uniform};
use super::params::FireParams;
use crate::{Error, Problem};

/// The storage bindings: 2 holds the caller's table, 3 the result.
pub(crate) fn bindings() -> Vec<(u32, bool)> {
    vec![(2, true), (3, false)]
}

/// Records the kernel that fills the segments of every head.
pub(super) fn fill(
    device: &wgpu::Device,
    problem: &Problem,
    pipeline: &wgpu::ComputePipeline,
    table: Option<&BufferBinding<'_>>,
    segments: &BufferBinding<'_>,
    steps: &mut Vec<Step>,
) -> Result<(), Error> {
    let (width, first_row) = problem.fire().unwrap_or_default();
    let heads = problem.shape().heads;
    let params = FireParams {
        heads,
        first_row,
        padding: [0; 2],
    };
    let uniform = uniform(device, bytemuck::bytes_of(&params))?;
    let mut entries = vec![
        entry(0, uniform.as_entire_buffer_binding()),
        entry(3, segments.clone()),
    ];
    entries.extend(table.map(|table| entry(2, table.clone())));
    let workgroups = workgroups(problem, width);
    steps.push(Step::new(device, pipeline, &entries, workgroups));
    Ok(())
}

/// A segment of a head for each thread.
pub(super) const fn workgroups(problem: &Problem, width: u32) -> [u32; 3] {
    [(width + 1).div_ceil(64), problem.shape().heads, 1]
}
