//! Attention over all keys from attention over parts of them, as an operation of its own.

use std::num::NonZeroU64;

use wgpu::BufferBinding;

use super::Operand;
use super::bound::{Bound, Step, entry, uniform};
use super::check::{Slot, check, check_aliases, check_size, spread};
use super::params::MergeParams;
use crate::watch::watched;
use crate::{Error, InputError, ProblemError, Tensor};

/// A compiled merge of `parts` results, each `[rows, value_dim]` with a log-sum-exp a row. Rows are those of `[B, H, Nq]`.
///
/// Parts may come from key ranges of one device or of several, as in ring attention: a range that begins at key `a` is a
/// problem with [`key_offset`](crate::ProblemBuilder::key_offset) `a`, and `query_offset` as for the whole.
#[derive(Clone, Debug)]
pub struct Merge {
    pub(crate) device: wgpu::Device,
    pub(crate) pipeline: Result<wgpu::ComputePipeline, Error>,
    pub(crate) parts: u32,
    pub(crate) rows: u32,
    pub(crate) value_dim: u32,
}

/// The buffers of a merge, f32.
#[derive(Clone, Debug)]
pub struct MergeOperands<'a> {
    /// The outputs of the parts, `[P, rows, Dv]`.
    pub outs: Operand<'a>,
    /// Their log-sum-exps, `[P, rows]`.
    pub lses: Operand<'a>,
    /// `[rows, Dv]`, written.
    pub out: Operand<'a>,
    /// `[rows]`, written.
    pub lse: Operand<'a>,
}

impl Merge {
    /// Checks the buffers and binds them; records and submits nothing.
    ///
    /// # Errors
    /// No parts, or rows without features; more elements than 32 bits can index; a buffer that is too small, misaligned, past the device's limits, without
    /// `STORAGE` or shared by what is read and what is written; a device that is out of memory or lost.
    pub fn bind(&self, operands: &MergeOperands<'_>) -> Result<Bound, Error> {
        self.validate()?;
        let [parts, rows, features] = [self.parts, self.rows, self.value_dim].map(u64::from);
        let slots = [
            (1, Tensor::PartOut, &operands.outs, parts * rows * features),
            (2, Tensor::PartLse, &operands.lses, parts * rows),
            (3, Tensor::Out, &operands.out, rows * features),
            (4, Tensor::Lse, &operands.lse, rows),
        ]
        .map(|(number, tensor, operand, count)| (number, tensor, operand.clone(), 4 * count));
        for (_, tensor, binding, bytes) in &slots {
            check(&self.device, *tensor, binding, *bytes)?;
            check_size(&self.device, *tensor, *bytes)?;
        }
        check_aliases(&slots, &[Tensor::Out, Tensor::Lse])?;
        let groups = (rows * features).div_ceil(64);
        if groups == 0 {
            return Ok(Bound::new(Vec::new()));
        }
        let workgroups = spread(&self.device, groups)?;
        watched(&self.device, || self.record(&slots, workgroups))
    }

    fn validate(&self) -> Result<(), Error> {
        if self.parts == 0 {
            let tensor = Tensor::PartOut;
            return Err(InputError::Missing { tensor }.into());
        }
        if self.value_dim == 0 {
            return Err(ProblemError::HeadDim {
                tensor: Tensor::Out,
                found: 0,
                maximum: u32::MAX,
            }
            .into());
        }
        let sizes = [self.parts, self.rows, self.value_dim].map(u128::from);
        let elements = sizes.into_iter().product();
        if elements > u32::MAX.into() {
            return Err(ProblemError::TooLarge {
                tensor: Tensor::PartOut,
                elements,
                maximum: u32::MAX.into(),
            }
            .into());
        }
        Ok(())
    }

    fn record(&self, slots: &[Slot<'_>], workgroups: [u32; 3]) -> Result<Bound, Error> {
        let pipeline = self.pipeline.as_ref().map_err(Clone::clone)?;
        let params = MergeParams::new(self, workgroups[0]);
        let params = uniform(&self.device, bytemuck::bytes_of(&params))?;
        let mut entries = vec![entry(0, params.as_entire_buffer_binding())];
        entries.extend(slots.iter().map(|(number, _, binding, bytes)| {
            let size = NonZeroU64::new(*bytes);
            let binding = binding.clone();
            entry(*number, BufferBinding { size, ..binding })
        }));
        let step = Step::new(&self.device, pipeline, &entries, workgroups);
        Ok(Bound::new(vec![step]))
    }
}
