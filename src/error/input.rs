//! What can be wrong with the tensors of the host.

use thiserror::Error;

use crate::{IndexFormat, Tensor};

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
    /// A weight of FIRE's MLP that does not fit the others.
    #[error("{weight} of FIRE has {found} numbers; the others need {expected}")]
    FireWeight {
        /// Which weight.
        weight: &'static str,
        /// Its length.
        found: usize,
        /// The length that w1 and b2 ask for.
        expected: usize,
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
