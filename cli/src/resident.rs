//! A forward pass whose tensors stay on the device, as a caller with buffers of its own runs it.

use relattn::cpu::Inputs;
use relattn::plan::{Bound, ForwardOperands};
use relattn::{Error, Problem, Tensor, wgpu};
use wgpu::BufferUsages;
use wgpu::util::DeviceExt;

use crate::fault::Fault;
use crate::gpu::Gpu;
use crate::output::le_bytes;

/// Bound work, to be submitted as often as one likes.
#[derive(Debug)]
pub(crate) struct Resident<'a> {
    gpu: &'a Gpu,
    bound: Bound,
}

impl<'a> Resident<'a> {
    /// Uploads everything once.
    pub(crate) fn new(gpu: &'a Gpu, problem: &Problem, inputs: &Inputs<'_>) -> Result<Self, Fault> {
        gpu.fits(problem)?;
        let bound = gpu.guard(|| bind(gpu, problem, inputs))?;
        Ok(Self { gpu, bound })
    }

    /// Submits once and waits until it is done.
    pub(crate) fn run(&self) -> Result<(), Fault> {
        self.gpu.guard(|| {
            let context = self.gpu.context();
            let descriptor = wgpu::CommandEncoderDescriptor::default();
            let mut encoder = context.device().create_command_encoder(&descriptor);
            self.bound.encode(&mut encoder);
            context.queue().submit([encoder.finish()]);
            self.gpu.wait()
        })
    }
}

fn bind(gpu: &Gpu, problem: &Problem, inputs: &Inputs<'_>) -> Result<Bound, Error> {
    let device = gpu.context().device();
    let upload = |contents: &[u8]| {
        let mut contents = contents.to_vec();
        contents.resize(contents.len().next_multiple_of(4).max(4), 0);
        device.create_buffer_init(&wgpu::util::BufferInitDescriptor {
            label: Some("relattn-cli"),
            contents: &contents,
            usage: BufferUsages::STORAGE,
        })
    };
    let floats = |values: &[f32]| upload(&le_bytes(values));
    let (q, k, v) = (floats(inputs.q), floats(inputs.k), floats(inputs.v));
    let (table, key_mask) = (inputs.table.map(floats), inputs.key_mask.map(upload));
    let out = device.create_buffer(&wgpu::BufferDescriptor {
        label: Some("relattn-cli"),
        size: 4 * problem.elements(Tensor::Out).max(1),
        usage: BufferUsages::STORAGE,
        mapped_at_creation: false,
    });
    gpu.context().forward(problem)?.bind(&ForwardOperands {
        table: table.as_ref().map(wgpu::Buffer::as_entire_buffer_binding),
        key_mask: key_mask
            .as_ref()
            .map(wgpu::Buffer::as_entire_buffer_binding),
        ..ForwardOperands::new(
            q.as_entire_buffer_binding(),
            k.as_entire_buffer_binding(),
            v.as_entire_buffer_binding(),
            out.as_entire_buffer_binding(),
        )
    })
}
