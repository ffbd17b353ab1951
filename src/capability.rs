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
    /// The most invocations that share a subgroup; 0 where the device was requested without subgroup operations.
    pub largest_subgroup: u32,
    /// Workgroups that keep the whole device busy, about.
    pub busy_workgroups: u32,
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
        largest_subgroup: 0,
        busy_workgroups: Self::GPU_WORKGROUPS,
        cpu: false,
    };

    /// wgpu does not tell how many units a GPU has; this many workgroups fill a large one.
    const GPU_WORKGROUPS: u32 = 512;

    /// The features that kernels make use of. None is needed.
    #[cfg(feature = "gpu")]
    pub const FEATURES: wgpu::Features = wgpu::Features::SUBGROUP;

    /// How to request a device on which every kernel runs that the adapter can run: the features that kernels make use of,
    /// and WebGPU's default limits with as many storage buffers as there are, since an index matrix together with a key
    /// mask and key lengths needs nine.
    #[cfg(feature = "gpu")]
    #[must_use]
    pub fn descriptor(adapter: &wgpu::Adapter) -> wgpu::DeviceDescriptor<'static> {
        let most = adapter.limits().max_storage_buffers_per_shader_stage;
        wgpu::DeviceDescriptor {
            required_features: adapter.features() & Self::FEATURES,
            required_limits: wgpu::Limits {
                max_storage_buffers_per_shader_stage: most,
                ..wgpu::Limits::default()
            },
            ..Default::default()
        }
    }

    /// What the device was requested with.
    #[cfg(feature = "gpu")]
    #[must_use]
    pub fn of(device: &wgpu::Device) -> Self {
        let (limits, info) = (device.limits(), device.adapter_info());
        let cpu = info.device_type == wgpu::DeviceType::Cpu;
        let subgroups = device.features().contains(wgpu::Features::SUBGROUP);
        Self {
            workgroup_storage: limits.max_compute_workgroup_storage_size,
            invocations: limits.max_compute_invocations_per_workgroup,
            storage_buffers: limits.max_storage_buffers_per_shader_stage,
            subgroup_size: if subgroups { info.subgroup_min_size } else { 0 },
            largest_subgroup: if subgroups { info.subgroup_max_size } else { 0 },
            busy_workgroups: busy_workgroups(cpu),
            cpu,
        }
    }
}

/// One for each thread of a processor that plays the GPU: more would only add to what is merged.
#[cfg(feature = "gpu")]
fn busy_workgroups(cpu: bool) -> u32 {
    if !cpu {
        return Capabilities::GPU_WORKGROUPS;
    }
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    u32::try_from(threads).unwrap_or(Capabilities::GPU_WORKGROUPS)
}
