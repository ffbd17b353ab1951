//! The next step of a decoding loop.

use super::params::Params;
use crate::{PositionError, Problem};

/// The uniforms of a forward pass, one after the other in a buffer.
#[derive(Clone, Debug)]
pub(super) struct Uniforms {
    pub(super) buffer: wgpu::Buffer,
    /// Of each dispatch.
    pub(super) params: Vec<Params>,
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
        for (n, params) in (0_u64..).zip(&self.params) {
            let params = params.at(query_offset, keys);
            queue.write_buffer(&self.buffer, n * self.stride, bytemuck::bytes_of(&params));
        }
        Ok(())
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
