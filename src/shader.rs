//! The WGSL files, and how they are put together.
//!
//! Module scope has no order in WGSL, so linking is concatenation: the prelude, the entry, its parts, one file a slot.

use crate::plan::{BiasSlot, Variant};

/// The kernel that gathers the bias by clamped offset.
pub(crate) const OFFSET_TABLE: &str = include_str!("../shaders/offset_table.wgsl");

/// The kernel that builds the bucket-index matrix; `PER_WORD` is left open.
pub(crate) const BUCKET_INDEX: &str = include_str!("../shaders/bucket_index.wgsl");

const ATTENTION_FORWARD: &str = include_str!("../shaders/attention_forward.wgsl");
const PARAMS: &str = include_str!("../shaders/part/params.wgsl");
const MASK_KEYS: &str = include_str!("../shaders/part/mask_keys.wgsl");
const MASK_NONE: &str = include_str!("../shaders/part/mask_none.wgsl");
const BIAS_NONE: &str = include_str!("../shaders/part/bias_none.wgsl");
const BIAS_INDEX: &str = include_str!("../shaders/part/bias_index.wgsl");
const BIAS_OFFSET: &str = include_str!("../shaders/part/bias_offset.wgsl");

/// The complete WGSL of a variant.
#[must_use]
pub fn link(variant: &Variant) -> String {
    let bias = match variant.bias {
        BiasSlot::None => BIAS_NONE,
        BiasSlot::Offset => BIAS_OFFSET,
        BiasSlot::Index { .. } => BIAS_INDEX,
    };
    let mask = if variant.key_mask {
        MASK_KEYS
    } else {
        MASK_NONE
    };
    [&variant.prelude(), ATTENTION_FORWARD, PARAMS, bias, mask].join("\n")
}
