//! Every adapter that wgpu finds, each with a device of WebGPU's default limits and no features, and, where there are features
//! that kernels make use of, another with those.

use relattn::{Capabilities, Context, wgpu};

/// An adapter, and the context on its device or the reason why there is none.
#[derive(Clone, Debug)]
pub(crate) struct Adapter {
    /// Backend and name.
    pub(crate) name: String,
    /// The context, or why the adapter cannot be tested.
    pub(crate) context: Result<Context, String>,
    /// Only one thread at a time may use it.
    pub(crate) one_at_a_time: bool,
}

/// Every adapter; panics where there is none, so that no run passes without a device.
pub(crate) fn adapters() -> Vec<Adapter> {
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
    descriptor.backends = wgpu::Backends::PRIMARY | wgpu::Backends::GL;
    let instance = wgpu::Instance::new(descriptor);
    let found = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::all()));
    assert!(
        !found.is_empty(),
        "no adapter; `cargo xtask test` installs a software Vulkan driver"
    );
    found.iter().flat_map(devices).collect()
}

/// The contexts of the adapters that have one.
pub(crate) fn contexts() -> Vec<(String, Context)> {
    let contexts: Vec<_> = adapters()
        .into_iter()
        .filter_map(|adapter| Some((adapter.name, adapter.context.ok()?)))
        .collect();
    assert!(
        !contexts.is_empty(),
        "no adapter has a device with default limits"
    );
    contexts
}

fn devices(adapter: &wgpu::Adapter) -> Vec<Adapter> {
    let info = adapter.get_info();
    let name = format!("{}/{}", info.backend, info.name);
    let full = Capabilities::descriptor(adapter);
    let mut devices = vec![open(
        adapter,
        name.clone(),
        &wgpu::DeviceDescriptor::default(),
    )];
    if !full.required_features.is_empty() {
        let name = format!("{name} with {}", names(full.required_features));
        devices.push(open(adapter, name, &full));
    }
    devices
}

fn names(features: wgpu::Features) -> String {
    let names: Vec<_> = features.iter_names().map(|(name, _)| name).collect();
    names.join(", ")
}

fn open(adapter: &wgpu::Adapter, name: String, descriptor: &wgpu::DeviceDescriptor<'_>) -> Adapter {
    let request = adapter.request_device(descriptor);
    Adapter {
        name,
        context: pollster::block_on(request)
            .map(|(device, queue)| Context::new(&device, &queue))
            .map_err(|error| error.to_string()),
        one_at_a_time: adapter.get_info().backend == wgpu::Backend::Gl,
    }
}
