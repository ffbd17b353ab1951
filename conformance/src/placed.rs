//! The tensors of a case in device memory, and a pass over them that may run again.

use relattn::cpu::Outputs;
use relattn::plan::{Bound, Forward, ForwardOperands};
use relattn::{Context, Dtype, Problem, Tensor, wgpu};

use super::data::Data;
use super::device::{
    POISON, bits, elements, number, operand, packed, placed, read, replace, stored, unguarded,
    words, words_of,
};
use super::heat::Strided;

const OUTPUTS: [Tensor; 2] = [Tensor::Out, Tensor::Lse];

/// Buffers with guards around each tensor.
#[derive(Clone, Debug)]
pub struct Placed {
    problem: Problem,
    tensors: Vec<(Tensor, wgpu::Buffer)>,
}

impl Placed {
    /// Uploads the data, and poisons the outputs.
    pub fn new(context: &Context, problem: &Problem, data: &Data) -> Self {
        let dtype = problem.dtype();
        let floats = |values: &Option<Vec<f32>>| values.as_deref().map(bits);
        let stored_bias = data.bias.as_deref().map(|values| stored(dtype, values));
        let indices = data.indices.as_deref();
        let contents = [
            (Tensor::Q, Some(stored(dtype, &data.q))),
            (Tensor::K, Some(stored(dtype, &data.k))),
            (Tensor::V, Some(stored(dtype, &data.v))),
            (Tensor::Out, Some(poison(problem, Tensor::Out))),
            (Tensor::Lse, Some(poison(problem, Tensor::Lse))),
            (Tensor::Table, floats(&data.table)),
            (Tensor::Gate, floats(&data.gate)),
            (Tensor::Bias, stored_bias),
            (Tensor::Indices, indices.map(|all| words(problem, all))),
            (Tensor::KeyMask, data.key_mask.as_deref().map(packed)),
            (Tensor::KeyLengths, data.key_lengths.clone()),
            (Tensor::QueryLengths, data.query_lengths.clone()),
            (Tensor::QueryDocuments, data.query_documents.clone()),
            (Tensor::KeyDocuments, data.key_documents.clone()),
            (Tensor::MaskBits, data.mask_bits.clone()),
            (Tensor::QueryStarts, data.query_starts.clone()),
            (Tensor::KeyStarts, data.key_starts.clone()),
            (Tensor::BlockTable, data.block_table.clone()),
        ];
        let tensors = contents
            .into_iter()
            .filter_map(|(tensor, words)| Some((tensor, placed(context, &words?))))
            .collect();
        Self {
            problem: problem.clone(),
            tensors,
        }
    }

    /// Checks and binds every tensor.
    pub fn bind(&self, forward: &Forward) -> Result<Bound, relattn::Error> {
        forward.bind(&self.operands())
    }

    /// Every tensor.
    pub fn operands(&self) -> ForwardOperands<'_> {
        let given = |tensor| self.find(tensor).map(operand);
        let always = |tensor| given(tensor).expect("a tensor of every problem");
        ForwardOperands {
            table: given(Tensor::Table),
            gate: given(Tensor::Gate),
            indices: given(Tensor::Indices),
            bias: given(Tensor::Bias),
            key_mask: given(Tensor::KeyMask),
            key_lengths: given(Tensor::KeyLengths),
            query_lengths: given(Tensor::QueryLengths),
            query_documents: given(Tensor::QueryDocuments),
            key_documents: given(Tensor::KeyDocuments),
            mask_bits: given(Tensor::MaskBits),
            query_starts: given(Tensor::QueryStarts),
            key_starts: given(Tensor::KeyStarts),
            block_table: given(Tensor::BlockTable),
            lse: given(Tensor::Lse),
            ..ForwardOperands::new(
                always(Tensor::Q),
                always(Tensor::K),
                always(Tensor::V),
                always(Tensor::Out),
            )
        }
    }

    /// Puts other numbers where a tensor of floats lies, from the next submission on.
    pub fn write(&self, context: &Context, tensor: Tensor, values: &[f32]) {
        let words = stored(self.problem.dtype(), values);
        let buffer = self.find(tensor).expect("a tensor of the case");
        replace(context, buffer, &words);
    }

    /// Fills the outputs with poison, from the next submission on.
    pub(super) fn poison(&self, context: &Context) {
        for tensor in OUTPUTS {
            let buffer = self.find(tensor).expect("an output");
            replace(context, buffer, &poison(&self.problem, tensor));
        }
    }

    /// Runs the pass over poisoned outputs; a guard or a gap that changed is an error.
    pub fn run(&self, context: &Context, bound: &Bound) -> Result<Outputs, String> {
        self.poison(context);
        let descriptor = wgpu::CommandEncoderDescriptor::default();
        let mut encoder = context.device().create_command_encoder(&descriptor);
        bound.encode(&mut encoder);
        let buffers = OUTPUTS.map(|tensor| self.find(tensor).expect("an output"));
        let [out, lse] = read(context, encoder, buffers);
        Ok(Outputs {
            out: numbers(&self.problem, Tensor::Out, &out)?,
            lse: numbers(&self.problem, Tensor::Lse, &lse)?,
        })
    }

    pub(super) fn find(&self, tensor: Tensor) -> Option<&wgpu::Buffer> {
        let mut tensors = self.tensors.iter();
        let (_, buffer) = tensors.find(|(found, _)| *found == tensor)?;
        Some(buffer)
    }
}

fn dtype_of(problem: &Problem, tensor: Tensor) -> Dtype {
    match tensor {
        Tensor::Out | Tensor::DQ | Tensor::DK | Tensor::DV => problem.dtype(),
        _ => Dtype::F32,
    }
}

pub(super) fn poison(problem: &Problem, tensor: Tensor) -> Vec<u32> {
    let dtype = dtype_of(problem, tensor);
    vec![POISON; words_of(dtype, super::elements(problem, tensor))]
}

/// The numbers in the words of a buffer that was full of poison; a guard or a gap that changed is an error.
pub(super) fn numbers(
    problem: &Problem,
    tensor: Tensor,
    words: &[u32],
) -> Result<Vec<f32>, String> {
    let (dtype, count) = (dtype_of(problem, tensor), super::elements(problem, tensor));
    let words = unguarded(words, words_of(dtype, count));
    let mut bits = elements(dtype, words.map_err(|error| format!("{tensor}: {error}"))?);
    bits.truncate(count);
    if let Some(strided) = Strided::of(problem, tensor) {
        let written = strided.written(problem.shape().batch, count);
        let untouched = elements(dtype, &poison(problem, tensor));
        let mut gaps = bits.iter().zip(&untouched).zip(written);
        if gaps.any(|((bits, poison), written)| !written && bits != poison) {
            return Err(format!("{tensor}: the pass wrote into a gap"));
        }
    }
    Ok(bits.into_iter().map(|bits| number(dtype, bits)).collect())
}
