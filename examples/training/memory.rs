//! Buffers of f32, and their way back to the host.

use relattn::{Context, wgpu};
use wgpu::BufferUsages;
use wgpu::util::DeviceExt;

use super::Result;

/// A buffer with these numbers, which `Queue::write_buffer` may replace.
pub(crate) fn upload(context: &Context, values: &[f32]) -> wgpu::Buffer {
    let descriptor = wgpu::util::BufferInitDescriptor {
        label: None,
        contents: bytemuck::cast_slice(values),
        usage: BufferUsages::STORAGE | BufferUsages::COPY_DST,
    };
    context.device().create_buffer_init(&descriptor)
}

/// Room for so many numbers that a pass writes.
pub(crate) fn room(context: &Context, elements: u64) -> wgpu::Buffer {
    buffer(
        context,
        4 * elements,
        BufferUsages::STORAGE | BufferUsages::COPY_SRC,
    )
}

fn buffer(context: &Context, size: u64, usage: BufferUsages) -> wgpu::Buffer {
    let descriptor = wgpu::BufferDescriptor {
        label: None,
        size: size.max(4),
        usage,
        mapped_at_creation: false,
    };
    context.device().create_buffer(&descriptor)
}

/// Submits recorded work and waits for what it leaves in a buffer of the device.
#[derive(Debug)]
pub(crate) struct Staging {
    context: Context,
    source: wgpu::Buffer,
    staging: wgpu::Buffer,
}

impl Staging {
    pub(crate) fn new(context: &Context, source: &wgpu::Buffer) -> Self {
        let usage = BufferUsages::MAP_READ | BufferUsages::COPY_DST;
        Self {
            context: context.clone(),
            source: source.clone(),
            staging: buffer(context, source.size(), usage),
        }
    }

    /// Records the copy.
    pub(crate) fn record(&self, encoder: &mut wgpu::CommandEncoder) {
        encoder.copy_buffer_to_buffer(&self.source, 0, &self.staging, 0, self.staging.size());
    }

    /// What was copied, once the work that copies it has been submitted.
    pub(crate) fn read(&self) -> Result<Vec<f32>> {
        let whole = self.staging.slice(..);
        whole.map_async(wgpu::MapMode::Read, |_| ());
        let device = self.context.device();
        device.poll(wgpu::PollType::wait_indefinitely())?;
        let values = bytemuck::pod_collect_to_vec(&whole.get_mapped_range()?);
        self.staging.unmap();
        Ok(values)
    }
}
