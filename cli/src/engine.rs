//! What computes: an adapter, the CPU, or the definition.

use relattn::Problem;
use relattn::cpu::{Attention, AttentionGradient, Gradients, Inputs, Oracle, Outputs, Tiled};

use crate::adapters;
use crate::args::DeviceChoice;
use crate::fault::Fault;
use crate::gpu::Gpu;

/// The most that the CPU spends on the bias by offset.
const CPU_TABLE: u64 = 1 << 30;

/// One way to compute attention.
#[derive(Debug)]
pub(crate) enum Engine {
    Gpu(Box<Gpu>),
    Cpu,
    Oracle,
}

impl Engine {
    pub(crate) fn choose(choice: &DeviceChoice) -> Result<Self, Fault> {
        Ok(match choice {
            DeviceChoice::Auto => {
                adapters::best().map_or(Self::Cpu, |gpu| Self::Gpu(Box::new(gpu)))
            }
            DeviceChoice::Cpu => Self::Cpu,
            DeviceChoice::Oracle => Self::Oracle,
            DeviceChoice::Named(name) => Self::Gpu(Box::new(adapters::named(name)?)),
        })
    }

    pub(crate) fn gpu(&self) -> Option<&Gpu> {
        match self {
            Self::Gpu(gpu) => Some(gpu),
            Self::Cpu | Self::Oracle => None,
        }
    }

    /// `backend/name` of an adapter, else what `--device` calls it.
    pub(crate) fn label(&self) -> String {
        match self {
            Self::Gpu(gpu) => adapters::label(gpu.info()),
            Self::Cpu => "cpu".into(),
            Self::Oracle => "oracle".into(),
        }
    }

    /// The kernel that a problem runs with.
    pub(crate) fn kernel(&self, problem: &Problem) -> Result<String, Fault> {
        Ok(match self {
            Self::Gpu(gpu) => {
                let variant = gpu.guard(|| gpu.context().forward(problem))?;
                variant.variant().to_string()
            }
            Self::Cpu => "tiled f32".into(),
            Self::Oracle => "by the formula f64".into(),
        })
    }

    /// The kernels that its gradients run with.
    pub(crate) fn backward_kernels(&self, problem: &Problem) -> Result<Vec<String>, Fault> {
        match self {
            Self::Gpu(gpu) => {
                let backward = gpu.guard(|| gpu.context().backward(problem))?;
                Ok(backward.variants().map(ToString::to_string).into())
            }
            Self::Cpu | Self::Oracle => Ok(vec![format!("backward {}", self.kernel(problem)?)]),
        }
    }

    pub(crate) fn forward(&self, problem: &Problem, inputs: &Inputs<'_>) -> Result<Outputs, Fault> {
        match self {
            Self::Gpu(gpu) => gpu.forward(problem, inputs),
            Self::Cpu => {
                fits_cpu(problem)?;
                Ok(Tiled.forward(problem, inputs)?)
            }
            Self::Oracle => Ok(Oracle.forward(problem, inputs)?),
        }
    }

    /// The gradients, from what the forward pass returned and the gradient of its output.
    pub(crate) fn backward(
        &self,
        problem: &Problem,
        inputs: &Inputs<'_>,
        outputs: &Outputs,
        dout: &[f32],
    ) -> Result<Gradients, Fault> {
        match self {
            Self::Gpu(gpu) => gpu.backward(problem, inputs, outputs, dout),
            Self::Cpu => {
                fits_cpu(problem)?;
                Ok(Tiled.backward(problem, inputs, outputs, dout)?)
            }
            Self::Oracle => Ok(Oracle.backward(problem, inputs, outputs, dout)?),
        }
    }
}

fn fits_cpu(problem: &Problem) -> Result<(), Fault> {
    let bytes = problem.offset_table_bytes();
    if bytes > CPU_TABLE {
        return Err(Fault::OffsetTable {
            radius: problem.bias_radius(),
            bytes,
            maximum: CPU_TABLE,
        });
    }
    Ok(())
}
