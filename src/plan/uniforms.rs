//! What changes between submissions without binding anew: the position of a decoding loop, the seed of a training step.

use std::mem::offset_of;

use super::params::Params;
use crate::{Dropout, PositionError, Problem, SeedError};

/// The uniforms of a pass, one after the other in a buffer.
#[derive(Clone, Debug)]
pub(super) struct Uniforms {
    pub(super) buffer: wgpu::Buffer,
    /// How many there are, one for each dispatch.
    pub(super) count: u64,
    /// From one to the next in the buffer, in bytes.
    pub(super) stride: u64,
    pub(super) problem: Problem,
}

impl Uniforms {
    pub(super) fn set_position(
        &self,
        queue: &wgpu::Queue,
        query_offset: i32,
        keys: u32,
    ) -> Result<(), PositionError> {
        self.check(query_offset, keys)?;
        // Neighbours, so that one write does for both.
        const { assert!(offset_of!(Params, shift) == offset_of!(Params, filled) + 4) };
        let shift = query_offset - self.problem.key_offset().cast_signed();
        let words = [keys, shift.cast_unsigned()];
        self.write(queue, offset_of!(Params, filled), words);
        Ok(())
    }

    pub(super) fn set_seed(&self, queue: &wgpu::Queue, seed: u64) -> Result<(), SeedError> {
        let Some(dropout) = self.problem.dropout() else {
            return Err(SeedError::NoDropout);
        };
        let key = Dropout { seed, ..dropout }.key();
        self.write(queue, offset_of!(Params, dropout_key), key);
        Ok(())
    }

    /// Writes two words of every dispatch, so that the others stay as another call has left them.
    fn write(&self, queue: &wgpu::Queue, at: usize, words: [u32; 2]) {
        for n in 0..self.count {
            let at = n * self.stride + at as u64;
            queue.write_buffer(&self.buffer, at, bytemuck::bytes_of(&words));
        }
    }

    fn check(&self, query_offset: i32, keys: u32) -> Result<(), PositionError> {
        let capacity = self.problem.shape().k_len;
        if keys > capacity {
            return Err(PositionError::Keys {
                found: keys,
                capacity,
            });
        }
        // Past its radius the offset table repeats its last number, which is right only where the bias saturates there.
        let (radius, problem) = (self.problem.bias_radius(), &self.problem);
        let farthest = problem.farthest(query_offset, keys);
        let covered = !problem.is_by_offset() || radius == problem.saturation();
        let last = if covered { (1 << 30) - 1 } else { radius };
        if farthest > last.into() {
            return Err(PositionError::Offset {
                found: farthest,
                maximum: last,
            });
        }
        Ok(())
    }
}
