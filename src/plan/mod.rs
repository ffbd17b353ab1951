//! From a problem to work recorded in the caller's encoder.

mod backward;
mod bind;
mod bound;
mod budget;
mod candidates;
mod check;
mod choose;
mod decode;
mod fire_table;
mod index;
mod kernel;
mod listing;
mod merge;
mod offset_table;
mod operands;
mod params;
mod ranges;
#[cfg(test)]
mod reachable;
mod reasons;
mod rope;
mod slots;
mod split;
mod tables;
mod uniforms;
mod variant;

#[cfg(test)]
mod tiles_tests;

pub use backward::{
    Backward, BackwardOperands, BackwardVariant, GradientSlots, Side, Wanted, choose_backward,
};
pub use bound::Bound;
pub use budget::Budget;
pub use candidates::{Candidate, candidates, candidates_backward};
pub use choose::choose;
pub use index::BucketIndex;
pub use listing::KernelText;
pub use merge::{Merge, MergeOperands};
pub use operands::{ForwardOperands, Operand};
pub use reasons::{Reason, Timing, reasons, reasons_backward};
pub use rope::{RopeOperands, RotaryEmbedding};
pub use slots::{BiasSlots, IndexSlot, Lengths, MaskSlots};
pub use variant::{Algorithm, Variant};

pub(crate) use backward::sums::GradientFamily;
pub(crate) use backward::{Pipelines as BackwardPipelines, choose as choose_backward_of};
pub(crate) use check::bytes;
pub(crate) use kernel::Kernel;
pub(crate) use offset_table::Family;
pub(crate) use reasons::Origin;
pub(crate) use rope::RopeVariant;
pub(crate) use tables::TablePipelines;

use crate::watch::watched;
use crate::{Capabilities, Error, Problem};

/// A compiled forward pass of one problem.
#[derive(Clone, Debug)]
pub struct Forward {
    pub(crate) device: wgpu::Device,
    pub(crate) problem: Problem,
    pub(crate) capabilities: Capabilities,
    pub(crate) origin: Origin,
    pub(crate) variant: Variant,
    pub(crate) pipeline: wgpu::ComputePipeline,
    pub(crate) tables: TablePipelines,
    /// Merges the parts of [`Algorithm::Decode`].
    pub(crate) merge_pipeline: Option<wgpu::ComputePipeline>,
    /// Parts that the keys are split into.
    pub(crate) splits: u32,
    /// Keys that a dispatch of [`Algorithm::Broadcast`] meets at most, where the caller says so.
    pub(crate) stretch: Option<u32>,
    pub(crate) budget: Budget,
}

impl Forward {
    /// Which kernel this is.
    #[must_use]
    pub const fn variant(&self) -> &Variant {
        &self.variant
    }

    /// Why it is this kernel.
    #[must_use]
    pub fn reasons(&self) -> Vec<Reason> {
        reasons::by(self.origin, || {
            reasons::with_dispatches(
                &self.problem,
                &self.capabilities,
                &self.variant,
                self.splits,
                self.stretch,
            )
        })
    }

    /// How many parts the keys are computed in, each by workgroups of its own; 1 unless the algorithm is [`Algorithm::Decode`]. If
    /// one binding cannot hold all keys of a head, they are computed in ranges that fit, each of them in so many parts.
    #[must_use]
    pub const fn splits(&self) -> u32 {
        self.splits
    }

    /// Splits the keys into this many parts where the algorithm is [`Algorithm::Decode`]; at least one, and at most 128 or one for each key.
    #[must_use]
    pub fn with_splits(mut self, splits: u32) -> Self {
        if self.variant.algorithm == Algorithm::Decode {
            self.splits = splits.clamp(1, decode::most_splits(&self.problem));
        }
        self
    }

    /// In how many stretches the keys are met, each in a dispatch that goes on from the output and the log-sum-exp of the one before; 1 unless
    /// the algorithm is [`Algorithm::Broadcast`] and the problem is in f32, no packed batch, and has neither a window that is narrower than a
    /// stretch nor more log-sum-exps than a binding holds.
    ///
    /// Every row meets every key: past what a processor's caches hold, keys and values would come from memory again for every few rows.
    /// So a stretch is of 1 MiB of keys and values of a head, or what [`Self::with_stretch`] says.
    #[must_use]
    pub fn stretches(&self) -> u32 {
        match self.variant.algorithm {
            Algorithm::Broadcast => bind::key_ranges(self).count(),
            _ => 1,
        }
    }

    /// Meets at most so many keys in a dispatch where there may be several [stretches](Self::stretches): a multiple of 8, rounded down, and at
    /// least 8. Each stretch rounds outputs and log-sum-exps once more.
    #[must_use]
    pub const fn with_stretch(mut self, keys: u32) -> Self {
        self.stretch = Some(keys);
        self
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
    /// A tensor or a dispatch past the device's limits.
    pub fn check_limits(&self) -> Result<(), Error> {
        bind::check_limits(self).map(|_| ())
    }

    /// Checks the buffers and binds them; records and submits nothing.
    ///
    /// # Errors
    /// A buffer that is too small, misaligned, lacks `STORAGE`, overlaps an output, is missing or not used, or is another device's; a tensor
    /// or a dispatch past the device's limits; a device that is out of memory or lost.
    pub fn bind(&self, operands: &ForwardOperands<'_>) -> Result<Bound, Error> {
        watched(&self.device, || bind::bind(self, operands))
    }
}
