//! What a device can do at best, by kernels that do nothing else.

mod arithmetic;
mod bandwidth;
mod cooperative;

use std::time::Duration;

use pollster::block_on;
use relattn::{Capabilities, Context, wgpu};
use wgpu::Features;

use crate::rig::device::Rig;
use crate::rig::stopwatch::Stopwatch;

/// How long a probe runs at least, so that starting it does not count.
const LONG_ENOUGH: Duration = Duration::from_millis(15);
/// How often a probe of that length runs; the fastest counts.
const RUNS: u32 = 3;
/// Invocations of a workgroup.
const WORKGROUP: u32 = 64;

/// The most that was measured; None where the device does not offer it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Peaks {
    /// Multiplications and additions of f32 a second, two for a multiply-add.
    pub f32: f64,
    /// The same of f16.
    pub f16: Option<f64>,
    /// The same of cooperative matrices.
    pub cooperative: Option<Cooperative>,
    /// Bytes a second of a copy, read and written.
    pub copy: f64,
    /// Bytes a second that are read and summed.
    pub read: f64,
}

/// Products of matrices that a subgroup holds together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cooperative {
    /// Rows and columns of each matrix.
    pub size: u32,
    /// The type of the sums; the factors are f16.
    pub sums: &'static str,
    /// Multiplications and additions a second.
    pub flops: f64,
}

impl Peaks {
    /// Measures an adapter, on a device of its own with what the probes need.
    ///
    /// # Errors
    /// The adapter gives no such device.
    pub fn measure(adapter: &wgpu::Adapter) -> Result<Self, wgpu::RequestDeviceError> {
        let rig = open(adapter)?;
        let [copy, read] = bandwidth::measure(&rig);
        Ok(Self {
            f32: arithmetic::measure(&rig, "f32"),
            f16: has(&rig, Features::SHADER_F16).then(|| arithmetic::measure(&rig, "f16")),
            cooperative: cooperative::measure(&rig, &adapter.cooperative_matrix_properties()),
            copy,
            read,
        })
    }

    /// Bytes a second, however they are moved.
    #[must_use]
    pub const fn bandwidth(&self) -> f64 {
        self.copy.max(self.read)
    }
}

fn open(adapter: &wgpu::Adapter) -> Result<Rig, wgpu::RequestDeviceError> {
    let wanted = Features::SHADER_F16
        | Features::SUBGROUP
        | Features::EXPERIMENTAL_COOPERATIVE_MATRIX
        | Stopwatch::FEATURES;
    #[expect(
        unsafe_code,
        reason = "the one experimental feature that is asked for is that of a probe, whose kernels load and store whole matrices inside their buffers"
    )]
    let experimental_features = unsafe { wgpu::ExperimentalFeatures::enabled() };
    let request = adapter.request_device(&wgpu::DeviceDescriptor {
        required_features: adapter.features() & wanted,
        experimental_features,
        ..Capabilities::descriptor(adapter)
    });
    let (device, queue) = block_on(request)?;
    Ok(Rig::new(Context::new(&device, &queue), adapter.get_info()))
}

/// Workgroups that keep the device busy and are over at about the same time: more than any GPU holds, and on a processor, whose
/// threads take one after the other, fewer.
fn workgroups(rig: &Rig) -> u32 {
    if rig.info.device_type == wgpu::DeviceType::Cpu {
        256
    } else {
        4096
    }
}

fn has(rig: &Rig, feature: Features) -> bool {
    rig.context.device().features().contains(feature)
}

/// Units of work a second: the fastest of a few runs, of as many units as take long enough.
fn fastest(run: impl Fn(u32) -> Duration) -> f64 {
    // A driver may compile, or find memory, when a kernel first runs.
    run(1);
    let mut units = 1;
    let mut took = run(units);
    while took < LONG_ENOUGH && units < 1 << 24 {
        let times = LONG_ENOUGH.as_secs_f64() / took.as_secs_f64().max(1e-9);
        units *= if times > 8.0 { 8 } else { 2 };
        took = run(units);
    }
    let fastest = (1..RUNS).map(|_| run(units)).fold(took, Duration::min);
    f64::from(units) / fastest.as_secs_f64()
}

/// Several ways to do the same: the fastest counts.
fn best(rates: impl Iterator<Item = f64>) -> f64 {
    rates.fold(0.0, f64::max)
}

/// Panics where a kernel is no WGSL.
#[cfg(test)]
fn valid(text: &str) {
    use naga::valid::{Capabilities, ValidationFlags, Validator};
    let module = naga::front::wgsl::parse_str(text);
    let module = module.unwrap_or_else(|error| panic!("{}", error.emit_to_string(text)));
    let checked = Validator::new(ValidationFlags::all(), Capabilities::all()).validate(&module);
    checked.unwrap_or_else(|error| panic!("{}", error.emit_to_string(text)));
}
