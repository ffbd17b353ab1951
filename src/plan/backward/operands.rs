//! The caller's buffers of a backward pass.

use crate::Tensor;
use crate::plan::{ForwardOperands, Operand};

/// The buffers of a backward pass: dout, dq, dk and dv in the problem's dtype and with the layouts of out, q, k and v; the
/// gradients of the bias's parameters in f32.
#[derive(Clone, Debug)]
pub struct BackwardOperands<'a> {
    /// Those of the forward pass, which must have written the log-sum-exp. Here all are read.
    pub forward: ForwardOperands<'a>,
    /// The gradient of the output, `[B, H, Nq, Dv]`.
    pub dout: Operand<'a>,
    /// `[B, H, Nq, D]`, written.
    pub dq: Operand<'a>,
    /// `[B, Hkv, Nk, D]`, written.
    pub dk: Operand<'a>,
    /// `[B, Hkv, Nk, Dv]`, written.
    pub dv: Operand<'a>,
    /// `[rows, H]`, written, where it is wanted.
    pub dtable: Option<Operand<'a>>,
    /// `[B, H, Nq]`, written, where it is wanted.
    pub dgate: Option<Operand<'a>>,
    /// With the strides of the dense bias, written, where it is wanted.
    pub dbias: Option<Operand<'a>>,
    /// Whether `dtable`, `dgate` and `dbias` are added to what is there: T5 shares one table among all its layers.
    pub accumulate: bool,
    /// [`super::Backward::workspace_bytes`] of the pass's own, in a buffer that holds nothing else of this pass.
    pub workspace: Operand<'a>,
}

/// What a backward pass writes.
pub(super) const WRITTEN: [Tensor; 7] = [
    Tensor::DQ,
    Tensor::DK,
    Tensor::DV,
    Tensor::DTable,
    Tensor::DGate,
    Tensor::DBias,
    Tensor::Workspace,
];

impl<'a> BackwardOperands<'a> {
    /// The buffers of the backward pass alone.
    pub(super) const fn own(&self) -> [(Tensor, Option<&Operand<'a>>); 8] {
        [
            (Tensor::DOut, Some(&self.dout)),
            (Tensor::DQ, Some(&self.dq)),
            (Tensor::DK, Some(&self.dk)),
            (Tensor::DV, Some(&self.dv)),
            (Tensor::DTable, self.dtable.as_ref()),
            (Tensor::DGate, self.dgate.as_ref()),
            (Tensor::DBias, self.dbias.as_ref()),
            (Tensor::Workspace, Some(&self.workspace)),
        ]
    }
}
