//! A small problem on devices of a test's own.

use relattn::cpu::{Attention, Outputs};
use relattn::run::OnDevice;
use relattn::{Bias, Context, Problem, RelativeBuckets, Shape, wgpu};

use crate::harness::adapters::contexts;
use crate::harness::compare::Reference;
use crate::harness::data::Data;
use crate::harness::device::bits;

const SHAPE: Shape = Shape {
    batch: 1,
    heads: 2,
    kv_heads: 1,
    q_len: 3,
    k_len: 40,
    head_dim: 4,
};

/// A decoding step with T5's bias: three kernels, which compile in a second.
pub(crate) fn problem() -> Problem {
    let builder = Problem::builder(SHAPE).bias(Bias::Relative(RelativeBuckets::t5_decoder()));
    builder.query_offset(37).build().expect("a valid problem")
}

pub(crate) fn data() -> Data {
    Data::generate(&problem(), 5)
}

/// A device of its own on every adapter, and one more where there are features to ask for.
pub(crate) fn devices() -> Vec<(String, Context)> {
    contexts()
}

/// Pairs of a context and another one of the same instance; wgpu itself stops at what belongs to another instance.
pub(crate) fn pairs() -> Vec<(String, Context, Context)> {
    let devices = devices();
    if devices.len() < 2 {
        println!("unsupported: there is only one device");
    }
    let others = devices.iter().cycle().skip(1);
    let pairs = devices.iter().zip(others).filter(|_| devices.len() > 1);
    pairs
        .map(|((name, context), (_, other))| (name.clone(), context.clone(), other.clone()))
        .collect()
}

/// Devices that do their work while somebody waits for it: OpenGL's does it all when it is submitted.
pub(crate) fn asynchronous() -> Vec<(String, Context)> {
    let mut devices = devices();
    devices.retain(|(name, context)| {
        let gl = context.device().adapter_info().backend == wgpu::Backend::Gl;
        if gl {
            println!("{name}: unsupported: no work is under way after its submission");
        }
        !gl
    });
    devices
}

/// A device that validates everything and executes nothing.
pub(crate) fn noop() -> Context {
    let (device, queue) = wgpu::Device::noop(&wgpu::DeviceDescriptor::default());
    Context::new(&device, &queue)
}

pub(crate) fn forward(context: &Context) -> Result<Outputs, relattn::Error> {
    OnDevice::new(context.clone()).forward(&problem(), &data().inputs())
}

/// Whether the small problem comes out right.
pub(crate) fn works(context: &Context) -> Result<Vec<u32>, String> {
    let found = forward(context).map_err(|error| error.to_string())?;
    right(&found)?;
    Ok(bits(&found.out))
}

pub(crate) fn right(found: &Outputs) -> Result<(), String> {
    let reference = Reference::new(&problem(), &data().inputs());
    reference.check(found).map(drop)
}

/// What the device holds of each kind; of command encoders wgpu keeps as many as were ever in use at once.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Held([(&'static str, isize); 7]);

/// Once the device has done and dropped everything.
pub(crate) fn held(device: &wgpu::Device) -> Held {
    let wait = wgpu::PollType::wait_indefinitely();
    device.poll(wait.clone()).expect("a device");
    // What the first has found to be done is dropped by the next.
    device.poll(wait).expect("a device");
    let counters = device.get_internal_counters().hal;
    Held([
        ("buffers", counters.buffers.read()),
        ("bytes of buffers", counters.buffer_memory.read()),
        ("bind groups", counters.bind_groups.read()),
        ("bind group layouts", counters.bind_group_layouts.read()),
        ("pipeline layouts", counters.pipeline_layouts.read()),
        ("shader modules", counters.shader_modules.read()),
        ("pipelines", counters.compute_pipelines.read()),
    ])
}

impl Held {
    /// Counters of some backends stay at 0, and show nothing.
    pub(crate) fn counts(&self) -> bool {
        self.0[0].1 > 0
    }
}
