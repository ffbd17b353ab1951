//! What can be wrong with a problem, each error naming what was found and what is allowed.

use thiserror::Error;

/// The name of a tensor in an attention problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Tensor {
    /// Queries, `[B, H, Nq, D]`.
    Q,
    /// Keys, `[B, Hkv, Nk, D]`.
    K,
    /// Values, `[B, Hkv, Nk, D]`.
    V,
    /// The learned bias table, `[num_buckets, H]`.
    Table,
    /// Which keys may be attended, `[B, Nk]`, one byte each.
    KeyMask,
}

impl std::fmt::Display for Tensor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Q => "q",
            Self::K => "k",
            Self::V => "v",
            Self::Table => "table",
            Self::KeyMask => "key_mask",
        })
    }
}

/// The problem itself is not valid; nothing was computed.
#[derive(Clone, Debug, Error, PartialEq)]
#[non_exhaustive]
pub enum ProblemError {
    /// A direction needs at least one exact and one logarithmic bucket.
    #[error("num_buckets is {found}; {minimum}..={maximum} are allowed for this direction")]
    BucketCount {
        /// The number of buckets asked for.
        found: u32,
        /// The fewest allowed.
        minimum: u32,
        /// The most allowed.
        maximum: u32,
    },
    /// The logarithmic buckets would be empty or negative.
    #[error("max_distance is {found}; {minimum}..={maximum} are allowed with these buckets")]
    MaxDistance {
        /// The distance asked for.
        found: u32,
        /// The smallest allowed: one more than the number of exact buckets.
        minimum: u32,
        /// The largest allowed.
        maximum: u32,
    },
    /// Query heads cannot be shared out evenly over the key/value heads.
    #[error("{heads} query heads are not a multiple of {kv_heads} key/value heads")]
    HeadGroups {
        /// Query heads.
        heads: u32,
        /// Key/value heads.
        kv_heads: u32,
    },
    /// A feature dimension outside what the kernels hold.
    #[error("head_dim is {found}; 1..={maximum} are allowed")]
    HeadDim {
        /// The dimension asked for.
        found: u32,
        /// The largest allowed.
        maximum: u32,
    },
    /// A tensor has more elements than 32 bits can index.
    #[error("{tensor} has {elements} elements; at most {maximum} are allowed")]
    TooLarge {
        /// Which tensor.
        tensor: Tensor,
        /// Its number of elements.
        elements: u128,
        /// The most allowed.
        maximum: u64,
    },
    /// Positions do not fit 32-bit signed offsets.
    #[error("query_offset is {found}; offsets must stay within ±{maximum}")]
    QueryOffset {
        /// The offset asked for.
        found: i64,
        /// The largest magnitude that an offset may have.
        maximum: i64,
    },
    /// A scale that is not a number or not finite.
    #[error("scale is {found}; a finite number is required")]
    Scale {
        /// The scale asked for.
        found: f32,
    },
}

/// Host inputs do not fit the problem; nothing was computed.
#[derive(Clone, Debug, Error, PartialEq)]
#[non_exhaustive]
pub enum InputError {
    /// A slice has the wrong number of elements.
    #[error("{tensor} has {found} elements; the problem needs {expected}")]
    Length {
        /// Which tensor.
        tensor: Tensor,
        /// Its length.
        found: usize,
        /// The length that the problem asks for.
        expected: usize,
    },
    /// A tensor that the problem's bias or mask needs is absent.
    #[error("{tensor} is missing; the problem's bias or mask needs it")]
    Missing {
        /// Which tensor.
        tensor: Tensor,
    },
    /// A tensor was given that the problem does not use.
    #[error("{tensor} was given; the problem's bias or mask does not use it")]
    Unused {
        /// Which tensor.
        tensor: Tensor,
    },
}
