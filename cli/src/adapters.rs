//! The adapters that wgpu finds, in order of preference.

use pollster::block_on;
use relattn::plan::choose;
use relattn::{Bias, Capabilities, Mask, Problem, RelativeBuckets, Shape, wgpu};
use relattn_bench::rig::stopwatch::Stopwatch;
use relattn_conformance::adapters::of_environment;
use wgpu::{Backends, DeviceType};

use crate::fault::Fault;
use crate::gpu::Gpu;

/// The adapters of some backends, best first; `WGPU_BACKEND` in the environment keeps to those that it names.
pub(crate) fn of(backends: Backends) -> Vec<wgpu::Adapter> {
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
    let backends = backends & of_environment();
    descriptor.backends = backends;
    let instance = wgpu::Instance::new(descriptor);
    let mut adapters = block_on(instance.enumerate_adapters(backends));
    adapters.sort_by_key(|adapter| rank(&adapter.get_info()));
    adapters
}

/// A real GPU before a software one, and OpenGL after everything else.
fn rank(info: &wgpu::AdapterInfo) -> (u8, bool) {
    let kind = match info.device_type {
        DeviceType::DiscreteGpu => 0,
        DeviceType::IntegratedGpu => 1,
        DeviceType::VirtualGpu => 2,
        DeviceType::Other => 3,
        DeviceType::Cpu => 4,
    };
    (kind, info.backend == wgpu::Backend::Gl)
}

/// `backend/name`, by which an adapter is asked for.
pub(crate) fn label(info: &wgpu::AdapterInfo) -> String {
    format!("{}/{}", info.backend, info.name)
}

/// The best adapter that relattn runs on, if any. OpenGL is looked at last: loading it makes Mesa talk on stderr.
pub(crate) fn best() -> Option<Gpu> {
    [Backends::all() - Backends::GL, Backends::GL]
        .into_iter()
        .flat_map(of)
        .find_map(|adapter| open(&adapter).ok())
}

/// The first adapter whose label contains this text.
pub(crate) fn named(text: &str) -> Result<Gpu, Fault> {
    let adapters = of(Backends::all());
    let wanted = text.to_lowercase();
    let found = adapters
        .iter()
        .find(|adapter| label(&adapter.get_info()).to_lowercase().contains(&wanted));
    let Some(adapter) = found.filter(|_| !text.is_empty()) else {
        let labels = adapters.iter().map(|adapter| label(&adapter.get_info()));
        return Err(Fault::UnknownDevice {
            name: text.to_owned(),
            known: ["auto", "cpu", "oracle"]
                .map(String::from)
                .into_iter()
                .chain(labels)
                .collect(),
        });
    };
    open(adapter).map_err(|reason| Fault::UnusableDevice {
        name: label(&adapter.get_info()),
        reason,
    })
}

/// Requests a device with what kernels make use of, and with timestamps where there are any, and checks that every kernel fits it.
pub(crate) fn open(adapter: &wgpu::Adapter) -> Result<Gpu, String> {
    #[expect(
        unsafe_code,
        reason = "the one experimental feature that is asked for is what kernels multiply matrices by"
    )]
    let experimental = unsafe { wgpu::ExperimentalFeatures::enabled() };
    let mut descriptor = Capabilities::descriptor_with_matrices(adapter, experimental);
    descriptor.required_features |= adapter.features() & Stopwatch::FEATURES;
    let request = adapter.request_device(&descriptor);
    let (device, queue) = block_on(request).map_err(|error| error.to_string())?;
    runs_baseline(&Capabilities::of(&device))?;
    Ok(Gpu::new(adapter.clone(), &device, &queue))
}

/// The largest kernels: every slot in use, at both numbers of rows.
fn runs_baseline(capabilities: &Capabilities) -> Result<(), String> {
    for head_dim in [64, Shape::MAX_HEAD_DIM] {
        let shape = Shape {
            batch: 1,
            heads: 1,
            kv_heads: 1,
            q_len: 1,
            k_len: 1,
            head_dim,
        };
        let problem = Problem::builder(shape)
            .bias(Bias::Relative(RelativeBuckets::t5_encoder()))
            .mask(Mask {
                causal: true,
                keys: true,
                ..Mask::NONE
            })
            .build()
            .map_err(|error| error.to_string())?;
        choose(&problem, capabilities).map_err(|error| error.to_string())?;
    }
    Ok(())
}
