//! Host slices in, host vectors out.

use futures_intrusive::channel::shared::{OneshotReceiver, oneshot_channel};
use half::{bf16, f16};
use wgpu::BufferUsages;
use wgpu::util::DeviceExt;

use crate::cpu::{Attention, Inputs, Outputs};
use crate::plan::{ForwardOperands, Operand};
use crate::{Context, Dtype, Error, Problem, Tensor};

/// Attention on a device, from host slices.
#[derive(Clone, Debug)]
pub struct OnDevice {
    context: Context,
}

/// A result on its way back: the staging buffers of output and log-sum-exp, and the news of each being mapped.
struct Pending {
    staging: [wgpu::Buffer; 2],
    mapped: [OneshotReceiver<Result<(), wgpu::BufferAsyncError>>; 2],
    forms: [(Dtype, usize); 2],
}

/// A buffer that is read back, and what it holds.
struct Output {
    buffer: wgpu::Buffer,
    dtype: Dtype,
    elements: usize,
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
        let dtype = problem.dtype();
        let stored = |values: &[f32]| self.upload(&stored(dtype, values));
        let (q, k, v) = (stored(inputs.q), stored(inputs.k), stored(inputs.v));
        let table = inputs
            .table
            .map(|table| self.upload(bytemuck::cast_slice(table)));
        let indices = inputs
            .indices
            .map(|indices| self.upload(&packed(problem, indices)));
        let bias = inputs.bias.map(stored);
        let key_mask = inputs.key_mask.map(|mask| self.upload(mask));
        let words =
            |words: Option<&[u32]>| words.map(|words| self.upload(bytemuck::cast_slice(words)));
        let (key_lengths, query_lengths) = (words(inputs.key_lengths), words(inputs.query_lengths));
        let query_documents = words(inputs.query_documents);
        let key_documents = words(inputs.key_documents);
        let mask_bits = words(inputs.mask_bits);
        let (query_starts, key_starts) = (words(inputs.query_starts), words(inputs.key_starts));
        let block_table = words(inputs.block_table);
        let gate = inputs
            .gate
            .map(|gate| self.upload(bytemuck::cast_slice(gate)));
        let [out, lse] = [Tensor::Out, Tensor::Lse].map(|tensor| {
            let dtype = if tensor == Tensor::Out {
                dtype
            } else {
                Dtype::F32
            };
            let elements = usize::try_from(problem.elements(tensor)).unwrap_or(usize::MAX);
            Output {
                buffer: self.output(dtype, elements),
                dtype,
                elements,
            }
        });
        let bound = forward.bind(&ForwardOperands {
            q: whole(&q),
            k: whole(&k),
            v: whole(&v),
            table: table.as_ref().map(whole),
            gate: gate.as_ref().map(whole),
            query_starts: query_starts.as_ref().map(whole),
            key_starts: key_starts.as_ref().map(whole),
            block_table: block_table.as_ref().map(whole),
            indices: indices.as_ref().map(whole),
            bias: bias.as_ref().map(whole),
            key_mask: key_mask.as_ref().map(whole),
            key_lengths: key_lengths.as_ref().map(whole),
            query_lengths: query_lengths.as_ref().map(whole),
            query_documents: query_documents.as_ref().map(whole),
            key_documents: key_documents.as_ref().map(whole),
            mask_bits: mask_bits.as_ref().map(whole),
            out: whole(&out.buffer),
            lse: Some(whole(&lse.buffer)),
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
    fn output(&self, dtype: Dtype, elements: usize) -> wgpu::Buffer {
        let mut poison = stored(dtype, &vec![f32::NAN; elements.max(1)]);
        poison.resize(poison.len().next_multiple_of(4), 0);
        let descriptor = wgpu::util::BufferInitDescriptor {
            label: Some("relattn::OnDevice"),
            contents: &poison,
            usage: BufferUsages::STORAGE | BufferUsages::COPY_SRC,
        };
        self.context.device().create_buffer_init(&descriptor)
    }

    fn read(&self, outputs: [Output; 2], mut encoder: wgpu::CommandEncoder) -> Pending {
        let forms = outputs
            .each_ref()
            .map(|output| (output.dtype, output.elements));
        let staging = outputs.map(|Output { buffer, .. }| {
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
            forms,
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
            let (dtype, elements) = self.forms[n];
            values[n] = restored(dtype, &range);
            values[n].truncate(elements);
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

/// Numbers as they lie in device memory, rounded to the nearest.
fn stored(dtype: Dtype, values: &[f32]) -> Vec<u8> {
    let halves = |bits: fn(f32) -> u16| {
        let halves: Vec<u16> = values.iter().copied().map(bits).collect();
        bytemuck::cast_slice(&halves).to_vec()
    };
    match dtype {
        Dtype::F32 => bytemuck::cast_slice(values).to_vec(),
        Dtype::F16 => halves(|value| f16::from_f32(value).to_bits()),
        Dtype::Bf16 => halves(|value| bf16::from_f32(value).to_bits()),
    }
}

/// What lies in device memory as f32.
fn restored(dtype: Dtype, bytes: &[u8]) -> Vec<f32> {
    let halves = |number: fn(u16) -> f32| {
        let halves: Vec<u16> = bytemuck::pod_collect_to_vec(bytes);
        halves.into_iter().map(number).collect()
    };
    match dtype {
        Dtype::F32 => bytemuck::pod_collect_to_vec(bytes),
        Dtype::F16 => halves(|bits| f16::from_bits(bits).to_f32()),
        Dtype::Bf16 => halves(|bits| bf16::from_bits(bits).to_f32()),
    }
}

/// Indices in the format of the bias.
fn packed(problem: &Problem, indices: &[u32]) -> Vec<u8> {
    let format = problem.indexed().map(|indexed| indexed.format);
    let kept = format.map_or(4, |format| 4 / format.per_word() as usize);
    let bytes = indices.iter().map(|index| index.to_le_bytes());
    bytes
        .flat_map(|bytes| bytes.into_iter().take(kept))
        .collect()
}
