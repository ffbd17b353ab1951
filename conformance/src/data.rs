//! Inputs for a problem: never symmetric, never zero.

use half::{bf16, f16};
use relattn::cpu::Inputs;
use relattn::{Bias, Dtype, Problem, Tensor};

/// The tensors of a case.
#[derive(Clone, Debug, Default)]
pub struct Data {
    /// [`Tensor::Q`], numbers that the type of the problem holds exactly.
    pub q: Vec<f32>,
    /// [`Tensor::K`].
    pub k: Vec<f32>,
    /// [`Tensor::V`].
    pub v: Vec<f32>,
    /// [`Tensor::Table`].
    pub table: Option<Vec<f32>>,
    /// [`Tensor::Gate`].
    pub gate: Option<Vec<f32>>,
    /// [`Tensor::Indices`], one in an element whatever the format.
    pub indices: Option<Vec<u32>>,
    /// [`Tensor::Bias`].
    pub bias: Option<Vec<f32>>,
    /// [`Tensor::KeyMask`].
    pub key_mask: Option<Vec<u8>>,
    /// [`Tensor::KeyLengths`].
    pub key_lengths: Option<Vec<u32>>,
    /// [`Tensor::QueryLengths`].
    pub query_lengths: Option<Vec<u32>>,
    /// [`Tensor::QueryDocuments`].
    pub query_documents: Option<Vec<u32>>,
    /// [`Tensor::KeyDocuments`].
    pub key_documents: Option<Vec<u32>>,
    /// [`Tensor::MaskBits`].
    pub mask_bits: Option<Vec<u32>>,
    /// [`Tensor::QueryStarts`].
    pub query_starts: Option<Vec<u32>>,
    /// [`Tensor::KeyStarts`].
    pub key_starts: Option<Vec<u32>>,
    /// [`Tensor::BlockTable`].
    pub block_table: Option<Vec<u32>>,
}

impl Data {
    /// Generated tensors for a problem.
    pub fn generate(problem: &Problem, seed: u32) -> Self {
        let floats = |tensor, seed| values(elements(problem, tensor), seed);
        let stored = |tensor, seed| round(problem.dtype(), floats(tensor, seed));
        let (mask, shape) = (problem.mask(), problem.shape());
        // Of the first sequence all, of the others fewer.
        let lengths =
            |all: u32| -> Vec<u32> { (0..shape.batch).map(|b| all * 2 / (2 + b)).collect() };
        let indexed = problem.biases().find_map(|bias| match bias {
            Bias::Indexed { rows, .. } => Some(rows),
            _ => None,
        });
        let dense = problem.biases().any(|bias| matches!(bias, Bias::Dense(_)));
        Self {
            q: stored(Tensor::Q, seed),
            k: stored(Tensor::K, seed + 1),
            v: stored(Tensor::V, seed + 2),
            table: (problem.table_rows() > 0).then(|| table(problem, seed + 3)),
            gate: problem.gated().then(|| floats(Tensor::Gate, seed + 6)),
            bias: dense.then(|| stored(Tensor::Bias, seed + 4)),
            key_lengths: mask.key_lengths.then(|| lengths(shape.k_len)),
            query_lengths: mask.query_lengths.then(|| lengths(shape.q_len)),
            // Runs of 13 queries and of 17 keys, so that documents begin in the middle of tiles, and some tiles hide all keys of another.
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
            indices: indexed.map(|rows| {
                let count = elements(problem, Tensor::Indices);
                (0..count)
                    .map(|n| u32::try_from(n * 37).expect("small") % (rows + 3))
                    .collect()
            }),
            query_starts: mask
                .packed
                .map(|packed| starts(packed.sequences, shape.q_len, 5)),
            key_starts: mask
                .packed
                .map(|packed| starts(packed.sequences, shape.k_len, 3)),
            // Every block once, far from its neighbours.
            block_table: problem.paged().map(|paged| {
                let count = elements(problem, Tensor::BlockTable);
                (0..count)
                    .map(|n| u32::try_from(n * 7 + 3).expect("small") % paged.blocks)
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

    /// What the oracle reads.
    pub fn inputs(&self) -> Inputs<'_> {
        Inputs {
            table: self.table.as_deref(),
            gate: self.gate.as_deref(),
            indices: self.indices.as_deref(),
            bias: self.bias.as_deref(),
            key_mask: self.key_mask.as_deref(),
            key_lengths: self.key_lengths.as_deref(),
            query_lengths: self.query_lengths.as_deref(),
            query_documents: self.query_documents.as_deref(),
            key_documents: self.key_documents.as_deref(),
            mask_bits: self.mask_bits.as_deref(),
            query_starts: self.query_starts.as_deref(),
            key_starts: self.key_starts.as_deref(),
            block_table: self.block_table.as_deref(),
            ..Inputs::new(&self.q, &self.k, &self.v)
        }
    }
}

/// The parameters of each bias of the sum, one behind the other.
fn table(problem: &Problem, seed: u32) -> Vec<f32> {
    let heads = problem.shape().heads as usize;
    let mut all = values(elements(problem, Tensor::Table), seed);
    let mut rest = &mut all[..];
    for bias in problem.biases() {
        let rows = bias.table_rows().unwrap_or(0) as usize;
        let (own, behind) = rest.split_at_mut(rows * heads);
        match bias {
            // Slopes and KERPLE's parameters are positive.
            Bias::Alibi | Bias::Kerple(_) => own
                .iter_mut()
                .for_each(|value| *value = 0.55 + 0.5 * *value),
            // Of FIRE c is about 0.2 and L about 20; breakpoints lie in reach on both sides of L.
            Bias::Fire { .. } => {
                for (row, values) in own.chunks_exact_mut(heads.max(1)).enumerate() {
                    for value in values {
                        *value = match row {
                            0 => 0.25 + 0.1 * *value,
                            1 => 20.0 + 10.0 * *value,
                            _ => 1.5 * *value,
                        };
                    }
                }
            }
            _ => {}
        }
        rest = behind;
    }
    all
}

/// Sequences of uneven lengths, the second empty, that fill so many rows.
fn starts(sequences: u32, rows: u32, seed: u32) -> Vec<u32> {
    let inner = (1..sequences).map(|n| match n {
        1 | 2 => rows * seed / 16,
        _ => rows * seed / 16 + (rows - rows * seed / 16) * (n - 2) / (sequences - 1),
    });
    std::iter::once(0).chain(inner).chain([rows]).collect()
}

/// Numbers that rise by one after so many, and begin again after twelve.
fn runs(count: usize, length: usize) -> Vec<u32> {
    (0..count)
        .map(|n| u32::try_from(n / length % 12).expect("small"))
        .collect()
}

/// Numbers that the type holds exactly.
pub fn round(dtype: Dtype, values: Vec<f32>) -> Vec<f32> {
    let with = |to: fn(f32) -> f32| values.iter().copied().map(to).collect();
    match dtype {
        Dtype::F32 => values,
        Dtype::F16 => with(|value| f16::from_f32(value).to_f32()),
        Dtype::Bf16 => with(|value| bf16::from_f32(value).to_f32()),
    }
}

/// The elements that a tensor of the problem takes.
pub fn elements(problem: &Problem, tensor: Tensor) -> usize {
    usize::try_from(problem.elements(tensor)).expect("a small tensor")
}

/// Values between −1 and 1.
pub fn values(count: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(1);
    (0..count)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            f32::from(u16::try_from(state >> 16).expect("16 bits")) / 32_768.0 - 1.0
        })
        .collect()
}
