//! Buffers with contents from the start.
//!
//! wgpu's own `create_buffer_init` panics where there is no memory or no device. These return an error; where wgpu has reported another,
//! [`crate::watch::watched`] prefers that.

use wgpu::{BufferUsages, COPY_BUFFER_ALIGNMENT};

use crate::Error;

/// A buffer with these bytes, and zeros up to a whole word.
pub(crate) fn filled(
    device: &wgpu::Device,
    label: &str,
    contents: &[u8],
    usage: BufferUsages,
) -> Result<wgpu::Buffer, Error> {
    mapped(device, label, contents.len() as u64, usage, |range| {
        range.slice(..contents.len()).copy_from_slice(contents);
    })
}

/// A buffer of so many bytes full of numbers that are none, whatever their type.
pub(crate) fn poisoned(
    device: &wgpu::Device,
    label: &str,
    bytes: u64,
    usage: BufferUsages,
) -> Result<wgpu::Buffer, Error> {
    mapped(device, label, bytes, usage, |range| {
        range.slice(..).fill(0xff);
    })
}

fn mapped(
    device: &wgpu::Device,
    label: &str,
    bytes: u64,
    usage: BufferUsages,
    write: impl FnOnce(&mut wgpu::BufferViewMut),
) -> Result<wgpu::Buffer, Error> {
    let buffer = device.create_buffer(&wgpu::BufferDescriptor {
        label: Some(label),
        size: bytes.next_multiple_of(COPY_BUFFER_ALIGNMENT).max(4),
        usage,
        mapped_at_creation: true,
    });
    let range = buffer.get_mapped_range_mut(..);
    write(&mut range.map_err(|_| Error::DeviceLost)?);
    buffer.unmap();
    Ok(buffer)
}
