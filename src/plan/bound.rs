//! Work that is checked and bound.

use bytemuck::Pod;
use wgpu::{BufferBinding, BufferUsages};

use super::uniforms::Uniforms;
use crate::filled::filled;
use crate::{Error, PositionError, SeedError};

/// Checked and bound work; recording it cannot fail.
#[derive(Clone, Debug)]
pub struct Bound {
    pub(super) steps: Vec<Step>,
    /// What [`Self::set_position`] and [`Self::set_seed`] change; none where there is neither.
    pub(super) uniforms: Vec<Uniforms>,
    /// Whether it has a position.
    pub(super) moves: bool,
    /// Bytes of the buffers that the work made for itself.
    pub(super) workspace: u64,
}

#[derive(Clone, Debug)]
pub(super) struct Step {
    pipeline: wgpu::ComputePipeline,
    group: wgpu::BindGroup,
    workgroups: [u32; 3],
}

impl Bound {
    pub(super) const fn new(steps: Vec<Step>) -> Self {
        Self {
            steps,
            uniforms: Vec::new(),
            moves: false,
            workspace: 0,
        }
    }

    /// Records the work as a compute pass of its own; submits nothing.
    pub fn encode(&self, encoder: &mut wgpu::CommandEncoder) {
        self.dispatch(
            &mut encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
                label: Some("relattn"),
                timestamp_writes: None,
            }),
        );
    }

    /// Records the work into the caller's pass.
    pub fn dispatch(&self, pass: &mut wgpu::ComputePass<'_>) {
        for step in &self.steps {
            let [x, y, z] = step.workgroups;
            pass.set_pipeline(&step.pipeline);
            pass.set_bind_group(0, &step.group, &[]);
            pass.dispatch_workgroups(x, y, z);
        }
    }

    /// How many dispatches the work is.
    #[must_use]
    pub const fn dispatches(&self) -> usize {
        self.steps.len()
    }

    /// Bytes of the buffers that were made for this work: tables by offset, segments of FIRE, parts of a split, a log-sum-exp that
    /// stretches of the keys go on from.
    #[must_use]
    pub const fn workspace_bytes(&self) -> u64 {
        self.workspace
    }

    /// Moves a forward pass on to another position, from the next submission on: query row 0 stands at `query_offset`, and the
    /// first `keys` of the keys are there. It writes uniforms; pipelines, bind groups and recorded work stay as they are.
    ///
    /// # Errors
    /// Work that is no forward pass; more keys than the problem has room for, or offsets past those that the problem was built for: build it at the last
    /// position, where `query_offset` is `Nk − Nq`.
    pub fn set_position(
        &self,
        queue: &wgpu::Queue,
        query_offset: i32,
        keys: u32,
    ) -> Result<(), PositionError> {
        // Without rows there is nothing to move.
        if !self.moves && !self.steps.is_empty() {
            return Err(PositionError::NoPosition);
        }
        let mut all = self.uniforms.iter();
        all.try_for_each(|uniforms| uniforms.set_position(queue, query_offset, keys))
    }

    /// Leaves other weights out, from the next submission on: those of a problem whose [`crate::Dropout`] has this seed. It writes
    /// uniforms, as [`Self::set_position`] does, and leaves the position as it is.
    ///
    /// # Errors
    /// Work that leaves no weights out.
    pub fn set_seed(&self, queue: &wgpu::Queue, seed: u64) -> Result<(), SeedError> {
        // Without rows there is nothing to leave out.
        if self.uniforms.is_empty() && !self.steps.is_empty() {
            return Err(SeedError::NoDropout);
        }
        let mut all = self.uniforms.iter();
        all.try_for_each(|uniforms| uniforms.set_seed(queue, seed))
    }
}

pub(super) fn uniform(device: &wgpu::Device, contents: &[u8]) -> Result<wgpu::Buffer, Error> {
    filled(device, "relattn::params", contents, BufferUsages::UNIFORM)
}

/// Uniforms one behind the other, and the bytes from one to the next, so that each can be bound.
pub(super) fn uniforms<T: Pod>(
    device: &wgpu::Device,
    all: &[T],
) -> Result<(wgpu::Buffer, u64), Error> {
    let alignment = device.limits().min_uniform_buffer_offset_alignment;
    let stride = size_of::<T>().next_multiple_of(alignment as usize);
    let mut contents = Vec::new();
    for params in all {
        contents.extend_from_slice(bytemuck::bytes_of(params));
        contents.resize(contents.len().next_multiple_of(stride), 0);
    }
    let usage = BufferUsages::UNIFORM | BufferUsages::COPY_DST;
    let buffer = filled(device, "relattn::params", &contents, usage)?;
    Ok((buffer, stride as u64))
}

pub(super) fn storage(device: &wgpu::Device, contents: &[u32]) -> Result<wgpu::Buffer, Error> {
    let contents = bytemuck::cast_slice(contents);
    filled(device, "relattn::numbers", contents, BufferUsages::STORAGE)
}

/// A buffer of a pass's own.
pub(super) fn workspace(device: &wgpu::Device, label: &str, size: u64) -> wgpu::Buffer {
    device.create_buffer(&wgpu::BufferDescriptor {
        label: Some(label),
        size: size.max(16),
        usage: BufferUsages::STORAGE,
        mapped_at_creation: false,
    })
}

pub(super) const fn entry(number: u32, binding: BufferBinding<'_>) -> wgpu::BindGroupEntry<'_> {
    wgpu::BindGroupEntry {
        binding: number,
        resource: wgpu::BindingResource::Buffer(binding),
    }
}

impl Step {
    pub(super) fn new(
        device: &wgpu::Device,
        pipeline: &wgpu::ComputePipeline,
        entries: &[wgpu::BindGroupEntry<'_>],
        workgroups: [u32; 3],
    ) -> Self {
        let group = device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("relattn::Bound"),
            layout: &pipeline.get_bind_group_layout(0),
            entries,
        });
        Self {
            pipeline: pipeline.clone(),
            group,
            workgroups,
        }
    }
}
