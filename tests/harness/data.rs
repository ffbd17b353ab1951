//! Inputs for a problem: never symmetric, never zero.

use half::{bf16, f16};
use relattn::cpu::Inputs;
use relattn::{Bias, Dtype, Problem, Tensor};

/// The tensors of a case.
#[derive(Clone, Debug, Default)]
pub(crate) struct Data {
    pub(crate) q: Vec<f32>,
    pub(crate) k: Vec<f32>,
    pub(crate) v: Vec<f32>,
    pub(crate) table: Option<Vec<f32>>,
    pub(crate) indices: Option<Vec<u32>>,
    pub(crate) bias: Option<Vec<f32>>,
    pub(crate) key_mask: Option<Vec<u8>>,
    pub(crate) key_lengths: Option<Vec<u32>>,
    pub(crate) query_lengths: Option<Vec<u32>>,
    pub(crate) query_documents: Option<Vec<u32>>,
    pub(crate) key_documents: Option<Vec<u32>>,
    pub(crate) mask_bits: Option<Vec<u32>>,
}

impl Data {
    /// Generated tensors for a problem.
    pub(crate) fn generate(problem: &Problem, seed: u32) -> Self {
        let floats = |tensor, seed| values(elements(problem, tensor), seed);
        let stored = |tensor, seed| round(problem.dtype(), floats(tensor, seed));
        let rows = problem.bias().table_rows();
        let (mask, shape) = (problem.mask(), problem.shape());
        // Of the first sequence all, of the others fewer.
        let lengths =
            |all: u32| -> Vec<u32> { (0..shape.batch).map(|b| all * 2 / (2 + b)).collect() };
        let indexed = matches!(problem.bias(), Bias::Indexed { .. });
        Self {
            q: stored(Tensor::Q, seed),
            k: stored(Tensor::K, seed + 1),
            v: stored(Tensor::V, seed + 2),
            table: rows.map(|_| match problem.bias() {
                // Slopes and KERPLE's parameters are positive.
                Bias::Alibi | Bias::Kerple(_) => floats(Tensor::Table, seed + 3)
                    .into_iter()
                    .map(|value| 0.55 + 0.5 * value)
                    .collect(),
                _ => floats(Tensor::Table, seed + 3),
            }),
            bias: matches!(problem.bias(), Bias::Dense(_)).then(|| stored(Tensor::Bias, seed + 4)),
            key_lengths: mask.key_lengths.then(|| lengths(shape.k_len)),
            query_lengths: mask.query_lengths.then(|| lengths(shape.q_len)),
            // Runs of 13 queries and of 17 keys, so that documents begin in the middle of tiles.
            query_documents: mask
                .documents
                .then(|| runs(elements(problem, Tensor::QueryDocuments), 13)),
            key_documents: mask
                .documents
                .then(|| runs(elements(problem, Tensor::KeyDocuments), 17)),
            mask_bits: mask.bits.map(|_| {
                let words = values(elements(problem, Tensor::MaskBits), seed + 5);
                words
                    .iter()
                    .map(|word| word.to_bits() << 3 ^ word.to_bits())
                    .collect()
            }),
            // Not a function of the offset, and some past the table.
            indices: indexed.then(|| {
                let count = elements(problem, Tensor::Indices);
                let rows = rows.unwrap_or(1);
                (0..count)
                    .map(|n| u32::try_from(n * 37).expect("small") % (rows + 3))
                    .collect()
            }),
            key_mask: problem.mask().keys.then(|| {
                let count = elements(problem, Tensor::KeyMask);
                (0..count)
                    .map(|n| {
                        if n % 11 % 4 == 2 {
                            0
                        } else {
                            1 + u8::try_from(n % 3).expect("small")
                        }
                    })
                    .collect()
            }),
        }
    }

    pub(crate) fn inputs(&self) -> Inputs<'_> {
        Inputs {
            table: self.table.as_deref(),
            indices: self.indices.as_deref(),
            bias: self.bias.as_deref(),
            key_mask: self.key_mask.as_deref(),
            key_lengths: self.key_lengths.as_deref(),
            query_lengths: self.query_lengths.as_deref(),
            query_documents: self.query_documents.as_deref(),
            key_documents: self.key_documents.as_deref(),
            mask_bits: self.mask_bits.as_deref(),
            ..Inputs::new(&self.q, &self.k, &self.v)
        }
    }
}

/// Numbers that rise by one after so many, and begin again after five.
fn runs(count: usize, length: usize) -> Vec<u32> {
    (0..count)
        .map(|n| u32::try_from(n / length % 5).expect("small"))
        .collect()
}

/// Numbers that the type holds exactly.
pub(crate) fn round(dtype: Dtype, values: Vec<f32>) -> Vec<f32> {
    let with = |to: fn(f32) -> f32| values.iter().copied().map(to).collect();
    match dtype {
        Dtype::F32 => values,
        Dtype::F16 => with(|value| f16::from_f32(value).to_f32()),
        Dtype::Bf16 => with(|value| bf16::from_f32(value).to_f32()),
    }
}

/// The elements that a tensor of the problem takes.
pub(crate) fn elements(problem: &Problem, tensor: Tensor) -> usize {
    usize::try_from(problem.elements(tensor)).expect("a small tensor")
}

/// Values between −1 and 1.
pub(crate) fn values(count: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(1);
    (0..count)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            f32::from(u16::try_from(state >> 16).expect("16 bits")) / 32_768.0 - 1.0
        })
        .collect()
}
