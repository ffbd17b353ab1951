//! Host slices in, host vectors out.

use wgpu::BufferUsages;
use wgpu::util::DeviceExt;

use crate::cpu::{Attention, Inputs, Outputs};
use crate::plan::ForwardOperands;
use crate::{Bias, Context, Error, IndexFormat, Problem};

/// Attention on a device, from host slices; blocks until the result is back.
#[derive(Clone, Debug)]
pub struct OnDevice {
    context: Context,
}

impl OnDevice {
    /// Runs on this context's device.
    #[must_use]
    pub const fn new(context: Context) -> Self {
        Self { context }
    }

    fn upload(&self, contents: &[u8]) -> wgpu::Buffer {
        let mut contents = contents.to_vec();
        contents.resize(contents.len().next_multiple_of(4).max(4), 0);
        let descriptor = wgpu::util::BufferInitDescriptor {
            label: Some("relattn::OnDevice"),
            contents: &contents,
            usage: BufferUsages::STORAGE,
        };
        self.context.device().create_buffer_init(&descriptor)
    }

    /// An output full of NaN, so that a value that nobody wrote shows.
    fn output(&self, elements: usize) -> wgpu::Buffer {
        let poison = vec![f32::NAN; elements.max(1)];
        let descriptor = wgpu::util::BufferInitDescriptor {
            label: Some("relattn::OnDevice"),
            contents: bytemuck::cast_slice(&poison),
            usage: BufferUsages::STORAGE | BufferUsages::COPY_SRC,
        };
        self.context.device().create_buffer_init(&descriptor)
    }

    fn read(
        &self,
        buffers: [(&wgpu::Buffer, usize); 2],
        mut encoder: wgpu::CommandEncoder,
    ) -> Result<[Vec<f32>; 2], Error> {
        let device = self.context.device();
        let staging = buffers.map(|(buffer, _)| {
            let staging = device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("relattn::OnDevice"),
                size: buffer.size(),
                usage: BufferUsages::MAP_READ | BufferUsages::COPY_DST,
                mapped_at_creation: false,
            });
            encoder.copy_buffer_to_buffer(buffer, 0, &staging, 0, buffer.size());
            staging
        });
        self.context.queue().submit([encoder.finish()]);
        for buffer in &staging {
            buffer.slice(..).map_async(wgpu::MapMode::Read, |_| ());
        }
        device
            .poll(wgpu::PollType::wait_indefinitely())
            .map_err(|_| Error::DeviceLost)?;
        let mut values = [Vec::new(), Vec::new()];
        for ((values, staging), (_, elements)) in values.iter_mut().zip(&staging).zip(buffers) {
            let mapped = staging
                .slice(..)
                .get_mapped_range()
                .map_err(|_| Error::DeviceLost)?;
            *values = bytemuck::pod_collect_to_vec(&mapped);
            values.truncate(elements);
        }
        Ok(values)
    }
}

impl Attention for OnDevice {
    type Error = Error;

    fn forward(&self, problem: &Problem, inputs: &Inputs<'_>) -> Result<Outputs, Error> {
        inputs.validate(problem)?;
        let floats = |values: &[f32]| self.upload(bytemuck::cast_slice(values));
        let (q, k, v) = (floats(inputs.q), floats(inputs.k), floats(inputs.v));
        let table = inputs.table.map(floats);
        let indices = inputs
            .indices
            .map(|indices| self.upload(&packed(problem.bias(), indices)));
        let key_mask = inputs.key_mask.map(|mask| self.upload(mask));
        let shape = problem.shape();
        let (out, lse) = (self.output(shape.q_elements()), self.output(shape.rows()));
        let bound = self.context.forward(problem, true).bind(&ForwardOperands {
            q: q.as_entire_buffer_binding(),
            k: k.as_entire_buffer_binding(),
            v: v.as_entire_buffer_binding(),
            table: table.as_ref().map(wgpu::Buffer::as_entire_buffer_binding),
            indices: indices.as_ref().map(wgpu::Buffer::as_entire_buffer_binding),
            key_mask: key_mask
                .as_ref()
                .map(wgpu::Buffer::as_entire_buffer_binding),
            out: out.as_entire_buffer_binding(),
            lse: Some(lse.as_entire_buffer_binding()),
        })?;
        let mut encoder = self
            .context
            .device()
            .create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        bound.encode(&mut encoder);
        let [out, lse] = self.read([(&out, shape.q_elements()), (&lse, shape.rows())], encoder)?;
        Ok(Outputs { out, lse })
    }
}

/// Indices in the format of the bias.
fn packed(bias: Bias, indices: &[u32]) -> Vec<u8> {
    match bias {
        Bias::Indexed {
            format: IndexFormat::U8,
            ..
        } => indices.iter().map(|index| index.to_le_bytes()[0]).collect(),
        _ => bytemuck::cast_slice(indices).to_vec(),
    }
}
