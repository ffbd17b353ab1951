//! Every adapter that wgpu finds, each with a device of WebGPU's default limits and no features, and, where there are features
//! or limits beyond these that the program asks for, another with those.
//!
//! `WGPU_BACKEND=vulkan,gl` in the environment keeps to these backends, as in other programs of wgpu.
//!
//! Kernels run without checks, as a caller's do; with `RELATTN_CHECKS=all` in the environment with all of them.

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use relattn::{Capabilities, Checks, Context, wgpu};

/// An adapter, and the context on its device or the reason why there is none.
#[derive(Clone, Debug)]
pub struct Adapter {
    /// Backend, name, and what the device is requested with beyond a plain one.
    pub name: String,
    /// What the driver says about itself.
    pub info: wgpu::AdapterInfo,
    /// The context, or why the adapter cannot be tested.
    pub context: Result<Context, String>,
    /// Only one thread at a time may use it.
    pub one_at_a_time: bool,
    /// It has larger limits than the plain device before it, and is like it else.
    pub larger: bool,
}

/// Every adapter, of devices that differ in limits alone the larger; panics where there is none, so that no run passes without a device.
pub fn adapters() -> Vec<Adapter> {
    adapters_with(|_| ())
}

/// The contexts of the adapters that have one.
pub fn contexts() -> Vec<(String, Context)> {
    limited(|_| ())
}

/// [`contexts`] that the tests of a process share, with their kernels, one test at a time: an OpenGL context is one thread's at a
/// time.
pub fn shared() -> MutexGuard<'static, Vec<(String, Context)>> {
    static SHARED: OnceLock<Mutex<Vec<(String, Context)>>> = OnceLock::new();
    let shared = SHARED.get_or_init(|| Mutex::new(contexts()));
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// As [`contexts`], with devices whose limits are changed.
pub fn limited(change: fn(&mut wgpu::Limits)) -> Vec<(String, Context)> {
    let mut contexts = Vec::new();
    for Adapter { name, context, .. } in adapters_with(change) {
        match context {
            Ok(context) => contexts.push((name, context)),
            Err(reason) => println!("{name}: unsupported: {reason}"),
        }
    }
    assert!(!contexts.is_empty(), "no adapter has a device");
    contexts
}

fn adapters_with(change: fn(&mut wgpu::Limits)) -> Vec<Adapter> {
    let all = adapters_of(wgpu::Backends::PRIMARY | wgpu::Backends::GL, change);
    let mut found: Vec<Adapter> = Vec::new();
    for adapter in all {
        if adapter.larger && adapter.context.is_ok() {
            // It has the same kernels, and others.
            found.pop();
        }
        found.push(adapter);
    }
    assert!(
        !found.is_empty(),
        "no adapter; `cargo xtask test` installs a software Vulkan driver"
    );
    found
}

/// Every adapter of some backends, with devices whose limits are changed; the same order every time.
pub fn adapters_of(backends: wgpu::Backends, change: fn(&mut wgpu::Limits)) -> Vec<Adapter> {
    let backends = backends & of_environment();
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
    descriptor.backends = backends;
    let instance = wgpu::Instance::new(descriptor);
    let found = pollster::block_on(instance.enumerate_adapters(backends));
    let devices = found.iter().flat_map(|adapter| devices(adapter, change));
    devices.collect()
}

/// The backends that wgpu's variable `WGPU_BACKEND` allows.
pub fn of_environment() -> wgpu::Backends {
    wgpu::Backends::from_env().unwrap_or(wgpu::Backends::all())
}

fn devices(adapter: &wgpu::Adapter, change: fn(&mut wgpu::Limits)) -> Vec<Adapter> {
    let info = adapter.get_info();
    let name = format!("{}/{}", info.backend, info.name);
    let mut plain = wgpu::DeviceDescriptor::default();
    #[expect(
        unsafe_code,
        reason = "the one experimental feature that is asked for is what kernels multiply matrices by, whose argument is that of `relattn::Checks`"
    )]
    let experimental = unsafe { wgpu::ExperimentalFeatures::enabled() };
    let mut full = Capabilities::descriptor_with_matrices(adapter, experimental);
    change(&mut plain.required_limits);
    change(&mut full.required_limits);
    let mut devices = vec![open(adapter, name.clone(), &plain)];
    if let Some(more) = beyond(&plain, &full) {
        devices.push(Adapter {
            larger: full.required_features.is_empty(),
            ..open(adapter, format!("{name} with {more}"), &full)
        });
    }
    devices
}

/// What a device has beyond a plain one: the features or, where there are none, the storage buffers.
fn beyond(plain: &wgpu::DeviceDescriptor<'_>, full: &wgpu::DeviceDescriptor<'_>) -> Option<String> {
    if !full.required_features.is_empty() {
        return Some(names(full.required_features));
    }
    let buffers = full.required_limits.max_storage_buffers_per_shader_stage;
    let more = full.required_limits != plain.required_limits;
    more.then(|| format!("{buffers} storage buffers"))
}

fn names(features: wgpu::Features) -> String {
    let names: Vec<_> = features.iter_names().map(|(name, _)| name).collect();
    names.join(", ")
}

fn open(adapter: &wgpu::Adapter, name: String, descriptor: &wgpu::DeviceDescriptor<'_>) -> Adapter {
    let request = adapter.request_device(descriptor);
    let info = adapter.get_info();
    Adapter {
        name,
        context: pollster::block_on(request)
            .map(|(device, queue)| {
                let context = Context::new(&device, &queue).with_matrices(adapter);
                context.with_checks(checks())
            })
            .map_err(|error| error.to_string()),
        one_at_a_time: info.backend == wgpu::Backend::Gl,
        larger: false,
        info,
    }
}

/// What the environment asks for.
#[must_use]
pub fn checks() -> Checks {
    match std::env::var("RELATTN_CHECKS").as_deref() {
        Ok("all") => Checks::All,
        Ok("none") | Err(_) => Checks::None,
        Ok(other) => panic!("RELATTN_CHECKS is {other:?}; all and none are allowed"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_beyond_a_plain_one_says_what_it_has() {
        let plain = wgpu::DeviceDescriptor::default();
        let mut full = plain.clone();
        assert_eq!(beyond(&plain, &full), None);
        full.required_limits.max_storage_buffers_per_shader_stage = 16;
        assert_eq!(beyond(&plain, &full).as_deref(), Some("16 storage buffers"));
        full.required_features = wgpu::Features::SUBGROUP;
        assert_eq!(beyond(&plain, &full).as_deref(), Some("SUBGROUP"));
    }
}
