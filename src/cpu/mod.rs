//! Attention on the CPU: the definition, and the fast form.

mod bias;
mod bias_gradient;
mod dense;
mod exp2;
mod fire;
mod fire_moments;
mod gradients;
mod head;
mod mask;
mod merge;
mod oracle;
mod oracle_gradient;
mod oracle_parameters;
mod panel;
mod product;
mod rope;
mod row_statistics;
mod score_gradient;
mod tiled;
mod tiled_gradient;

pub use dense::dense_bias;
#[cfg(feature = "gpu")]
pub(crate) use gradients::validate;
pub use gradients::{AttentionGradient, Gradients};
pub use merge::merge;
pub use oracle::{Exact, Oracle};
pub use oracle_gradient::ExactGradients;
pub use rope::{rotated, rotated_exact};
pub use tiled::Tiled;

use rayon::prelude::*;

use crate::problem::features;
use crate::{IndexFormat, InputError, Layout, Problem, Tensor};

/// Host slices that an attention problem reads, in the shapes of [`crate::Shape`] and the problem's layouts.
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a> {
    /// Queries, `[B, H, Nq, D]`.
    pub q: &'a [f32],
    /// Keys, `[B, Hkv, Nk, D]`.
    pub k: &'a [f32],
    /// Values, `[B, Hkv, Nk, Dv]`.
    pub v: &'a [f32],
    /// The parameters of the biases, `[rows, H]`, where they have any; of a sum, one table behind the other.
    pub table: Option<&'a [f32]>,
    /// `[B, H, Nq]`, factors of the bias by offset, where it is gated.
    pub gate: Option<&'a [f32]>,
    /// `[matrices, Nq, Nk]` or `[matrices, B, Nq, Nk]`, rows of the table, where the bias is indexed.
    pub indices: Option<&'a [u32]>,
    /// The dense bias, `[B, H, Nq, Nk]` with the strides of the problem's bias, where it is dense.
    pub bias: Option<&'a [f32]>,
    /// `[B, Nk]`, 0 hides the key, where the mask asks for it.
    pub key_mask: Option<&'a [u8]>,
    /// `[B]`, where the mask asks for them.
    pub key_lengths: Option<&'a [u32]>,
    /// `[B]`, where the mask asks for them.
    pub query_lengths: Option<&'a [u32]>,
    /// `[B, Nq]`, where the mask asks for documents.
    pub query_documents: Option<&'a [u32]>,
    /// `[B, Nk]`, where the mask asks for documents.
    pub key_documents: Option<&'a [u32]>,
    /// `[B, H, Nq, ⌈Nk / 32⌉]`, without B or H where one serves all, 1 where a key is visible, where the mask asks for bits.
    pub mask_bits: Option<&'a [u32]>,
    /// `[S + 1]`, the first query of each sequence and the end, where the batch is packed.
    pub query_starts: Option<&'a [u32]>,
    /// `[S + 1]`, the first key of each sequence and the end, where the batch is packed.
    pub key_starts: Option<&'a [u32]>,
    /// `[B, ⌈Nk / block_size⌉]`, the blocks of each sequence, where k and v are a paged cache.
    pub block_table: Option<&'a [u32]>,
}

impl<'a> Inputs<'a> {
    /// The tensors that every problem has, and no others.
    #[must_use]
    pub const fn new(q: &'a [f32], k: &'a [f32], v: &'a [f32]) -> Self {
        Self {
            q,
            k,
            v,
            table: None,
            gate: None,
            indices: None,
            bias: None,
            key_mask: None,
            key_lengths: None,
            query_lengths: None,
            query_documents: None,
            key_documents: None,
            mask_bits: None,
            query_starts: None,
            key_starts: None,
            block_table: None,
        }
    }
}

/// What attention returns.
#[derive(Clone, Debug, PartialEq)]
pub struct Outputs {
    /// `[B, H, Nq, Dv]` in the problem's layout, whose gaps are 0; exact zeros in a row that sees no key.
    pub out: Vec<f32>,
    /// `[B, H, Nq]`, the natural logarithm of the row's sum of exponentials; −∞ in a row that sees no key.
    pub lse: Vec<f32>,
}

/// Something that computes attention from host slices.
pub trait Attention {
    /// Why it may fail.
    type Error;

    /// Computes the output and its log-sum-exp.
    ///
    /// # Errors
    /// Inputs that do not fit the problem, or whatever else the implementation names.
    fn forward(&self, problem: &Problem, inputs: &Inputs<'_>) -> Result<Outputs, Self::Error>;
}

impl Inputs<'_> {
    /// Checks every length against the problem, and every number that points at something.
    ///
    /// # Errors
    /// A slice of another length, a missing one, one that the problem does not use, or a length, start, block or index out of
    /// range.
    pub fn validate(&self, problem: &Problem) -> Result<(), InputError> {
        for (tensor, found) in [
            (Tensor::Q, Some(self.q.len())),
            (Tensor::K, Some(self.k.len())),
            (Tensor::V, Some(self.v.len())),
            (Tensor::Table, self.table.map(<[_]>::len)),
            (Tensor::Gate, self.gate.map(<[_]>::len)),
            (Tensor::Indices, self.indices.map(<[_]>::len)),
            (Tensor::Bias, self.bias.map(<[_]>::len)),
            (Tensor::KeyMask, self.key_mask.map(<[_]>::len)),
            (Tensor::KeyLengths, self.key_lengths.map(<[_]>::len)),
            (Tensor::QueryLengths, self.query_lengths.map(<[_]>::len)),
            (Tensor::QueryDocuments, self.query_documents.map(<[_]>::len)),
            (Tensor::KeyDocuments, self.key_documents.map(<[_]>::len)),
            (Tensor::MaskBits, self.mask_bits.map(<[_]>::len)),
            (Tensor::QueryStarts, self.query_starts.map(<[_]>::len)),
            (Tensor::KeyStarts, self.key_starts.map(<[_]>::len)),
            (Tensor::BlockTable, self.block_table.map(<[_]>::len)),
        ] {
            match (found, problem.uses(tensor)) {
                (Some(found), true) => check(problem, tensor, found)?,
                (None, true) => return Err(InputError::Missing { tensor }),
                (Some(_), false) => return Err(InputError::Unused { tensor }),
                (None, false) => {}
            }
        }
        check_format(problem, self.indices)?;
        let shape = problem.shape();
        check_lengths(Tensor::KeyLengths, self.key_lengths, shape.k_len)?;
        check_lengths(Tensor::QueryLengths, self.query_lengths, shape.q_len)?;
        check_starts(Tensor::KeyStarts, self.key_starts, shape.k_len)?;
        check_starts(Tensor::QueryStarts, self.query_starts, shape.q_len)?;
        check_blocks(problem, self.block_table)
    }
}

fn check(problem: &Problem, tensor: Tensor, found: usize) -> Result<(), InputError> {
    let expected = problem.elements(tensor);
    if found as u64 == expected {
        Ok(())
    } else {
        Err(InputError::Length {
            tensor,
            found: found as u64,
            expected,
        })
    }
}

/// No sequence has more keys or queries than there are.
fn check_lengths(tensor: Tensor, lengths: Option<&[u32]>, maximum: u32) -> Result<(), InputError> {
    let mut lengths = lengths.into_iter().flatten();
    match lengths.find(|&&length| length > maximum) {
        Some(&found) => Err(InputError::LengthPastEnd {
            tensor,
            found,
            maximum,
        }),
        None => Ok(()),
    }
}

/// Starts rise from 0 to the number of rows.
fn check_starts(tensor: Tensor, starts: Option<&[u32]>, end: u32) -> Result<(), InputError> {
    let starts = starts.unwrap_or_default();
    let mut before = 0;
    for (n, &found) in starts.iter().enumerate() {
        let out_of_place = n == 0 && found != 0 || n + 1 == starts.len() && found != end;
        if found < before || found > end || out_of_place {
            return Err(InputError::Starts {
                tensor,
                before,
                found,
                end,
            });
        }
        before = found;
    }
    Ok(())
}

/// The pool has every block.
fn check_blocks(problem: &Problem, table: Option<&[u32]>) -> Result<(), InputError> {
    let blocks = problem.paged().map_or(u32::MAX, |paged| paged.blocks);
    let mut table = table.into_iter().flatten();
    match table.find(|&&block| block >= blocks) {
        Some(&found) => Err(InputError::BlockPastEnd { found, blocks }),
        None => Ok(()),
    }
}

/// Indices must fit their format.
fn check_format(problem: &Problem, indices: Option<&[u32]>) -> Result<(), InputError> {
    let Some(format) = problem.indexed().map(|indexed| indexed.format) else {
        return Ok(());
    };
    let last = format.most() - 1;
    match indices.and_then(|indices| indices.iter().find(|&&index| index > last)) {
        Some(&found) if format != IndexFormat::U32 => Err(InputError::IndexPastFormat {
            found,
            format,
            maximum: last,
        }),
        _ => Ok(()),
    }
}

/// Calls `row(scratch, batch, head, i, out row, lse)` in parallel for every query row, or rather for `tile` rows at once, and puts
/// the rows where the layout of the output has them. What `scratch` makes is kept from one call to the next.
fn for_each_tile<T: Copy + Default + Send + Sync, S>(
    problem: &Problem,
    tile: usize,
    empty_lse: T,
    scratch: impl Fn() -> S + Sync,
    compute: impl Fn(&mut S, [usize; 3], &mut [T], &mut [T]) + Sync,
) -> (Vec<T>, Vec<T>) {
    let shape = problem.shape();
    let [heads, q_len, d] =
        [shape.heads, shape.q_len, problem.value_dim()].map(|size| size as usize);
    let mut lse = vec![empty_lse; shape.rows()];
    let mut out = vec![T::default(); shape.rows() * d];
    if lse.is_empty() {
        return (out, lse);
    }
    out.par_chunks_mut(q_len * d)
        .zip(lse.par_chunks_mut(q_len))
        .enumerate()
        .for_each(|(n, (out, lse))| {
            out.par_chunks_mut(tile * d)
                .zip(lse.par_chunks_mut(tile))
                .enumerate()
                .for_each_init(&scratch, |scratch, (t, (out, lse))| {
                    compute(scratch, [n / heads, n % heads, t * tile], out, lse);
                });
        });
    (scatter(problem, Tensor::Out, out), lse)
}

/// Moves contiguous rows to where the layout of a tensor has them.
fn scatter<T: Copy + Default>(problem: &Problem, tensor: Tensor, rows: Vec<T>) -> Vec<T> {
    let shape = problem.shape();
    let (Some(layout), Some(sizes)) = (problem.layout(tensor), problem.rows_of(tensor)) else {
        return rows;
    };
    let features = features(tensor, shape.head_dim, problem.value_dim());
    if Layout::contiguous(tensor, sizes, features) == Ok(layout) {
        return rows;
    }
    let span = usize::try_from(problem.elements(tensor)).unwrap_or(usize::MAX);
    let mut out = vec![T::default(); span];
    let [_, heads, length] = sizes.map(|size| size as usize);
    let d = features as usize;
    for (n, row) in rows.chunks_exact(d).enumerate() {
        let start = layout.start(n / length / heads, n / length % heads, n % length);
        out[start..start + d].copy_from_slice(row);
    }
    out
}
