//! The device that is measured, with WebGPU's default limits and the features that kernels make use of.

use std::time::{Duration, Instant};

use super::case::{T5, problem};
use relattn::{Capabilities, Context, wgpu};
use wgpu::BufferUsages;
use wgpu::util::DeviceExt;

/// A context and the adapter it is on.
#[derive(Debug)]
pub(crate) struct Rig {
    pub(crate) context: Context,
    pub(crate) info: wgpu::AdapterInfo,
}

impl Rig {
    /// Opens the adapter whose "backend/name" contains `RELATTN_DEVICE`, else the one that wgpu prefers.
    pub(crate) fn open() -> Self {
        let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
        let adapter = match std::env::var("RELATTN_DEVICE") {
            Ok(wanted) => named(&instance, &wanted),
            Err(_) => {
                let request = instance.request_adapter(&wgpu::RequestAdapterOptions::default());
                pollster::block_on(request).expect("an adapter")
            }
        };
        let request = adapter.request_device(&Capabilities::descriptor(&adapter));
        let (device, queue) = pollster::block_on(request).expect("a device with default limits");
        Self {
            context: Context::new(&device, &queue),
            info: adapter.get_info(),
        }
    }

    /// Which kernel the fused pass with T5's bias is.
    pub(crate) fn kernel(&self) -> String {
        let forward = self.context.forward(&problem(64, 64, 0, T5));
        forward.expect("a kernel").variant().to_string()
    }

    /// Wall-clock time from submitting the work until the device is idle; recording it is not counted.
    pub(crate) fn time(&self, record: impl FnOnce(&mut wgpu::CommandEncoder)) -> Duration {
        let mut encoder = self.encoder();
        record(&mut encoder);
        let commands = encoder.finish();
        let start = Instant::now();
        self.context.queue().submit([commands]);
        self.wait();
        start.elapsed()
    }

    pub(crate) fn encoder(&self) -> wgpu::CommandEncoder {
        let descriptor = wgpu::CommandEncoderDescriptor::default();
        self.context.device().create_command_encoder(&descriptor)
    }

    fn wait(&self) {
        let idle = self
            .context
            .device()
            .poll(wgpu::PollType::wait_indefinitely());
        idle.expect("the device is lost");
    }

    pub(crate) fn upload(&self, contents: &[f32]) -> wgpu::Buffer {
        let descriptor = wgpu::util::BufferInitDescriptor {
            label: None,
            contents: bytemuck::cast_slice(contents),
            usage: BufferUsages::STORAGE,
        };
        self.context.device().create_buffer_init(&descriptor)
    }

    /// A buffer to compute into and to read back.
    pub(crate) fn output(&self, bytes: u64) -> wgpu::Buffer {
        self.context
            .device()
            .create_buffer(&wgpu::BufferDescriptor {
                label: None,
                size: bytes,
                usage: BufferUsages::STORAGE | BufferUsages::COPY_SRC | BufferUsages::COPY_DST,
                mapped_at_creation: false,
            })
    }

    /// Zeroes a buffer, so that an old result does not pass for a new one.
    pub(crate) fn clear(&self, buffer: &wgpu::Buffer) {
        let mut encoder = self.encoder();
        encoder.clear_buffer(buffer, 0, None);
        self.context.queue().submit([encoder.finish()]);
    }

    pub(crate) fn read<T: bytemuck::Pod>(&self, buffer: &wgpu::Buffer) -> Vec<T> {
        let staging = self
            .context
            .device()
            .create_buffer(&wgpu::BufferDescriptor {
                label: None,
                size: buffer.size(),
                usage: BufferUsages::MAP_READ | BufferUsages::COPY_DST,
                mapped_at_creation: false,
            });
        let mut encoder = self.encoder();
        encoder.copy_buffer_to_buffer(buffer, 0, &staging, 0, buffer.size());
        self.context.queue().submit([encoder.finish()]);
        staging.slice(..).map_async(wgpu::MapMode::Read, |_| ());
        self.wait();
        let mapped = staging.slice(..).get_mapped_range().expect("mapped");
        bytemuck::pod_collect_to_vec(&mapped)
    }
}

fn named(instance: &wgpu::Instance, wanted: &str) -> wgpu::Adapter {
    let wanted = wanted.to_lowercase();
    let found = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::all()));
    let names: Vec<_> = found
        .iter()
        .map(|adapter| name(&adapter.get_info()))
        .collect();
    let position = names
        .iter()
        .position(|name| name.to_lowercase().contains(&wanted));
    let position =
        position.unwrap_or_else(|| panic!("RELATTN_DEVICE {wanted:?} is none of {names:?}"));
    found.into_iter().nth(position).expect("one of them")
}

/// Backend and name.
pub(crate) fn name(info: &wgpu::AdapterInfo) -> String {
    format!("{}/{}", info.backend, info.name)
}
