//! The gradients of attention, and who computes them.

use super::{Attention, Inputs, Outputs, check};
use crate::{InputError, Problem, Tensor};

/// Gradients of a loss with respect to what attention reads, f32 whatever the problem's dtype is.
#[derive(Clone, Debug, PartialEq)]
pub struct Gradients {
    /// Of q, `[B, H, Nq, D]` in its layout, whose gaps are 0.
    pub dq: Vec<f32>,
    /// Of k, `[B, Hkv, Nk, D]` in its layout: the sum over the query heads that share it.
    pub dk: Vec<f32>,
    /// Of v, `[B, Hkv, Nk, Dv]` in its layout: the sum over the query heads that share it.
    pub dv: Vec<f32>,
    /// Of the parameters of the biases, `[rows, H]`, where there are any: the sum over the batch.
    pub dtable: Option<Vec<f32>>,
    /// Of the gate, `[B, H, Nq]`, where there is one.
    pub dgate: Option<Vec<f32>>,
    /// Of the dense bias, with its strides, where there is one: the sum over what shares a number. Gaps are 0.
    pub dbias: Option<Vec<f32>>,
}

/// Something that differentiates attention.
///
/// With weights `P = exp(S − lse)` and the loss's gradient `dO`:
///
/// ```text
/// dP = dO Vᵀ,  delta = rowsum(dO ∘ O),  dS = P ∘ (dP − delta)
/// dV = Pᵀ dO,  dQ = scale · dS K,  dK = scale · dSᵀ Q,  dB = dS
/// ```
///
/// and the gradient of each bias parameter is the sum of dS over the scores that it is added to, times how much it is. With dropout,
/// of factor m, dV and dP use `m ∘ P` and `m ∘ (dO Vᵀ)`.
///
/// Source: Dao et al., "FlashAttention" (2022), appendix B.
pub trait AttentionGradient: Attention {
    /// Computes the gradients from the inputs and outputs of a forward pass, and the gradient of its output, `dout`, which has the
    /// layout of the output.
    ///
    /// # Errors
    /// Inputs, outputs or a gradient that do not fit the problem, a problem that has no backward pass, or whatever else the
    /// implementation names.
    fn backward(
        &self,
        problem: &Problem,
        inputs: &Inputs<'_>,
        outputs: &Outputs,
        dout: &[f32],
    ) -> Result<Gradients, Self::Error>;
}

impl Gradients {
    /// What a problem without queries has.
    pub(super) fn zero(problem: &Problem) -> Self {
        let zeros = |tensor| vec![0.0; length(problem, tensor)];
        let used = |tensor| problem.uses(tensor).then(|| zeros(tensor));
        Self {
            dq: zeros(Tensor::DQ),
            dk: zeros(Tensor::DK),
            dv: zeros(Tensor::DV),
            dtable: used(Tensor::DTable),
            dgate: used(Tensor::DGate),
            dbias: used(Tensor::DBias),
        }
    }
}

/// Checks what a backward pass reads, and that the problem has one.
pub(crate) fn validate(
    problem: &Problem,
    inputs: &Inputs<'_>,
    outputs: &Outputs,
    dout: &[f32],
) -> Result<(), InputError> {
    validate_inputs(problem, inputs, dout)?;
    check(problem, Tensor::Out, outputs.out.len())?;
    check(problem, Tensor::Lse, outputs.lse.len())
}

/// The same without the outputs of a forward pass.
pub(super) fn validate_inputs(
    problem: &Problem,
    inputs: &Inputs<'_>,
    dout: &[f32],
) -> Result<(), InputError> {
    problem.check_backward()?;
    inputs.validate(problem)?;
    check(problem, Tensor::DOut, dout.len())
}

/// The elements of a tensor, as a length of a slice.
pub(super) fn length(problem: &Problem, tensor: Tensor) -> usize {
    usize::try_from(problem.elements(tensor)).unwrap_or(usize::MAX)
}
