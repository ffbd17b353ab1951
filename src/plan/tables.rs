//! What passes make of a bias's parameters before they look at scores.

use wgpu::{BufferBinding, ComputePipeline};

use super::bound::Step;
use super::{fire_table, offset_table};
use crate::{Error, Problem};

/// The kernels that fill the tables of a problem.
#[derive(Clone, Debug)]
pub(crate) struct TablePipelines {
    /// Fill the offset table, one for each bias by offset.
    pub(crate) offset: Vec<ComputePipeline>,
    /// Fills FIRE's segments.
    pub(crate) fire: Option<ComputePipeline>,
}

impl TablePipelines {
    /// Records them, from the caller's parameters to the offset table and FIRE's segments.
    pub(super) fn fill(
        &self,
        device: &wgpu::Device,
        problem: &Problem,
        parameters: Option<&BufferBinding<'_>>,
        [offsets, segments]: [Option<BufferBinding<'_>>; 2],
        steps: &mut Vec<Step>,
    ) -> Result<(), Error> {
        if let Some(offsets) = offsets {
            offset_table::fill(device, problem, &self.offset, parameters, &offsets, steps)?;
        }
        if let (Some(pipeline), Some(segments)) = (&self.fire, segments) {
            fire_table::fill(device, problem, pipeline, parameters, &segments, steps)?;
        }
        Ok(())
    }
}
