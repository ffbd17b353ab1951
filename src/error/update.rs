//! What can be wrong with a change of bound work.

use thiserror::Error;

/// A position that bound work cannot be moved to; its uniforms are as before.
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
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum SeedError {
    /// Of a problem without dropout, or no pass over a problem at all.
    #[error(
        "the work leaves no weights out, and has no seed; build its problem with `ProblemBuilder::dropout`"
    )]
    NoDropout,
}
