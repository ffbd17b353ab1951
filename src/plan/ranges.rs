//! The keys of a head in ranges, each in a dispatch of its own: where a binding does not hold them all, or a processor's cache.

use std::ops::Range;

use super::{Algorithm, bytes};
use crate::{Dtype, Layout, Problem, Tensor};

/// The largest offset of a binding that a device may ask for, in bytes.
const ALIGNMENT: u64 = 256;
/// Ranges but the last have a multiple of so many keys: those that a workgroup of `attention_decode.wgsl` takes at a time, for within such
/// tiles it does not look for the end of a range.
const TILE: u32 = 64;

/// Bytes of keys and values of a head that stay in a processor's caches while others use the processor, too.
const CACHE: u32 = 1 << 20;

/// The keys from 0 on in ranges of equal length, the last of which may be shorter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct KeyRanges {
    keys: u32,
    each: u32,
}

impl KeyRanges {
    /// All keys in one.
    pub(super) const fn whole(problem: &Problem) -> Self {
        let keys = problem.shape().k_len;
        Self { keys, each: keys }
    }

    /// As few as bindings of so many bytes hold, of one head each. One where no division helps: blocks of a paged cache lie anywhere, the
    /// sequences of a packed batch in tiles of their own, and a row may be too long by itself.
    pub(super) fn within(problem: &Problem, binding: u64) -> Self {
        let whole = Self::whole(problem);
        let undivided = problem.paged().is_some() || problem.mask().packed.is_some();
        let most = rows_within(problem, binding);
        if undivided || whole.keys <= most || most < TILE {
            return whole;
        }
        let count = whole.keys.div_ceil(most / TILE * TILE);
        let each = whole.keys.div_ceil(count).next_multiple_of(TILE);
        Self { each, ..whole }
    }

    /// As few as have so many keys at most, or else what caches hold; a dispatch of [`Algorithm::Broadcast`] goes on from what the one
    /// before has written. One where it could not, or need not: outputs of 16 bits would be rounded after each, sequences of a packed batch
    /// begin between tiles, a binding may not hold every log-sum-exp, and a window may show few keys.
    pub(super) fn stretches(problem: &Problem, most: Option<u32>, binding: u64) -> Self {
        let whole = Self::whole(problem);
        let most = most.unwrap_or_else(|| keys_in_cache(problem));
        let most = (most / Algorithm::LANES * Algorithm::LANES).max(Algorithm::LANES); // whole tiles
        let undivided = problem.dtype() != Dtype::F32
            || problem.mask().packed.is_some()
            || bytes(problem, Tensor::Lse) > binding;
        let window = problem.mask().window;
        let met = window.map_or(u32::MAX, |window| window.left.saturating_add(window.right));
        if undivided || whole.keys.min(met) <= most {
            return whole;
        }
        let count = whole.keys.div_ceil(most);
        let each = whole.keys.div_ceil(count);
        let each = each.next_multiple_of(Algorithm::LANES);
        Self { each, ..whole }
    }

    /// How many there are; one of no keys.
    pub(super) const fn count(self) -> u32 {
        if self.keys == 0 {
            return 1;
        }
        self.keys.div_ceil(self.each)
    }

    /// Keys of the longest.
    pub(super) const fn longest(self) -> u32 {
        self.each
    }

    pub(super) fn iter(self) -> impl Iterator<Item = Range<u32>> {
        (0..self.count()).map(move |n| {
            let first = n * self.each;
            first..first.saturating_add(self.each).min(self.keys)
        })
    }
}

/// Keys of a head that, with their values, a cache holds.
fn keys_in_cache(problem: &Problem) -> u32 {
    let features = problem.shape().head_dim.saturating_add(problem.value_dim());
    CACHE / features.saturating_mul(4).max(1)
}

/// Rows of keys, and as many of values, that a binding holds of one head.
fn rows_within(problem: &Problem, binding: u64) -> u32 {
    let shape = problem.shape();
    let [_, k, v, _] = problem.layouts();
    let rows = [(k, shape.head_dim), (v, problem.value_dim())].map(|(layout, features)| {
        let size = problem.dtype().bytes();
        let all = (u64::from(layout.row) * u64::from(shape.k_len.saturating_sub(1))
            + u64::from(features))
            * size;
        if all.next_multiple_of(4) <= binding && starts_aligned(&layout, size) {
            return shape.k_len;
        }
        // What is bound begins at a multiple of the alignment, and ends with a word.
        let elements = binding.saturating_sub(ALIGNMENT + 4) / size;
        match elements.checked_sub(features.into()) {
            Some(rest) => {
                1 + u32::try_from(rest / u64::from(layout.row.max(1))).unwrap_or(u32::MAX - 1)
            }
            None => 0,
        }
    });
    rows[0].min(rows[1])
}

/// Whether every head begins where a binding may.
fn starts_aligned(layout: &Layout, size: u64) -> bool {
    let aligned = |stride: u32| (u64::from(stride) * size).is_multiple_of(ALIGNMENT);
    aligned(layout.batch) && aligned(layout.head)
}
