//! Host slices in, host vectors out.

mod numbers;
mod read;
mod upload;

use read::{Output, Pending, read};
use upload::{Uploaded, output, upload, whole};
use wgpu::BufferUsages;

use crate::cpu::{Attention, AttentionGradient, Gradients, Inputs, Outputs, validate};
use crate::plan::{BackwardOperands, Bound};
use crate::{Context, Dtype, Error, Problem, Tensor};

/// Attention on a device, from host slices.
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
        Ok(outputs(self.start(problem, inputs)?.finish().await?))
    }

    /// Computes the gradients without blocking, as [`Self::forward_async`] does the output.
    ///
    /// # Errors
    /// Inputs, outputs or a gradient that do not fit the problem, a problem that has no backward pass or that the device cannot
    /// hold, or a lost device.
    pub async fn backward_async(
        &self,
        problem: &Problem,
        inputs: &Inputs<'_>,
        results: &Outputs,
        dout: &[f32],
    ) -> Result<Gradients, Error> {
        let pending = self.start_backward(problem, inputs, results, dout)?;
        Ok(gradients(problem, pending.finish().await?))
    }

    /// Uploads, submits and asks for the result.
    fn start(&self, problem: &Problem, inputs: &Inputs<'_>) -> Result<Pending, Error> {
        inputs.validate(problem)?;
        let forward = self.context.forward(problem)?;
        forward.check_limits()?;
        let uploaded = Uploaded::new(self.context.device(), problem, inputs);
        let [out, lse] = [Tensor::Out, Tensor::Lse].map(|tensor| self.output(problem, tensor));
        let bound = forward.bind(&uploaded.operands(&out.buffer, &lse.buffer))?;
        Ok(self.submit(&bound, vec![out, lse]))
    }

    fn start_backward(
        &self,
        problem: &Problem,
        inputs: &Inputs<'_>,
        results: &Outputs,
        dout: &[f32],
    ) -> Result<Pending, Error> {
        validate(problem, inputs, results, dout)?;
        let device = self.context.device();
        let backward = self.context.backward(problem)?;
        backward.check_limits()?;
        let uploaded = Uploaded::new(device, problem, inputs);
        let stored = |values: &[f32]| upload(device, &numbers::stored(problem.dtype(), values));
        let (out, dout) = (stored(&results.out), stored(dout));
        let lse = upload(device, bytemuck::cast_slice(&results.lse));
        let workspace = device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("relattn::OnDevice"),
            size: backward.workspace_bytes().max(4),
            usage: BufferUsages::STORAGE,
            mapped_at_creation: false,
        });
        let output = |tensor| self.output(problem, tensor);
        let always = [Tensor::DQ, Tensor::DK, Tensor::DV].map(output);
        let of_bias = [Tensor::DTable, Tensor::DGate, Tensor::DBias];
        let of_bias = of_bias.map(|tensor| problem.uses(tensor).then(|| output(tensor)));
        let [dq, dk, dv] = always.each_ref().map(|output| whole(&output.buffer));
        let [dtable, dgate, dbias] = of_bias
            .each_ref()
            .map(|output| output.as_ref().map(|output| whole(&output.buffer)));
        let bound = backward.bind(&BackwardOperands {
            forward: uploaded.operands(&out, &lse),
            dout: whole(&dout),
            dq,
            dk,
            dv,
            dtable,
            dgate,
            dbias,
            accumulate: false,
            workspace: whole(&workspace),
        })?;
        let of_bias = of_bias.into_iter().flatten();
        Ok(self.submit(&bound, always.into_iter().chain(of_bias).collect()))
    }

    /// A buffer for a tensor that a pass writes.
    fn output(&self, problem: &Problem, tensor: Tensor) -> Output {
        let dtype = match tensor {
            Tensor::Out | Tensor::DQ | Tensor::DK | Tensor::DV => problem.dtype(),
            _ => Dtype::F32,
        };
        let elements = usize::try_from(problem.elements(tensor)).unwrap_or(usize::MAX);
        Output {
            buffer: output(self.context.device(), dtype, elements),
            dtype,
            elements,
        }
    }

    fn submit(&self, bound: &Bound, outputs: Vec<Output>) -> Pending {
        let descriptor = wgpu::CommandEncoderDescriptor::default();
        let mut encoder = self.context.device().create_command_encoder(&descriptor);
        bound.encode(&mut encoder);
        read(&self.context, outputs, encoder)
    }

    fn wait(&self, pending: Pending) -> Result<Vec<Vec<f32>>, Error> {
        self.context
            .device()
            .poll(wgpu::PollType::wait_indefinitely())
            .map_err(|_| Error::DeviceLost)?;
        pollster::block_on(pending.finish())
    }
}

/// Blocks until the result is back; not for the web, where nothing may block.
impl Attention for OnDevice {
    type Error = Error;

    fn forward(&self, problem: &Problem, inputs: &Inputs<'_>) -> Result<Outputs, Error> {
        let pending = self.start(problem, inputs)?;
        Ok(outputs(self.wait(pending)?))
    }
}

/// Blocks until the result is back; not for the web, where nothing may block.
impl AttentionGradient for OnDevice {
    fn backward(
        &self,
        problem: &Problem,
        inputs: &Inputs<'_>,
        outputs: &Outputs,
        dout: &[f32],
    ) -> Result<Gradients, Error> {
        let pending = self.start_backward(problem, inputs, outputs, dout)?;
        Ok(gradients(problem, self.wait(pending)?))
    }
}

fn outputs(values: Vec<Vec<f32>>) -> Outputs {
    let mut values = values.into_iter();
    let mut next = || values.next().unwrap_or_default();
    Outputs {
        out: next(),
        lse: next(),
    }
}

fn gradients(problem: &Problem, values: Vec<Vec<f32>>) -> Gradients {
    let mut values = values.into_iter();
    let mut next = |tensor| {
        problem
            .uses(tensor)
            .then(|| values.next().unwrap_or_default())
    };
    Gradients {
        dq: next(Tensor::DQ).unwrap_or_default(),
        dk: next(Tensor::DK).unwrap_or_default(),
        dv: next(Tensor::DV).unwrap_or_default(),
        dtable: next(Tensor::DTable),
        dgate: next(Tensor::DGate),
        dbias: next(Tensor::DBias),
    }
}
