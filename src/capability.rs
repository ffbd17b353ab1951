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
    /// The fewest invocations that share a subgroup; 0 where the device was requested without subgroup operations.
    pub subgroup_size: u32,
    /// A processor plays the GPU.
    pub cpu: bool,
}

impl Capabilities {
    /// WebGPU's default limits.
    pub const WEBGPU_DEFAULT: Self = Self {
        workgroup_storage: 16_384,
        invocations: 256,
        storage_buffers: 8,
        subgroup_size: 0,
        cpu: false,
    };

    /// The features that kernels make use of; a device requested with `adapter.features() & Capabilities::FEATURES` offers
    /// them all the kernels that they can run there. None is needed.
    #[cfg(feature = "gpu")]
    pub const FEATURES: wgpu::Features = wgpu::Features::SUBGROUP;

    /// What the device was requested with.
    #[cfg(feature = "gpu")]
    #[must_use]
    pub fn of(device: &wgpu::Device) -> Self {
        let (limits, info) = (device.limits(), device.adapter_info());
        let subgroups = device.features().contains(wgpu::Features::SUBGROUP);
        Self {
            workgroup_storage: limits.max_compute_workgroup_storage_size,
            invocations: limits.max_compute_invocations_per_workgroup,
            storage_buffers: limits.max_storage_buffers_per_shader_stage,
            subgroup_size: if subgroups { info.subgroup_min_size } else { 0 },
            cpu: info.device_type == wgpu::DeviceType::Cpu,
        }
    }
}
