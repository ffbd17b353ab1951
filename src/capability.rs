//! What a device offers, as far as the choice of a kernel depends on it.

/// The facts about a device that decide which kernels it can run; a plain value, so that choices are tested without one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Capabilities {
    /// Bytes of workgroup memory.
    pub workgroup_storage: u32,
    /// Invocations of a workgroup.
    pub invocations: u32,
    /// Storage buffers that a stage may bind.
    pub storage_buffers: u32,
}

impl Capabilities {
    /// WebGPU's default limits.
    pub const WEBGPU_DEFAULT: Self = Self {
        workgroup_storage: 16_384,
        invocations: 256,
        storage_buffers: 8,
    };

    /// What the device was requested with.
    #[cfg(feature = "gpu")]
    #[must_use]
    pub fn of(device: &wgpu::Device) -> Self {
        let limits = device.limits();
        Self {
            workgroup_storage: limits.max_compute_workgroup_storage_size,
            invocations: limits.max_compute_invocations_per_workgroup,
            storage_buffers: limits.max_storage_buffers_per_shader_stage,
        }
    }
}
