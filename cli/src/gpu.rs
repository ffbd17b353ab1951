//! One opened adapter, whose failures become messages.

use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, Mutex, PoisonError};

use relattn::cpu::{Attention, AttentionGradient, Gradients, Inputs, Outputs};
use relattn::plan::Reason;
use relattn::run::OnDevice;
use relattn::tune::TuningFile;
use relattn::{Context, Error, IndexFormat, Problem, Tensor, Thresholds, wgpu};
use wgpu::BufferUsages;

use crate::adapters::label;
use crate::fault::Fault;

/// A device with relattn on it.
#[derive(Debug)]
pub(crate) struct Gpu {
    adapter: wgpu::Adapter,
    info: wgpu::AdapterInfo,
    on_device: OnDevice,
    /// The first error that wgpu reported outside of a call's result, such as memory running out.
    reported: Arc<Mutex<Option<String>>>,
}

impl Gpu {
    pub(crate) fn new(adapter: wgpu::Adapter, device: &wgpu::Device, queue: &wgpu::Queue) -> Self {
        let reported = Arc::new(Mutex::new(None));
        let store = Arc::clone(&reported);
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
            let mut slot = store.lock().unwrap_or_else(PoisonError::into_inner);
            slot.get_or_insert_with(|| error.to_string());
        }));
        let context = Context::new(device, queue).with_matrices(&adapter);
        Self {
            info: adapter.get_info(),
            adapter,
            on_device: OnDevice::new(context),
            reported,
        }
    }

    /// For another device on it.
    pub(crate) const fn adapter(&self) -> &wgpu::Adapter {
        &self.adapter
    }

    pub(crate) const fn info(&self) -> &wgpu::AdapterInfo {
        &self.info
    }

    pub(crate) const fn context(&self) -> &Context {
        self.on_device.context()
    }

    /// Takes the fastest kernels for a problem from now on; times them where the file does not say which those are.
    pub(crate) fn tune(
        &mut self,
        problem: &Problem,
        backward: bool,
        file: TuningFile,
    ) -> Result<(), Fault> {
        self.fits(problem)?;
        let context = self.context().clone().with_tuning(file);
        self.on_device = OnDevice::new(context.clone());
        let tuned = |reasons: Vec<Reason>| matches!(reasons[..], [Reason::Tuned(_)]);
        self.guard(|| {
            if !tuned(context.forward(problem)?.reasons()) {
                context.tune(problem)?;
            }
            if backward && !tuned(context.backward(problem)?.reasons()) {
                context.tune_backward(problem)?;
            }
            Ok(())
        })
    }

    /// Uploads, computes and reads back.
    pub(crate) fn forward(&self, problem: &Problem, inputs: &Inputs<'_>) -> Result<Outputs, Fault> {
        self.fits(problem)?;
        self.guard(|| self.on_device.forward(problem, inputs))
    }

    /// Uploads, computes the gradients and reads them back.
    pub(crate) fn backward(
        &self,
        problem: &Problem,
        inputs: &Inputs<'_>,
        outputs: &Outputs,
        dout: &[f32],
    ) -> Result<Gradients, Fault> {
        self.fits(problem)?;
        let backward = self.guard(|| self.context().backward(problem))?;
        let maximum = largest_binding(&self.limits());
        for (tensor, needed) in [
            (Tensor::Workspace, backward.workspace_bytes()),
            (Tensor::DTable, 4 * problem.elements(Tensor::DTable)),
            (Tensor::DGate, 4 * problem.elements(Tensor::DGate)),
        ] {
            if needed > maximum {
                return Err(too_large(tensor, needed, maximum));
            }
        }
        self.guard(|| self.on_device.backward(problem, inputs, outputs, dout))
    }

    /// Refuses what would fail inside wgpu, where the message would not name the tensor.
    pub(crate) fn fits(&self, problem: &Problem) -> Result<(), Fault> {
        fits(problem, &self.limits())
    }

    /// The matrix of bucket indices, built on the device and read back.
    pub(crate) fn bucket_matrix(
        &self,
        thresholds: &Thresholds,
        [q_len, k_len]: [u32; 2],
        query_offset: i32,
        format: IndexFormat,
    ) -> Result<Vec<u32>, Fault> {
        let elements = u64::from(q_len) * u64::from(k_len);
        let (found, maximum) = (format.bytes(elements), largest_binding(&self.limits()));
        if found > maximum {
            return Err(too_large(Tensor::Indices, found, maximum));
        }
        self.guard(|| {
            let index =
                self.context()
                    .bucket_index(thresholds, [q_len, k_len], query_offset, format);
            let buffer = self.buffer(
                index.bytes(),
                BufferUsages::STORAGE | BufferUsages::COPY_SRC,
            );
            let bound = index.bind(&buffer.as_entire_buffer_binding())?;
            let bytes = self.read_back(&buffer, |encoder| bound.encode(encoder))?;
            let mut indices = unpack(&bytes, format);
            indices.truncate(usize::try_from(elements).unwrap_or(usize::MAX));
            Ok(indices)
        })
    }

    fn buffer(&self, size: u64, usage: BufferUsages) -> wgpu::Buffer {
        let device = self.context().device();
        device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("relattn-cli"),
            size,
            usage,
            mapped_at_creation: false,
        })
    }

    fn read_back(
        &self,
        buffer: &wgpu::Buffer,
        record: impl FnOnce(&mut wgpu::CommandEncoder),
    ) -> Result<Vec<u8>, Error> {
        let staging = self.buffer(
            buffer.size(),
            BufferUsages::MAP_READ | BufferUsages::COPY_DST,
        );
        let device = self.context().device();
        let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        record(&mut encoder);
        encoder.copy_buffer_to_buffer(buffer, 0, &staging, 0, buffer.size());
        self.context().queue().submit([encoder.finish()]);
        staging.map_async(wgpu::MapMode::Read, .., |_| {});
        self.wait()?;
        let range = staging.get_mapped_range(..);
        Ok(range.map_err(|_| Error::DeviceLost)?.to_vec())
    }

    /// Waits until the device is idle.
    pub(crate) fn wait(&self) -> Result<(), Error> {
        let device = self.context().device();
        match device.poll(wgpu::PollType::wait_indefinitely()) {
            Ok(_) => Ok(()),
            Err(_) => Err(Error::DeviceLost),
        }
    }

    /// Turns what wgpu reports, and a panic inside it (it has one for memory that runs out), into a fault.
    pub(crate) fn guard<T>(&self, work: impl FnOnce() -> Result<T, Error>) -> Result<T, Fault> {
        let hook = panic::take_hook();
        panic::set_hook(Box::new(|_| {}));
        let result = panic::catch_unwind(AssertUnwindSafe(work));
        panic::set_hook(hook);
        let reported = self
            .reported
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let message = match (reported, result) {
            (Some(message), _) => message,
            (None, Ok(result)) => return Ok(result?),
            (None, Err(payload)) => {
                let text = payload.downcast_ref::<String>().cloned();
                text.unwrap_or_else(|| "it stopped without a reason".into())
            }
        };
        Err(Fault::Gpu {
            name: label(&self.info),
            message,
        })
    }

    fn limits(&self) -> wgpu::Limits {
        self.context().device().limits()
    }
}

/// Tensors lie in a buffer each, of which a pass binds as much at a time as the device allows; the offset table it binds whole.
fn fits(problem: &Problem, limits: &wgpu::Limits) -> Result<(), Fault> {
    let maximum = limits.max_buffer_size;
    for tensor in [
        Tensor::Q,
        Tensor::K,
        Tensor::V,
        Tensor::Out,
        Tensor::Lse,
        Tensor::Table,
        Tensor::Gate,
        Tensor::Bias,
        Tensor::Indices,
        Tensor::MaskBits,
        Tensor::QueryDocuments,
        Tensor::KeyDocuments,
    ] {
        let needed = 4 * problem.elements(tensor);
        if needed > maximum {
            return Err(Fault::BufferTooLarge {
                tensor,
                needed,
                maximum,
            });
        }
    }
    let bytes = problem.offset_table_bytes();
    let widest = u64::from(limits.max_compute_workgroups_per_dimension) * 64;
    let heads = u64::from(problem.shape().heads);
    let maximum = largest_binding(limits).min(widest * 4 * heads.max(1));
    if bytes > maximum {
        return Err(Fault::OffsetTable {
            radius: problem.bias_radius(),
            bytes,
            maximum,
        });
    }
    Ok(())
}

fn largest_binding(limits: &wgpu::Limits) -> u64 {
    limits
        .max_storage_buffer_binding_size
        .min(limits.max_buffer_size)
}

const fn too_large(tensor: Tensor, needed: u64, maximum: u64) -> Fault {
    Fault::TensorTooLarge {
        tensor,
        needed,
        maximum,
    }
}

fn unpack(bytes: &[u8], format: IndexFormat) -> Vec<u32> {
    match format {
        IndexFormat::U8 => bytes.iter().map(|&byte| byte.into()).collect(),
        IndexFormat::U16 => bytes
            .chunks_exact(2)
            .map(|half| u16::from_le_bytes([half[0], half[1]]).into())
            .collect(),
        IndexFormat::U32 => bytes
            .chunks_exact(4)
            .map(|word| u32::from_le_bytes([word[0], word[1], word[2], word[3]]))
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::fits;
    use crate::fault::Fault;
    use relattn::{Bias, Problem, Shape, Tensor, wgpu};

    /// q takes 4000 bytes, the other tensors less.
    fn problem(query_offset: i32) -> Problem {
        let shape = Shape {
            batch: 1,
            heads: 2,
            kv_heads: 1,
            q_len: 100,
            k_len: 10,
            head_dim: 5,
        };
        let builder = Problem::builder(shape).value_dim(3).bias(Bias::Alibi);
        let problem = builder.query_offset(query_offset).build();
        problem.expect("a valid problem")
    }

    fn limits(buffer: u64, binding: u64) -> wgpu::Limits {
        wgpu::Limits {
            max_buffer_size: buffer,
            max_storage_buffer_binding_size: binding,
            ..wgpu::Limits::default()
        }
    }

    #[test]
    fn a_tensor_may_exceed_a_binding_but_not_a_buffer() {
        fits(&problem(0), &limits(4000, 2000)).expect("bound in parts");
        let found = fits(&problem(0), &limits(3999, 2000));
        let Err(Fault::BufferTooLarge {
            tensor: Tensor::Q,
            needed: 4000,
            maximum: 3999,
        }) = found
        else {
            panic!("{found:?}");
        };
    }

    #[test]
    fn the_offset_table_may_not_exceed_a_binding() {
        // 2 heads to distance 99: 4 · 2 · 199 bytes.
        fits(&problem(0), &limits(4000, 1592)).expect("just fits");
        for (offset, binding) in [(0, 1591), (1, 1592)] {
            let found = fits(&problem(offset), &limits(4000, binding));
            let Err(Fault::OffsetTable { maximum, .. }) = found else {
                panic!("{found:?}");
            };
            assert_eq!(maximum, binding);
        }
    }
}
