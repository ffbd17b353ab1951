//! What can be wrong with a problem, each error naming what was found and what is allowed.

use thiserror::Error;

use crate::{IndexFormat, Layout, Tensor};

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
        "a gate multiplies the bias by offset, of which there is none; add one, or leave the gate"
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
    #[error("query_offset is {found}; offsets must stay within ±{maximum}")]
    QueryOffset {
        /// The offset asked for.
        found: i64,
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
        found: u64,
        /// The length that the problem asks for.
        expected: u64,
    },
    /// An index that its format cannot hold.
    #[error("an index is {found}; at most {maximum} fits IndexFormat::{format:?}")]
    IndexPastFormat {
        /// The index.
        found: u32,
        /// The format.
        format: IndexFormat,
        /// The largest that it holds.
        maximum: u32,
    },
    /// More keys or queries than there are.
    #[error("one of {tensor} is {found}; at most {maximum} is allowed")]
    LengthPastEnd {
        /// Key or query lengths.
        tensor: Tensor,
        /// The length.
        found: u32,
        /// Nk or Nq.
        maximum: u32,
    },
    /// Cumulative lengths that do not begin at 0, fall, or do not end at the number of rows.
    #[error("{tensor} has {found} behind {before}; starts rise from 0 to {end}")]
    Starts {
        /// Query or key starts.
        tensor: Tensor,
        /// The start before, or 0.
        before: u32,
        /// The start that is wrong.
        found: u32,
        /// The number of rows.
        end: u32,
    },
    /// A block that the pool does not have.
    #[error("a block of the table is {found}; the pool has {blocks}")]
    BlockPastEnd {
        /// The block.
        found: u32,
        /// Blocks of the pool.
        blocks: u32,
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
    /// A problem that cannot be differentiated.
    #[error("{what} has no backward pass; {allowed}")]
    NoBackward {
        /// What stands in the way.
        what: &'static str,
        /// What to do instead.
        allowed: &'static str,
    },
}

/// A position that bound work cannot be moved to; its uniforms are as before.
#[cfg(feature = "gpu")]
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum PositionError {
    /// A merge, a rotation or a matrix of indices.
    #[error(
        "the work is no forward pass, and has no position; only one that `Forward::bind` returned has"
    )]
    NoPosition,
    /// More keys than there is room for.
    #[error("{found} keys are asked for; the problem has room for {capacity}")]
    Keys {
        /// Keys asked for.
        found: u32,
        /// Nk of the problem.
        capacity: u32,
    },
    /// An offset that the table by offset was not made for.
    #[error(
        "offsets to ±{found} occur there; the problem was built for ±{maximum}: build it at its last position"
    )]
    Offset {
        /// The farthest offset.
        found: u64,
        /// The farthest that is possible.
        maximum: u32,
    },
}

/// A seed that bound work has no use for.
#[cfg(feature = "gpu")]
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum SeedError {
    /// Of a problem without dropout, or no pass over a problem at all.
    #[error(
        "the work leaves no weights out, and has no seed; build its problem with `ProblemBuilder::dropout`"
    )]
    NoDropout,
}

/// A device limit that kernels depend on.
#[cfg(feature = "gpu")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Limit {
    /// `max_compute_workgroup_storage_size`, bytes.
    WorkgroupStorage,
    /// `max_compute_invocations_per_workgroup`.
    Invocations,
    /// `max_storage_buffers_per_shader_stage`.
    StorageBuffers,
}

#[cfg(feature = "gpu")]
impl std::fmt::Display for Limit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::WorkgroupStorage => "max_compute_workgroup_storage_size",
            Self::Invocations => "max_compute_invocations_per_workgroup",
            Self::StorageBuffers => "max_storage_buffers_per_shader_stage",
        })
    }
}

/// Work cannot be bound to a device, or its result cannot be read; nothing was submitted unless the device was lost.
#[cfg(feature = "gpu")]
#[derive(Clone, Debug, Error, PartialEq)]
#[non_exhaustive]
pub enum Error {
    /// The tensors do not fit the problem.
    #[error(transparent)]
    Input(#[from] InputError),
    /// What is asked for is not valid.
    #[error(transparent)]
    Problem(#[from] ProblemError),
    /// A buffer or its bound range is shorter than its tensor.
    #[error("{tensor} is bound to {found} bytes; {needed} are needed")]
    BufferTooSmall {
        /// Which tensor.
        tensor: Tensor,
        /// Bytes in the bound range.
        found: u64,
        /// Bytes that the tensor has.
        needed: u64,
    },
    /// An offset that the device cannot bind.
    #[error("{tensor} starts at byte {offset}; a multiple of {alignment} is required")]
    Misaligned {
        /// Which tensor.
        tensor: Tensor,
        /// Its offset in bytes.
        offset: u64,
        /// What the offset must be a multiple of.
        alignment: u64,
    },
    /// A buffer that shaders cannot read.
    #[error("the buffer of {tensor} lacks BufferUsages::STORAGE")]
    NotStorage {
        /// Which tensor.
        tensor: Tensor,
    },
    /// A tensor past the device's limit.
    #[error("{tensor} takes {needed} bytes; the device binds at most {maximum}")]
    BindingTooLarge {
        /// Which tensor.
        tensor: Tensor,
        /// Bytes of the tensor.
        needed: u64,
        /// The device's `max_storage_buffer_binding_size`.
        maximum: u64,
    },
    /// Two outputs share bytes.
    #[error("{first} and {second} overlap, and both are written")]
    Aliased {
        /// One tensor.
        first: Tensor,
        /// The other.
        second: Tensor,
    },
    /// An output lies in the buffer of an input, which WebGPU allows nowhere in it.
    #[error(
        "{written} lies in the buffer of {read}; what is written needs a buffer that is not read"
    )]
    SharedBuffer {
        /// The input.
        read: Tensor,
        /// The output.
        written: Tensor,
    },
    /// More workgroups than the device dispatches.
    #[error("{found} workgroups are needed; the device dispatches at most {maximum} a dimension")]
    DispatchTooLarge {
        /// Workgroups in the largest dimension.
        found: u32,
        /// The device's limit.
        maximum: u32,
    },
    /// The device was requested with less than a kernel needs.
    #[error(
        "the device has {limit} {found}; {needed} is needed: request it with Capabilities::descriptor"
    )]
    DeviceLimit {
        /// Which limit.
        limit: Limit,
        /// What the device has.
        found: u32,
        /// What the kernel needs.
        needed: u32,
    },
    /// A way to compute a pass that is none of the problem's on the device.
    #[error("{found} does not run this problem on this device; plan::candidates lists what does")]
    Candidate {
        /// What was asked for.
        found: crate::plan::Candidate,
    },
    /// A file of what was tuned cannot be used.
    #[cfg(feature = "tuning-file")]
    #[error(transparent)]
    TuningFile(#[from] crate::tune::TuningFileError),
    /// The device was lost before the result came back.
    #[error("the device was lost; make a new one and try again")]
    DeviceLost,
}
