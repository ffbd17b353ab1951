//! Host slices in, host vectors out.

use futures_intrusive::channel::shared::{OneshotReceiver, oneshot_channel};
use wgpu::BufferUsages;
use wgpu::util::DeviceExt;

use crate::cpu::{Attention, Inputs, Outputs};
use crate::plan::{ForwardOperands, Operand};
use crate::{Bias, Context, Error, IndexFormat, Problem, Tensor};

/// Attention on a device, from host slices.
#[derive(Clone, Debug)]
pub struct OnDevice {
    context: Context,
}

/// A result on its way back: the staging buffers of output and log-sum-exp, and the news of each being mapped.
struct Pending {
    staging: [wgpu::Buffer; 2],
    mapped: [OneshotReceiver<Result<(), wgpu::BufferAsyncError>>; 2],
    elements: [usize; 2],
}

impl OnDevice {
    /// Runs on this context's device.
    #[must_use]
    pub const fn new(context: Context) -> Self {
        Self { context }
    }

    /// The context.
    #[must_use]
    pub const fn context(&self) -> &Context {
        &self.context
    }

    /// Computes the output and its log-sum-exp without blocking. Somebody has to poll the device meanwhile: a browser
    /// does, elsewhere the caller's own loop.
    ///
    /// # Errors
    /// Inputs that do not fit the problem, a problem that the device cannot hold, or a lost device.
    pub async fn forward_async(
        &self,
        problem: &Problem,
        inputs: &Inputs<'_>,
    ) -> Result<Outputs, Error> {
        self.start(problem, inputs)?.finish().await
    }

    /// Uploads, submits and asks for the result.
    fn start(&self, problem: &Problem, inputs: &Inputs<'_>) -> Result<Pending, Error> {
        inputs.validate(problem)?;
        let forward = self.context.forward(problem)?;
        forward.check_limits()?;
        let floats = |values: &[f32]| self.upload(bytemuck::cast_slice(values));
        let (q, k, v) = (floats(inputs.q), floats(inputs.k), floats(inputs.v));
        let table = inputs.table.map(floats);
        let indices = inputs
            .indices
            .map(|indices| self.upload(&packed(problem.bias(), indices)));
        let bias = inputs.bias.map(floats);
        let key_mask = inputs.key_mask.map(|mask| self.upload(mask));
        let key_lengths = inputs
            .key_lengths
            .map(|lengths| self.upload(bytemuck::cast_slice(lengths)));
        let [out, lse] = [Tensor::Out, Tensor::Lse].map(|tensor| {
            let elements = usize::try_from(problem.elements(tensor)).unwrap_or(usize::MAX);
            (self.output(elements), elements)
        });
        let bound = forward.bind(&ForwardOperands {
            q: whole(&q),
            k: whole(&k),
            v: whole(&v),
            table: table.as_ref().map(whole),
            indices: indices.as_ref().map(whole),
            bias: bias.as_ref().map(whole),
            key_mask: key_mask.as_ref().map(whole),
            key_lengths: key_lengths.as_ref().map(whole),
            out: whole(&out.0),
            lse: Some(whole(&lse.0)),
        })?;
        let descriptor = wgpu::CommandEncoderDescriptor::default();
        let mut encoder = self.context.device().create_command_encoder(&descriptor);
        bound.encode(&mut encoder);
        Ok(self.read([out, lse], encoder))
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
        outputs: [(wgpu::Buffer, usize); 2],
        mut encoder: wgpu::CommandEncoder,
    ) -> Pending {
        let elements = [outputs[0].1, outputs[1].1];
        let staging = outputs.map(|(buffer, _)| {
            let staging = self
                .context
                .device()
                .create_buffer(&wgpu::BufferDescriptor {
                    label: Some("relattn::OnDevice"),
                    size: buffer.size(),
                    usage: BufferUsages::MAP_READ | BufferUsages::COPY_DST,
                    mapped_at_creation: false,
                });
            encoder.copy_buffer_to_buffer(&buffer, 0, &staging, 0, buffer.size());
            staging
        });
        self.context.queue().submit([encoder.finish()]);
        let mapped = staging.each_ref().map(|buffer| {
            let (sender, receiver) = oneshot_channel();
            buffer
                .slice(..)
                .map_async(wgpu::MapMode::Read, move |result| {
                    // A receiver that is gone means that nobody waits any more.
                    let _ = sender.send(result);
                });
            receiver
        });
        Pending {
            staging,
            mapped,
            elements,
        }
    }
}

impl Pending {
    async fn finish(self) -> Result<Outputs, Error> {
        let mut values = [Vec::new(), Vec::new()];
        for (n, (buffer, mapped)) in self.staging.iter().zip(&self.mapped).enumerate() {
            match mapped.receive().await {
                Some(Ok(())) => {}
                _ => return Err(Error::DeviceLost),
            }
            let range = buffer.slice(..).get_mapped_range();
            let range = range.map_err(|_| Error::DeviceLost)?;
            values[n] = bytemuck::pod_collect_to_vec(&range);
            values[n].truncate(self.elements[n]);
        }
        let [out, lse] = values;
        Ok(Outputs { out, lse })
    }
}

/// Blocks until the result is back; not for the web, where nothing may block.
impl Attention for OnDevice {
    type Error = Error;

    fn forward(&self, problem: &Problem, inputs: &Inputs<'_>) -> Result<Outputs, Error> {
        let pending = self.start(problem, inputs)?;
        self.context
            .device()
            .poll(wgpu::PollType::wait_indefinitely())
            .map_err(|_| Error::DeviceLost)?;
        pollster::block_on(pending.finish())
    }
}

fn whole(buffer: &wgpu::Buffer) -> Operand<'_> {
    buffer.as_entire_buffer_binding()
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
