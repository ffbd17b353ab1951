//! What can be wrong with a problem.

use thiserror::Error;

use crate::{Layout, Tensor};

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
    /// A table without rows, or with more than its indices can name.
    #[error("the table has {found} rows; 1..={maximum} are allowed")]
    TableRows {
        /// Rows asked for.
        found: u32,
        /// The most allowed.
        maximum: u32,
    },
    /// No index matrices, or more than a table has rows for.
    #[error("there are {found} index matrices; 1..={maximum} are allowed with as many rows each")]
    Matrices {
        /// Matrices asked for.
        found: u32,
        /// The most allowed.
        maximum: u32,
    },
    /// An MLP without units, or with too many.
    #[error("FIRE's hidden layer has {found} units; 1..={maximum} are allowed")]
    FireWidth {
        /// Units asked for.
        found: u32,
        /// The most allowed.
        maximum: u32,
    },
    /// Two biases of which a sum can hold one.
    #[error("a sum holds one {kind} bias; {allowed}")]
    SecondBias {
        /// Which kind.
        kind: &'static str,
        /// What to do instead.
        allowed: &'static str,
    },
    /// A gate with nothing to multiply.
    #[error(
        "a gate multiplies the bias by offset, of which there is none; add such a bias, or remove the gate"
    )]
    NothingToGate,
    /// Two choices that contradict each other.
    #[error("{first} and {second} cannot be combined; {allowed}")]
    Contradiction {
        /// One choice.
        first: &'static str,
        /// The other.
        second: &'static str,
        /// What would be allowed.
        allowed: &'static str,
    },
    /// A packed batch is one row of sequences.
    #[error(
        "a packed batch has batch {batch} and {sequences} sequences; batch 1 and at least one sequence are required"
    )]
    Packed {
        /// The batch of the shape.
        batch: u32,
        /// The sequences.
        sequences: u32,
    },
    /// A paged cache without blocks, or with blocks of no key.
    #[error(
        "a paged cache has {blocks} blocks of {block_size} keys; at least one of each is required"
    )]
    Paged {
        /// Blocks of the pool.
        blocks: u32,
        /// Keys of a block.
        block_size: u32,
    },
    /// A table by offset that would be too long.
    #[error("max_offset is {found}; 0..={maximum} are allowed")]
    MaxOffset {
        /// The offset asked for.
        found: u32,
        /// The largest allowed.
        maximum: u32,
    },
    /// An embedding width without pairs of sine and cosine.
    #[error("dimensions is {found}; an even number, 2..={maximum}, is required")]
    Dimensions {
        /// The width asked for.
        found: u32,
        /// The largest allowed.
        maximum: u32,
    },
    /// Rotated features that make no pairs, or no words of pairs.
    #[error(
        "the rotated dimensions are {found}; a multiple of {multiple}, {minimum}..={maximum}, is required"
    )]
    RopeDimensions {
        /// The features asked for.
        found: u32,
        /// The fewest allowed: 4 where the base is scaled.
        minimum: u32,
        /// 2, or 4 where numbers of 16 bits are paired across halves.
        multiple: u32,
        /// The most allowed: the features of a row.
        maximum: u32,
    },
    /// A base whose powers do not fall, as it is or scaled.
    #[error("the base of the rotation is {found}; a finite number above 1 is required")]
    RopeBase {
        /// The base asked for, or what scaling made of it.
        found: f64,
    },
    /// A scaling to shorter sequences.
    #[error(
        "the factor of the rotation's scaling is {found}; a finite number from 1 on is required"
    )]
    RopeFactor {
        /// The factor asked for.
        found: f64,
    },
    /// Turns that bound no ramp.
    #[error(
        "beta_slow is {beta_slow} and beta_fast {beta_fast}; finite numbers 0 < beta_slow < beta_fast are required"
    )]
    RopeTurns {
        /// The turns below which a frequency is divided.
        beta_slow: f64,
        /// The turns from which a frequency is kept.
        beta_fast: f64,
    },
    /// A length over which no pair makes `beta_slow` turns.
    #[error("original_length is {found}; beta_slow turns take at least {minimum}")]
    RopeOriginalLength {
        /// The length asked for.
        found: u32,
        /// The positions that the first pair needs.
        minimum: f64,
    },
    /// An attention factor that would hide or spoil every score.
    #[error("the attention factor is {found}; a positive number in the range of f32 is required")]
    RopeAttentionFactor {
        /// The factor asked for.
        found: f64,
    },
    /// Positions do not fit 32 signed bits.
    #[error("the last row has position {found}; at most {maximum} is allowed")]
    Position {
        /// The position of the last row.
        found: i64,
        /// The largest allowed.
        maximum: i64,
    },
    /// Two layouts for a tensor that is read and written where it lies.
    #[error("the input has {input:?} and the output {output:?}; in place they are one")]
    InPlaceLayouts {
        /// How the input lies.
        input: Layout,
        /// How the output lies.
        output: Layout,
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
    #[error("a row of {tensor} has {found} features; 1..={maximum} are allowed")]
    HeadDim {
        /// Which tensor.
        tensor: Tensor,
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
    /// Rows of a tensor would share elements.
    #[error(
        "a stride of {tensor} is {stride}; at least {minimum} is needed, so that rows do not overlap"
    )]
    Overlap {
        /// Which tensor.
        tensor: Tensor,
        /// The stride, in elements.
        stride: u32,
        /// The extent of what lies inside that dimension.
        minimum: u64,
    },
    /// Rows of 16-bit numbers that would begin in the middle of a word.
    #[error("{what} of {tensor} is {found}; numbers of 16 bits need an even one")]
    Odd {
        /// Which tensor.
        tensor: Tensor,
        /// The dimension or the stride.
        what: &'static str,
        /// The odd number.
        found: u32,
    },
    /// A layout for a tensor that has none.
    #[error("{tensor} is always contiguous; layouts are for q, k, v and out")]
    NoLayout {
        /// Which tensor.
        tensor: Tensor,
    },
    /// Positions do not fit 32-bit signed offsets.
    #[error(
        "query_offset is {found} and key_offset {keys}, of {q_len} queries and {k_len} keys; positions and offsets must stay within ±{maximum}"
    )]
    QueryOffset {
        /// The position of query row 0 that was asked for.
        found: i64,
        /// That of key row 0.
        keys: i64,
        /// Nq.
        q_len: u32,
        /// Nk.
        k_len: u32,
        /// The largest magnitude that an offset may have.
        maximum: i64,
    },
    /// A probability that leaves nothing, or is none.
    #[error("the probability of dropout is {found}; a number from 0 to below 1 is required")]
    Dropout {
        /// The probability asked for.
        found: f32,
    },
    /// A scale that is not a number or not finite.
    #[error("scale is {found}; a finite number is required")]
    Scale {
        /// The scale asked for.
        found: f32,
    },
}
