//! What is refused before anything is bound.

use std::num::NonZeroU64;

use wgpu::{BufferBinding, BufferUsages};

use crate::{Error, Problem, Tensor};

/// A binding number, the tensor it holds, its buffer and the bytes it needs.
pub(super) type Slot<'a> = (u32, Tensor, BufferBinding<'a>, u64);

/// Refuses a buffer that is too small, misaligned or not for storage.
pub(super) fn check(
    device: &wgpu::Device,
    tensor: Tensor,
    binding: &BufferBinding<'_>,
    needed: u64,
) -> Result<(), Error> {
    if needed == 0 {
        return Ok(());
    }
    let limits = device.limits();
    let rest = binding.buffer.size().saturating_sub(binding.offset);
    let found = binding.size.map_or(rest, |size| rest.min(size.get()));
    let alignment = u64::from(limits.min_storage_buffer_offset_alignment);
    if found < needed {
        return Err(Error::BufferTooSmall {
            tensor,
            found,
            needed,
        });
    }
    if !binding.offset.is_multiple_of(alignment) {
        return Err(Error::Misaligned {
            tensor,
            offset: binding.offset,
            alignment,
        });
    }
    if !binding.buffer.usage().contains(BufferUsages::STORAGE) {
        return Err(Error::NotStorage { tensor });
    }
    Ok(())
}

/// The binding of a tensor, no longer than the tensor: what is left of the caller's buffer may be more than the device binds.
pub(super) fn fitted<'a>(slots: &[Slot<'a>], tensor: Tensor) -> Option<BufferBinding<'a>> {
    let slot = slots.iter().find(|slot| slot.1 == tensor)?;
    Some(BufferBinding {
        size: NonZeroU64::new(slot.3),
        ..slot.2.clone()
    })
}

/// Refuses tensors of `written` that overlap, and one in a buffer that is also read: WebGPU allows no buffer to be both in one
/// dispatch, wherever the ranges lie.
pub(super) fn check_aliases(slots: &[Slot<'_>], written: &[Tensor]) -> Result<(), Error> {
    let used = slots.iter().filter(|&&(.., bytes)| bytes > 0);
    let (written, read): (Vec<_>, Vec<_>) =
        used.partition(|(_, tensor, ..)| written.contains(tensor));
    for output in &written {
        if let Some(input) = read.iter().find(|input| input.2.buffer == output.2.buffer) {
            return Err(Error::SharedBuffer {
                read: input.1,
                written: output.1,
            });
        }
    }
    let range = |(_, _, binding, bytes): &Slot<'_>| binding.offset..binding.offset + bytes;
    for (n, first) in written.iter().enumerate() {
        for second in &written[n + 1..] {
            let (a, b) = (range(first), range(second));
            if first.2.buffer == second.2.buffer && a.start < b.end && b.start < a.end {
                return Err(Error::Aliased {
                    first: first.1,
                    second: second.1,
                });
            }
        }
    }
    Ok(())
}

/// Refuses a tensor that the device cannot bind whole.
pub(super) fn check_size(device: &wgpu::Device, tensor: Tensor, needed: u64) -> Result<(), Error> {
    let maximum = device.limits().max_storage_buffer_binding_size;
    if needed > maximum {
        return Err(Error::BindingTooLarge {
            tensor,
            needed,
            maximum,
        });
    }
    Ok(())
}

/// The bytes of a tensor in device memory.
pub(crate) fn bytes(problem: &Problem, tensor: Tensor) -> u64 {
    let elements = problem.elements(tensor);
    match tensor {
        Tensor::Indices => problem
            .indexed()
            .map_or(0, |indexed| indexed.format.bytes(elements)),
        Tensor::KeyMask => elements.next_multiple_of(4),
        Tensor::Q
        | Tensor::K
        | Tensor::V
        | Tensor::Out
        | Tensor::Bias
        | Tensor::DQ
        | Tensor::DK
        | Tensor::DV
        | Tensor::DOut => (problem.dtype().bytes() * elements).next_multiple_of(4),
        _ => 4 * elements,
    }
}

pub(super) fn check_dispatch(device: &wgpu::Device, workgroups: [u32; 3]) -> Result<(), Error> {
    let maximum = device.limits().max_compute_workgroups_per_dimension;
    match workgroups.into_iter().max() {
        Some(found) if found > maximum => Err(Error::DispatchTooLarge { found, maximum }),
        _ => Ok(()),
    }
}

/// Workgroups that stand in a row, in as many rows as the device's limit asks for; the last may be one too long.
pub(super) fn spread(device: &wgpu::Device, groups: u64) -> Result<[u32; 3], Error> {
    let maximum = device.limits().max_compute_workgroups_per_dimension;
    let rows = groups.div_ceil(u64::from(maximum));
    let (Ok(width), Ok(rows)) = (groups.min(maximum.into()).try_into(), rows.try_into()) else {
        let found = u32::MAX;
        return Err(Error::DispatchTooLarge { found, maximum });
    };
    let workgroups = [width, rows, 1];
    check_dispatch(device, workgroups)?;
    Ok(workgroups)
}
