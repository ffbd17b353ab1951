//! Every buffer of a pass, in device memory of its own.

use wgpu::BufferUsages;

use super::numbers::stored;
use super::read::Output;
use super::upload::{Uploaded, output, upload, whole};
use crate::cpu::{Inputs, Outputs};
use crate::plan::{Backward, BackwardOperands, Bound, Forward};
use crate::{Dtype, Error, Problem, Tensor};

/// What a forward pass reads and writes.
pub(crate) struct ForwardBuffers {
    read: Uploaded,
    written: [Output; 2],
}

/// What a backward pass reads and writes.
pub(crate) struct BackwardBuffers {
    read: Uploaded,
    out: wgpu::Buffer,
    lse: wgpu::Buffer,
    dout: wgpu::Buffer,
    workspace: wgpu::Buffer,
    always: [Output; 3],
    of_bias: [Option<Output>; 3],
}

impl ForwardBuffers {
    pub(crate) fn new(device: &wgpu::Device, problem: &Problem, inputs: &Inputs<'_>) -> Self {
        Self {
            read: Uploaded::new(device, problem, inputs),
            written: [Tensor::Out, Tensor::Lse].map(|tensor| written(device, problem, tensor)),
        }
    }

    pub(crate) fn bind(&self, forward: &Forward) -> Result<Bound, Error> {
        let [out, lse] = &self.written;
        forward.bind(&self.read.operands(&out.buffer, &lse.buffer))
    }

    pub(super) fn into_outputs(self) -> Vec<Output> {
        self.written.into()
    }
}

impl BackwardBuffers {
    /// With a workspace of so many bytes.
    pub(crate) fn new(
        device: &wgpu::Device,
        problem: &Problem,
        inputs: &Inputs<'_>,
        results: &Outputs,
        dout: &[f32],
        workspace: u64,
    ) -> Self {
        let stored = |values: &[f32]| upload(device, &stored(problem.dtype(), values));
        let written = |tensor| written(device, problem, tensor);
        let of_bias = [Tensor::DTable, Tensor::DGate, Tensor::DBias];
        Self {
            read: Uploaded::new(device, problem, inputs),
            out: stored(&results.out),
            lse: upload(device, bytemuck::cast_slice(&results.lse)),
            dout: stored(dout),
            workspace: device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("relattn::OnDevice"),
                size: workspace.max(4),
                usage: BufferUsages::STORAGE,
                mapped_at_creation: false,
            }),
            always: [Tensor::DQ, Tensor::DK, Tensor::DV].map(written),
            of_bias: of_bias.map(|tensor| problem.uses(tensor).then(|| written(tensor))),
        }
    }

    pub(crate) fn bind(&self, backward: &Backward) -> Result<Bound, Error> {
        let [dq, dk, dv] = self.always.each_ref().map(|output| whole(&output.buffer));
        let of_bias = self.of_bias.each_ref();
        let [dtable, dgate, dbias] =
            of_bias.map(|output| output.as_ref().map(|output| whole(&output.buffer)));
        backward.bind(&BackwardOperands {
            forward: self.read.operands(&self.out, &self.lse),
            dout: whole(&self.dout),
            dq,
            dk,
            dv,
            dtable,
            dgate,
            dbias,
            accumulate: false,
            workspace: whole(&self.workspace),
        })
    }

    pub(super) fn into_outputs(self) -> Vec<Output> {
        let of_bias = self.of_bias.into_iter().flatten();
        self.always.into_iter().chain(of_bias).collect()
    }
}

/// A buffer for a tensor that a pass writes.
fn written(device: &wgpu::Device, problem: &Problem, tensor: Tensor) -> Output {
    let dtype = match tensor {
        Tensor::Out | Tensor::DQ | Tensor::DK | Tensor::DV => problem.dtype(),
        _ => Dtype::F32,
    };
    let elements = usize::try_from(problem.elements(tensor)).unwrap_or(usize::MAX);
    Output {
        buffer: output(device, dtype, elements),
        dtype,
        elements,
    }
}
