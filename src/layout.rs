//! The sizes of an attention problem.

use crate::{ProblemError, Tensor};

/// The sizes of the tensors: q and the output are `[batch, heads, q_len, head_dim]`, k and v
/// `[batch, kv_heads, k_len, head_dim]`; v and the output may have another dimension, [`crate::ProblemBuilder::value_dim`].
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

    /// The sizes of a tensor in the order batch, heads, rows: of q and the output, or of k and v.
    #[must_use]
    pub const fn rows_of(&self, tensor: Tensor) -> Option<[u32; 3]> {
        match tensor {
            Tensor::Q | Tensor::Out => Some([self.batch, self.heads, self.q_len]),
            Tensor::K | Tensor::V => Some([self.batch, self.kv_heads, self.k_len]),
            _ => None,
        }
    }

    /// Query rows over the whole batch, the number of log-sum-exp values; saturates for a shape that [`crate::ProblemBuilder::build`] refuses.
    #[must_use]
    pub const fn rows(&self) -> usize {
        let heads = (self.batch as usize).saturating_mul(self.heads as usize);
        heads.saturating_mul(self.q_len as usize)
    }

    pub(crate) fn validate(&self) -> Result<(), ProblemError> {
        if !(1..=Self::MAX_HEAD_DIM).contains(&self.head_dim) {
            return Err(ProblemError::HeadDim {
                tensor: Tensor::Q,
                found: self.head_dim,
                maximum: Self::MAX_HEAD_DIM,
            });
        }
        let none = [self.heads, self.kv_heads].contains(&0);
        let shared =
            self.heads == self.kv_heads || !none && self.heads.is_multiple_of(self.kv_heads);
        if !shared {
            return Err(ProblemError::HeadGroups {
                heads: self.heads,
                kv_heads: self.kv_heads,
            });
        }
        Ok(())
    }
}

/// How a number of q, k, v, the output or a dense bias is stored; all sums are f32.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Dtype {
    /// IEEE single precision.
    #[default]
    F32,
    /// IEEE half precision, two to a word; needs no feature of the device.
    F16,
    /// The upper half of an f32, two to a word.
    Bf16,
}

impl Dtype {
    /// Bytes of a number.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
        }
    }

    /// The distance from 1 to the next number.
    #[must_use]
    pub const fn epsilon(self) -> f32 {
        match self {
            Self::F32 => f32::EPSILON,
            Self::F16 => 1.0 / 1024.0,
            Self::Bf16 => 1.0 / 128.0,
        }
    }
}

/// How a tensor of `[batch, heads, rows, features]` lies in memory: the distance, in elements, between neighbours along
/// each dimension. Features are always contiguous.
///
/// `[B, N, H, D]` has `row = H · D` and `head = D`; q in a packed `[B, N, 3, H, D]` has `row = 3 · H · D`, with the
/// tensors bound at their own offsets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Layout {
    /// From a sequence of the batch to the next.
    pub batch: u32,
    /// From a head to the next.
    pub head: u32,
    /// From a row to the next.
    pub row: u32,
}

impl Layout {
    /// `[batch, heads, rows, features]` without gaps.
    ///
    /// # Errors
    /// More elements than 32 bits can index.
    pub(crate) fn contiguous(
        tensor: Tensor,
        [batch, heads, rows]: [u32; 3],
        features: u32,
    ) -> Result<Self, ProblemError> {
        let head = u64::from(rows) * u64::from(features);
        let sequence = u128::from(head) * u128::from(heads);
        let elements = sequence * u128::from(batch);
        // A dimension of size 0 leaves nothing to index, whatever the others are.
        if elements > u128::from(u32::MAX) {
            return Err(too_large(tensor, elements));
        }
        Ok(Self {
            batch: u32::try_from(sequence).unwrap_or(0),
            head: u32::try_from(head).unwrap_or(0),
            row: features,
        })
    }

    /// Elements from the first to the last, inclusive; 0 where a dimension is.
    #[must_use]
    pub fn span(&self, [batch, heads, rows]: [u32; 3], features: u32) -> u64 {
        if batch == 0 || heads == 0 || rows == 0 || features == 0 {
            return 0;
        }
        let last = |size: u32, stride: u32| u64::from(size - 1).saturating_mul(u64::from(stride));
        last(batch, self.batch)
            .saturating_add(last(heads, self.head))
            .saturating_add(last(rows, self.row))
            .saturating_add(u64::from(features))
    }

    /// `[batch, heads, queries, keys]` without gaps, shared over the batch or the heads where it is not given for each.
    ///
    /// # Errors
    /// More elements than 32 bits can index.
    pub fn dense_bias(
        shape: &Shape,
        each_sequence: bool,
        each_head: bool,
    ) -> Result<Self, ProblemError> {
        let sizes = [
            if each_head { shape.heads } else { 1 },
            if each_sequence { shape.batch } else { 1 },
        ];
        let head = u128::from(shape.q_len) * u128::from(shape.k_len);
        let sequence = head * u128::from(sizes[0]);
        let elements = sequence * u128::from(sizes[1]);
        if elements > u128::from(u32::MAX) {
            return Err(too_large(Tensor::Bias, elements));
        }
        let stride = |used: bool, stride: u128| {
            if used {
                u32::try_from(stride).unwrap_or(0)
            } else {
                0
            }
        };
        Ok(Self {
            batch: stride(each_sequence, sequence),
            head: stride(each_head, head),
            row: shape.k_len,
        })
    }

    /// Refuses rows of 16-bit numbers that begin in the middle of a word.
    pub(crate) fn validate_words(&self, tensor: Tensor, features: u32) -> Result<(), ProblemError> {
        for (what, found) in [
            ("the number of features", features),
            ("a stride", self.batch),
            ("a stride", self.head),
            ("a stride", self.row),
        ] {
            if !found.is_multiple_of(2) {
                return Err(ProblemError::Odd {
                    tensor,
                    what,
                    found,
                });
            }
        }
        Ok(())
    }

    /// Where a row begins.
    #[must_use]
    pub const fn start(&self, batch: usize, head: usize, row: usize) -> usize {
        batch * self.batch as usize + head * self.head as usize + row * self.row as usize
    }

    /// Refuses spans past 32 bits; rows may overlap where they are only read.
    pub(crate) fn validate_span(
        &self,
        tensor: Tensor,
        sizes: [u32; 3],
        features: u32,
    ) -> Result<(), ProblemError> {
        let span = self.span(sizes, features);
        if span > u64::from(u32::MAX) {
            return Err(too_large(tensor, span.into()));
        }
        Ok(())
    }

    /// Refuses rows that share some of their elements, and not all by a stride of 0.
    #[cfg(feature = "gpu")]
    pub(crate) fn validate_shared(
        &self,
        tensor: Tensor,
        [batch, heads, rows]: [u32; 3],
        features: u32,
    ) -> Result<(), ProblemError> {
        let apart = |stride: u32, size: u32| if stride == 0 { size.min(1) } else { size };
        let sizes = [
            apart(self.batch, batch),
            apart(self.head, heads),
            apart(self.row, rows),
        ];
        self.validate(tensor, sizes, features)
    }

    /// Refuses rows that share elements and spans past 32 bits.
    pub(crate) fn validate(
        &self,
        tensor: Tensor,
        sizes: [u32; 3],
        features: u32,
    ) -> Result<(), ProblemError> {
        self.validate_span(tensor, sizes, features)?;
        if sizes.contains(&0) {
            return Ok(());
        }
        let strides = [self.batch, self.head, self.row];
        let mut dimensions: Vec<(u32, u32)> = strides.into_iter().zip(sizes).collect();
        dimensions.retain(|&(_, size)| size > 1);
        dimensions.sort_unstable();
        let mut extent = u64::from(features);
        for (stride, size) in dimensions {
            if u64::from(stride) < extent {
                return Err(ProblemError::Overlap {
                    tensor,
                    stride,
                    minimum: extent,
                });
            }
            extent += u64::from(stride) * u64::from(size - 1);
        }
        Ok(())
    }
}

const fn too_large(tensor: Tensor, elements: u128) -> ProblemError {
    ProblemError::TooLarge {
        tensor,
        elements,
        maximum: u32::MAX as u64,
    }
}
