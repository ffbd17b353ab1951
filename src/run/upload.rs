//! Host inputs in buffers of the device.

use bytemuck::cast_slice;
use wgpu::BufferUsages;

use super::numbers::{packed, stored};
use crate::cpu::Inputs;
use crate::filled::{filled, poisoned};
use crate::plan::{ForwardOperands, Operand};
use crate::{Dtype, Error, Problem};

/// Everything that a pass reads.
pub(super) struct Uploaded {
    q: wgpu::Buffer,
    k: wgpu::Buffer,
    v: wgpu::Buffer,
    table: Option<wgpu::Buffer>,
    gate: Option<wgpu::Buffer>,
    indices: Option<wgpu::Buffer>,
    bias: Option<wgpu::Buffer>,
    key_mask: Option<wgpu::Buffer>,
    key_lengths: Option<wgpu::Buffer>,
    query_lengths: Option<wgpu::Buffer>,
    query_documents: Option<wgpu::Buffer>,
    key_documents: Option<wgpu::Buffer>,
    mask_bits: Option<wgpu::Buffer>,
    query_starts: Option<wgpu::Buffer>,
    key_starts: Option<wgpu::Buffer>,
    block_table: Option<wgpu::Buffer>,
}

impl Uploaded {
    pub(super) fn new(
        device: &wgpu::Device,
        problem: &Problem,
        inputs: &Inputs<'_>,
    ) -> Result<Self, Error> {
        let stored = |values: &[f32]| upload(device, &stored(problem.dtype(), values));
        let bytes = |bytes: Option<&[u8]>| bytes.map(|bytes| upload(device, bytes)).transpose();
        let words = |words: Option<&[u32]>| bytes(words.map(cast_slice));
        let numbers = |values: Option<&[f32]>| bytes(values.map(cast_slice));
        let indices = inputs.indices.map(|indices| packed(problem, indices));
        Ok(Self {
            q: stored(inputs.q)?,
            k: stored(inputs.k)?,
            v: stored(inputs.v)?,
            table: numbers(inputs.table)?,
            gate: numbers(inputs.gate)?,
            indices: bytes(indices.as_deref())?,
            bias: inputs.bias.map(stored).transpose()?,
            key_mask: bytes(inputs.key_mask)?,
            key_lengths: words(inputs.key_lengths)?,
            query_lengths: words(inputs.query_lengths)?,
            query_documents: words(inputs.query_documents)?,
            key_documents: words(inputs.key_documents)?,
            mask_bits: words(inputs.mask_bits)?,
            query_starts: words(inputs.query_starts)?,
            key_starts: words(inputs.key_starts)?,
            block_table: words(inputs.block_table)?,
        })
    }

    pub(super) fn operands<'a>(
        &'a self,
        out: &'a wgpu::Buffer,
        lse: &'a wgpu::Buffer,
    ) -> ForwardOperands<'a> {
        let optional = |buffer: &'a Option<wgpu::Buffer>| buffer.as_ref().map(whole);
        ForwardOperands {
            q: whole(&self.q),
            k: whole(&self.k),
            v: whole(&self.v),
            table: optional(&self.table),
            gate: optional(&self.gate),
            indices: optional(&self.indices),
            bias: optional(&self.bias),
            key_mask: optional(&self.key_mask),
            key_lengths: optional(&self.key_lengths),
            query_lengths: optional(&self.query_lengths),
            query_documents: optional(&self.query_documents),
            key_documents: optional(&self.key_documents),
            mask_bits: optional(&self.mask_bits),
            query_starts: optional(&self.query_starts),
            key_starts: optional(&self.key_starts),
            block_table: optional(&self.block_table),
            out: whole(out),
            lse: Some(whole(lse)),
        }
    }
}

pub(super) fn whole(buffer: &wgpu::Buffer) -> Operand<'_> {
    buffer.as_entire_buffer_binding()
}

/// A buffer with these bytes, padded to a word.
pub(super) fn upload(device: &wgpu::Device, contents: &[u8]) -> Result<wgpu::Buffer, Error> {
    filled(device, "relattn::OnDevice", contents, BufferUsages::STORAGE)
}

/// An output full of NaN, so that a value that nobody wrote shows.
pub(super) fn output(
    device: &wgpu::Device,
    dtype: Dtype,
    elements: u64,
) -> Result<wgpu::Buffer, Error> {
    let usage = BufferUsages::STORAGE | BufferUsages::COPY_SRC;
    let bytes = elements.saturating_mul(dtype.bytes());
    poisoned(device, "relattn::OnDevice", bytes, usage)
}
