//! What can go wrong on a device.

use std::time::Duration;

use thiserror::Error;

use super::{InputError, ProblemError};
use crate::Tensor;

/// A device limit that kernels depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Limit {
    /// `max_compute_workgroup_storage_size`, bytes.
    WorkgroupStorage,
    /// `max_compute_invocations_per_workgroup`.
    Invocations,
    /// `max_storage_buffers_per_shader_stage`.
    StorageBuffers,
}

impl std::fmt::Display for Limit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::WorkgroupStorage => "max_compute_workgroup_storage_size",
            Self::Invocations => "max_compute_invocations_per_workgroup",
            Self::StorageBuffers => "max_storage_buffers_per_shader_stage",
        })
    }
}

fn remedy(tensor: Tensor) -> &'static str {
    match tensor {
        Tensor::K | Tensor::V => {
            "; of a backward pass, a packed batch and a paged cache all keys of a head are bound at once. Request the device with a larger \
             max_storage_buffer_binding_size, or give the rows of a head together, [B, H, N, D], or compute ranges of the keys by themselves and \
             merge them (Context::merge)"
        }
        _ => "; request it with a larger max_storage_buffer_binding_size",
    }
}

/// Work cannot be bound to a device, or its result cannot be read.
#[derive(Clone, Debug, Error, PartialEq)]
#[non_exhaustive]
pub enum Error {
    /// The tensors do not fit the problem.
    #[error(transparent)]
    Input(#[from] InputError),
    /// What is asked for is not valid.
    #[error(transparent)]
    Problem(#[from] ProblemError),
    /// A buffer or its bound range is shorter than its tensor.
    #[error("{tensor} is bound to {found} bytes; {needed} are needed")]
    BufferTooSmall {
        /// Which tensor.
        tensor: Tensor,
        /// Bytes in the bound range.
        found: u64,
        /// Bytes that the tensor has.
        needed: u64,
    },
    /// An offset that the device cannot bind.
    #[error("{tensor} starts at byte {offset}; a multiple of {alignment} is required")]
    Misaligned {
        /// Which tensor.
        tensor: Tensor,
        /// Its offset in bytes.
        offset: u64,
        /// What the offset must be a multiple of.
        alignment: u64,
    },
    /// A buffer that shaders cannot read.
    #[error("the buffer of {tensor} lacks BufferUsages::STORAGE")]
    NotStorage {
        /// Which tensor.
        tensor: Tensor,
    },
    /// A tensor past the device's limit, or the part of it that one workgroup reads: of a backward pass, a packed batch or a paged cache
    /// all keys or values of a head, and whatever the layout has between them.
    #[error("{tensor} takes {needed} bytes of one binding; the device binds at most {maximum}{}", remedy(*.tensor))]
    BindingTooLarge {
        /// Which tensor.
        tensor: Tensor,
        /// Bytes that have to be bound at once.
        needed: u64,
        /// The device's `max_storage_buffer_binding_size`.
        maximum: u64,
    },
    /// Two outputs share bytes.
    #[error("{first} and {second} overlap, and both are written")]
    Aliased {
        /// One tensor.
        first: Tensor,
        /// The other.
        second: Tensor,
    },
    /// An output lies in the buffer of an input, which WebGPU allows nowhere in it.
    #[error(
        "{written} lies in the buffer of {read}; what is written needs a buffer that is not read"
    )]
    SharedBuffer {
        /// The input.
        read: Tensor,
        /// The output.
        written: Tensor,
    },
    /// More workgroups than the device dispatches.
    #[error("{found} workgroups are needed; the device dispatches at most {maximum} a dimension")]
    DispatchTooLarge {
        /// Workgroups in the largest dimension.
        found: u32,
        /// The device's limit.
        maximum: u32,
    },
    /// The device was requested with less than a kernel needs.
    #[error(
        "the device has {limit} {found}; {needed} is needed: request it with Capabilities::descriptor"
    )]
    DeviceLimit {
        /// Which limit.
        limit: Limit,
        /// What the device has.
        found: u32,
        /// What the kernel needs.
        needed: u32,
    },
    /// A way to compute a pass that is none of the problem's on the device.
    #[error("{found} does not run this problem on this device; plan::candidates lists what does")]
    Candidate {
        /// What was asked for.
        found: crate::plan::Candidate,
    },
    /// A file of what was tuned cannot be used.
    #[cfg(feature = "tuning-file")]
    #[error(transparent)]
    TuningFile(#[from] crate::tune::TuningFileError),
    /// A tensor for which the device makes no buffer.
    #[error(
        "{tensor} takes {needed} bytes; a buffer of the device has at most {maximum}: request it with a larger max_buffer_size"
    )]
    BufferTooLarge {
        /// Which tensor.
        tensor: Tensor,
        /// Bytes of the tensor.
        needed: u64,
        /// The device's `max_buffer_size`.
        maximum: u64,
    },
    /// No memory for a buffer or a kernel.
    #[error(
        "the device is out of memory; free buffers, or compute fewer heads or sequences at once"
    )]
    OutOfMemory,
    /// The device is lost: what it was asked for may have been done in part or not at all.
    #[error("the device was lost; make a new one and try again")]
    DeviceLost,
    /// A result that cannot be mapped, though the device is there.
    #[error("the result could not be mapped into the host's memory; try again")]
    NotMapped,
    /// The device took longer than the caller waits.
    #[error(
        "no result within {limit:?}; wait longer, or give the device less to do: what was submitted still runs"
    )]
    TimedOut {
        /// What was waited.
        limit: Duration,
    },
    /// Something that wgpu does not allow and that cannot be seen beforehand, such as buffers of another device or destroyed ones.
    #[error("wgpu refuses this: {reason}")]
    Refused {
        /// In wgpu's words.
        reason: String,
    },
}
