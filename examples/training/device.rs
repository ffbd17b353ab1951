//! The device that the examples run on.

use relattn::{Capabilities, Context, wgpu};

use super::Result;

/// The adapter that wgpu prefers, and its name.
pub(crate) fn open() -> Result<(Context, String)> {
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
    let adapter = pollster::block_on(instance.request_adapter(&Default::default()))?;
    let (device, queue) =
        pollster::block_on(adapter.request_device(&Capabilities::descriptor(&adapter)))?;
    Ok((Context::new(&device, &queue), adapter.get_info().name))
}
