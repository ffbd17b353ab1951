//! Host slices in, host vectors out.

use std::time::Duration;

mod buffers;
mod numbers;
mod read;
mod upload;

pub(crate) use buffers::{BackwardBuffers, ForwardBuffers};
use read::{Output, Pending, read};

use crate::cpu::{Attention, AttentionGradient, Gradients, Inputs, Outputs, validate};
use crate::plan::Bound;
use crate::watch::{wait, watched};
use crate::{Context, Error, Problem, Tensor};

/// Attention on a device, from host slices.
#[derive(Clone, Debug)]
pub struct OnDevice {
    context: Context,
    limit: Option<Duration>,
}

impl OnDevice {
    /// Runs on this context's device.
    #[must_use]
    pub const fn new(context: Context) -> Self {
        Self {
            context,
            limit: None,
        }
    }

    /// Blocks no longer than this for a result, without this call for however long the device takes.
    ///
    /// Work that is not done by then still runs, and its result is dropped.
    #[must_use]
    pub const fn with_time_limit(mut self, limit: Duration) -> Self {
        self.limit = Some(limit);
        self
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
    /// Inputs that do not fit the problem, a problem that the device cannot hold, a device that is out of memory or lost.
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
    /// hold, a device that is out of memory or lost.
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
        watched(self.context.device(), || {
            self.submit_forward(problem, inputs)
        })
    }

    fn submit_forward(&self, problem: &Problem, inputs: &Inputs<'_>) -> Result<Pending, Error> {
        let forward = self.context.forward(problem)?;
        forward.check_limits()?;
        let buffers = ForwardBuffers::new(self.context.device(), problem, inputs)?;
        let bound = buffers.bind(&forward)?;
        Ok(self.submit(&bound, buffers.into_outputs()))
    }

    fn start_backward(
        &self,
        problem: &Problem,
        inputs: &Inputs<'_>,
        results: &Outputs,
        dout: &[f32],
    ) -> Result<Pending, Error> {
        validate(problem, inputs, results, dout)?;
        watched(self.context.device(), || {
            self.submit_backward(problem, inputs, results, dout)
        })
    }

    fn submit_backward(
        &self,
        problem: &Problem,
        inputs: &Inputs<'_>,
        results: &Outputs,
        dout: &[f32],
    ) -> Result<Pending, Error> {
        let device = self.context.device();
        let backward = self.context.backward(problem)?;
        backward.check_limits()?;
        let bytes = backward.workspace_bytes();
        let buffers = BackwardBuffers::new(device, problem, inputs, results, dout, bytes)?;
        let bound = buffers.bind(&backward)?;
        Ok(self.submit(&bound, buffers.into_outputs()))
    }

    fn submit(&self, bound: &Bound, outputs: Vec<Output>) -> Pending {
        let descriptor = wgpu::CommandEncoderDescriptor::default();
        let mut encoder = self.context.device().create_command_encoder(&descriptor);
        bound.encode(&mut encoder);
        read(&self.context, outputs, encoder)
    }

    fn wait(&self, pending: Pending) -> Result<Vec<Vec<f32>>, Error> {
        wait(self.context.device(), self.limit)?;
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
