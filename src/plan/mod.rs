//! From a problem to work recorded in the caller's encoder.

mod bind;
mod choose;
mod index;
mod kernel;
mod merge;
mod offset_table;
mod params;
mod rope;
mod variant;

pub use bind::{Bound, ForwardOperands, Operand};
pub use choose::choose;
pub use index::BucketIndex;
pub use merge::{Merge, MergeOperands};
pub use rope::{RopeOperands, RotaryEmbedding};
pub use variant::{Algorithm, BiasSlot, Variant};

pub(crate) use kernel::Kernel;
pub(crate) use offset_table::Family;
pub(crate) use rope::RopeVariant;

use crate::{Error, Problem};

/// A compiled forward pass of one problem.
#[derive(Clone, Debug)]
pub struct Forward {
    pub(crate) device: wgpu::Device,
    pub(crate) problem: Problem,
    pub(crate) variant: Variant,
    pub(crate) pipeline: wgpu::ComputePipeline,
    /// Fills the offset table, where the bias has one.
    pub(crate) table_pipeline: Option<wgpu::ComputePipeline>,
}

impl Forward {
    /// Which kernel this is.
    #[must_use]
    pub const fn variant(&self) -> &Variant {
        &self.variant
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
    /// A buffer that is too small, misaligned, lacks `STORAGE`, overlaps an output, is missing or not used.
    pub fn bind(&self, operands: &ForwardOperands<'_>) -> Result<Bound, Error> {
        bind::bind(self, operands)
    }
}
