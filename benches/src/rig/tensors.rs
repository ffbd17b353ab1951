//! Tensors for any problem.

use relattn::cpu::Inputs;
use relattn::{Problem, Tensor};

use super::generator::{Data, elements, round, values};

/// Generated tensors of a problem: never symmetric, never zero, and such as its type holds exactly.
#[derive(Clone, Debug)]
pub struct Tensors {
    data: Data,
    dout: Vec<f32>,
}

impl Tensors {
    /// Everything that the problem reads, and a gradient of its output.
    #[must_use]
    pub fn generate(problem: &Problem) -> Self {
        let dout = values(elements(problem, Tensor::Out), 9);
        Self {
            data: Data::generate(problem, 1),
            dout: round(problem.dtype(), dout),
        }
    }

    /// What the forward pass reads.
    #[must_use]
    pub fn inputs(&self) -> Inputs<'_> {
        self.data.inputs()
    }

    /// `[B, H, Nq, Dv]`.
    #[must_use]
    pub fn dout(&self) -> &[f32] {
        &self.dout
    }
}
