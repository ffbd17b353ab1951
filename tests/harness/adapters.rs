//! Every adapter that wgpu finds, each with a device of WebGPU's default limits.

use relattn::{Context, wgpu};

/// An adapter, and the context on its device or the reason why there is none.
#[derive(Clone, Debug)]
pub(crate) struct Adapter {
    /// Backend and name.
    pub(crate) name: String,
    /// The context, or why the adapter cannot be tested.
    pub(crate) context: Result<Context, String>,
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
    found.iter().map(open).collect()
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

fn open(adapter: &wgpu::Adapter) -> Adapter {
    let info = adapter.get_info();
    let request = adapter.request_device(&wgpu::DeviceDescriptor::default());
    Adapter {
        name: format!("{}/{}", info.backend, info.name),
        context: pollster::block_on(request)
            .map(|(device, queue)| Context::new(&device, &queue))
            .map_err(|error| error.to_string()),
    }
}
