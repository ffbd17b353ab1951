//! The WGSL files, and how they are put together.
//!
//! Module scope has no order in WGSL, so linking is concatenation: the prelude, the entry, its parts, one file a slot.

use crate::plan::{Algorithm, BiasSlot, Variant};

/// The kernel that gathers the bias by clamped offset.
pub(crate) const OFFSET_TABLE: &str = include_str!("../shaders/offset_table.wgsl");

/// The kernel that builds the bucket-index matrix; `PER_WORD` is left open.
pub(crate) const BUCKET_INDEX: &str = include_str!("../shaders/bucket_index.wgsl");

const FRAGMENTS: &str = include_str!("../shaders/attention_forward.wgsl");
const BROADCAST: &str = include_str!("../shaders/attention_forward_broadcast.wgsl");
const TENSORS: &str = include_str!("../shaders/part/tensors.wgsl");
const INFINITY: &str = include_str!("../shaders/part/infinity.wgsl");
const MASK: &str = include_str!("../shaders/part/mask.wgsl");
const PARAMS: &str = include_str!("../shaders/part/params.wgsl");
const MASK_KEYS: &str = include_str!("../shaders/part/mask_keys.wgsl");
const MASK_NONE: &str = include_str!("../shaders/part/mask_none.wgsl");
const BIAS_NONE: &str = include_str!("../shaders/part/bias_none.wgsl");
const BIAS_INDEX: &str = include_str!("../shaders/part/bias_index.wgsl");
const BIAS_OFFSET: &str = include_str!("../shaders/part/bias_offset.wgsl");
const BIAS_STRIP: &str = include_str!("../shaders/part/bias_strip.wgsl");

/// The complete WGSL of a variant.
#[must_use]
pub fn link(variant: &Variant) -> String {
    let (entry, offset) = match variant.algorithm {
        Algorithm::Fragments => (FRAGMENTS, BIAS_STRIP),
        Algorithm::Broadcast => (BROADCAST, BIAS_OFFSET),
    };
    let bias = match variant.bias {
        BiasSlot::None => BIAS_NONE,
        BiasSlot::Offset => offset,
        BiasSlot::Index { .. } => BIAS_INDEX,
    };
    let keys = if variant.key_mask {
        MASK_KEYS
    } else {
        MASK_NONE
    };
    let prelude = variant.prelude();
    [&prelude, entry, PARAMS, TENSORS, MASK, INFINITY, keys, bias].join("\n")
}
