//! The tensors of any problem on the device.

use half::{bf16, f16};
use relattn::cpu::{Gradients, Inputs};
use relattn::plan::{Backward, BackwardOperands, ForwardOperands, Operand, Wanted};
use relattn::{Dtype, Problem, Tensor, wgpu};

use super::device::Rig;

/// What a forward pass reads and writes. Masks of lengths and of keys, packed batches and paged caches are not among it.
#[derive(Debug)]
pub struct Uploaded {
    dtype: Dtype,
    /// `[B, H, Nq, D]`.
    pub q: wgpu::Buffer,
    /// `[B, Hkv, Nk, D]`.
    pub k: wgpu::Buffer,
    /// `[B, Hkv, Nk, Dv]`.
    pub v: wgpu::Buffer,
    /// `[B, H, Nq, Dv]`, zeros.
    pub out: wgpu::Buffer,
    /// `[rows, H]`, where the bias has parameters.
    pub table: Option<wgpu::Buffer>,
    lse: wgpu::Buffer,
    gate: Option<wgpu::Buffer>,
    bias: Option<wgpu::Buffer>,
    indices: Option<wgpu::Buffer>,
    query_documents: Option<wgpu::Buffer>,
    key_documents: Option<wgpu::Buffer>,
}

impl Uploaded {
    /// Uploads; indices as bytes.
    #[must_use]
    pub fn new(rig: &Rig, problem: &Problem, inputs: &Inputs<'_>) -> Self {
        let dtype = problem.dtype();
        let stored = |values: &[f32]| rig.upload(&stored(dtype, values));
        let bytes = |indices: &[u32]| {
            let bytes = indices.iter().map(|index| index.to_le_bytes()[0]);
            rig.upload(&whole_words(bytes.collect()))
        };
        Self {
            dtype,
            q: stored(inputs.q),
            k: stored(inputs.k),
            v: stored(inputs.v),
            out: output(rig, dtype, problem.elements(Tensor::Out)),
            table: inputs.table.map(|table| rig.upload(table)),
            lse: rig.output(4 * problem.elements(Tensor::Lse)),
            gate: inputs.gate.map(|gate| rig.upload(gate)),
            bias: inputs.bias.map(stored),
            indices: inputs.indices.map(bytes),
            query_documents: inputs.query_documents.map(|words| rig.upload(words)),
            key_documents: inputs.key_documents.map(|words| rig.upload(words)),
        }
    }

    /// The same with the queries, keys and values of another, and its output, so that contenders differ in nothing but what they
    /// compute: the same kernel takes a tenth more or less time as its tensors lie in memory.
    #[must_use]
    pub fn reading(self, other: &Self) -> Self {
        Self {
            q: other.q.clone(),
            k: other.k.clone(),
            v: other.v.clone(),
            out: other.out.clone(),
            ..self
        }
    }

    /// All of it, with the log-sum-exp where a backward pass is to follow.
    #[must_use]
    pub fn operands(&self, with_lse: bool) -> ForwardOperands<'_> {
        ForwardOperands {
            table: self.table.as_ref().map(whole),
            gate: self.gate.as_ref().map(whole),
            bias: self.bias.as_ref().map(whole),
            indices: self.indices.as_ref().map(whole),
            query_documents: self.query_documents.as_ref().map(whole),
            key_documents: self.key_documents.as_ref().map(whole),
            lse: with_lse.then(|| whole(&self.lse)),
            ..ForwardOperands::new(
                whole(&self.q),
                whole(&self.k),
                whole(&self.v),
                whole(&self.out),
            )
        }
    }

    /// What the last pass wrote.
    #[must_use]
    pub fn out(&self, rig: &Rig) -> Vec<f32> {
        restored(self.dtype, &rig.read(&self.out))
    }
}

/// What a backward pass reads and writes besides.
#[derive(Debug)]
pub struct Differentiated {
    dtype: Dtype,
    /// `[B, H, Nq, Dv]`.
    pub dout: wgpu::Buffer,
    /// `[B, H, Nq, D]`, zeros.
    pub dq: wgpu::Buffer,
    /// `[B, Hkv, Nk, D]`, zeros.
    pub dk: wgpu::Buffer,
    /// `[B, Hkv, Nk, Dv]`, zeros.
    pub dv: wgpu::Buffer,
    /// `[rows, H]`, zeros, where the bias has parameters.
    pub dtable: Option<wgpu::Buffer>,
    dbias: Option<wgpu::Buffer>,
    workspace: wgpu::Buffer,
}

impl Differentiated {
    /// Buffers for a pass that has every gradient of the bias but that of a gate.
    #[must_use]
    pub fn new(rig: &Rig, problem: &Problem, backward: &Backward, dout: &[f32]) -> Self {
        let dtype = problem.dtype();
        let like = |tensor| output(rig, dtype, problem.elements(tensor));
        let wanted = Wanted::all(problem);
        let numbers = |tensor| output(rig, Dtype::F32, problem.elements(tensor));
        Self {
            dtype,
            dout: rig.upload(&stored(dtype, dout)),
            dq: like(Tensor::DQ),
            dk: like(Tensor::DK),
            dv: like(Tensor::DV),
            dtable: wanted.table.then(|| numbers(Tensor::DTable)),
            dbias: wanted.bias.then(|| numbers(Tensor::DBias)),
            workspace: rig.output(backward.workspace_bytes().max(4)),
        }
    }

    /// All of it, behind a forward pass.
    #[must_use]
    pub fn operands<'a>(&'a self, forward: &'a Uploaded) -> BackwardOperands<'a> {
        BackwardOperands {
            forward: forward.operands(true),
            dout: whole(&self.dout),
            dq: whole(&self.dq),
            dk: whole(&self.dk),
            dv: whole(&self.dv),
            dtable: self.dtable.as_ref().map(whole),
            dgate: None,
            dbias: self.dbias.as_ref().map(whole),
            accumulate: false,
            workspace: whole(&self.workspace),
        }
    }

    /// What the last pass wrote.
    #[must_use]
    pub fn gradients(&self, rig: &Rig) -> Gradients {
        let rows = |buffer| restored(self.dtype, &rig.read(buffer));
        let numbers = |buffer: &Option<_>| buffer.as_ref().map(|buffer| rig.read(buffer));
        Gradients {
            dq: rows(&self.dq),
            dk: rows(&self.dk),
            dv: rows(&self.dv),
            dtable: numbers(&self.dtable),
            dgate: None,
            dbias: numbers(&self.dbias),
        }
    }
}

fn whole(buffer: &wgpu::Buffer) -> Operand<'_> {
    buffer.as_entire_buffer_binding()
}

fn output(rig: &Rig, dtype: Dtype, elements: u64) -> wgpu::Buffer {
    rig.output((elements * dtype.bytes()).next_multiple_of(4))
}

fn whole_words(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// Numbers as they lie in device memory.
fn stored(dtype: Dtype, values: &[f32]) -> Vec<u8> {
    let halves = |bits: fn(f32) -> u16| {
        let halves = values.iter().flat_map(|&value| bits(value).to_le_bytes());
        whole_words(halves.collect())
    };
    match dtype {
        Dtype::F32 => bytemuck::cast_slice(values).to_vec(),
        Dtype::F16 => halves(|value| f16::from_f32(value).to_bits()),
        Dtype::Bf16 => halves(|value| bf16::from_f32(value).to_bits()),
    }
}

/// What lies in device memory as f32; the elements fill whole words.
fn restored(dtype: Dtype, bytes: &[u8]) -> Vec<f32> {
    let halves = |number: fn(u16) -> f32| {
        let halves: Vec<u16> = bytemuck::pod_collect_to_vec(bytes);
        halves.into_iter().map(number).collect()
    };
    match dtype {
        Dtype::F32 => bytemuck::pod_collect_to_vec(bytes),
        Dtype::F16 => halves(|bits| f16::from_bits(bits).to_f32()),
        Dtype::Bf16 => halves(|bits| bf16::from_bits(bits).to_f32()),
    }
}
