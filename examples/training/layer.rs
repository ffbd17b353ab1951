//! A layer of attention whose tensors stay on the device.

use relattn::plan::{Bound, ForwardOperands, Operand};
use relattn::{Context, Problem, Tensor, wgpu};

use super::memory::{Staging, room, upload};
use super::{Random, Result};

/// Queries, keys and values, which do not change.
#[derive(Clone, Debug)]
pub(crate) struct Sequences {
    q: Vec<f32>,
    k: Vec<f32>,
    v: Vec<f32>,
}

impl Sequences {
    /// Values of deviation 1; queries and keys of a smaller one, so that scores are small beside the bias.
    pub(crate) fn random(problem: &Problem, deviation: f32, random: &mut Random) -> Self {
        Self {
            q: random.normals(elements(problem, Tensor::Q), deviation),
            k: random.normals(elements(problem, Tensor::K), deviation),
            v: random.normals(elements(problem, Tensor::V), 1.0),
        }
    }
}

pub(crate) fn elements(problem: &Problem, tensor: Tensor) -> usize {
    usize::try_from(problem.elements(tensor)).unwrap_or(usize::MAX)
}

/// The forward pass, bound once: a new table is written into its buffer.
#[derive(Debug)]
pub(crate) struct Layer {
    pub(super) context: Context,
    pub(super) problem: Problem,
    q: wgpu::Buffer,
    k: wgpu::Buffer,
    v: wgpu::Buffer,
    table: wgpu::Buffer,
    out: wgpu::Buffer,
    lse: wgpu::Buffer,
    forward: Bound,
}

impl Layer {
    pub(crate) fn new(context: &Context, problem: &Problem, sequences: &Sequences) -> Result<Self> {
        let [q, k, v] =
            [&sequences.q, &sequences.k, &sequences.v].map(|values| upload(context, values));
        let [table, out, lse] =
            [Tensor::Table, Tensor::Out, Tensor::Lse].map(|tensor| problem.elements(tensor));
        let zeros = vec![0.0; usize::try_from(table)?.max(1)];
        let (table, out, lse) = (
            upload(context, &zeros),
            room(context, out),
            room(context, lse),
        );
        let forward = context.forward(problem)?;
        let forward = forward.bind(&operands(problem, [&q, &k, &v, &table, &out, &lse]))?;
        Ok(Self {
            context: context.clone(),
            problem: problem.clone(),
            q,
            k,
            v,
            table,
            out,
            lse,
            forward,
        })
    }

    /// The buffers of the forward pass, which the backward pass reads as well.
    pub(super) fn operands(&self) -> ForwardOperands<'_> {
        let buffers = [&self.q, &self.k, &self.v, &self.table, &self.out, &self.lse];
        operands(&self.problem, buffers)
    }

    pub(super) const fn out(&self) -> &wgpu::Buffer {
        &self.out
    }

    /// Writes the table that passes submitted from now on read.
    pub(crate) fn set_table(&self, table: &[f32]) {
        let queue = self.context.queue();
        queue.write_buffer(&self.table, 0, bytemuck::cast_slice(table));
    }

    pub(super) fn record(&self, encoder: &mut wgpu::CommandEncoder) {
        self.forward.encode(encoder);
    }

    pub(super) fn encoder(&self) -> wgpu::CommandEncoder {
        let device = self.context.device();
        device.create_command_encoder(&Default::default())
    }

    pub(super) fn submit(&self, encoder: wgpu::CommandEncoder) {
        self.context.queue().submit([encoder.finish()]);
    }

    /// Runs the forward pass, and reads what comes out.
    pub(crate) fn outputs(&self) -> Result<Vec<f32>> {
        let staging = Staging::new(&self.context, &self.out);
        let mut encoder = self.encoder();
        self.record(&mut encoder);
        staging.record(&mut encoder);
        self.submit(encoder);
        staging.read()
    }
}

fn operands<'a>(
    problem: &Problem,
    [q, k, v, table, out, lse]: [&'a wgpu::Buffer; 6],
) -> ForwardOperands<'a> {
    ForwardOperands {
        table: (problem.table_rows() > 0).then(|| whole(table)),
        lse: Some(whole(lse)),
        ..ForwardOperands::new(whole(q), whole(k), whole(v), whole(out))
    }
}

pub(super) fn whole(buffer: &wgpu::Buffer) -> Operand<'_> {
    buffer.as_entire_buffer_binding()
}
