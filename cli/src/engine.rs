//! What computes: an adapter, the CPU, or the definition.

use std::path::Path;

use relattn::Problem;
use relattn::cpu::{Attention, AttentionGradient, Gradients, Inputs, Oracle, Outputs, Tiled};
use relattn::plan::Reason;
use relattn::tune::TuningFile;

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

/// Kernels of a pass, and why it is these.
#[derive(Debug)]
pub(crate) struct Kernel {
    pub(crate) names: Vec<String>,
    pub(crate) reasons: Vec<String>,
}

impl Kernel {
    fn new(names: &[impl ToString], reasons: &[Reason]) -> Self {
        Self {
            names: names.iter().map(ToString::to_string).collect(),
            reasons: reasons.iter().map(ToString::to_string).collect(),
        }
    }
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

    /// Takes the fastest kernels for a problem from now on, by the times in a file, or by such as it puts there.
    pub(crate) fn tune(
        &mut self,
        problem: &Problem,
        backward: bool,
        path: &Path,
    ) -> Result<(), Fault> {
        match self {
            Self::Gpu(gpu) => {
                let file = TuningFile::open(path).map_err(relattn::Error::from)?;
                gpu.tune(problem, backward, file)
            }
            Self::Cpu | Self::Oracle => Err(Fault::Unasked {
                option: "--tune".into(),
                needed: "a device with kernels to choose from; cpu and oracle have one each",
            }),
        }
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

    /// The kernel that a problem runs with, and why.
    pub(crate) fn kernel(&self, problem: &Problem) -> Result<Kernel, Fault> {
        let without_choice = |name: &str| Kernel {
            names: vec![name.into()],
            reasons: Vec::new(),
        };
        Ok(match self {
            Self::Gpu(gpu) => {
                let forward = gpu.guard(|| gpu.context().forward(problem))?;
                Kernel::new(&[forward.variant()], &forward.reasons())
            }
            Self::Cpu => without_choice("tiled f32"),
            Self::Oracle => without_choice("by the formula f64"),
        })
    }

    /// The kernels that its gradients run with, and why.
    pub(crate) fn backward_kernels(&self, problem: &Problem) -> Result<Kernel, Fault> {
        match self {
            Self::Gpu(gpu) => {
                let backward = gpu.guard(|| gpu.context().backward(problem))?;
                Ok(Kernel::new(&backward.variants(), &backward.reasons()))
            }
            Self::Cpu | Self::Oracle => {
                let mut kernel = self.kernel(problem)?;
                for name in &mut kernel.names {
                    *name = format!("backward {name}");
                }
                Ok(kernel)
            }
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
