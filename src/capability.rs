//! What a device offers, as far as the choice of a kernel depends on it.

#[cfg(feature = "gpu")]
use crate::plan::Algorithm;
#[cfg(feature = "gpu")]
use wgpu::{CooperativeScalarType, Features};

/// Sizes of the matrices, with as many rows as columns, that a subgroup multiplies together: f16 factors, f32 sums.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct MatrixSizes {
    /// 8 × 8.
    pub eight: bool,
    /// 16 × 16.
    pub sixteen: bool,
}

/// The facts about a device that decide which kernels it can run; a plain value, so that choices are tested without one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Capabilities {
    /// Bytes of workgroup memory.
    pub workgroup_storage: u32,
    /// Invocations of a workgroup.
    pub invocations: u32,
    /// Storage buffers that a stage may bind.
    pub storage_buffers: u32,
    /// Bytes of a binding.
    pub binding: u64,
    /// The fewest invocations that share a subgroup; 0 where the device was requested without subgroup operations.
    pub subgroup_size: u32,
    /// The most invocations that share a subgroup; 0 where the device was requested without subgroup operations.
    pub largest_subgroup: u32,
    /// Workgroups that keep the whole device busy, about.
    pub busy_workgroups: u32,
    /// The adapter is software that runs on the processor, as llvmpipe, `SwiftShader` and WARP are.
    pub cpu: bool,
    /// The matrices that subgroups multiply; none where the device was requested without them, or where nobody told which those are.
    pub matrices: MatrixSizes,
}

impl MatrixSizes {
    /// No matrices.
    pub const NONE: Self = Self {
        eight: false,
        sixteen: false,
    };

    /// Whether matrices of so many rows are among them.
    #[must_use]
    pub const fn has(self, rows: u32) -> bool {
        match rows {
            8 => self.eight,
            16 => self.sixteen,
            _ => false,
        }
    }

    /// What an adapter offers, through Vulkan alone: naga's Metal takes matrices from arrays of numbers, and here they lie in arrays of vec4.
    #[cfg(feature = "gpu")]
    #[must_use]
    pub fn of(adapter: &wgpu::Adapter) -> Self {
        let vulkan = adapter.get_info().backend == wgpu::Backend::Vulkan;
        if !vulkan || !adapter.features().contains(Capabilities::MATRIX_FEATURES) {
            return Self::NONE;
        }
        let offered = adapter.cooperative_matrix_properties();
        let has = |size| {
            offered.iter().any(|one| {
                [one.m_size, one.n_size, one.k_size] == [size; 3]
                    && one.ab_type == CooperativeScalarType::F16
                    && one.cr_type == CooperativeScalarType::F32
            })
        };
        Self {
            eight: has(8),
            sixteen: has(16),
        }
    }
}

impl Capabilities {
    /// WebGPU's default limits.
    pub const WEBGPU_DEFAULT: Self = Self {
        workgroup_storage: 16_384,
        invocations: 256,
        storage_buffers: 8,
        binding: 1 << 27,
        subgroup_size: 0,
        largest_subgroup: 0,
        busy_workgroups: Self::GPU_WORKGROUPS,
        cpu: false,
        matrices: MatrixSizes::NONE,
    };

    /// wgpu does not tell how many units a GPU has; this many workgroups fill a large one.
    const GPU_WORKGROUPS: u32 = 512;

    /// The features that kernels make use of. None is needed.
    #[cfg(feature = "gpu")]
    pub const FEATURES: Features = Features::SUBGROUP;

    /// The features that products of matrices need, one of them an experimental one of wgpu.
    #[cfg(feature = "gpu")]
    pub const MATRIX_FEATURES: Features = Features::SUBGROUP
        .union(Features::SHADER_F16)
        .union(Features::EXPERIMENTAL_COOPERATIVE_MATRIX);

    /// How to request a device on which every kernel runs that the adapter can run: the features that kernels make use of,
    /// and WebGPU's default limits with as many storage buffers as there are, since an index matrix together with a key
    /// mask and key lengths needs nine.
    ///
    /// Buffers have 256 MiB at most then, and bindings 128 MiB, of which longer tensors are bound in parts. Keys of one head that take more, as with
    /// the heads of a long sequence side by side (`[B, N, H, D]`), are computed by the slower [`crate::plan::Algorithm::Decode`], and have no backward pass:
    /// raise `max_buffer_size` and `max_storage_buffer_binding_size` for them.
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

    /// As [`Self::descriptor`], with products of matrices where the adapter has any that kernels make use of, and the workgroup memory that
    /// they need; [`crate::Context::with_matrices`] then uses them for tensors of f16.
    ///
    /// wgpu calls the feature experimental: a driver, or wgpu itself, may be wrong about it. Hence the token, which takes unsafe code to make.
    #[cfg(feature = "gpu")]
    #[must_use]
    pub fn descriptor_with_matrices(
        adapter: &wgpu::Adapter,
        experimental: wgpu::ExperimentalFeatures,
    ) -> wgpu::DeviceDescriptor<'static> {
        let plain = Self::descriptor(adapter);
        if MatrixSizes::of(adapter) == MatrixSizes::NONE {
            return plain;
        }
        let offered = adapter.limits().max_compute_workgroup_storage_size;
        wgpu::DeviceDescriptor {
            required_features: plain.required_features | Self::MATRIX_FEATURES,
            required_limits: wgpu::Limits {
                max_compute_workgroup_storage_size: Algorithm::MATRIX_STORAGE.min(offered),
                ..plain.required_limits
            },
            experimental_features: experimental,
            ..plain
        }
    }

    /// What the device was requested with, but for [`Self::matrices`]: which sizes there are, its adapter alone knows.
    #[cfg(feature = "gpu")]
    #[must_use]
    pub fn of(device: &wgpu::Device) -> Self {
        let (limits, info) = (device.limits(), device.adapter_info());
        let cpu = info.device_type == wgpu::DeviceType::Cpu;
        let subgroups = device.features().contains(Features::SUBGROUP);
        Self {
            workgroup_storage: limits.max_compute_workgroup_storage_size,
            invocations: limits.max_compute_invocations_per_workgroup,
            storage_buffers: limits.max_storage_buffers_per_shader_stage,
            binding: limits.max_storage_buffer_binding_size,
            subgroup_size: if subgroups { info.subgroup_min_size } else { 0 },
            largest_subgroup: if subgroups { info.subgroup_max_size } else { 0 },
            busy_workgroups: busy_workgroups(cpu),
            cpu,
            matrices: MatrixSizes::NONE,
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
