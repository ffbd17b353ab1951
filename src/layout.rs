//! The sizes of an attention problem.

use crate::{ProblemError, Tensor};

/// The sizes of the tensors: q and the output are `[batch, heads, q_len, head_dim]`, k and v
/// `[batch, kv_heads, k_len, head_dim]`, all contiguous.
///
/// Lengths, batch and heads may be 0: there is then nothing to compute, or (`k_len` 0) no key to see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shape {
    /// B, independent sequences.
    pub batch: u32,
    /// H, query heads.
    pub heads: u32,
    /// Hkv, key/value heads; each serves `heads / kv_heads` query heads.
    pub kv_heads: u32,
    /// Nq, query rows.
    pub q_len: u32,
    /// Nk, key rows.
    pub k_len: u32,
    /// D, features of a row.
    pub head_dim: u32,
}

impl Shape {
    /// The largest head dimension.
    pub const MAX_HEAD_DIM: u32 = 256;

    /// Elements of q and of the output.
    #[must_use]
    pub const fn q_elements(&self) -> usize {
        self.batch as usize * self.heads as usize * self.q_len as usize * self.head_dim as usize
    }

    /// Elements of k, and of v.
    #[must_use]
    pub const fn kv_elements(&self) -> usize {
        self.batch as usize * self.kv_heads as usize * self.k_len as usize * self.head_dim as usize
    }

    /// Query rows over the whole batch, the number of log-sum-exp values.
    #[must_use]
    pub const fn rows(&self) -> usize {
        self.batch as usize * self.heads as usize * self.q_len as usize
    }

    pub(crate) fn validate(&self) -> Result<(), ProblemError> {
        if !(1..=Self::MAX_HEAD_DIM).contains(&self.head_dim) {
            return Err(ProblemError::HeadDim {
                found: self.head_dim,
                maximum: Self::MAX_HEAD_DIM,
            });
        }
        if self.kv_heads == 0 && self.heads != 0
            || self.kv_heads != 0 && !self.heads.is_multiple_of(self.kv_heads)
        {
            return Err(ProblemError::HeadGroups {
                heads: self.heads,
                kv_heads: self.kv_heads,
            });
        }
        self.fits(Tensor::Q, self.heads, self.q_len)?;
        self.fits(Tensor::K, self.kv_heads, self.k_len)
    }

    fn fits(&self, tensor: Tensor, heads: u32, len: u32) -> Result<(), ProblemError> {
        let elements = [heads, len, self.head_dim]
            .iter()
            .fold(u128::from(self.batch), |product, &factor| {
                product * u128::from(factor)
            });
        if elements > u128::from(u32::MAX) {
            return Err(ProblemError::TooLarge {
                tensor,
                elements,
                maximum: u64::from(u32::MAX),
            });
        }
        Ok(())
    }
}
