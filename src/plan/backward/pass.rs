//! A backward pass as the dispatches that it is.

use std::num::NonZeroU64;
use std::ops::Range;

use wgpu::BufferBinding;

use super::params::BackwardParams;
use super::sums::Places;
use super::works::{Chunked, Works};
use super::workspace::{SMALL, Sections, index_width};
use super::{Backward, BackwardOperands};
use crate::plan::Bound;
use crate::plan::bind::Bindings;
use crate::plan::bound::{Step, entry, uniforms, workspace};
use crate::plan::check::{Slot, fitted};
use crate::plan::params::Params;
use crate::plan::split::Chunk;
use crate::plan::uniforms::Uniforms;
use crate::{Error, Tensor};

/// The storage bindings of `backward_statistics.wgsl`.
pub(crate) fn statistics_bindings() -> Vec<(u32, bool)> {
    vec![(4, true), (5, true), (22, true), (25, false)]
}

/// The storage bindings of `clear_dbias.wgsl`.
pub(crate) fn clear_bindings() -> Vec<(u32, bool)> {
    vec![(27, false)]
}

/// A pass that is being recorded, after all checks.
pub(super) struct Pass<'a> {
    backward: &'a Backward,
    operands: &'a BackwardOperands<'a>,
    sections: &'a Sections,
    read: &'a [Slot<'a>],
    own: &'a [Slot<'a>],
    places: Places<'a>,
    empty: wgpu::Buffer,
    steps: Vec<Step>,
    uniforms: Vec<Uniforms>,
}

/// A kernel and what it runs over.
struct Kernel<'k, 'a> {
    chunked: &'k Chunked<'a>,
    pipeline: &'a wgpu::ComputePipeline,
    storage: Vec<(u32, bool)>,
    /// The tensor that it has at the binding of dq and dk.
    gradient: Tensor,
}

impl<'a> Pass<'a> {
    pub(super) fn new(
        backward: &'a Backward,
        operands: &'a BackwardOperands<'a>,
        sections: &'a Sections,
        read: &'a [Slot<'a>],
        own: &'a [Slot<'a>],
    ) -> Self {
        Self {
            backward,
            operands,
            sections,
            read,
            own,
            places: Places {
                device: &backward.device,
                problem: &backward.problem,
                workspace: fitted(own, Tensor::Workspace)
                    .unwrap_or_else(|| operands.workspace.clone()),
                table: fitted(read, Tensor::Table),
                dtable: fitted(own, Tensor::DTable),
                accumulate: operands.accumulate,
            },
            empty: workspace(&backward.device, "relattn::empty", 16),
            steps: Vec::new(),
            uniforms: Vec::new(),
        }
    }

    pub(super) fn record(mut self, works: &Works<'a>) -> Result<Bound, Error> {
        let backward = self.backward;
        let pipelines = &backward.pipelines;
        let statistics = Kernel {
            chunked: &works.statistics,
            pipeline: &pipelines.statistics,
            storage: statistics_bindings(),
            gradient: Tensor::DQ,
        };
        self.fill_tables()?;
        self.copy_small()?;
        self.dispatch(&statistics, |_, _| Ok(()))?;
        self.clear_dbias(works)?;
        self.clear_sums()?;
        let queries = Kernel {
            chunked: &works.queries,
            pipeline: &pipelines.queries,
            storage: backward.queries.bindings(),
            gradient: Tensor::DQ,
        };
        self.dispatch(&queries, Self::add_partials)?;
        self.finish_gradients()?;
        let keys = Kernel {
            chunked: &works.keys,
            pipeline: &pipelines.keys,
            storage: backward.keys.bindings(),
            gradient: Tensor::DK,
        };
        self.dispatch(&keys, |_, _| Ok(()))?;
        Ok(Bound {
            steps: self.steps,
            uniforms: self.uniforms,
            moves: false,
            workspace: 0,
        })
    }

    /// Where nothing is to be added to.
    fn clear_dbias(&mut self, works: &Works<'a>) -> Result<(), Error> {
        let pipeline = self.backward.pipelines.clear_dbias.as_ref();
        let (Some(pipeline), Some(chunked)) = (pipeline, &works.clear) else {
            return Ok(());
        };
        if self.operands.accumulate {
            return Ok(());
        }
        let clear = Kernel {
            chunked,
            pipeline,
            storage: clear_bindings(),
            gradient: Tensor::DQ,
        };
        self.dispatch(&clear, |_, _| Ok(()))
    }

    /// A section of the workspace; none where it is empty.
    fn section(&self, section: &Range<u64>) -> Option<BufferBinding<'a>> {
        let workspace = &self.operands.workspace;
        Some(BufferBinding {
            buffer: workspace.buffer,
            offset: workspace.offset + 4 * section.start,
            size: Some(NonZeroU64::new(4 * (section.end - section.start))?),
        })
    }

    fn fill_tables(&mut self) -> Result<(), Error> {
        let tables = [&self.sections.offset_table, &self.sections.fire_table]
            .map(|section| self.section(section));
        let parameters = self.places.table.as_ref();
        let (device, problem) = (&self.backward.device, &self.backward.problem);
        let pipelines = &self.backward.pipelines.tables;
        pipelines.fill(device, problem, parameters, tables, &mut self.steps)
    }

    fn copy_small(&mut self) -> Result<(), Error> {
        for tensor in SMALL {
            let section = self.sections.copy(tensor);
            let source = fitted(self.read, tensor);
            if let (Some(source), Some(to)) = (source, self.section(&section)) {
                let pipeline = &self.backward.pipelines.copy_words;
                let words = section.end - section.start;
                let step = self.places.copy(pipeline, &source, &to, words)?;
                self.steps.push(step);
            }
        }
        Ok(())
    }

    /// Records a dispatch for each chunk, and what comes after it.
    fn dispatch(
        &mut self,
        kernel: &Kernel<'_, 'a>,
        after: impl Fn(&mut Self, &Chunk) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let Chunked { work, chunks } = kernel.chunked;
        if chunks.is_empty() {
            return Ok(());
        }
        let device = &self.backward.device;
        let whole = Params::new(work.problem, true, [work.tile, 1]);
        let keys = 0..work.problem.shape().k_len;
        let ranges: Vec<_> = chunks
            .iter()
            .map(|chunk| work.ranges(chunk, &keys))
            .collect();
        let both = || chunks.iter().zip(&ranges);
        let params: Vec<_> = both()
            .map(|(chunk, ranges)| whole.within(chunk, ranges))
            .collect();
        let (sections, adds) = (self.sections, self.operands.accumulate);
        let own = both().map(|(chunk, ranges)| {
            BackwardParams::new(self.backward, sections, chunk, adds, ranges.dbias.base())
        });
        let (own_buffer, own_stride) = uniforms(device, &own.collect::<Vec<_>>())?;
        let (buffer, stride) = uniforms(device, &params)?;
        let slots = self.slots(kernel.gradient);
        for (n, (chunk, ranges)) in (0_u64..).zip(chunks.iter().zip(ranges)) {
            let bindings = Bindings {
                own: &|_| &self.empty,
                empty: &self.empty,
                slots: &slots,
                ranges,
                params: uniform_at::<Params>(&buffer, n * stride),
            };
            let mut entries = bindings.of(&kernel.storage);
            let own = uniform_at::<BackwardParams>(&own_buffer, n * own_stride);
            entries.push(entry(21, own));
            let step = Step::new(device, kernel.pipeline, &entries, chunk.workgroups(1));
            self.steps.push(step);
            after(self, chunk)?;
        }
        self.uniforms.push(Uniforms {
            buffer,
            count: params.len() as u64,
            stride,
            problem: work.problem.clone(),
        });
        Ok(())
    }

    /// Every tensor, but for the gradients that another kernel has at the same binding.
    fn slots(&self, gradient: Tensor) -> Vec<Slot<'a>> {
        let other = if gradient == Tensor::DQ {
            Tensor::DK
        } else {
            Tensor::DQ
        };
        let all = self.read.iter().chain(self.own);
        all.filter(|slot| slot.1 != other).cloned().collect()
    }

    fn clear_sums(&mut self) -> Result<(), Error> {
        self.sum_partials(None)
    }

    fn add_partials(&mut self, chunk: &Chunk) -> Result<(), Error> {
        self.sum_partials(Some(chunk))
    }

    fn sum_partials(&mut self, left: Option<&Chunk>) -> Result<(), Error> {
        let pipeline = &self.backward.pipelines.partial_sums;
        for sums in [&self.sections.offset, &self.sections.scores] {
            let step = self.places.add_partials(pipeline, sums, left)?;
            self.steps.extend(step);
        }
        Ok(())
    }

    /// From sums to the gradients of parameters.
    fn finish_gradients(&mut self) -> Result<(), Error> {
        let backward = self.backward;
        let (problem, sections, places) = (&backward.problem, self.sections, &self.places);
        let (pipelines, gradients) = (&backward.pipelines, backward.queries.gradients);
        if gradients.offset {
            let terms = problem.learned_by_offset().zip(&pipelines.offset_gradients);
            for (term, pipeline) in terms {
                let step = places.offset_gradient(pipeline, &sections.offset, term)?;
                self.steps.extend(step);
            }
        }
        if let (Some(indexed), Some(pipeline)) = (problem.indexed(), &pipelines.index_gradient) {
            let step = places.index_gradient(pipeline, &sections.scores, indexed)?;
            self.steps.extend(step);
        }
        if let (Some(fire), Some(pipeline)) = (problem.fire(), &pipelines.fire_gradient) {
            let first = index_width(problem, gradients);
            let step = places.fire_gradient(pipeline, &sections.scores, first, fire)?;
            self.steps.extend(step);
        }
        Ok(())
    }
}

fn uniform_at<T>(buffer: &wgpu::Buffer, offset: u64) -> BufferBinding<'_> {
    BufferBinding {
        buffer,
        offset,
        size: NonZeroU64::new(size_of::<T>() as u64),
    }
}
