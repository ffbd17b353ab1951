//! The caller's buffers, checked once and bound.

use std::num::NonZeroU64;

use wgpu::util::DeviceExt;
use wgpu::{BufferBinding, BufferUsages};

use super::Forward;
use super::offset_table;
use super::params::Params;
use crate::{Bias, Error, InputError, Problem, Tensor};

/// A buffer with offset and size; never a tensor type of ours.
pub type Operand<'a> = BufferBinding<'a>;

/// The buffers of a forward pass: q, k, v, out and bias in the problem's dtype, table and lse in f32, in the shapes of
/// [`crate::Shape`] and the problem's layouts.
#[derive(Clone, Debug)]
pub struct ForwardOperands<'a> {
    /// Queries, `[B, H, Nq, D]`.
    pub q: Operand<'a>,
    /// Keys, `[B, Hkv, Nk, D]`.
    pub k: Operand<'a>,
    /// Values, `[B, Hkv, Nk, D]`.
    pub v: Operand<'a>,
    /// `[rows, H]`, where the bias has a table.
    pub table: Option<Operand<'a>>,
    /// `[Nq, Nk]` in the format of the bias, where it is indexed.
    pub indices: Option<Operand<'a>>,
    /// `[B, H, Nq, Nk]` with the strides of the bias, where it is dense.
    pub bias: Option<Operand<'a>>,
    /// `[B, Nk]` bytes padded to a multiple of four, where the mask asks for it.
    pub key_mask: Option<Operand<'a>>,
    /// `[B]` words, where the mask asks for them; more than Nk counts as Nk.
    pub key_lengths: Option<Operand<'a>>,
    /// `[B]` words, where the mask asks for them.
    pub query_lengths: Option<Operand<'a>>,
    /// `[B, Nq]` words, where the mask asks for documents.
    pub query_documents: Option<Operand<'a>>,
    /// `[B, Nk]` words, where the mask asks for documents.
    pub key_documents: Option<Operand<'a>>,
    /// `[B, H, Nq, ⌈Nk / 32⌉]` words, where the mask asks for bits.
    pub mask_bits: Option<Operand<'a>>,
    /// `[B, H, Nq, D]`, written.
    pub out: Operand<'a>,
    /// `[B, H, Nq]`, written where it is given.
    pub lse: Option<Operand<'a>>,
}

impl<'a> ForwardOperands<'a> {
    /// The buffers that every problem has, and no others.
    #[must_use]
    pub const fn new(q: Operand<'a>, k: Operand<'a>, v: Operand<'a>, out: Operand<'a>) -> Self {
        Self {
            q,
            k,
            v,
            table: None,
            indices: None,
            bias: None,
            key_mask: None,
            key_lengths: None,
            query_lengths: None,
            query_documents: None,
            key_documents: None,
            mask_bits: None,
            out,
            lse: None,
        }
    }
}

/// Checked and bound work; recording it cannot fail.
#[derive(Clone, Debug)]
pub struct Bound {
    pub(super) steps: Vec<Step>,
}

#[derive(Clone, Debug)]
pub(super) struct Step {
    pipeline: wgpu::ComputePipeline,
    group: wgpu::BindGroup,
    workgroups: [u32; 3],
}

impl Bound {
    /// Records the work as a compute pass of its own; submits nothing.
    pub fn encode(&self, encoder: &mut wgpu::CommandEncoder) {
        self.dispatch(
            &mut encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
                label: Some("relattn::Forward"),
                timestamp_writes: None,
            }),
        );
    }

    /// Records the work into the caller's pass.
    pub fn dispatch(&self, pass: &mut wgpu::ComputePass<'_>) {
        for step in &self.steps {
            let [x, y, z] = step.workgroups;
            pass.set_pipeline(&step.pipeline);
            pass.set_bind_group(0, &step.group, &[]);
            pass.dispatch_workgroups(x, y, z);
        }
    }
}

/// A binding number, the tensor it holds, its buffer and the bytes it needs.
type Slot<'a> = (u32, Tensor, BufferBinding<'a>, u64);

pub(super) fn bind(forward: &Forward, operands: &ForwardOperands<'_>) -> Result<Bound, Error> {
    let slots = slots(forward, operands)?;
    for (_, tensor, binding, bytes) in &slots {
        check(&forward.device, *tensor, binding, *bytes)?;
    }
    check_aliases(&slots)?;
    let workgroups = check_limits(forward)?;
    if workgroups.contains(&0) {
        return Ok(Bound { steps: Vec::new() });
    }
    let mut steps = Vec::new();
    let offset_table = forward
        .table_pipeline
        .as_ref()
        .map(|pipeline| offset_table::fill(forward, pipeline, operands.table.as_ref(), &mut steps));
    let write_lse = operands.lse.is_some();
    let params = Params::new(&forward.problem, write_lse);
    let params = uniform(&forward.device, bytemuck::bytes_of(&params));
    let [empty, unread] = ["relattn::empty", "relattn::unread"].map(|label| {
        forward.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some(label),
            size: 16,
            usage: BufferUsages::STORAGE,
            mapped_at_creation: false,
        })
    });
    let mut entries = vec![entry(0, params.as_entire_buffer_binding())];
    if !write_lse {
        entries.push(entry(5, unread.as_entire_buffer_binding()));
    }
    if let Some(table) = &offset_table {
        entries.push(entry(6, table.as_entire_buffer_binding()));
    }
    for (number, tensor, binding, bytes) in slots {
        if tensor == Tensor::Table && offset_table.is_some() {
            continue;
        }
        let binding = match NonZeroU64::new(bytes) {
            None => empty.as_entire_buffer_binding(),
            size => BufferBinding { size, ..binding },
        };
        entries.push(entry(number, binding));
    }
    steps.push(Step::new(
        &forward.device,
        &forward.pipeline,
        &entries,
        workgroups,
    ));
    Ok(Bound { steps })
}

fn slots<'a>(
    forward: &Forward,
    operands: &ForwardOperands<'a>,
) -> Result<Vec<Slot<'a>>, InputError> {
    let problem = &forward.problem;
    let uses = |tensor| match tensor {
        Tensor::Table => problem.bias().table_rows().is_some(),
        Tensor::Indices => matches!(problem.bias(), Bias::Indexed { .. }),
        Tensor::Bias => matches!(problem.bias(), Bias::Dense(_)),
        Tensor::KeyMask => problem.mask().keys,
        Tensor::KeyLengths => problem.mask().key_lengths,
        Tensor::QueryLengths => problem.mask().query_lengths,
        Tensor::QueryDocuments | Tensor::KeyDocuments => problem.mask().documents,
        Tensor::MaskBits => problem.mask().bits.is_some(),
        _ => true,
    };
    let mut slots = Vec::new();
    for (number, tensor, operand) in [
        (1, Tensor::Q, Some(&operands.q)),
        (2, Tensor::K, Some(&operands.k)),
        (3, Tensor::V, Some(&operands.v)),
        (4, Tensor::Out, Some(&operands.out)),
        (5, Tensor::Lse, operands.lse.as_ref()),
        (6, Tensor::Table, operands.table.as_ref()),
        (7, Tensor::KeyMask, operands.key_mask.as_ref()),
        (8, Tensor::Indices, operands.indices.as_ref()),
        (9, Tensor::KeyLengths, operands.key_lengths.as_ref()),
        (10, Tensor::Bias, operands.bias.as_ref()),
        (11, Tensor::QueryLengths, operands.query_lengths.as_ref()),
        (
            12,
            Tensor::QueryDocuments,
            operands.query_documents.as_ref(),
        ),
        (13, Tensor::KeyDocuments, operands.key_documents.as_ref()),
        (14, Tensor::MaskBits, operands.mask_bits.as_ref()),
    ] {
        match operand {
            Some(operand) if uses(tensor) => {
                slots.push((number, tensor, operand.clone(), bytes(problem, tensor)));
            }
            Some(_) => return Err(InputError::Unused { tensor }),
            None if uses(tensor) && tensor != Tensor::Lse => {
                return Err(InputError::Missing { tensor });
            }
            None => {}
        }
    }
    Ok(slots)
}

pub(super) fn check(
    device: &wgpu::Device,
    tensor: Tensor,
    binding: &BufferBinding<'_>,
    needed: u64,
) -> Result<(), Error> {
    if needed == 0 {
        return Ok(());
    }
    let limits = device.limits();
    let rest = binding.buffer.size().saturating_sub(binding.offset);
    let found = binding.size.map_or(rest, |size| rest.min(size.get()));
    let alignment = u64::from(limits.min_storage_buffer_offset_alignment);
    if found < needed {
        return Err(Error::BufferTooSmall {
            tensor,
            found,
            needed,
        });
    }
    if !binding.offset.is_multiple_of(alignment) {
        return Err(Error::Misaligned {
            tensor,
            offset: binding.offset,
            alignment,
        });
    }
    if !binding.buffer.usage().contains(BufferUsages::STORAGE) {
        return Err(Error::NotStorage { tensor });
    }
    let maximum = limits.max_storage_buffer_binding_size;
    if needed > maximum {
        return Err(Error::BindingTooLarge {
            tensor,
            needed,
            maximum,
        });
    }
    Ok(())
}

/// Refuses outputs that overlap, and an output in a buffer that is also read: WebGPU allows no buffer to be both in one
/// dispatch, wherever the ranges lie.
pub(super) fn check_aliases(slots: &[Slot<'_>]) -> Result<(), Error> {
    let used = slots.iter().filter(|&&(.., bytes)| bytes > 0);
    let (written, read): (Vec<_>, Vec<_>) =
        used.partition(|(_, tensor, ..)| matches!(tensor, Tensor::Out | Tensor::Lse));
    for output in &written {
        if let Some(input) = read.iter().find(|input| input.2.buffer == output.2.buffer) {
            return Err(Error::SharedBuffer {
                read: input.1,
                written: output.1,
            });
        }
    }
    let range = |(_, _, binding, bytes): &Slot<'_>| binding.offset..binding.offset + bytes;
    if let [first, second] = written[..] {
        let (a, b) = (range(first), range(second));
        if first.2.buffer == second.2.buffer && a.start < b.end && b.start < a.end {
            return Err(Error::Aliased {
                first: first.1,
                second: second.1,
            });
        }
    }
    Ok(())
}

/// Refuses tensors and dispatches past the device's limits; returns the workgroups.
pub(super) fn check_limits(forward: &Forward) -> Result<[u32; 3], Error> {
    let (problem, limits) = (&forward.problem, forward.device.limits());
    let maximum = limits.max_storage_buffer_binding_size;
    let tensors = [
        Tensor::Q,
        Tensor::K,
        Tensor::V,
        Tensor::Out,
        Tensor::Lse,
        Tensor::Table,
        Tensor::KeyMask,
        Tensor::KeyLengths,
        Tensor::QueryLengths,
        Tensor::QueryDocuments,
        Tensor::KeyDocuments,
        Tensor::MaskBits,
        Tensor::Indices,
        Tensor::Bias,
    ];
    let sizes = tensors.map(|tensor| (tensor, bytes(problem, tensor)));
    let offset_table = (Tensor::OffsetTable, problem.offset_table_bytes());
    for (tensor, needed) in sizes.into_iter().chain([offset_table]) {
        if needed > maximum {
            return Err(Error::BindingTooLarge {
                tensor,
                needed,
                maximum,
            });
        }
    }
    let shape = problem.shape();
    let workgroups = [
        shape.q_len.div_ceil(forward.variant.q_tile()),
        shape.heads,
        shape.batch,
    ];
    check_dispatch(&forward.device, workgroups)?;
    if forward.table_pipeline.is_some() {
        check_dispatch(&forward.device, offset_table::workgroups(problem))?;
    }
    Ok(workgroups)
}

/// The bytes of a tensor in device memory.
fn bytes(problem: &Problem, tensor: Tensor) -> u64 {
    match (tensor, problem.bias()) {
        (Tensor::Indices, Bias::Indexed { format, .. }) => format.bytes(problem.elements(tensor)),
        (Tensor::KeyMask, _) => problem.elements(tensor).next_multiple_of(4),
        (Tensor::Q | Tensor::K | Tensor::V | Tensor::Out | Tensor::Bias, _) => {
            (problem.dtype().bytes() * problem.elements(tensor)).next_multiple_of(4)
        }
        _ => 4 * problem.elements(tensor),
    }
}

pub(super) fn check_dispatch(device: &wgpu::Device, workgroups: [u32; 3]) -> Result<(), Error> {
    let maximum = device.limits().max_compute_workgroups_per_dimension;
    match workgroups.into_iter().max() {
        Some(found) if found > maximum => Err(Error::DispatchTooLarge { found, maximum }),
        _ => Ok(()),
    }
}

/// Workgroups that stand in a row, in as many rows as the device's limit asks for; the last may be one too long.
pub(super) fn spread(device: &wgpu::Device, groups: u64) -> Result<[u32; 3], Error> {
    let maximum = device.limits().max_compute_workgroups_per_dimension;
    let rows = groups.div_ceil(u64::from(maximum));
    let (Ok(width), Ok(rows)) = (groups.min(maximum.into()).try_into(), rows.try_into()) else {
        let found = u32::MAX;
        return Err(Error::DispatchTooLarge { found, maximum });
    };
    let workgroups = [width, rows, 1];
    check_dispatch(device, workgroups)?;
    Ok(workgroups)
}

pub(super) fn uniform(device: &wgpu::Device, contents: &[u8]) -> wgpu::Buffer {
    device.create_buffer_init(&wgpu::util::BufferInitDescriptor {
        label: Some("relattn::params"),
        contents,
        usage: BufferUsages::UNIFORM,
    })
}

pub(super) fn storage(device: &wgpu::Device, contents: &[u32]) -> wgpu::Buffer {
    device.create_buffer_init(&wgpu::util::BufferInitDescriptor {
        label: Some("relattn::numbers"),
        contents: bytemuck::cast_slice(contents),
        usage: BufferUsages::STORAGE,
    })
}

pub(super) const fn entry(number: u32, binding: BufferBinding<'_>) -> wgpu::BindGroupEntry<'_> {
    wgpu::BindGroupEntry {
        binding: number,
        resource: wgpu::BindingResource::Buffer(binding),
    }
}

impl Step {
    pub(super) fn new(
        device: &wgpu::Device,
        pipeline: &wgpu::ComputePipeline,
        entries: &[wgpu::BindGroupEntry<'_>],
        workgroups: [u32; 3],
    ) -> Self {
        let group = device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("relattn::Bound"),
            layout: &pipeline.get_bind_group_layout(0),
            entries,
        });
        Self {
            pipeline: pipeline.clone(),
            group,
            workgroups,
        }
    }
}
