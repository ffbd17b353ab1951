//! A forward pass over the caller's buffers.

use std::num::NonZeroU64;
use std::ops::Range;

use wgpu::BufferBinding;

use super::bound::{Bound, Step, entry, uniforms, workspace};
use super::check::{Slot, bytes, check, check_aliases, check_dispatch, check_size, fitted};
use super::params::Params;
use super::ranges::KeyRanges;
use super::split::{Bounds, Chunk, Ranges, Work};
use super::uniforms::Uniforms;
use super::{Algorithm, Forward, ForwardOperands, Side, decode, fire_table, offset_table};
use crate::{Error, InputError, Problem, Tensor};

/// Bytes of a buffer that a kernel binds and does not use.
const UNREAD: u64 = 16;

/// The buffers that a pass makes for itself.
struct Own {
    offset_table: Option<wgpu::Buffer>,
    fire_table: Option<wgpu::Buffer>,
    parts: Option<decode::Parts>,
    /// In place of a tensor without elements.
    empty: wgpu::Buffer,
    /// In place of a log-sum-exp that the caller does not want; whole where stretches of the keys go on from it, else unread.
    lse: wgpu::Buffer,
}

pub(super) fn bind(forward: &Forward, operands: &ForwardOperands<'_>) -> Result<Bound, Error> {
    let slots = slots(&forward.problem, operands)?;
    for (_, tensor, binding, bytes) in &slots {
        check(&forward.device, *tensor, binding, *bytes)?;
    }
    check_aliases(&slots, &[Tensor::Out, Tensor::Lse])?;
    if operands.lse.is_some() {
        let needed = bytes(&forward.problem, Tensor::Lse);
        check_size(&forward.device, Tensor::Lse, needed)?;
    }
    let chunks = check_limits(forward)?;
    if chunks.is_empty() {
        return Ok(Bound::new(Vec::new()));
    }
    let mut steps = Vec::new();
    let work = work(forward);
    let parts = (work.parts > 0).then(|| decode::Parts::new(&forward.device, &work, &chunks));
    let own = Own::new(forward, &slots, parts, &mut steps)?;
    let wants_lse = operands.lse.is_some() || forward.stretches() > 1;
    let whole = Params::new(
        &forward.problem,
        wants_lse,
        [forward.variant.q_tile(), work.splits],
    );
    let dispatches = dispatches(&work, &chunks);
    let params: Vec<Params> = dispatches
        .iter()
        .map(|dispatch| dispatch.params(whole, &work))
        .collect();
    let (buffer, stride) = uniforms(&forward.device, &params)?;
    for (n, dispatch) in (0_u64..).zip(&dispatches) {
        let params = BufferBinding {
            buffer: &buffer,
            offset: n * stride,
            size: NonZeroU64::new(size_of::<Params>() as u64),
        };
        let bindings = Bindings {
            own: &|number| own.of(number),
            empty: &own.empty,
            slots: &slots,
            ranges: work.ranges(dispatch.chunk, &dispatch.keys),
            params,
        };
        let entries = bindings.of(&forward.variant.bindings());
        let workgroups = dispatch.chunk.workgroups(work.splits);
        let device = &forward.device;
        steps.push(Step::new(device, &forward.pipeline, &entries, workgroups));
        if let (true, Some(merge)) = (dispatch.last, &forward.merge_pipeline) {
            let entries = bindings.of(&decode::merge_bindings());
            let workgroups = decode::merge_workgroups(&work, dispatch.chunk);
            check_dispatch(device, workgroups)?;
            steps.push(Step::new(device, merge, &entries, workgroups));
        }
    }
    Ok(Bound {
        steps,
        moves: true,
        uniforms: vec![Uniforms {
            buffer,
            count: params.len() as u64,
            stride,
            problem: forward.problem.clone(),
        }],
        workspace: own.bytes(),
    })
}

/// A chunk with a range of the keys.
struct Dispatch<'a> {
    chunk: &'a Chunk,
    keys: Range<u32>,
    part_first: u32,
    /// Whether no other range of the chunk follows, so that its parts can be merged.
    last: bool,
}

fn dispatches<'a>(work: &'a Work<'_>, chunks: &'a [Chunk]) -> Vec<Dispatch<'a>> {
    let of = |chunk| {
        let ranges = (0..).zip(work.key_ranges.iter());
        ranges.map(move |(n, keys)| Dispatch {
            chunk,
            part_first: n * work.splits,
            last: keys.end == work.problem.shape().k_len,
            keys,
        })
    };
    chunks.iter().flat_map(of).collect()
}

impl Dispatch<'_> {
    fn params(&self, whole: Params, work: &Work<'_>) -> Params {
        let ranges = work.ranges(self.chunk, &self.keys);
        whole
            .within(self.chunk, &ranges)
            .with_keys(&self.keys, self.part_first, work.parts)
    }
}

impl Own {
    /// Allocates, and records the kernels that fill the tables.
    fn new(
        forward: &Forward,
        slots: &[Slot<'_>],
        parts: Option<decode::Parts>,
        steps: &mut Vec<Step>,
    ) -> Result<Self, Error> {
        let device = &forward.device;
        let table = fitted(slots, Tensor::Table);
        let problem = &forward.problem;
        let offset_table = problem.is_by_offset().then(|| {
            let size = problem.offset_table_bytes();
            workspace(device, "relattn::offset_table", size)
        });
        let fire_table = problem.fire().map(|_| {
            let size = problem.fire_table_bytes();
            workspace(device, "relattn::fire_table", size)
        });
        let tables = [&offset_table, &fire_table]
            .map(|buffer| buffer.as_ref().map(wgpu::Buffer::as_entire_buffer_binding));
        let pipelines = &forward.tables;
        pipelines.fill(device, problem, table.as_ref(), tables, steps)?;
        Ok(Self {
            offset_table,
            fire_table,
            parts,
            empty: workspace(device, "relattn::empty", UNREAD),
            lse: workspace(device, "relattn::lse", own_lse(forward, slots)),
        })
    }

    fn bytes(&self) -> u64 {
        let tables = [&self.offset_table, &self.fire_table];
        let parts = self.parts.iter().flat_map(|parts| [&parts.out, &parts.lse]);
        let lse = Some(&self.lse).filter(|lse| lse.size() > UNREAD);
        let buffers = tables.into_iter().flatten().chain(parts).chain(lse);
        buffers.map(wgpu::Buffer::size).sum()
    }

    /// The buffer of a binding that no caller gives.
    fn of(&self, number: u32) -> &wgpu::Buffer {
        let part = |of: fn(&decode::Parts) -> &wgpu::Buffer| self.parts.as_ref().map(of);
        match number {
            5 => Some(&self.lse),
            6 => self.offset_table.as_ref(),
            16 => self.fire_table.as_ref(),
            19 => part(|parts| &parts.out),
            20 => part(|parts| &parts.lse),
            _ => None,
        }
        .unwrap_or(&self.empty)
    }
}

/// Bytes of the log-sum-exps that a pass keeps for itself.
fn own_lse(forward: &Forward, slots: &[Slot<'_>]) -> u64 {
    let given = slots.iter().any(|&(_, tensor, ..)| tensor == Tensor::Lse);
    match forward.stretches() {
        2.. if !given => bytes(&forward.problem, Tensor::Lse),
        _ => UNREAD,
    }
}

/// What the bindings of a chunk hold.
pub(super) struct Bindings<'a> {
    /// Buffers that no caller gives.
    pub(super) own: &'a dyn Fn(u32) -> &'a wgpu::Buffer,
    /// In place of a tensor without elements.
    pub(super) empty: &'a wgpu::Buffer,
    pub(super) slots: &'a [Slot<'a>],
    pub(super) ranges: Ranges,
    pub(super) params: BufferBinding<'a>,
}

impl<'a> Bindings<'a> {
    pub(super) fn of(&'a self, storage: &[(u32, bool)]) -> Vec<wgpu::BindGroupEntry<'a>> {
        let storage = storage
            .iter()
            .map(|&(number, _)| entry(number, self.buffer(number)));
        let params = entry(0, self.params.clone());
        std::iter::once(params).chain(storage).collect()
    }

    fn buffer(&self, number: u32) -> BufferBinding<'a> {
        let slot = self.slots.iter().find(|&&(slot, ..)| slot == number);
        let Some((_, tensor, binding, bytes)) = slot else {
            return (self.own)(number).as_entire_buffer_binding();
        };
        let range = match self.ranges.of(*tensor) {
            Some(extent) => extent.bytes.clone(),
            None => 0..*bytes,
        };
        match NonZeroU64::new(range.end - range.start) {
            None => self.empty.as_entire_buffer_binding(),
            size => BufferBinding {
                offset: binding.offset + range.start,
                size,
                ..binding.clone()
            },
        }
    }
}

/// The tensors that are used, with what they need.
pub(super) fn slots<'a>(
    problem: &Problem,
    operands: &ForwardOperands<'a>,
) -> Result<Vec<Slot<'a>>, InputError> {
    let mut slots = Vec::new();
    for (number, tensor, operand) in operands.given() {
        let used = problem.uses(tensor);
        match operand {
            Some(operand) if used => {
                slots.push((number, tensor, operand.clone(), bytes(problem, tensor)));
            }
            Some(_) => return Err(InputError::Unused { tensor }),
            None if used && tensor != Tensor::Lse => return Err(InputError::Missing { tensor }),
            None => {}
        }
    }
    Ok(slots)
}

/// All keys at once for every algorithm but the one that computes them in parts, and the one that goes on from a stretch to the next.
pub(super) fn key_ranges(forward: &Forward) -> KeyRanges {
    let (problem, binding) = (&forward.problem, forward.capabilities.binding);
    match forward.variant.algorithm {
        Algorithm::Decode => KeyRanges::within(problem, binding),
        Algorithm::Broadcast => KeyRanges::stretches(problem, forward.stretch, binding),
        Algorithm::Fragments | Algorithm::Cooperative => KeyRanges::whole(problem),
    }
}

fn work(forward: &Forward) -> Work<'_> {
    let limits = forward.device.limits();
    let key_ranges = key_ranges(forward);
    Work {
        problem: &forward.problem,
        side: Side::Queries,
        tile: forward.variant.q_tile(),
        splits: forward.splits,
        parts: match forward.variant.algorithm {
            Algorithm::Decode => forward.splits.saturating_mul(key_ranges.count()),
            _ => 0,
        },
        key_ranges,
        binds_ranges: forward.variant.algorithm == Algorithm::Decode,
        dbias: false,
        packed: true,
        products: u64::from(forward.variant.head_dim) + u64::from(forward.variant.value_dim),
        bounds: Bounds {
            workgroups: limits.max_compute_workgroups_per_dimension,
            binding: limits.max_storage_buffer_binding_size,
            alignment: limits.min_storage_buffer_offset_alignment.into(),
            budget: forward.budget,
            total: u64::MAX,
        },
    }
}

/// Refuses what no split brings within the device's limits; returns the parts that do fit.
pub(super) fn check_limits(forward: &Forward) -> Result<Vec<Chunk>, Error> {
    check_whole(&forward.device, &forward.problem)?;
    work(forward).chunks()
}

/// Refuses tensors that are bound whole and are too large for it.
pub(super) fn check_whole(device: &wgpu::Device, problem: &Problem) -> Result<(), Error> {
    for tensor in [
        Tensor::Table,
        Tensor::Gate,
        Tensor::KeyMask,
        Tensor::KeyLengths,
        Tensor::QueryLengths,
        Tensor::KeyStarts,
        Tensor::QueryStarts,
        Tensor::BlockTable,
        Tensor::QueryDocuments,
        Tensor::KeyDocuments,
        Tensor::OffsetTable,
        Tensor::FireTable,
    ] {
        check_size(device, tensor, bytes(problem, tensor))?;
    }
    if problem.is_by_offset() {
        check_dispatch(device, offset_table::workgroups(problem))?;
    }
    if let Some((width, _)) = problem.fire() {
        check_dispatch(device, fire_table::workgroups(problem, width))?;
    }
    Ok(())
}
