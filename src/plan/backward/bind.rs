//! A backward pass over the caller's buffers.

use std::num::NonZeroU64;

use wgpu::BufferBinding;

use super::operands::WRITTEN;
use super::params::BackwardParams;
use super::sums::Places;
use super::workspace::Sections;
use super::{Backward, BackwardOperands, BackwardVariant, Side};
use crate::plan::bind::{Bindings, check_whole, slots};
use crate::plan::bound::{Bound, Step, entry, uniforms, workspace};
use crate::plan::check::{Slot, bytes, check, check_aliases, check_size};
use crate::plan::params::Params;
use crate::plan::position::Uniforms;
use crate::plan::split::{Bounds, Chunk, Work};
use crate::{Error, InputError, Tensor};

/// Rows of a workgroup of `backward_statistics.wgsl`.
const STATISTICS_ROWS: u32 = 64;

pub(super) fn bind(backward: &Backward, operands: &BackwardOperands<'_>) -> Result<Bound, Error> {
    let problem = &backward.problem;
    if operands.forward.lse.is_none() {
        let tensor = Tensor::Lse;
        return Err(InputError::Missing { tensor }.into());
    }
    let sections = sections(backward);
    let read = slots(problem, &operands.forward)?;
    let own = own_slots(backward, operands, &sections)?;
    check_slots(backward, &read, &own)?;
    let mut pass = Pass {
        backward,
        operands,
        sections: &sections,
        read,
        own,
        empty: workspace(&backward.device, "relattn::empty", 16),
        steps: Vec::new(),
        params: Vec::new(),
    };
    let chunks = [
        pass.statistics_work().chunks()?,
        pass.work(&backward.queries).chunks()?,
        pass.work(&backward.keys).chunks()?,
    ];
    pass.record(&chunks)?;
    Ok(Bound {
        steps: pass.steps,
        uniforms: None,
        workspace: 0,
    })
}

/// Where the pass keeps what.
pub(super) fn sections(backward: &Backward) -> Sections {
    let (problem, queries) = (&backward.problem, &backward.queries);
    let shape = problem.shape();
    let packed = problem.mask().packed.map_or(0, |packed| packed.sequences);
    let tiles = u64::from(shape.q_len.div_ceil(queries.own_tile())) + u64::from(packed);
    let workgroups = tiles * u64::from(shape.heads) * u64::from(shape.batch);
    Sections::new(
        problem,
        queries.gradients,
        queries.offset_parts(),
        workgroups,
    )
}

/// The tensors of the backward pass alone, with what they need; numbers are those of the kernels that bind them.
fn own_slots<'a>(
    backward: &Backward,
    operands: &BackwardOperands<'a>,
    sections: &Sections,
) -> Result<Vec<Slot<'a>>, InputError> {
    let mut slots = Vec::new();
    for (tensor, operand) in operands.own() {
        let wanted = backward.wanted.writes(tensor);
        let needed = match tensor {
            Tensor::Workspace => sections.bytes(),
            _ => bytes(&backward.problem, tensor),
        };
        match operand {
            Some(operand) if wanted => {
                slots.push((number(tensor), tensor, operand.clone(), needed));
            }
            Some(_) => return Err(InputError::Unused { tensor }),
            None if wanted => return Err(InputError::Missing { tensor }),
            None => {}
        }
    }
    Ok(slots)
}

/// The binding of a tensor in the kernels; dq and dk are the same gradient to them.
const fn number(tensor: Tensor) -> u32 {
    match tensor {
        Tensor::DOut => 22,
        Tensor::DQ | Tensor::DK => 23,
        Tensor::DV => 24,
        Tensor::Workspace => 25,
        _ => u32::MAX,
    }
}

fn check_slots(backward: &Backward, read: &[Slot<'_>], own: &[Slot<'_>]) -> Result<(), Error> {
    let all: Vec<Slot<'_>> = read.iter().chain(own).cloned().collect();
    for (_, tensor, binding, bytes) in &all {
        check(&backward.device, *tensor, binding, *bytes)?;
    }
    check_aliases(&all, &WRITTEN)?;
    // Who owns keys reads the workspace while it writes.
    let place = |tensor| {
        let mut slots = own.iter().filter(|slot| slot.3 > 0);
        slots.find(|slot| slot.1 == tensor)
    };
    if let Some(workspace) = place(Tensor::Workspace) {
        for written in [Tensor::DK, Tensor::DV].into_iter().filter_map(place) {
            if written.2.buffer == workspace.2.buffer {
                return Err(Error::SharedBuffer {
                    read: Tensor::Workspace,
                    written: written.1,
                });
            }
        }
        check_size(&backward.device, Tensor::Workspace, workspace.3)?;
    }
    for tensor in [Tensor::DTable, Tensor::DGate] {
        if let Some(slot) = place(tensor) {
            check_size(&backward.device, tensor, slot.3)?;
        }
    }
    check_whole(&backward.device, &backward.problem)
}

/// A pass that is being bound.
struct Pass<'a> {
    backward: &'a Backward,
    operands: &'a BackwardOperands<'a>,
    sections: &'a Sections,
    read: Vec<Slot<'a>>,
    own: Vec<Slot<'a>>,
    empty: wgpu::Buffer,
    steps: Vec<Step>,
    params: Vec<Uniforms>,
}

impl<'a> Pass<'a> {
    fn record(&mut self, [statistics, queries, keys]: &[Vec<Chunk>; 3]) -> Result<(), Error> {
        let pipelines = &self.backward.pipelines;
        self.fill_tables();
        self.add_statistics(statistics);
        self.add_side(&self.backward.queries, &pipelines.queries, queries);
        self.add_offset_gradients();
        self.add_side(&self.backward.keys, &pipelines.keys, keys);
        Ok(())
    }

    /// A section of the workspace; none where it is empty.
    fn section(&self, section: &std::ops::Range<u64>) -> Option<BufferBinding<'a>> {
        let workspace = &self.operands.workspace;
        Some(BufferBinding {
            buffer: workspace.buffer,
            offset: workspace.offset + 4 * section.start,
            size: Some(NonZeroU64::new(4 * (section.end - section.start))?),
        })
    }

    fn fill_tables(&mut self) {
        let tables = [&self.sections.offset_table, &self.sections.fire_table]
            .map(|section| self.section(section));
        let parameters = self.operands.forward.table.as_ref();
        let (device, problem) = (&self.backward.device, &self.backward.problem);
        let pipelines = &self.backward.pipelines.tables;
        pipelines.fill(device, problem, parameters, tables, &mut self.steps);
    }

    fn bounds(&self) -> Bounds {
        let limits = self.backward.device.limits();
        Bounds {
            workgroups: limits.max_compute_workgroups_per_dimension,
            binding: limits.max_storage_buffer_binding_size,
            alignment: limits.min_storage_buffer_offset_alignment.into(),
            budget: self.backward.budget,
            total: u64::MAX,
        }
    }

    fn statistics_work(&self) -> Work<'a> {
        Work {
            problem: &self.backward.problem,
            side: Side::Queries,
            tile: STATISTICS_ROWS,
            splits: 1,
            products: 1,
            bounds: self.bounds(),
        }
    }

    fn work(&self, variant: &BackwardVariant) -> Work<'a> {
        let features = [variant.scores.head_dim, variant.scores.value_dim].map(u64::from);
        let [d, dv] = features;
        let (products, total) = match variant.side {
            Side::Queries => (2 * d + dv, self.sections.workgroups),
            Side::Keys => (2 * (d + dv), u64::MAX),
        };
        Work {
            problem: &self.backward.problem,
            side: variant.side,
            tile: variant.own_tile(),
            splits: 1,
            products,
            bounds: Bounds {
                total,
                ..self.bounds()
            },
        }
    }

    fn add_statistics(&mut self, chunks: &[Chunk]) {
        // A packed batch is one row of rows here.
        let bindings = statistics_bindings();
        let pipeline = &self.backward.pipelines.statistics;
        let work = self.statistics_work();
        self.dispatch(&work, pipeline, &bindings, &[], chunks, |_, _| {});
    }

    fn add_side(
        &mut self,
        variant: &BackwardVariant,
        pipeline: &wgpu::ComputePipeline,
        chunks: &[Chunk],
    ) {
        let work = self.work(variant);
        let other = match variant.side {
            Side::Queries => [Tensor::DK, Tensor::DV],
            Side::Keys => [Tensor::DQ, Tensor::DTable],
        };
        let sums = variant.gradients.offset;
        if sums {
            let step = self
                .places()
                .add_partials(&self.backward.pipelines.partial_sums, None);
            self.steps.push(step);
        }
        let parts = variant.offset_parts();
        self.dispatch(
            &work,
            pipeline,
            &variant.bindings(),
            &other,
            chunks,
            |pass, chunk| {
                if sums {
                    let pipeline = &pass.backward.pipelines.partial_sums;
                    let step = pass.places().add_partials(pipeline, Some((chunk, parts)));
                    pass.steps.push(step);
                }
            },
        );
    }

    /// Records a dispatch for each chunk, with tensors of the pass's own but for some, and what comes after it.
    fn dispatch(
        &mut self,
        work: &Work<'a>,
        pipeline: &wgpu::ComputePipeline,
        storage: &[(u32, bool)],
        without: &[Tensor],
        chunks: &[Chunk],
        after: impl Fn(&mut Self, &Chunk),
    ) {
        let device = &self.backward.device;
        let whole = Params::new(work.problem, true, [work.tile, 1]);
        let params: Vec<Params> = chunks
            .iter()
            .map(|chunk| whole.within(chunk, &work.ranges(chunk)))
            .collect();
        let of_chunk = |chunk| BackwardParams::new(self.sections, chunk);
        let own: Vec<BackwardParams> = chunks.iter().map(of_chunk).collect();
        if chunks.is_empty() {
            return;
        }
        let (buffer, stride) = uniforms(device, &params);
        let (own_buffer, own_stride) = uniforms(device, &own);
        let tensors = self.read.iter().chain(&self.own);
        let slots: Vec<Slot<'_>> = tensors
            .filter(|slot| !without.contains(&slot.1))
            .cloned()
            .collect();
        for (n, chunk) in (0_u64..).zip(chunks) {
            let bindings = Bindings {
                own: &|_| &self.empty,
                empty: &self.empty,
                slots: &slots,
                ranges: work.ranges(chunk),
                params: uniform_at::<Params>(&buffer, n * stride),
            };
            let mut entries = bindings.of(storage);
            let own = uniform_at::<BackwardParams>(&own_buffer, n * own_stride);
            entries.push(entry(21, own));
            let step = Step::new(device, pipeline, &entries, chunk.workgroups(1));
            drop(entries);
            self.steps.push(step);
            after(self, chunk);
        }
        self.params.push(Uniforms {
            buffer,
            params,
            stride,
            problem: work.problem.clone(),
        });
    }

    fn places(&self) -> Places<'a> {
        Places {
            device: &self.backward.device,
            problem: &self.backward.problem,
            sections: self.sections,
            workspace: self.operands.workspace.clone(),
            table: self.operands.forward.table.clone(),
            dtable: self.operands.dtable.clone(),
            accumulate: self.operands.accumulate,
        }
    }

    fn add_offset_gradients(&mut self) {
        if !self.backward.wanted.table {
            return;
        }
        let places = self.places();
        let pipelines = &self.backward.pipelines.offset_gradients;
        let terms = self.backward.problem.by_offset();
        let learned = terms.filter(|term| term.bias.table_rows().is_some());
        for (term, pipeline) in learned.zip(pipelines) {
            self.steps.extend(places.offset_gradient(pipeline, term));
        }
    }
}

/// The storage bindings of `backward_statistics.wgsl`.
pub(crate) fn statistics_bindings() -> Vec<(u32, bool)> {
    vec![(4, false), (5, false), (22, true), (25, false)]
}

fn uniform_at<T>(buffer: &wgpu::Buffer, offset: u64) -> BufferBinding<'_> {
    BufferBinding {
        buffer,
        offset,
        size: NonZeroU64::new(size_of::<T>() as u64),
    }
}
