//! A few query rows against many keys: parts of the keys apart, then merged.

use super::Variant;
use super::bound::workspace;
use super::split::{Chunk, Work};
use crate::{Capabilities, Problem};

/// What the parts leave behind.
pub(super) struct Parts {
    /// `[S, sequences, heads, rows, Dv]` of a chunk.
    pub(super) out: wgpu::Buffer,
    /// `[S, sequences, heads, rows]`.
    pub(super) lse: wgpu::Buffer,
}

/// Keys of a part at least: fewer would not repay the merge.
const KEYS: u32 = 512;
/// Parts at most: each is read once more by the merge.
const MOST: u32 = 128;

/// How many parts the keys of a problem are split into: so many that one row of one head uses the whole device, if it has keys
/// enough.
pub(super) fn splits(problem: &Problem, variant: &Variant, capabilities: &Capabilities) -> u32 {
    let shape = problem.shape();
    let tiles = shape.q_len.div_ceil(variant.q_tile());
    let unsplit = shape
        .batch
        .saturating_mul(shape.heads)
        .saturating_mul(tiles);
    let wanted = capabilities.busy_workgroups.div_ceil(unsplit.max(1));
    shape.k_len.div_ceil(KEYS).clamp(1, wanted.clamp(1, MOST))
}

/// The most parts that the keys of a problem may be split into.
pub(super) fn most_splits(problem: &Problem) -> u32 {
    problem.shape().k_len.clamp(1, MOST)
}

impl Parts {
    /// As much as the largest chunk needs: chunks are computed and merged one after the other.
    pub(super) fn new(device: &wgpu::Device, work: &Work<'_>, chunks: &[Chunk]) -> Self {
        let bytes = chunks.iter().map(|chunk| work.part_bytes(chunk));
        let [out, lse] = bytes.fold([0; 2], |[out, lse], [more_out, more_lse]| {
            [out.max(more_out), lse.max(more_lse)]
        });
        Self {
            out: workspace(device, "relattn::part_out", out),
            lse: workspace(device, "relattn::part_lse", lse),
        }
    }
}

/// The storage bindings of the merge, and whether each is only read.
pub(crate) fn merge_bindings() -> Vec<(u32, bool)> {
    vec![(4, false), (5, false), (19, true), (20, true)]
}

/// An invocation for four features of each row of a chunk.
pub(super) fn merge_workgroups(work: &Work<'_>, chunk: &Chunk) -> [u32; 3] {
    let rows = (chunk.tiles.end - chunk.tiles.start).saturating_mul(work.tile);
    let vectors = work.problem.value_dim().div_ceil(4);
    let [_, heads, batch] = chunk.workgroups(1);
    [rows.saturating_mul(vectors).div_ceil(64), heads, batch]
}
