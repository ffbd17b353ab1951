//! What results have to be.

use relattn::cpu::{Attention, AttentionGradient, Gradients, Outputs, Tiled};
use relattn::{Dtype, Problem};
use relattn_bench::rig::tensors::Tensors;
use relattn_conformance::compare::largest;

use crate::args::Pass;
use crate::fault::Fault;

/// The greatest difference of two f32 results of these sizes, as a part of a tensor's greatest number.
const TOLERANCE: f32 = 2e-5;

/// A problem, tensors for it, and what `cpu::Tiled` makes of them.
#[derive(Debug)]
pub(super) struct Reference {
    pub(super) problem: Problem,
    pub(super) tensors: Tensors,
    outputs: Outputs,
    gradients: Option<Gradients>,
}

impl Reference {
    pub(super) fn new(problem: Problem, pass: Pass) -> Result<Self, Fault> {
        let tensors = Tensors::generate(&problem);
        let outputs = Tiled.forward(&problem, &tensors.inputs())?;
        let mut reference = Self {
            problem,
            tensors,
            outputs,
            gradients: None,
        };
        if pass == Pass::Backward {
            reference.gradients = Some(reference.differentiate()?);
        }
        Ok(reference)
    }

    /// Computes what is expected once more.
    pub(super) fn compute(&self, pass: Pass) -> Result<(), Fault> {
        match pass {
            Pass::Forward => {
                let outputs = Tiled.forward(&self.problem, &self.tensors.inputs())?;
                std::hint::black_box(outputs);
            }
            Pass::Backward => {
                std::hint::black_box(self.differentiate()?);
            }
        }
        Ok(())
    }

    fn differentiate(&self) -> Result<Gradients, Fault> {
        let (inputs, dout) = (self.tensors.inputs(), self.tensors.dout());
        Ok(Tiled.backward(&self.problem, &inputs, &self.outputs, dout)?)
    }

    /// Refuses an output that is wrong.
    pub(super) fn check_output(&self, name: &str, out: &[f32]) -> Result<(), Fault> {
        self.check(name, "out", out, &self.outputs.out)
    }

    /// Refuses gradients of which one is wrong.
    pub(super) fn check_gradients(&self, name: &str, found: &Gradients) -> Result<(), Fault> {
        let Some(expected) = &self.gradients else {
            return Ok(());
        };
        let mut pairs = vec![
            ("dq", &found.dq, &expected.dq),
            ("dk", &found.dk, &expected.dk),
            ("dv", &found.dv, &expected.dv),
        ];
        let tables = found.dtable.as_ref().zip(expected.dtable.as_ref());
        pairs.extend(tables.map(|(found, expected)| ("dtable", found, expected)));
        let matrices = found.dbias.as_ref().zip(expected.dbias.as_ref());
        pairs.extend(matrices.map(|(found, expected)| ("dbias", found, expected)));
        pairs
            .into_iter()
            .try_for_each(|(tensor, found, expected)| self.check(name, tensor, found, expected))
    }

    fn check(
        &self,
        name: &str,
        tensor: &str,
        found: &[f32],
        expected: &[f32],
    ) -> Result<(), Fault> {
        let ulp = match self.problem.dtype() {
            Dtype::F32 => f32::EPSILON,
            Dtype::F16 => 1.0 / 1024.0,
            Dtype::Bf16 => 1.0 / 128.0,
        };
        let greatest = largest(expected.iter().copied().map(f64::from));
        let allowed = f64::from(TOLERANCE + ulp) * greatest;
        let error = largest_difference(found, expected);
        if error <= allowed {
            return Ok(());
        }
        Err(Fault::Disagreement {
            what: format!("{tensor} of {name} differs from cpu::Tiled"),
            found: error,
            allowed,
        })
    }
}

/// NaN where a number is not finite or the lengths differ.
fn largest_difference(found: &[f32], expected: &[f32]) -> f64 {
    if found.len() != expected.len() {
        return f64::NAN;
    }
    let pairs = found.iter().zip(expected);
    largest(pairs.map(|(found, expected)| f64::from(found - expected)))
}
