//! The gradients of attention, recorded in the caller's encoder.

mod bind;
mod choose;
mod operands;
pub(crate) mod params;
mod pass;
mod ranges;
pub(crate) mod sums;
mod variant;
mod works;
mod workspace;

pub use operands::BackwardOperands;
pub use variant::{BackwardVariant, GradientSlots, Side};

pub use choose::choose_backward;
pub(crate) use choose::{choose, multiplies, of_algorithm};
pub(crate) use pass::{clear_bindings, statistics_bindings};

use super::reasons::{Origin, Reason, by, reasons_backward};
use super::{Bound, Budget, TablePipelines};
use crate::watch::watched;
use crate::{Capabilities, Error, InputError, Problem, Tensor};

/// Which gradients of the bias a backward pass is to compute; those of q, k and v it always does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Wanted {
    /// Of the table.
    pub table: bool,
    /// Of the gate.
    pub gate: bool,
    /// Of the dense bias.
    pub bias: bool,
}

impl Wanted {
    /// Every gradient that a problem has.
    #[must_use]
    pub fn all(problem: &Problem) -> Self {
        Self {
            table: problem.uses(Tensor::DTable),
            gate: problem.uses(Tensor::DGate),
            bias: problem.uses(Tensor::DBias),
        }
    }

    /// Refuses a gradient that a problem does not have.
    pub(crate) fn check(self, problem: &Problem) -> Result<(), InputError> {
        let tensors = [Tensor::DTable, Tensor::DGate, Tensor::DBias];
        let missing = |tensor: &Tensor| self.writes(*tensor) && !problem.uses(*tensor);
        match tensors.into_iter().find(missing) {
            Some(tensor) => Err(InputError::Unused { tensor }),
            None => Ok(()),
        }
    }

    /// Whether a tensor is written.
    const fn writes(self, tensor: Tensor) -> bool {
        match tensor {
            Tensor::DTable => self.table,
            Tensor::DGate => self.gate,
            Tensor::DBias => self.bias,
            _ => true,
        }
    }
}

/// A compiled backward pass of one problem.
///
/// What the mask hides may be anything, and so may the values that dropout leaves out. Where q, k, v or the output's gradient have
/// infinities or NaN that a query sees, its gradients are not defined, and may be finite.
#[derive(Clone, Debug)]
pub struct Backward {
    pub(crate) device: wgpu::Device,
    pub(crate) problem: Problem,
    pub(crate) capabilities: Capabilities,
    pub(crate) origin: Origin,
    pub(crate) wanted: Wanted,
    pub(crate) queries: BackwardVariant,
    pub(crate) keys: BackwardVariant,
    pub(crate) pipelines: Pipelines,
    pub(crate) budget: Budget,
}

/// The kernels of a backward pass, in the order that they run in.
#[derive(Clone, Debug)]
pub(crate) struct Pipelines {
    pub(crate) tables: TablePipelines,
    pub(crate) statistics: wgpu::ComputePipeline,
    pub(crate) queries: wgpu::ComputePipeline,
    pub(crate) keys: wgpu::ComputePipeline,
    pub(crate) partial_sums: wgpu::ComputePipeline,
    /// One for each bias by offset that has parameters.
    pub(crate) offset_gradients: Vec<wgpu::ComputePipeline>,
    pub(crate) index_gradient: Option<wgpu::ComputePipeline>,
    pub(crate) fire_gradient: Option<wgpu::ComputePipeline>,
    pub(crate) clear_dbias: Option<wgpu::ComputePipeline>,
    pub(crate) copy_words: wgpu::ComputePipeline,
}

impl Backward {
    /// The kernels whose workgroups own queries, and keys.
    #[must_use]
    pub const fn variants(&self) -> [&BackwardVariant; 2] {
        [&self.queries, &self.keys]
    }

    /// Why it is these kernels.
    #[must_use]
    pub fn reasons(&self) -> Vec<Reason> {
        by(self.origin, || {
            reasons_backward(&self.problem, &self.capabilities, self.variants())
        })
    }

    /// Bytes that the pass needs between its dispatches: O(B · H · Nq) and, for each bias by offset, O(H · radius).
    #[must_use]
    pub fn workspace_bytes(&self) -> u64 {
        workspace::Sections::new(self).bytes()
    }

    /// Keeps each dispatch to a budget of work.
    #[must_use]
    pub const fn with_budget(mut self, budget: Budget) -> Self {
        self.budget = budget;
        self
    }

    /// Checks that the device can hold the problem, before any buffer of it is made.
    ///
    /// # Errors
    /// A workspace, a tensor or a dispatch past the device's limits.
    pub fn check_limits(&self) -> Result<(), Error> {
        bind::check_limits(self, &workspace::Sections::new(self)).map(|_| ())
    }

    /// Checks the buffers and binds them; records and submits nothing.
    ///
    /// # Errors
    /// A buffer that is too small, misaligned, lacks `STORAGE`, is written and overlaps another, is missing or not asked for, or is another
    /// device's; a tensor or a dispatch past the device's limits; a device that is out of memory or lost.
    pub fn bind(&self, operands: &BackwardOperands<'_>) -> Result<Bound, Error> {
        watched(&self.device, || bind::bind(self, operands))
    }
}
