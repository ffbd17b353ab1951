//! Results on their way back to the host.

use futures_intrusive::channel::shared::{OneshotReceiver, oneshot_channel};
use wgpu::BufferUsages;

use super::numbers::restored;
use crate::watch::is_lost;
use crate::{Context, Dtype, Error};

/// A buffer that is read back, and what it holds.
pub(super) struct Output {
    pub(super) buffer: wgpu::Buffer,
    pub(super) dtype: Dtype,
    pub(super) elements: usize,
}

/// Results on their way back.
pub(super) struct Pending {
    device: wgpu::Device,
    results: Vec<Staged>,
}

/// A staging buffer, and the news of its being mapped.
struct Staged {
    staging: wgpu::Buffer,
    mapped: OneshotReceiver<Result<(), wgpu::BufferAsyncError>>,
    dtype: Dtype,
    elements: usize,
}

/// Submits the recorded work, and asks for what it writes.
pub(super) fn read(
    context: &Context,
    outputs: Vec<Output>,
    mut encoder: wgpu::CommandEncoder,
) -> Pending {
    let stage = |output: &Output| {
        let staging = context.device().create_buffer(&wgpu::BufferDescriptor {
            label: Some("relattn::OnDevice"),
            size: output.buffer.size(),
            usage: BufferUsages::MAP_READ | BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        encoder.copy_buffer_to_buffer(&output.buffer, 0, &staging, 0, staging.size());
        staging
    };
    let staged: Vec<wgpu::Buffer> = outputs.iter().map(stage).collect();
    context.queue().submit([encoder.finish()]);
    let results = staged.into_iter().zip(outputs).map(|(staging, output)| {
        let (sender, mapped) = oneshot_channel();
        staging
            .slice(..)
            .map_async(wgpu::MapMode::Read, move |result| {
                // A receiver that is gone means that nobody waits any more.
                let _ = sender.send(result);
            });
        Staged {
            staging,
            mapped,
            dtype: output.dtype,
            elements: output.elements,
        }
    });
    Pending {
        device: context.device().clone(),
        results: results.collect(),
    }
}

impl Pending {
    /// The numbers of each output, once somebody has polled the device.
    pub(super) async fn finish(self) -> Result<Vec<Vec<f32>>, Error> {
        let mut all = Vec::new();
        for result in &self.results {
            let mapped = matches!(result.mapped.receive().await, Some(Ok(())));
            let range = result.staging.get_mapped_range(..);
            let (true, Ok(range)) = (mapped, range) else {
                return Err(self.not_mapped());
            };
            let mut values = restored(result.dtype, &range);
            values.truncate(result.elements);
            all.push(values);
        }
        Ok(all)
    }

    /// wgpu does not say what keeps a buffer from being mapped.
    fn not_mapped(&self) -> Error {
        if is_lost(&self.device) {
            Error::DeviceLost
        } else {
            Error::NotMapped
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pending(context: &Context) -> Pending {
        let outputs = [4, 2].map(|elements: usize| Output {
            buffer: context.device().create_buffer(&wgpu::BufferDescriptor {
                label: None,
                size: 4 * elements as u64,
                usage: BufferUsages::COPY_SRC,
                mapped_at_creation: false,
            }),
            dtype: Dtype::F32,
            elements,
        });
        let descriptor = wgpu::CommandEncoderDescriptor::default();
        let encoder = context.device().create_command_encoder(&descriptor);
        read(context, outputs.into(), encoder)
    }

    /// What no driver can be made to do: a staging buffer goes while it is being mapped, the device stays.
    #[test]
    fn a_mapping_that_fails_is_told_from_a_lost_device() {
        let (device, queue) = wgpu::Device::noop(&wgpu::DeviceDescriptor::default());
        let context = Context::new(&device, &queue);
        let finish = |pending: Pending| {
            device
                .poll(wgpu::PollType::wait_indefinitely())
                .expect("a device");
            pollster::block_on(pending.finish())
        };
        for broken in 0..2 {
            let pending = pending(&context);
            pending.results[broken].staging.destroy();
            assert_eq!(finish(pending), Err(Error::NotMapped));
        }
        let found = finish(pending(&context)).expect("numbers");
        assert_eq!(found, [vec![0.0; 4], vec![0.0; 2]]);
        let pending = pending(&context);
        pending.results[1].staging.destroy();
        device.destroy();
        assert_eq!(finish(pending), Err(Error::DeviceLost));
    }
}
