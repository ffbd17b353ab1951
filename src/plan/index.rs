//! The bucket-index matrix as an operation of its own.

use std::num::NonZeroU64;

use wgpu::BufferBinding;

use super::bound::{Bound, Step, entry, storage, uniform};
use super::check::{check, check_size, spread};
use super::params::IndexParams;
use crate::builder::MAX_OFFSET;
use crate::watch::watched;
use crate::{Error, IndexFormat, ProblemError, Tensor, Thresholds};

/// A compiled bucket-index matrix: `[q_len, k_len]`, the bucket of `j − i − query_offset`.
#[derive(Clone, Debug)]
pub struct BucketIndex {
    pub(crate) device: wgpu::Device,
    pub(crate) pipeline: Result<wgpu::ComputePipeline, Error>,
    pub(crate) thresholds: Thresholds,
    pub(crate) format: IndexFormat,
    pub(crate) q_len: u32,
    pub(crate) k_len: u32,
    pub(crate) query_offset: i32,
}

impl BucketIndex {
    /// The bytes of the matrix, a whole number of words.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.format
            .bytes(u64::from(self.q_len) * u64::from(self.k_len))
    }

    /// Checks and binds the buffer that the matrix is written to.
    ///
    /// # Errors
    /// A matrix or positions past 32 bits, or more buckets than the format holds; a buffer that is too small, misaligned, past the
    /// device's limits or without `STORAGE`; a device that is out of memory or lost.
    pub fn bind(&self, indices: &BufferBinding<'_>) -> Result<Bound, Error> {
        self.validate()?;
        check(&self.device, Tensor::Indices, indices, self.bytes())?;
        check_size(&self.device, Tensor::Indices, self.bytes())?;
        let groups = self.bytes().div_ceil(4 * 64);
        if groups == 0 {
            return Ok(Bound::new(Vec::new()));
        }
        let workgroups = spread(&self.device, groups)?;
        watched(&self.device, || self.record(indices, workgroups))
    }

    fn record(&self, indices: &BufferBinding<'_>, workgroups: [u32; 3]) -> Result<Bound, Error> {
        let pipeline = self.pipeline.as_ref().map_err(Clone::clone)?;
        let params = IndexParams::new(self, workgroups[0]);
        let params = uniform(&self.device, bytemuck::bytes_of(&params))?;
        let steps = storage(&self.device, self.thresholds.steps())?;
        let indices = BufferBinding {
            size: NonZeroU64::new(self.bytes()),
            ..indices.clone()
        };
        let entries = [
            entry(0, params.as_entire_buffer_binding()),
            entry(1, steps.as_entire_buffer_binding()),
            entry(2, indices),
        ];
        let step = Step::new(&self.device, pipeline, &entries, workgroups);
        Ok(Bound::new(vec![step]))
    }

    fn validate(&self) -> Result<(), ProblemError> {
        let buckets = self.thresholds.buckets().num_buckets;
        let maximum = self.format.most();
        if buckets > maximum {
            return Err(ProblemError::TableRows {
                found: buckets,
                maximum,
            });
        }
        let (first, queries) = (i64::from(self.query_offset), i64::from(self.q_len));
        let positions = [first.abs(), first + queries, i64::from(self.k_len) - first];
        if positions.into_iter().any(|position| position > MAX_OFFSET) {
            return Err(ProblemError::QueryOffset {
                found: first,
                keys: 0,
                q_len: self.q_len,
                k_len: self.k_len,
                maximum: MAX_OFFSET,
            });
        }
        let elements = u64::from(self.q_len) * u64::from(self.k_len);
        if elements > u64::from(u32::MAX) - 4 {
            return Err(ProblemError::TooLarge {
                tensor: Tensor::Indices,
                elements: elements.into(),
                maximum: u64::from(u32::MAX) - 4,
            });
        }
        Ok(())
    }
}
