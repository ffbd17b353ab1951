//! Every buffer of a pass, in device memory of its own.

use wgpu::BufferUsages;

use super::numbers::stored;
use super::read::Output;
use super::upload::{Uploaded, output, upload, whole};
use crate::cpu::{Inputs, Outputs};
use crate::plan::{Backward, BackwardOperands, Bound, Forward, bytes};
use crate::{Dtype, Error, Problem, Tensor};

const OF_FORWARD: [Tensor; 18] = [
    Tensor::Q,
    Tensor::K,
    Tensor::V,
    Tensor::Out,
    Tensor::Lse,
    Tensor::Table,
    Tensor::Gate,
    Tensor::Indices,
    Tensor::Bias,
    Tensor::KeyMask,
    Tensor::KeyLengths,
    Tensor::QueryLengths,
    Tensor::QueryDocuments,
    Tensor::KeyDocuments,
    Tensor::MaskBits,
    Tensor::QueryStarts,
    Tensor::KeyStarts,
    Tensor::BlockTable,
];
const OF_BACKWARD: [Tensor; 7] = [
    Tensor::DOut,
    Tensor::DQ,
    Tensor::DK,
    Tensor::DV,
    Tensor::DTable,
    Tensor::DGate,
    Tensor::DBias,
];

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
    pub(crate) fn new(
        device: &wgpu::Device,
        problem: &Problem,
        inputs: &Inputs<'_>,
    ) -> Result<Self, Error> {
        check_sizes(device, problem, &OF_FORWARD)?;
        let written = |tensor| written(device, problem, tensor);
        Ok(Self {
            read: Uploaded::new(device, problem, inputs)?,
            written: [written(Tensor::Out)?, written(Tensor::Lse)?],
        })
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
    ) -> Result<Self, Error> {
        check_sizes(device, problem, &OF_FORWARD)?;
        check_sizes(device, problem, &OF_BACKWARD)?;
        check_size(device, Tensor::Workspace, workspace)?;
        let stored = |values: &[f32]| upload(device, &stored(problem.dtype(), values));
        let written = |tensor| written(device, problem, tensor);
        let of_bias = |tensor: Tensor| problem.uses(tensor).then(|| written(tensor)).transpose();
        Ok(Self {
            read: Uploaded::new(device, problem, inputs)?,
            out: stored(&results.out)?,
            lse: upload(device, bytemuck::cast_slice(&results.lse))?,
            dout: stored(dout)?,
            workspace: device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("relattn::OnDevice"),
                size: workspace.max(4),
                usage: BufferUsages::STORAGE,
                mapped_at_creation: false,
            }),
            always: [
                written(Tensor::DQ)?,
                written(Tensor::DK)?,
                written(Tensor::DV)?,
            ],
            of_bias: [
                of_bias(Tensor::DTable)?,
                of_bias(Tensor::DGate)?,
                of_bias(Tensor::DBias)?,
            ],
        })
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
fn written(device: &wgpu::Device, problem: &Problem, tensor: Tensor) -> Result<Output, Error> {
    let dtype = match tensor {
        Tensor::Out | Tensor::DQ | Tensor::DK | Tensor::DV => problem.dtype(),
        _ => Dtype::F32,
    };
    let elements = problem.elements(tensor);
    Ok(Output {
        buffer: output(device, dtype, elements)?,
        dtype,
        elements: usize::try_from(elements).unwrap_or(usize::MAX),
    })
}

/// Refuses tensors for which the device makes no buffer; a pass may bind a buffer in parts, so that this is not for it to check.
fn check_sizes(device: &wgpu::Device, problem: &Problem, tensors: &[Tensor]) -> Result<(), Error> {
    let mut tensors = tensors.iter();
    tensors.try_for_each(|&tensor| check_size(device, tensor, bytes(problem, tensor)))
}

fn check_size(device: &wgpu::Device, tensor: Tensor, needed: u64) -> Result<(), Error> {
    let maximum = device.limits().max_buffer_size;
    if needed > maximum {
        return Err(Error::BufferTooLarge {
            tensor,
            needed,
            maximum,
        });
    }
    Ok(())
}
