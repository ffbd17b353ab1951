//! Attention on the CPU: the definition, and the fast form.

mod oracle;
mod product;
mod tiled;

pub use oracle::{Exact, Oracle};
pub use tiled::Tiled;

use crate::{Bias, IndexFormat, InputError, Problem, Tensor};

/// Host slices that an attention problem reads, row-major and contiguous in the shapes of [`crate::Shape`].
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a> {
    /// Queries, `[B, H, Nq, D]`.
    pub q: &'a [f32],
    /// Keys, `[B, Hkv, Nk, D]`.
    pub k: &'a [f32],
    /// Values, `[B, Hkv, Nk, D]`.
    pub v: &'a [f32],
    /// The bias table, `[num_buckets, H]`, where the bias has one.
    pub table: Option<&'a [f32]>,
    /// `[Nq, Nk]`, rows of the table, where the bias is indexed.
    pub indices: Option<&'a [u32]>,
    /// `[B, Nk]`, 0 hides the key, where the mask asks for it.
    pub key_mask: Option<&'a [u8]>,
}

/// What attention returns.
#[derive(Clone, Debug, PartialEq)]
pub struct Outputs {
    /// `[B, H, Nq, D]`; exact zeros in a row that sees no key.
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
    /// Checks every length against the problem.
    ///
    /// # Errors
    /// A slice of another length, a missing one, or one that the problem does not use.
    pub fn validate(&self, problem: &Problem) -> Result<(), InputError> {
        let shape = problem.shape();
        check(Tensor::Q, self.q.len(), shape.q_elements())?;
        check(Tensor::K, self.k.len(), shape.kv_elements())?;
        check(Tensor::V, self.v.len(), shape.kv_elements())?;
        let bias = problem.bias();
        let table = bias
            .table_rows()
            .map(|rows| rows as usize * shape.heads as usize);
        let indices = matches!(bias, Bias::Indexed { .. })
            .then_some(shape.q_len as usize * shape.k_len as usize);
        check_optional(Tensor::Indices, self.indices.map(<[_]>::len), indices)?;
        check_bytes(bias, self.indices)?;
        check_optional(Tensor::Table, self.table.map(<[_]>::len), table)?;
        let mask = problem
            .mask()
            .keys
            .then_some(shape.batch as usize * shape.k_len as usize);
        check_optional(Tensor::KeyMask, self.key_mask.map(<[_]>::len), mask)
    }
}

fn check(tensor: Tensor, found: usize, expected: usize) -> Result<(), InputError> {
    if found == expected {
        Ok(())
    } else {
        Err(InputError::Length {
            tensor,
            found,
            expected,
        })
    }
}

/// Indices that are to be bytes must be bytes.
fn check_bytes(bias: Bias, indices: Option<&[u32]>) -> Result<(), InputError> {
    let bytes = matches!(
        bias,
        Bias::Indexed {
            format: IndexFormat::U8,
            ..
        }
    );
    match indices.and_then(|indices| indices.iter().find(|&&index| index > 255)) {
        Some(&found) if bytes => Err(InputError::IndexPastByte { found }),
        _ => Ok(()),
    }
}

fn check_optional(
    tensor: Tensor,
    found: Option<usize>,
    expected: Option<usize>,
) -> Result<(), InputError> {
    match (found, expected) {
        (Some(found), Some(expected)) => check(tensor, found, expected),
        (None, Some(_)) => Err(InputError::Missing { tensor }),
        (Some(_), None) => Err(InputError::Unused { tensor }),
        (None, None) => Ok(()),
    }
}
