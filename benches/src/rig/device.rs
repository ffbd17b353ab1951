//! The device that is measured, with WebGPU's default limits and the features that kernels make use of.

use std::cell::Cell;
use std::time::{Duration, Instant};

use super::case::{T5, problem};
use super::stopwatch::Stopwatch;
use relattn::{Capabilities, Context, wgpu};
use wgpu::BufferUsages;
use wgpu::util::DeviceExt;

/// A GPU that has been idle for so long may have lowered its clock,
const IDLE: Duration = Duration::from_millis(200);
/// and takes up to so long to raise it again.
const WARM_UP: Duration = Duration::from_secs(1);
/// How long a submission keeps a GPU busy, so that neither its beginning nor its end counts.
const SUBMISSION: Duration = Duration::from_millis(20);
/// Passes of a submission at most.
const PASSES: u32 = 512;

/// A context and the adapter it is on.
#[derive(Debug)]
pub struct Rig {
    /// What makes the passes.
    pub context: Context,
    /// The adapter that they run on.
    pub info: wgpu::AdapterInfo,
    stopwatch: Option<Stopwatch>,
    /// When a pass was last timed.
    timed: Cell<Option<Instant>>,
}

impl Rig {
    /// Opens the adapter whose "backend/name" contains `RELATTN_DEVICE`, else the one that wgpu prefers.
    #[must_use]
    pub fn open() -> Self {
        let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
        let adapter = match std::env::var("RELATTN_DEVICE") {
            Ok(wanted) => named(&instance, &wanted),
            Err(_) => {
                let request = instance.request_adapter(&wgpu::RequestAdapterOptions::default());
                pollster::block_on(request).expect("an adapter")
            }
        };
        #[expect(
            unsafe_code,
            reason = "the one experimental feature that is asked for is what kernels multiply matrices by"
        )]
        let experimental = unsafe { wgpu::ExperimentalFeatures::enabled() };
        let descriptor = Capabilities::descriptor_with_matrices(&adapter, experimental);
        let request = adapter.request_device(&descriptor);
        let (device, queue) = pollster::block_on(request).expect("a device with default limits");
        let context = Context::new(&device, &queue).with_matrices(&adapter);
        Self::new(context, adapter.get_info())
    }

    /// Measures on this context's device, by timestamps where it was requested with [`Stopwatch::FEATURES`].
    #[must_use]
    pub fn new(context: Context, info: wgpu::AdapterInfo) -> Self {
        let stopwatch = Stopwatch::new(context.device(), context.queue());
        Self {
            context,
            info,
            stopwatch,
            timed: Cell::new(None),
        }
    }

    /// Whether times are the device's own, and not those of the wall clock.
    #[must_use]
    pub const fn has_timestamps(&self) -> bool {
        self.stopwatch.is_some()
    }

    /// Which kernel the fused pass with T5's bias is.
    #[must_use]
    pub fn kernel(&self) -> String {
        let forward = self.context.forward(&problem(64, 64, 0, T5));
        forward.expect("a kernel").variant().to_string()
    }

    /// The time of the recorded work between two timestamps where the device offers them, else the wall-clock time from
    /// submitting it until the device is idle; recording is not counted.
    pub fn time(&self, record: impl FnOnce(&mut wgpu::CommandEncoder)) -> Duration {
        let mut encoder = self.encoder();
        if let Some(stopwatch) = &self.stopwatch {
            stopwatch.start(&mut encoder);
            record(&mut encoder);
            stopwatch.stop(&mut encoder);
            self.context.queue().submit([encoder.finish()]);
            return stopwatch.elapsed(&self.read(stopwatch.ticks()));
        }
        record(&mut encoder);
        let commands = encoder.finish();
        let start = Instant::now();
        self.context.queue().submit([commands]);
        self.wait();
        start.elapsed()
    }

    /// The time of one pass: where a processor plays the GPU by [`Self::time`]; on a GPU of many in a submission, behind others where it may have
    /// been idle.
    pub fn time_pass(&self, record: impl Fn(&mut wgpu::CommandEncoder)) -> Duration {
        if self.info.device_type == wgpu::DeviceType::Cpu {
            return self.time(record);
        }
        let idle = self.timed.get().is_none_or(|timed| timed.elapsed() > IDLE);
        let warm_up = if idle { WARM_UP } else { Duration::ZERO };
        let start = Instant::now();
        let mut passes = 1;
        loop {
            let took = self.time(|encoder| (0..passes).for_each(|_| record(encoder))) / passes;
            let wanted = passes_of(took);
            if start.elapsed() > warm_up && 2 * passes >= wanted {
                self.timed.set(Some(Instant::now()));
                return took;
            }
            passes = wanted;
        }
    }

    /// An empty encoder.
    #[must_use]
    pub fn encoder(&self) -> wgpu::CommandEncoder {
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

    /// A buffer to be read by passes.
    #[must_use]
    pub fn upload<T: bytemuck::Pod>(&self, contents: &[T]) -> wgpu::Buffer {
        let descriptor = wgpu::util::BufferInitDescriptor {
            label: None,
            contents: bytemuck::cast_slice(contents),
            usage: BufferUsages::STORAGE,
        };
        self.context.device().create_buffer_init(&descriptor)
    }

    /// A buffer to compute into and to read back.
    #[must_use]
    pub fn output(&self, bytes: u64) -> wgpu::Buffer {
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
    pub fn clear(&self, buffer: &wgpu::Buffer) {
        let mut encoder = self.encoder();
        encoder.clear_buffer(buffer, 0, None);
        self.context.queue().submit([encoder.finish()]);
    }

    /// What a buffer holds.
    #[must_use]
    pub fn read<T: bytemuck::Pod>(&self, buffer: &wgpu::Buffer) -> Vec<T> {
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

/// How many passes of this time make a submission.
fn passes_of(once: Duration) -> u32 {
    let passes = SUBMISSION.as_nanos() / once.as_nanos().max(1);
    u32::try_from(passes).unwrap_or(PASSES).clamp(1, PASSES)
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
#[must_use]
pub fn name(info: &wgpu::AdapterInfo) -> String {
    format!("{}/{}", info.backend, info.name)
}

#[cfg(test)]
mod tests {
    use super::{Duration, PASSES, passes_of};

    #[test]
    fn a_submission_has_a_pass_and_not_too_many() {
        let ms = Duration::from_millis;
        assert_eq!([5, 300].map(|time| passes_of(ms(time))), [4, 1]);
        assert_eq!(passes_of(Duration::ZERO), PASSES);
    }
}
